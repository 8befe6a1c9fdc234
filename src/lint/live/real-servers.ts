import { bits } from '../../inventory/addresses.ts';
import { endpoint } from '../../resources/ipvs-table.ts';
import { director, host, network, sysctls, web } from './examples.ts';
import type { LiveRule } from './rule.ts';
import {
  addressesOf,
  effective,
  hasAddress,
  isCarried,
  isSegment,
  isTunnel,
  parameter,
  type Row,
  rowsOf,
  servedBy,
  serviceText,
  type View,
} from './view.ts';

const VIP = '192.0.2.100/32';

const DR = director(web('192.0.2.11:80 -g -w 1'));
const TUN = director(web('192.0.2.11:80 -i -w 1'));
const NAT = web('192.0.2.11:80 -m -w 1');

/** A real server with what it holds on lo; silent about it. */
function real(lo: string[], more: Readonly<Record<string, string>> = {}, eth0: string[] = ['192.0.2.11/24']): string {
  return host('rs1', { ...network({ lo: ['127.0.0.1/8', ...lo], eth0 }), ...more });
}

/** VIPs that stand on a host's loopback. */
function onLo(view: View) {
  return addressesOf(view).filter(
    ({ device, address, family, prefix }) =>
      device === 'lo' &&
      !(family === 4 && address.startsWith('127.')) &&
      !(family === 6 && address === '::1' && prefix === 128),
  );
}

/** Rows of other directors that a host serves, each service once. */
function served(view: View, rows: readonly Row[], methods: readonly string[]): Row[] {
  const own = servedBy(view, rows).filter(({ destination }) => methods.includes(destination.method));
  return [...new Map(own.map((row) => [row.vip ?? row.key, row])).values()];
}

/** The gateway of a host's default route. */
function gatewayOf({ seen }: View, family: 4 | 6): string | undefined {
  for (const route of seen.routes) {
    const via = route.family === family ? /^default via (\S+)/.exec(route.line)?.[1] : undefined;
    if (via !== undefined) return via;
  }
  return undefined;
}

/** What real servers need to carry traffic. */
export const LIVE_REAL_SERVERS: readonly LiveRule[] = [
  {
    code: 'LVS-LIVE-301',
    severity: 'error',
    title: 'a VIP on lo that the host answers for',
    why: 'Without arp_ignore and arp_announce in force a host answers ARP for what stands on lo, and asks in its name: it takes clients from the director.',
    remedy:
      'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, and the same in a file of /etc/sysctl.d.',
    source: 'ip-sysctl.rst, arp_ignore and arp_announce',
    bad: real([VIP], { sysctls: sysctls('net/ipv4/conf/all/arp_ignore:0', 'net/ipv4/conf/all/arp_announce:0') }),
    good: real([VIP], {
      sysctls: sysctls('net/ipv4/conf/all/arp_ignore:1', 'net/ipv4/conf/all/arp_announce:2'),
      'boot-files': './etc/sysctl.d/90-lvs.conf',
      boot: './etc/sysctl.d/90-lvs.conf:1:net.ipv4.conf.all.arp_ignore=1\n./etc/sysctl.d/90-lvs.conf:2:net.ipv4.conf.all.arp_announce=2',
    }),
    *check(hosts) {
      for (const view of hosts) {
        const vips = onLo(view).filter(({ family, address }) => family === 4 && !isSilenced(view, address));
        if (vips.length === 0) continue;
        for (const [device, link] of view.seen.links) {
          if (!isSegment(link) || !link.addresses.some(({ family }) => family === 4)) continue;
          const [ignore, announce] = [effective(view, device, 'arp_ignore'), effective(view, device, 'arp_announce')];
          if (ignore === undefined || announce === undefined || (ignore >= 1 && announce >= 2)) continue;
          const says = `arp_ignore is ${ignore} and arp_announce ${announce} there`;
          yield {
            place: view.place,
            what: `${[...new Set(vips.map(({ address }) => address))].join(', ')} on lo: ${device} ${ignore >= 1 ? 'asks in its name' : 'answers ARP for it'} (${says})`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-302',
    severity: 'error',
    title: 'a VIP on lo with a network',
    why: 'With a mask wider than /32 (or /128) the whole network counts as the host’s own: it talks to itself in place of the clients and directors there.',
    remedy: 'Give the VIP as /32 (IPv6: /128): ip addr del, ip addr add, and the same where it is set at boot.',
    source: 'ip-address(8); the kernel’s local routing table (ip route show table local)',
    bad: real(['192.0.2.100/24']),
    good: real([VIP]),
    *check(hosts) {
      for (const view of hosts) {
        for (const { address, prefix, family } of onLo(view).filter((one) => one.prefix < bits(one.family)))
          yield {
            place: view.place,
            what: `${address}/${prefix} is on lo, which takes the network with it; /${bits(family)} is meant`,
          };
      }
    },
  },
  {
    code: 'LVS-LIVE-303',
    severity: 'error',
    title: 'a real server without the VIP',
    why: 'The director sends it packets for the VIP, by direct routing or through a tunnel. A host without that address drops them.',
    remedy: 'Put arp_ignore and arp_announce in force first, then the VIP on lo: ip addr add VIP/32 dev lo.',
    source: 'ipvsadm(8), --gatewaying and --ipip',
    bad: DR + real([]),
    good: DR + real([VIP]),
    *check(hosts) {
      const rows = rowsOf(hosts);
      for (const view of hosts) {
        if (view.seen.links.size === 0) continue;
        for (const { vip, director: by } of served(view, rows, ['gate', 'tunnel'])) {
          if (vip !== undefined && !hasAddress(view, vip))
            yield { place: view.place, what: `${vip}, which ${by.seen.name} sends here, is on none of its interfaces` };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-304',
    severity: 'error',
    title: 'a real server with the VIP on its segment',
    why: 'arp_ignore=1 holds back answers for addresses of other interfaces. A VIP on the interface itself (an alias such as eth0:0) is answered for all the same: two hosts fight for it.',
    remedy: 'Move it to lo, as /32.',
    source: 'ip-sysctl.rst, arp_ignore',
    bad: DR + real([], {}, ['192.0.2.11/24', VIP]),
    good: DR + real([VIP]),
    *check(hosts) {
      const rows = rowsOf(hosts);
      for (const view of hosts) {
        for (const { vip } of served(view, rows, ['gate', 'tunnel'])) {
          const found = addressesOf(view).find(
            ({ address, link }) => address === vip && isSegment(link) && link.kind !== 'dummy',
          );
          if (found !== undefined && vip !== undefined && !isCarried(view, vip))
            yield { place: view.place, what: `${vip} is on ${found.device}, which answers ARP for it` };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-305',
    severity: 'error',
    title: 'a tunnel that takes nothing',
    why: 'Of rp_filter the larger of all and the interface’s own counts. With 1 the kernel drops what comes out of a tunnel, for the way back to the client isn’t through it.',
    remedy:
      'sysctl -w net.ipv4.conf.all.rp_filter=0 and the tunnel’s own =0 (or 2 where it has an address); the same in a file.',
    source: 'ip-sysctl.rst, rp_filter',
    bad: host('rs1', {
      ...network({ tunl0: [] }),
      sysctls: sysctls('net/ipv4/conf/all/rp_filter:1', 'net/ipv4/conf/tunl0/rp_filter:0'),
    }),
    good: host('rs1', {
      ...network({ tunl0: [] }),
      sysctls: sysctls('net/ipv4/conf/all/rp_filter:0', 'net/ipv4/conf/tunl0/rp_filter:0'),
    }),
    *check(hosts) {
      for (const view of hosts) {
        for (const [device, link] of view.seen.links) {
          if (!link.up || !isTunnel(link) || effective(view, device, 'rp_filter') !== 1) continue;
          yield {
            place: view.place,
            what: `${device} filters strictly by source: rp_filter is ${parameter(view, 'net/ipv4/conf/all/rp_filter') === 1 ? '1 on all' : '1 there'}`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-306',
    severity: 'error',
    title: 'a real server without a tunnel',
    why: 'The director wraps its packets, and no interface of this host unwraps them.',
    remedy: 'modprobe ipip; ip link set tunl0 up; and the same at boot.',
    source: 'ipvsadm(8), --ipip',
    bad: TUN + real([VIP]),
    good: TUN + host('rs1', network({ lo: [VIP], eth0: ['192.0.2.11/24'], tunl0: [] })),
    *check(hosts) {
      const rows = rowsOf(hosts);
      for (const view of hosts) {
        if (view.seen.links.size === 0) continue;
        const [row] = served(view, rows, ['tunnel']);
        if (row === undefined || [...view.seen.links.values()].some((link) => link.up && isTunnel(link))) continue;
        yield { place: view.place, what: `no tunnel is up here, and ${row.director.seen.name} sends through one` };
      }
    },
  },
  {
    code: 'LVS-LIVE-308',
    severity: 'error',
    title: 'a real server whose replies pass the director by',
    why: 'With NAT the director turns the real server’s replies back into the VIP’s. A real server with another gateway sends them past it, and clients drop them.',
    remedy: 'Make the director’s inside address the default gateway; of a pair the floating one.',
    source: 'ipvsadm(8), --masquerading',
    bad: director(NAT) + real([], { 'route 4': 'default via 192.0.2.254 dev eth0' }),
    good: director(NAT) + real([], { 'route 4': 'default via 192.0.2.1 dev eth0' }),
    *check(hosts) {
      const rows = rowsOf(hosts);
      for (const view of hosts) {
        for (const { director: by, destination } of served(view, rows, ['masq'])) {
          const gateway = gatewayOf(view, destination.address.includes(':') ? 6 : 4);
          // With IPVS's connections in netfilter too, a masquerade may bring the replies back (FULLNAT).
          if (gateway === undefined || parameter(by, 'net/ipv4/vs/conntrack') === 1) continue;
          const ours = hosts.some(
            (each) =>
              each !== view && (hasAddress(each, gateway) || isCarried(each, gateway)) && (each.table?.size ?? 0) > 0,
          );
          if (!ours && !gateway.startsWith('fe80:'))
            yield { place: view.place, what: `its gateway is ${gateway}, which is not ${by.seen.name}` };
          break;
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-309',
    severity: 'error',
    title: 'a real server where nobody listens',
    why: 'The director sends it connections, and no program waits for them: clients are refused.',
    remedy:
      'Start the program, or let it listen on the VIP or on all addresses; until then take the server out of the table.',
    source: 'ss(8)',
    bad: DR + real([VIP], { listen: 'tcp LISTEN 0 128 192.0.2.11:80 0.0.0.0:*' }),
    good: DR + real([VIP], { listen: 'tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:*' }),
    *check(hosts) {
      const rows = rowsOf(hosts);
      for (const view of hosts) {
        const { listens } = view.seen;
        if (listens.length === 0) continue;
        for (const { vip, key, protocol, destination } of servedBy(view, rows)) {
          if ((protocol !== 'tcp' && protocol !== 'udp') || destination.port === 0 || destination.weight === 0)
            continue;
          const asked = destination.method === 'masq' ? destination.address : vip;
          const heard = listens.some(
            (one) =>
              one.protocol === protocol &&
              one.port === destination.port &&
              (one.address === '' || one.address === asked),
          );
          if (!heard)
            yield {
              place: view.place,
              what: `nobody listens at ${asked === undefined ? '' : endpoint({ address: asked, port: destination.port })}, where ${serviceText(key)} sends`,
            };
        }
      }
    },
  },
];

/** A rule of arptables that drops what asks for the address. */
function isSilenced({ seen }: View, address: string): boolean {
  return seen.arptables.some((rule) => {
    const [chain, ...words] = rule.split(' ');
    return chain === 'INPUT' && words.includes('DROP') && words[words.indexOf('-d') + 1] === address;
  });
}
