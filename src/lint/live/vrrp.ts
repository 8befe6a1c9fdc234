import { host, network, unit } from './examples.ts';
import type { LiveRule } from './rule.ts';
import { isRunning, routers, standing, type View } from './view.ts';

const CONF = 'file /etc/keepalived/keepalived.conf';
const SOURCE = 'RFC 5798, section 6';

const conf = (priority: number, device = 'eth0'): string => `vrrp_instance shop {
    state BACKUP
    interface ${device}
    virtual_router_id 51
    priority ${priority}
    virtual_ipaddress {
        192.0.2.100/24
        192.0.2.101/24
    }
}
`;

const VIPS = ['192.0.2.100/24', '192.0.2.101/24'];

function node(name: string, own: string, vips: string[], priority: number, device?: string): string {
  return host(name, {
    units: unit('keepalived', 'enabled'),
    [CONF]: conf(priority, device),
    ...network({ eth0: [own, ...vips] }),
  });
}

const pair = (first: string[], second: string[]): string =>
  node('lvs1', '192.0.2.1/24', first, 100) + node('lvs2', '192.0.2.2/24', second, 90);

/** Virtual routers of which several nodes were read. */
function* groups(hosts: readonly View[]) {
  for (const members of routers(hosts)) {
    const stands = members.map((one) => ({ ...one, as: standing(one.view, one.instance) }));
    yield stands;
  }
}

/** Who has the addresses that VRRP carries. */
export const LIVE_VRRP: readonly LiveRule[] = [
  {
    code: 'LVS-LIVE-201',
    severity: 'error',
    title: 'two masters',
    why: 'Both nodes hold the VIPs: neither hears the other’s adverts. Clients reach whichever answered ARP last, and connections break when that changes.',
    remedy:
      'Let the adverts through: protocol 112 in the firewall, multicast 224.0.0.18 on the switch, or the peers’ addresses in unicast_peer; and the same instance on both.',
    source: SOURCE,
    bad: pair(VIPS, VIPS),
    good: pair(VIPS, []),
    *check(hosts) {
      for (const stands of groups(hosts)) {
        const [first, ...others] = stands.filter(({ as }) => as === 'master');
        for (const other of others)
          yield {
            place: other.view.place,
            what: `${other.instance.name} is master here and on ${first?.view.seen.name}: both hold ${other.instance.addresses.map(({ address }) => address).join(', ')}`,
          };
      }
    },
  },
  {
    code: 'LVS-LIVE-202',
    severity: 'error',
    title: 'no master',
    why: 'None of the nodes holds the VIPs: clients reach nobody.',
    remedy:
      'See on each node: systemctl status keepalived. A tracked interface or script that fails takes a node to FAULT.',
    source: SOURCE,
    bad: pair([], []),
    good: pair(VIPS, []),
    *check(hosts) {
      for (const stands of groups(hosts)) {
        const [first] = stands;
        if (first === undefined || stands.length < 2 || stands.some(({ as }) => as !== 'backup')) continue;
        if (first.instance.addresses.length === 0) continue;
        yield {
          place: first.view.place,
          what: `${first.instance.name} has no master among ${stands.map(({ view }) => view.seen.name).join(', ')}`,
        };
      }
    },
  },
  {
    code: 'LVS-LIVE-203',
    severity: 'error',
    title: 'a master without all of its addresses',
    why: 'keepalived puts addresses on when it becomes master, and doesn’t look after them: one that was taken away since (by a network restart, by hand) stays away until the next takeover.',
    remedy:
      'Put it back: ip addr add. Look for what took it: re-activating or reapplying the interface in NetworkManager does.',
    source: 'acassen/keepalived issue 2564',
    bad: pair(['192.0.2.100/24'], []),
    good: pair(VIPS, []),
    *check(hosts) {
      for (const stands of groups(hosts)) {
        for (const { view, instance, as } of stands) {
          if (as !== 'partly') continue;
          const has = [...view.seen.links.values()].flatMap(({ addresses }) => addresses.map(({ address }) => address));
          const missing = instance.addresses.map(({ address }) => address).filter((one) => !has.includes(one));
          yield {
            place: view.place,
            what: `${instance.name} holds some of its addresses, and not ${missing.join(', ')}`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-204',
    severity: 'error',
    title: 'an instance on an interface that isn’t there',
    why: 'keepalived leaves the instance in FAULT, or doesn’t start, where the host has no such interface.',
    remedy: 'Write the interface’s name as ip link shows it.',
    source: 'keepalived.conf(5), interface',
    bad: node('lvs1', '192.0.2.1/24', [], 100, 'ens33'),
    good: node('lvs1', '192.0.2.1/24', VIPS, 100),
    *check(hosts) {
      for (const { seen, configured } of hosts) {
        if (seen.links.size === 0) continue;
        for (const { name, place, device } of configured.instances) {
          if (device !== '' && !seen.links.has(device))
            yield { place, what: `${name} is on ${device}, and ${seen.name} has no such interface` };
        }
      }
    },
  },
];

/** Who of the hosts is master of what, in words. */
export function standingsOf(view: View): string[] {
  if (!isRunning(view)) return [];
  return view.configured.instances
    .filter(({ addresses }) => addresses.length > 0)
    .map((instance) => {
      const as = standing(view, instance);
      return `${as === 'partly' ? 'master (of some addresses)' : as} of ${instance.name}`;
    });
}
