import { createHash } from 'node:crypto';
import type { Cluster } from './model.ts';

/**
 * SHA-256 (hex) of what an inventory means: equal for two files that say the same in other words or order of keys,
 * and wherever they stand. Pure.
 */
export function inventoryFingerprint(cluster: Cluster): string {
  const { file: _file, webServers, ...rest } = cluster;
  const meaning = { ...rest, webServers: webServers.map(({ indexPlace: _place, ...server }) => server) };
  return createHash('sha256').update(canonical(meaning)).digest('hex');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
