import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { type Diagram, type End, type Node, type Port, ROLES, type Step } from '../../src/graph/diagram.ts';
import { diagramOf } from '../../src/graph/model.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import { clientsOf, pathsOf } from '../../src/path/ask.ts';
import { netOf } from '../../src/path/build.ts';

const folder = new URL('../../inventories/', import.meta.url).pathname;

export const NAMES = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.replace(/\.yaml$/u, ''));

export function clusterOf(name: string): Cluster {
  return loadCluster([`${folder}${name}.yaml`]);
}

/** A cluster's diagram, with the ways to its first service where there is a client. */
export function drawn(cluster: Cluster): Diagram {
  const net = netOf(cluster);
  const [service] = cluster.services;
  const from = clientsOf(cluster)[0]?.name;
  const paths =
    service === undefined || from === undefined ? { why: 'none' } : pathsOf(cluster, net, { to: service.name, from });
  return diagramOf(cluster, net, paths);
}

/** An inventory with a pair, a router, and so many real servers on two networks. */
export function many(count: number): object {
  const two = (number: number): string => String(number).padStart(2, '0');
  const reals = Array.from({ length: count }, (_, index) => [
    `web${two(index + 1)}`,
    {
      interfaces: {
        bond0: {
          bond: { mode: '802.3ad', members: ['eno1', 'eno2'] },
          addresses: [`10.0.30.${index + 11}/24`, `2001:db8:30::${index + 11}/64`],
        },
        eno3: { addresses: [`172.16.0.${index + 11}/24`] },
      },
    },
  ]);
  const director = (number: number): object => ({
    interfaces: {
      bond0: { bond: { mode: 'active-backup', members: ['eno1', 'eno2'] } },
      'bond0.10': {
        vlan: { parent: 'bond0', id: 10 },
        addresses: [`192.0.2.${number}/24`],
        gateway: '192.0.2.1',
      },
      'bond0.30': { vlan: { parent: 'bond0', id: 30 }, addresses: [`10.0.30.${number}/24`] },
    },
  });
  return {
    version: 1,
    name: 'many',
    hosts: {
      client: {
        manage: 'none',
        interfaces: { eth0: { addresses: ['198.51.100.7/24'], gateway: '198.51.100.1' } },
      },
      edge: {
        manage: 'none',
        forwarding: true,
        interfaces: { eth0: { addresses: ['198.51.100.1/24'] }, eth1: { addresses: ['192.0.2.1/24'] } },
      },
      lvs1: director(2),
      lvs2: director(3),
      ...Object.fromEntries(reals),
    },
    groups: { web: { hosts: [`web[01-${two(count)}]`] } },
    vrrp: {
      edge: {
        nodes: { lvs1: { priority: 100 }, lvs2: { priority: 90 } },
        instances: {
          outside: { virtual_router_id: 51, interface: 'bond0.10' },
          inside: { virtual_router_id: 52, interface: 'bond0.30', addresses: ['10.0.30.1/24'] },
        },
      },
    },
    vips: { site: { addresses: ['192.0.2.100'], vrrp: 'edge.outside' } },
    services: { web: { mode: 'nat', vip: 'site', port: 80, real_servers: { web: {} } } },
  };
}

/** Diagrams of any hosts on any segments, with steps between any two that share one. */
export function anyDiagram(text: fc.Arbitrary<string>): fc.Arbitrary<Diagram> {
  const segments = ['net0', 'net1', 'net2', 'net3'];
  const port = fc.record({
    segment: fc.constantFrom(...segments),
    address: text,
    held: fc.array(text, { maxLength: 8 }),
  });
  const node = fc.record({
    name: text,
    role: fc.constantFrom(...ROLES),
    many: fc.integer({ min: 1, max: 3 }),
    ports: fc.array(port, { maxLength: 4 }),
    services: fc.array(text, { maxLength: 7 }),
  });
  const hop = fc.record({ from: fc.nat(), to: fc.nat(), reply: fc.boolean(), header: text });
  return fc
    .record({
      name: text,
      nodes: fc.array(node, { minLength: 1, maxLength: 14 }),
      hops: fc.array(hop, { maxLength: 6 }),
      network: text,
      why: text,
    })
    .map(({ name, nodes, hops, network, why }): Diagram => {
      const made = nodes.map(
        (one): Node => ({
          name: one.name,
          hosts: Array.from({ length: one.many }, (_, at) => `${one.name}${at}`),
          role: one.role,
          is: [one.role],
          managed: true,
          ports: one.ports.map(
            ({ segment, address, held }, at): Port => ({
              device: `eth${at}`,
              link: { type: 'ethernet' },
              segment,
              addresses: [{ text: address, vip: false }],
              gateways: [],
              held: held.map((other) => ({ by: 'host', address: other })),
            }),
          ),
          notes: [{ note: 'directs', services: one.services }],
        }),
      );
      const used = segments.filter((segment) => made.some(({ ports }) => ports.some((one) => one.segment === segment)));
      return {
        name,
        segments: used.map((segment) => ({ name: segment, networks: [network] })),
        nodes: made,
        services: [],
        vrrp: [],
        ways: {
          drawn: true,
          from: name,
          to: name,
          steps: hops.flatMap((one, at) => stepOf(made, one, at)),
          faults: [{ via: name, why }],
        },
      };
    });
}

/** From one port to all others on its segment, or from these to it. */
function stepOf(
  nodes: readonly Node[],
  { from, reply, header }: { from: number; reply: boolean; header: string },
  at: number,
): Step[] {
  const ends = nodes.flatMap(({ ports }, node) => ports.map(({ device, segment }) => ({ node, device, segment })));
  const hub = ends[from % Math.max(1, ends.length)];
  if (hub === undefined) return [];
  const others = ends.filter(({ node, segment }) => node !== hub.node && segment === hub.segment);
  if (others.length === 0) return [];
  const plain = ({ node, device }: End): End => ({ node, device });
  const [one, more] = [[plain(hub)], others.map(plain)];
  return [
    {
      number: at + 1,
      leg: reply ? 'reply' : 'request',
      segment: hub.segment,
      from: reply ? more : one,
      to: reply ? one : more,
      headers: [header],
      did: [],
    },
  ];
}
