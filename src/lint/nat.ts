import { hostsIn, serversOf } from '../inventory/derived.ts';
import type { Cluster, Host, Service } from '../inventory/model.ts';
import { whole } from './examples.ts';
import type { Found, Question, Rule } from './rule.ts';

/** A pair in nat mode; `gateway` is the real server's, `inside` where its floating address is described. */
const natPair = (gateway: string, more: { inside?: string; other?: string } = {}) =>
  whole(`hosts:
  lvs1: { interfaces: { out: { addresses: [192.0.2.10/24] }, in: { addresses: [10.0.0.2/24] } } }
  lvs2: { interfaces: { out: { addresses: [192.0.2.20/24] }, in: { addresses: [10.0.0.3/24] } } }
  web1: { interfaces: { eth0: { addresses: [10.0.0.11/24]${gateway} } } }
vrrp:
  edge:
    nodes: { lvs1: { priority: 100 }, lvs2: { priority: 90 } }
    instances:
      outside: { virtual_router_id: 51, interface: out }
${more.inside ?? '      inside: { virtual_router_id: 52, interface: in, addresses: [10.0.0.1/24] }'}
${more.other ?? ''}vips: { site: { addresses: [192.0.2.100], vrrp: edge.outside } }
services:
  web: { mode: nat, vip: site, port: 80, real_servers: { web1: {} } }
`);

/** NAT with two directors: what follows for the real servers' gateway. */
export const NAT: readonly Rule[] = [
  {
    code: 'LVS-NAT-001',
    severity: 'error',
    title: 'the real server’s gateway is one director’s own address',
    why: 'In nat mode the reply has to pass the director that rewrote the request. Two directors share the VIP here: after a takeover the requests come from the other one, and the replies still go to the first, which is down or knows nothing of them.',
    remedy:
      'Give the pair a floating address on the inside (vrrp instances, addresses), and name that as gateway; left out, it follows by itself.',
    source: 'keepalived.conf(5), vrrp_sync_group; ipvsadm(8), --masquerading',
    bad: natPair(', gateway: 10.0.0.2'),
    good: natPair(''),
    *check({ cluster }) {
      const owners = new Map(
        cluster.hosts.flatMap(({ name, interfaces }) =>
          interfaces.flatMap((one) => one.addresses.map(({ address }) => [address, name] as const)),
        ),
      );
      for (const { host, service, device, gateway } of gateways(cluster)) {
        const owner = owners.get(gateway);
        if (owner === undefined || !service.directors.includes(owner)) continue;
        yield {
          path: ['hosts', host.name, 'interfaces', device, 'gateway'],
          what: `the gateway ${gateway} is ${owner}’s own address, and ${service.directors.join(' and ')} take turns for ${service.name}`,
        };
      }
    },
  },
  {
    code: 'LVS-NAT-002',
    severity: 'error',
    title: 'the VIP and the real servers’ gateway float apart',
    why: 'The VIP and the gateway of the real servers belong to two VRRP groups, which choose their masters each for itself. As soon as these are two hosts, requests come through one and replies leave through the other, which has no connection to rewrite them by.',
    remedy: 'Put both instances into one VRRP group: its instances move together.',
    source: 'keepalived.conf(5), vrrp_sync_group',
    bad: natPair('', {
      inside: '',
      other: `  core:
    nodes: { lvs1: { priority: 100 }, lvs2: { priority: 90 } }
    instances: { inside: { virtual_router_id: 52, interface: in, addresses: [10.0.0.1/24] } }
`,
    }).replace('[10.0.0.11/24]', '[10.0.0.11/24], gateway: 10.0.0.1'),
    good: natPair(', gateway: 10.0.0.1'),
    *check({ cluster }: Question): Generator<Found> {
      const holders = new Map<string, Cluster['vrrp'][number]>();
      for (const group of cluster.vrrp) {
        for (const { address } of group.instances.flatMap(({ addresses }) => addresses))
          holders.set(address, holders.get(address) ?? group);
      }
      for (const { host, service, device, gateway } of gateways(cluster)) {
        const holder = holders.get(gateway);
        if (holder === undefined || holder.name === service.vrrp?.group) continue;
        yield {
          path: ['hosts', host.name, 'interfaces', device, 'gateway'],
          what: `the gateway ${gateway} floats with ${holder.name}, and the VIP of ${service.name} with ${service.vrrp?.group}`,
          also: { path: ['vrrp', holder.name], of: 'key', says: 'the other group' },
        };
      }
    },
  },
];

/** The gateways of real servers whose service a pair carries in nat mode. */
function* gateways(cluster: Cluster): Generator<{ host: Host; service: Service; device: string; gateway: string }> {
  for (const service of cluster.services.filter(
    ({ mode, vrrp, directors }) => mode === 'nat' && vrrp && directors.length > 1,
  )) {
    const families = new Set(service.vips.map(({ family }) => (family === 4 ? ('v4' as const) : ('v6' as const))));
    const names = service.virtuals.flatMap((row) => serversOf(service, row).map((server) => server.host));
    for (const host of hostsIn(cluster.hosts, names)) {
      for (const { name: device, gateways: said } of host.interfaces) {
        for (const family of families) {
          const gateway = said[family];
          if (gateway !== undefined) yield { host, service, device, gateway };
        }
      }
    }
  }
}
