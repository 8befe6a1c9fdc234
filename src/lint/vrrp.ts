import { pair } from './examples.ts';
import type { Rule } from './rule.ts';

const script = (weight: string) => `track_scripts: { alive: { script: ./check.sh${weight} } }`;

/** Pairs of directors: who is master, and when that changes. */
export const VRRP: readonly Rule[] = [
  {
    code: 'LVS-VRRP-001',
    severity: 'warning',
    title: 'two nodes with one priority',
    why: 'Of equals the one with the higher address becomes master. That is a choice too, but not one that anybody made; and a track script can’t tip the scales in a way that is easy to foresee.',
    remedy: 'Give each node a priority of its own, for example 100 and 90.',
    source: 'RFC 5798, section 6.4.3; keepalived.conf(5), priority',
    bad: pair('nodes: { lvs1: { priority: 100 }, lvs2: { priority: 100 } }'),
    good: pair(''),
    *check({ cluster, said }) {
      for (const { name, nodes } of cluster.vrrp) {
        const first = new Map<number, string>();
        for (const { host, priority } of nodes) {
          const earlier = first.get(priority);
          const own = said.vrrp?.[name]?.nodes[host]?.priority === undefined ? [] : ['priority'];
          if (earlier !== undefined) {
            yield {
              path: ['vrrp', name, 'nodes', host, ...own],
              of: own.length === 0 ? 'key' : 'value',
              what: `${host} and ${earlier} both have the priority ${priority}`,
              also: { path: ['vrrp', name, 'nodes', earlier], of: 'key', says: earlier },
            };
          }
          first.set(priority, earlier ?? host);
        }
      }
    },
  },
  {
    code: 'LVS-VRRP-002',
    severity: 'warning',
    title: 'adverts so often that a reload is a takeover',
    why: 'The backup takes over when it has heard nothing for three intervals. While keepalived reads a new configuration it sends nothing: below a second that can be long enough, and every change of the cluster moves the VIPs.',
    remedy: 'Use 1 s or more; the backup then takes over within 4 s.',
    source: 'keepalived.conf(5), advert_int; acassen/keepalived issue 754',
    bad: pair('advert_interval: 200ms'),
    good: pair('advert_interval: 1'),
    *check({ cluster }) {
      for (const { name, advertInterval, nodes } of cluster.vrrp) {
        if (advertInterval >= 1 || nodes.length < 2) continue;
        yield {
          path: ['vrrp', name, 'advert_interval'],
          what: `${name} sends adverts every ${advertInterval} s: a reload of keepalived may look like its end`,
        };
      }
    },
  },
  {
    code: 'LVS-VRRP-003',
    severity: 'warning',
    title: 'a pair of one',
    why: 'VRRP carries an address from one node to another when the first fails. There is no other: when this one fails the VIP is gone.',
    remedy: 'Add a second node, or leave vrrp out and name the host in directors.',
    source: 'RFC 5798, section 1',
    bad: pair('nodes: { lvs1: {} }').replace('  lvs2: { interfaces: { eth0: { addresses: [192.0.2.20/24] } } }\n', ''),
    good: pair(''),
    *check({ cluster }) {
      for (const { name, nodes } of cluster.vrrp) {
        const [only, second] = nodes;
        if (only === undefined || second !== undefined) continue;
        yield {
          path: ['vrrp', name, 'nodes'],
          of: 'key',
          what: `${only.host} is the only node of ${name}: nobody takes over from it`,
        };
      }
    },
  },
  {
    code: 'LVS-VRRP-004',
    severity: 'warning',
    title: 'a script lowers a priority that nobody looks at',
    why: 'With a weight, a script that fails takes from the node’s priority, so that another node has more. But without preempt (nopreempt) a backup never takes over from a master that still sends adverts, whatever its priority.',
    remedy:
      'Leave weight out: a script that fails is a fault then, and the node gives its addresses up. Or add preempt: true.',
    source: 'keepalived.conf(5), track_script and nopreempt',
    bad: pair(script(', weight: -20')),
    good: pair(script('')),
    *check({ cluster }) {
      for (const { name, preempt, trackScripts, nodes } of cluster.vrrp) {
        if (preempt || nodes.length < 2) continue;
        for (const one of trackScripts.filter(({ weight = 0 }) => weight !== 0)) {
          yield {
            path: ['vrrp', name, 'track_scripts', one.name, 'weight'],
            what: `when ${one.name} fails, ${name} changes a priority, and without preempt nobody takes over for it`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-VRRP-005',
    severity: 'warning',
    title: 'a script that weighs too little',
    why: 'When it fails on the master, another node takes over only if that then has the higher priority. The weight is no larger than the distance between the two.',
    remedy: 'Make the weight larger than the distance between the nodes’ priorities, or move these closer together.',
    source: 'keepalived.conf(5), track_script, weight',
    bad: pair(`preempt: true\n${script(', weight: -5')}`),
    good: pair(`preempt: true\n${script(', weight: -20')}`),
    *check({ cluster }) {
      for (const { name, preempt, trackScripts, nodes } of cluster.vrrp) {
        const [first, second] = nodes.map(({ priority }) => priority).sort((a, b) => b - a);
        if (!preempt || first === undefined || second === undefined) continue;
        for (const { name: script, weight = 0 } of trackScripts) {
          if (weight === 0 || Math.abs(weight) > first - second) continue;
          yield {
            path: ['vrrp', name, 'track_scripts', script, 'weight'],
            what: `${script} weighs ${Math.abs(weight)}, and the priorities ${first} and ${second} are ${first - second} apart: nobody takes over when it fails`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-VRRP-006',
    severity: 'error',
    title: 'nodes of one virtual router on two segments',
    why: 'An address can move from one host to another only where both stand on one layer-2 segment: its neighbours are told by ARP who has it now. On another segment nobody asks for it, and multicast adverts don’t arrive there.',
    remedy:
      'Name interfaces on one segment (interface, or interfaces of a node), or say that they are on one (segment).',
    source: 'RFC 5798, section 1.6',
    bad: pair('').replace('192.0.2.20/24', '198.51.100.20/24'),
    good: pair(''),
    *check({ cluster }) {
      const hosts = new Map(cluster.hosts.map((host) => [host.name, host]));
      for (const group of cluster.vrrp) {
        for (const instance of group.instances) {
          const [first, ...others] = instance.nodes.map((node) => ({
            ...node,
            segment: hosts.get(node.host)?.interfaces.find(({ name }) => name === node.device)?.segment,
          }));
          const away = others.find(({ segment }) => segment !== first?.segment);
          if (first === undefined || away === undefined) continue;
          yield {
            path: ['vrrp', group.name, 'instances', instance.name],
            of: 'key',
            what: `${first.host}’s ${first.device} is on segment ${first.segment}, ${away.host}’s ${away.device} on ${away.segment}: ${group.name}.${instance.name} can’t move between them`,
            also: {
              path: ['hosts', away.host, 'interfaces', away.device],
              of: 'key',
              says: `on segment ${away.segment}`,
            },
          };
        }
      }
    },
  },
];
