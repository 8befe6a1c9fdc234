import { createHash } from 'node:crypto';
import type { Application, Cluster, Secret } from './model.ts';

/**
 * SHA-256 (hex) of what an inventory means: equal for two files that say the same in other words or order of keys,
 * and wherever they stand. Pure.
 */
export function inventoryFingerprint(cluster: Cluster): string {
  const { file: _file, hooks: _hooks, webServers, applications, vrrp, ...rest } = cluster;
  const meaning = {
    ...rest,
    webServers: webServers.map(({ indexPlace: _place, ...server }) => server),
    applications: applications.map(applicationMeaning),
    vrrp: vrrp.map(({ authPass, ...group }) => ({ ...group, authPass: authPass && secretMeaning(authPass) })),
  };
  return createHash('sha256').update(canonical(meaning)).digest('hex');
}

/** Of a secret only that it is one: its value has a digest of its own in plans. */
function secretMeaning({ name, from }: Secret) {
  return { name, from: Object.keys(from) };
}

/** Archives count by their hash. */
function applicationMeaning({ index, source, ...application }: Application) {
  const meant =
    source.type === 'package'
      ? source
      : [source.archive.sha256, source.java === 'package' ? source.java : source.java.sha256];
  return { ...application, index: index?.content, source: meant };
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
