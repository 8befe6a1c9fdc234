import { cidrText, holds, networkOf, notAHost, parseAddress } from '../inventory/addresses.ts';
import { hostNamed, hostsIn } from '../inventory/derived.ts';
import type { Path } from '../inventory/document.ts';
import type { Cidr, Host, Interface, Service } from '../inventory/model.ts';
import { serviceSays } from '../inventory/places.ts';
import { whole } from './examples.ts';
import type { Question, Rule } from './rule.ts';

type Vip = Service['vips'][number];

const dr = (hosts: string, vip = '192.0.2.100', directors = 'directors: [lvs], ', more = '') =>
  whole(`hosts:
${hosts}
  web1: { interfaces: { eth0: { addresses: [192.0.2.11/24] } } }
${more}services:
  web: { mode: dr, vip: ${vip}, port: 80, ${directors}real_servers: { web1: {} } }
`);
const one = (said: string) => `  lvs: { interfaces: { ${said} } }`;
const pairOn = (instance: string) =>
  dr(
    `  lvs1: { interfaces: { eth0: { addresses: [192.0.2.10/24] }, eth1: { addresses: [10.0.0.2/24] } } }
  lvs2: { interfaces: { eth0: { addresses: [192.0.2.20/24] }, eth1: { addresses: [10.0.0.3/24] } } }`,
    'site',
    '',
    `vrrp: { edge: { nodes: { lvs1: { priority: 100 }, lvs2: { priority: 90 } }, instances: { it: { virtual_router_id: 51, interface: ${instance} } } } }
vips: { site: { addresses: [192.0.2.100], vrrp: edge.it } }
`,
  );

/** Where addresses and networks stand. */
export const ADDRESSES: readonly Rule[] = [
  {
    code: 'LVS-ADDR-001',
    severity: 'warning',
    title: 'a VIP in no network that anybody knows a way to',
    why: 'The VIP is in no network of its directors, so their neighbours don’t ask for it; and no router on their segments that is described here has that network or a route to it. Requests will not find it. Often two lines name two addresses where one was meant.',
    remedy: 'Correct the VIP, or describe the router that has a route to it.',
    source: 'ip-route(8); RFC 826',
    bad: dr(one('eth0: { addresses: [192.0.2.10/24] }'), '203.0.113.100'),
    good: dr(one('eth0: { addresses: [192.0.2.10/24] }')),
    *check(question) {
      const { hosts, services } = question.cluster;
      const met = new Set<string>();
      let wires: Wires | undefined;
      for (const service of services) {
        const directors = hostsIn(hosts, service.directors);
        if (!directors.some(({ interfaces }) => interfaces.some(({ addresses }) => addresses.length > 0))) continue;
        for (const vip of service.vips) {
          if (met.has(vip.address) || directors.some((host) => isIn(host, vip))) continue;
          wires ??= wiresOf(hosts);
          if (hasWay(wires, directors, vip)) continue;
          met.add(vip.address);
          const networks = directors.flatMap(({ interfaces }) =>
            interfaces.flatMap(({ addresses }) => addresses.filter(({ family }) => family === vip.family)),
          );
          yield {
            path: vipPath(question, service.name, vip),
            what: `the VIP ${vip.address} is in no network of ${service.directors.join(' and ')} (${[...new Set(networks.map((own) => cidrText(networkOf(own))))].join(', ') || `no IPv${vip.family} at all`}), and no router described here has a route to it`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-ADDR-002',
    severity: 'warning',
    title: 'a VIP on the wrong wire',
    why: 'The VRRP instance that carries the VIP speaks on another interface than the one in the VIP’s network. It is announced to neighbours that never ask for it, and those that do learn of a takeover late; and the loss of the interface that counts is not noticed.',
    remedy: 'Name the instance of the VIP’s own network (vrrp: GROUP.INSTANCE), or another interface there.',
    source: 'keepalived.conf(5), vrrp_instance, interface',
    bad: pairOn('eth1'),
    good: pairOn('eth0'),
    *check(question) {
      const { vrrp, services } = question.cluster;
      const groups = new Map(vrrp.map((group) => [group.name, group]));
      const met = new Set<string>();
      for (const { name, vips, vrrp: carried } of services) {
        const instance = groups.get(carried?.group ?? '')?.instances.find((each) => each.name === carried?.instance);
        for (const vip of instance === undefined ? [] : vips) {
          for (const node of instance?.nodes ?? []) {
            const host = hostNamed(question.cluster, node.host);
            const speaking = host?.interfaces.find((each) => each.name === node.device);
            const meant = host?.interfaces.find((each) => each.addresses.some((own) => holds(own, vip)));
            if (meant === undefined || speaking === undefined || meant === speaking || met.has(vip.address)) continue;
            if (speaking.addresses.some((own) => holds(own, vip))) continue;
            met.add(vip.address);
            yield {
              path: vipPath(question, name, vip),
              what: `${vip.address} is in the network of ${node.host}’s ${meant.name}, and ${carried?.group}.${carried?.instance} carries it on ${node.device}`,
              also: {
                path: ['vrrp', carried?.group ?? '', 'instances', carried?.instance ?? ''],
                of: 'key',
                says: `speaks on ${node.device}`,
              },
            };
          }
        }
      }
    },
  },
  {
    code: 'LVS-ADDR-003',
    severity: 'error',
    title: 'one network on two wires of a host',
    why: 'A host looks up one interface for a network. What it sends to an address there leaves by that one, also where the other host is on the other wire: in nat mode a reply to a client of that network never reaches it.',
    remedy: 'Give one of the wires a network of its own.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, arp_filter; ip-route(8)',
    bad: dr(one('eth0: { addresses: [192.0.2.10/24] }, eth1: { addresses: [192.0.2.20/24], segment: inside }')),
    good: dr(one('eth0: { addresses: [192.0.2.10/24] }, eth1: { addresses: [198.51.100.20/24], segment: inside }')),
    *check({ cluster }) {
      for (const host of cluster.hosts) {
        for (const [first, second, network] of twice(host)) {
          if (first.segment === second.segment) continue;
          yield {
            path: ['hosts', host.name, 'interfaces', second.name],
            of: 'key',
            what: `${network} stands on ${host.name}’s ${first.name} (segment ${first.segment}) and on its ${second.name} (segment ${second.segment})`,
            also: { path: ['hosts', host.name, 'interfaces', first.name], of: 'key', says: 'the same network' },
          };
        }
      }
    },
  },
  {
    code: 'LVS-ADDR-004',
    severity: 'warning',
    title: 'two interfaces of a host in one network',
    why: 'Linux answers ARP for an address on whichever interface the question comes in, and sends all replies out by one of the two. Neighbours learn one MAC address and then the other; a switch sees the host in two places.',
    remedy: 'Bond the two interfaces, put both addresses on one, or give one of them another network.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, arp_filter and arp_ignore',
    bad: dr(one('eth0: { addresses: [192.0.2.10/24] }, eth1: { addresses: [192.0.2.20/24] }')),
    good: dr(one('eth0: { addresses: [192.0.2.10/24, 192.0.2.20/24] }')),
    *check({ cluster }) {
      for (const host of cluster.hosts.filter(({ managed }) => managed)) {
        for (const [first, second, network] of twice(host)) {
          if (first.segment !== second.segment) continue;
          yield {
            path: ['hosts', host.name, 'interfaces', second.name],
            of: 'key',
            what: `${host.name}’s ${first.name} and ${second.name} are both in ${network}`,
            also: { path: ['hosts', host.name, 'interfaces', first.name], of: 'key', says: 'the same network' },
          };
        }
      }
    },
  },
  {
    code: 'LVS-ADDR-005',
    severity: 'warning',
    title: 'one network on two segments',
    why: 'Hosts with addresses in one network take each other for neighbours and ask by ARP, which ends at the segment: they don’t find each other, and no router is asked to help.',
    remedy: 'Give one segment another network, or both interfaces the same segment.',
    source: 'RFC 826; RFC 1122, section 3.3.1.1',
    bad: dr(
      one('eth0: { addresses: [192.0.2.10/24] }'),
      '192.0.2.100',
      undefined,
      '  far: { interfaces: { eth0: { addresses: [192.0.2.50/24], segment: away } } }\n',
    ),
    good: dr(
      one('eth0: { addresses: [192.0.2.10/24] }'),
      '192.0.2.100',
      undefined,
      '  far: { interfaces: { eth0: { addresses: [198.51.100.50/24], segment: away } } }\n',
    ),
    *check({ cluster }) {
      const first = new Map<string, { host: string; device: string; segment: string }>();
      const told = new Set(cluster.hosts.flatMap((host) => [...twice(host)].map(([, , network]) => network)));
      for (const host of cluster.hosts) {
        for (const { name, addresses, segment } of host.interfaces) {
          for (const network of new Set(addresses.filter(isNetwork).map((own) => cidrText(networkOf(own))))) {
            const earlier = first.get(network);
            first.set(network, earlier ?? { host: host.name, device: name, segment });
            if (earlier === undefined || earlier.segment === segment || told.has(network)) continue;
            told.add(network);
            yield {
              path: ['hosts', host.name, 'interfaces', name],
              of: 'key',
              what: `${network} is on segment ${earlier.segment} at ${earlier.host}, and on segment ${segment} at ${host.name}`,
              also: {
                path: ['hosts', earlier.host, 'interfaces', earlier.device],
                of: 'key',
                says: `on segment ${earlier.segment}`,
              },
            };
          }
        }
      }
    },
  },
  {
    code: 'LVS-ADDR-006',
    severity: 'error',
    title: 'a VIP that is its network’s own or broadcast address',
    why: 'The neighbours and the router take packets to it for broadcasts, and ask nobody for its MAC address.',
    remedy: 'Take another address of the network.',
    source: 'RFC 1122, section 3.2.1.3; RFC 919',
    bad: dr(one('eth0: { addresses: [192.0.2.10/24] }'), '192.0.2.255'),
    good: dr(one('eth0: { addresses: [192.0.2.10/24] }'), '192.0.2.254'),
    *check(question) {
      const { cluster } = question;
      for (const { name, vips, directors } of cluster.services) {
        const networks = directors
          .flatMap((director) => hostNamed(cluster, director) ?? [])
          .flatMap(({ interfaces }) => interfaces.flatMap(({ addresses }) => addresses));
        for (const vip of vips) {
          const network = networks.find(
            (each) => vip.family === 4 && holds(each, vip) && notAHost({ ...vip, prefix: each.prefix }) !== undefined,
          );
          if (network === undefined) continue;
          yield {
            path: serviceSays(question, name, 'vip'),
            what: `${vip.address} is ${notAHost({ ...vip, prefix: network.prefix })} in ${cidrText(networkOf(network))}`,
          };
        }
      }
    },
  },
];

/** A single address is no network that others could stand in. */
function isNetwork({ prefix, family }: Interface['addresses'][number]): boolean {
  return prefix < (family === 4 ? 32 : 128);
}

function isIn({ interfaces }: Host, vip: Vip): boolean {
  return interfaces.some(({ addresses }) => addresses.some((own) => holds(own, vip)));
}

/** By segment: the networks that hosts on it have or have routes to, each once, and which hosts. */
type Wires = Map<string, Wire>;
type Wire = Map<string, { network: Cidr; hosts: Set<Host> }>;

function wiresOf(hosts: readonly Host[]): Wires {
  const wires: Wires = new Map();
  for (const host of hosts) {
    const known = host.interfaces.flatMap(({ addresses, routes }) => [
      ...addresses.map(networkOf),
      ...routes.map(({ to }) => to),
    ]);
    for (const segment of new Set(host.interfaces.map((one) => one.segment))) {
      const wire: Wire = wires.get(segment) ?? new Map();
      wires.set(segment, wire);
      for (const network of known) {
        const key = cidrText(network);
        const entry = wire.get(key) ?? { network, hosts: new Set() };
        wire.set(key, entry);
        entry.hosts.add(host);
      }
    }
  }
  return wires;
}

/** Whether a router on a segment of the directors has the VIP's network, or a route to it. */
function hasWay(wires: Wires, directors: readonly Host[], vip: Vip): boolean {
  const segments = new Set(directors.flatMap(({ interfaces }) => interfaces.map(({ segment }) => segment)));
  return [...segments].some((segment) =>
    [...(wires.get(segment)?.values() ?? [])].some(
      ({ network, hosts }) => holds(network, vip) && hosts.size > directors.filter((host) => hosts.has(host)).length,
    ),
  );
}

/** Two interfaces of a host that are in one network, the first two for each. */
function* twice(host: Host): Generator<[Interface, Interface, string]> {
  const first = new Map<string, Interface>();
  const told = new Set<string>();
  for (const one of host.interfaces) {
    for (const network of new Set(one.addresses.filter(isNetwork).map((own) => cidrText(networkOf(own))))) {
      const earlier = first.get(network);
      if (earlier !== undefined && !told.has(network)) yield [earlier, one, network];
      if (earlier !== undefined) told.add(network);
      first.set(network, earlier ?? one);
    }
  }
}

/** Where a VIP is written: at the service, or under vips. */
function vipPath({ said }: Question, service: string, vip: Vip): Path {
  const name = said.services?.[service]?.vip ?? '';
  const named = said.vips?.[name];
  if (named === undefined) return ['services', service, 'vip'];
  const index = named.addresses.findIndex((address) => parseAddress(address)?.address === vip.address);
  return index < 0 ? ['vips', name] : ['vips', name, 'addresses', index];
}
