import type { Cidr, Cluster, Host, Interface } from '../../src/inventory/model.ts';

/** `10.0.0.1/24` as the model has it. */
export function cidr(text: string): Cidr {
  const [address = '', prefix = ''] = text.split('/');
  return { address, prefix: Number(prefix), family: address.includes(':') ? 6 : 4 };
}

export function nic(name: string, segment: string, addresses: string[], more: Partial<Interface> = {}): Interface {
  const link = { type: 'ethernet' } as const;
  return { name, link, addresses: addresses.map(cidr), gateways: {}, routes: [], dns: [], segment, ...more };
}

export function host(name: string, interfaces: Interface[], managed = true, more: Partial<Host> = {}): Host {
  return {
    name,
    groups: [],
    managed,
    owns: [],
    forwarding: false,
    interfaces,
    ssh: { address: name },
    sysctls: {},
    packages: [],
    modules: [],
    files: [],
    units: [],
    byPlatform: {},
    timeServers: [],
    vars: {},
    ...more,
  };
}

/** A cluster of these hosts without any service. */
export function cluster(file: string, hosts: Host[], more: Partial<Cluster> = {}): Cluster {
  return {
    name: 'small',
    file,
    groups: [],
    hosts,
    vrrp: [],
    services: [],
    ipvs: {},
    webServers: [],
    proxies: [],
    applications: [],
    firewall: { manage: false, trusted: [] },
    hooks: {},
    ...more,
  };
}
