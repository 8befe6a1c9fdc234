import { directedBy } from '../inventory/derived.ts';
import type { Cluster, Host } from '../inventory/model.ts';
import { type ManifestEntry, parseManifest, type StagedResource } from '../plan/manifest.ts';
import type { Facts } from '../platform/facts.ts';
import { FAMILIES } from '../platform/families.ts';
import { keyOf, type ServiceResource } from '../resources/index.ts';
import { ipvsRules, tableOwner } from '../roles/ipvs.ts';
import { keepalivedTable } from '../roles/keepalived.ts';

/**
 * What takes a run's changes back on a host and, where it is a director, what its table is made of besides: looked at
 * and left as it is, so that real servers can be drained there. Pure.
 */
export function withKnown(
  cluster: Cluster,
  host: Host,
  facts: Facts,
  back: readonly StagedResource[],
): StagedResource[] {
  const keys = new Set(back.map(({ resource }) => keyOf(resource)));
  return [...back, ...knownOf(cluster, host, facts).filter(({ resource }) => !keys.has(keyOf(resource)))];
}

/**
 * The rows that lvsctl has there, or the inventory describes; keepalived's unit; and its configuration where the record
 * tells what in it is secret: a rollback knows no secrets, and must not show any.
 */
function knownOf(cluster: Cluster, host: Host, facts: Facts): StagedResource[] {
  const entries = parseManifest(facts.manifest)?.entries ?? [];
  const rows = new Map(rowsOf(cluster, host, entries).map((one) => [keyOf(one.resource), one]));
  if (rows.size === 0) return [];
  const { unit, config } = FAMILIES[facts.platform].keepalived;
  const conf = entries.filter(
    ({ resource }) => resource.kind === 'file' && resource.state === 'present' && resource.path === config,
  );
  const service: ServiceResource = {
    kind: 'service',
    unit,
    enabled: null,
    running: true,
    config: [],
    activate: 'reload',
  };
  return [
    ...[...rows.values(), ...conf.map(asStaged)].map((one) => ({ ...one, known: true })),
    { stage: 'vip', resource: service, known: true },
  ];
}

/** Those of the record come last: they count where both have one. */
function rowsOf(cluster: Cluster, host: Host, entries: readonly ManifestEntry[]): StagedResource[] {
  const services = directedBy(cluster, host.name);
  const keepalived = tableOwner(cluster, host.name) === 'keepalived';
  const foreign = !host.owns.includes('ipvs') && !(keepalived && host.owns.includes('vrrp'));
  const described = keepalived
    ? keepalivedTable(services)
    : ipvsRules(services).map((resource): StagedResource => ({ stage: 'rules', resource }));
  const recorded = entries.filter(({ resource }) => resource.kind === 'ipvs' && resource.state === 'present');
  return [...described.map((one) => (foreign ? { ...one, foreign } : one)), ...recorded.map(asStaged)];
}

function asStaged({ stage, resource }: ManifestEntry): StagedResource {
  return { stage, resource };
}
