import type { Cluster, Host } from '../../src/inventory/model.ts';

/** A cluster that describes nothing. */
export function emptyCluster(name = 'c'): Cluster {
  return {
    ...{ name, file: '/lvs.yaml', groups: [], hosts: [], vrrp: [], services: [], ipvs: {} },
    ...{ webServers: [], proxies: [], applications: [], firewall: { manage: false, trusted: [] }, hooks: {} },
  };
}

/** A host of which only the name counts. */
export function bareHost(name: string): Host {
  return { name, ssh: { address: name }, owns: [] as Host['owns'], managed: true } as Host;
}
