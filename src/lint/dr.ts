import { hostsIn, realServersOf } from '../inventory/derived.ts';
import { hostSays, realServerSays, serviceSays } from '../inventory/places.ts';
import { host, service } from './examples.ts';
import type { Question, Rule } from './rule.ts';

const SIX = `vip: "2001:db8::100"
directors: [six1]
real_servers: { six2: {} }`;
const six = (more: string) =>
  service(`${SIX}${more}`).replace(
    'services:',
    `  six1: { interfaces: { eth0: { addresses: ["2001:db8::1/64"] } } }
  six2: { interfaces: { eth0: { addresses: ["2001:db8::2/64"] } } }
services:`,
  );

/** Real servers that answer clients past the director: dr and tun. */
export const DR: readonly Rule[] = [
  {
    code: 'LVS-DR-001',
    severity: 'info',
    title: 'ARP is kept silent where none is spoken',
    why: 'The service has IPv6 VIPs alone. Neighbour discovery answers only for addresses of the interface that is asked, and the VIP stands on lo: there is nothing to silence.',
    remedy: 'Leave arp out.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, arp_ignore',
    bad: six('\narp: arptables'),
    good: six(''),
    *check(question) {
      for (const { name, mode, vips } of question.cluster.services) {
        if ((mode !== 'dr' && mode !== 'tun') || vips.some(({ family }) => family === 4)) continue;
        const path = serviceSays(question, name, 'arp');
        if (path[0] === 'services' && path.length === 3)
          yield { path, of: 'key', what: `${name} has IPv6 VIPs alone, for which nobody asks by ARP` };
      }
    },
  },
  {
    code: 'LVS-DR-002',
    severity: 'info',
    title: 'a real server forwards packets, which it need not',
    why: 'In dr and tun mode the packet ends at the real server, because the VIP stands on its lo; nothing is passed on. Forwarding there only makes a router of it that nobody watches.',
    remedy: 'Leave forwarding out, unless the host is a router for something else.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, ip_forward; ipvsadm(8), --gatewaying',
    bad: host('forwarding: true'),
    good: host(''),
    *check(question) {
      const { hosts, services } = question.cluster;
      const routers = new Set(
        hosts.flatMap(({ interfaces }) =>
          interfaces.flatMap(({ gateways, routes }) => [gateways.v4, gateways.v6, ...routes.map(({ via }) => via)]),
        ),
      );
      const directors = new Set(services.flatMap((one) => one.directors));
      const byName = new Map(hosts.map((one) => [one.name, one]));
      for (const { host: name, service } of direct(question)) {
        const found = byName.get(name);
        if (found === undefined || directors.has(name)) continue;
        if (found.interfaces.some((one) => one.addresses.some(({ address }) => routers.has(address)))) continue;
        const what = `${name} is a real server of ${service.name} (${service.mode}) and no router of any host here`;
        if (found.forwarding) yield { path: hostSays(question, name, 'forwarding'), of: 'key', what };
        else if (found.sysctls['net.ipv4.ip_forward'] === '1')
          yield { path: hostSays(question, name, 'sysctls', 'net.ipv4.ip_forward'), of: 'key', what };
      }
    },
  },
  {
    code: 'LVS-DR-003',
    severity: 'warning',
    title: 'a real server holds the VIP by hand',
    why: 'In dr and tun mode a real server needs the VIP on lo, and must not answer ARP for it: else it drops the requests, or takes them all. This host is described only (manage: none), so nobody puts either there or sees it go.',
    remedy: 'Let lvsctl manage at least its network and sysctls (manage: [network, sysctl]), or see to both yourself.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, arp_ignore and arp_announce',
    bad: host('manage: none'),
    good: host('manage: [network, sysctl]'),
    *check(question) {
      const described = new Set(question.cluster.hosts.filter(({ managed }) => !managed).map(({ name }) => name));
      for (const { host: name, service } of direct(question)) {
        if (!described.has(name)) continue;
        yield {
          path: hostSays(question, name, 'manage'),
          what: `${name} is a real server of ${service.name} (${service.mode}), and nobody looks after its VIP and its ARP`,
          also: {
            path: realServerSays(question, service.name, name),
            of: 'key',
            says: `real server of ${service.name}`,
          },
        };
      }
    },
  },
  {
    code: 'LVS-TUN-001',
    severity: 'info',
    title: 'datagrams through a tunnel have less room',
    why: 'The tunnel takes 20 bytes and more of each packet. TCP is told so (lvsctl clamps its segments); UDP and SCTP aren’t: a datagram that just fits on the wire is cut into fragments, or lost where the sender forbids that.',
    remedy: 'Raise the MTU between directors and real servers (mtu), or keep datagrams small.',
    source: 'Linux net/netfilter/ipvs/ip_vs_xmit.c; RFC 2003',
    bad: service('mode: tun\nprotocol: udp'),
    good: service('mode: tun\nprotocol: tcp'),
    *check(question) {
      for (const { name, mode, protocol, directors, virtuals } of question.cluster.services) {
        if (mode !== 'tun' || protocol === 'tcp') continue;
        const ends = new Set([
          ...directors,
          ...virtuals.flatMap(({ realServers }) => realServers.map((real) => real.host)),
        ]);
        const wide = hostsIn(question.cluster.hosts, ends).every(({ interfaces }) =>
          interfaces.some(({ mtu = 1500 }) => mtu > 1500),
        );
        if (!wide)
          yield {
            path: serviceSays(question, name, 'protocol'),
            what: `${name} sends ${protocol} through tunnels, on wires of 1500 bytes`,
          };
      }
    },
  },
];

/** Real servers that hold the VIP, each with the first service that makes it one. */
function direct({ cluster }: Question) {
  const met = new Map<string, (typeof cluster.services)[number]>();
  for (const one of cluster.services.filter(({ mode }) => mode === 'dr' || mode === 'tun'))
    for (const real of realServersOf(one)) if (!met.has(real.host)) met.set(real.host, one);
  return [...met].map(([name, service]) => ({ host: name, service }));
}
