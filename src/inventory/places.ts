import { hostNamed } from './derived.ts';
import type { Path } from './document.ts';
import { hasPath } from './merge.ts';
import type { Cluster } from './model.ts';
import type { Inventory, InventoryService } from './schema.ts';

/** A cluster, and the inventory as it was written. */
export interface Said {
  cluster: Cluster;
  said: Inventory;
}

/** Where a service, or the defaults of services, says something; where neither does, the service. Pure. */
export function serviceSays({ said }: Said, service: string, key: keyof InventoryService): Path {
  const own: Path = ['services', service, key];
  const shared: Path = ['defaults', 'service', key];
  return [own, shared].find((path) => hasPath(said, path)) ?? ['services', service];
}

/** Where a host, a group of its or the defaults of hosts say something; where none does, the host. Pure. */
export function hostSays({ said, cluster }: Said, host: string, ...key: string[]): Path {
  const groups = hostNamed(cluster, host)?.groups ?? [];
  const places = [['hosts', host], ...groups.map((group) => ['groups', group]), ['defaults', 'host']];
  return places.map((path): Path => [...path, ...key]).find((path) => hasPath(said, path)) ?? ['hosts', host];
}

/** Where a service names a real server: by itself or by a group. Pure. */
export function realServerSays({ said, cluster }: Said, service: string, host: string, ...key: string[]): Path {
  const at: Path = ['services', service, 'real_servers'];
  const groups = hostNamed(cluster, host)?.groups ?? [];
  const named = [host, ...groups].filter((name) => hasPath(said, [...at, name]));
  const says = named.map((name): Path => [...at, name, ...key]).find((path) => hasPath(said, path));
  return says ?? (named[0] === undefined ? at : [...at, named[0]]);
}
