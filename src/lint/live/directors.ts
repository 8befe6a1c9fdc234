import { director, host, network, sysctls, web } from './examples.ts';
import type { LiveRule } from './rule.ts';
import { hasAddress, isCarried, nameOf, parameter, routers, rowsOf } from './view.ts';

const NAT = web('192.0.2.11:80 -m -w 1');

const FORWARD = {
  'boot-files': './etc/sysctl.d/90-lvs.conf',
  boot: './etc/sysctl.d/90-lvs.conf:1:net.ipv4.ip_forward=1',
};

/** What directors need to carry traffic. */
export const LIVE_DIRECTORS: readonly LiveRule[] = [
  {
    code: 'LVS-LIVE-307',
    severity: 'error',
    title: 'a NAT director that doesn’t forward',
    why: 'With ip_forward off the kernel drops the real servers’ replies: no client gets an answer.',
    remedy:
      'sysctl -w net.ipv4.ip_forward=1 (IPv6: net.ipv6.conf.all.forwarding=1), and the same in a file of /etc/sysctl.d.',
    source: 'ipvsadm(8), --masquerading; ip-sysctl.rst, ip_forward',
    bad: director(NAT, { sysctls: sysctls('net/ipv4/ip_forward:0') }),
    good: director(NAT, { sysctls: sysctls('net/ipv4/ip_forward:1'), ...FORWARD }),
    *check(hosts) {
      for (const view of hosts) {
        const families = new Set(
          rowsOf([view])
            .filter(({ destination }) => destination.method === 'masq' && !hasAddress(view, destination.address))
            .map(({ destination }) => (destination.address.includes(':') ? 6 : 4)),
        );
        for (const family of families) {
          const name = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
          if (parameter(view, name) === 0)
            yield {
              place: view.place,
              what: `it has NAT rules for IPv${family}, and ${name.replaceAll('/', '.')} is 0`,
            };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-310',
    severity: 'error',
    title: 'a service whose VIP is nowhere',
    why: 'The table has rules for an address that none of the director’s interfaces holds: the kernel takes no packet for it.',
    remedy: 'Put it on the interface that faces the clients, and where it is set at boot.',
    source: 'ipvsadm(8)',
    bad: director(web('192.0.2.11:80 -g -w 1'), network({ eth0: ['192.0.2.1/24'] })),
    good: director(web('192.0.2.11:80 -g -w 1')),
    *check(hosts) {
      for (const view of hosts) {
        if (view.seen.links.size === 0) continue;
        const vips = new Set([...(view.table?.keys() ?? [])].flatMap((key) => nameOf(key).vip ?? []));
        for (const vip of vips) {
          // A backup's are on the master.
          if (hasAddress(view, vip) || isCarried(view, vip)) continue;
          yield { place: view.place, what: `${vip} has services in the table, and is on no interface` };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-311',
    severity: 'warning',
    title: 'connections of a removed server end in nothing',
    why: 'With expire_nodest_conn=0 packets of connections to a server that was removed are dropped in silence, until the client gives up. With expire_quiescent_template=0 persistence keeps sending clients to a server of weight 0.',
    remedy:
      'sysctl -w net.ipv4.vs.expire_nodest_conn=1 (with persistence also expire_quiescent_template=1), and in a file.',
    source: 'ipvs-sysctl.rst',
    bad: director(web('192.0.2.11:80 -g -w 1'), { sysctls: sysctls('net/ipv4/vs/expire_nodest_conn:0') }),
    good: director(web('192.0.2.11:80 -g -w 1'), {
      sysctls: sysctls('net/ipv4/vs/expire_nodest_conn:1'),
      'boot-files': './etc/sysctl.d/90-lvs.conf',
      boot: './etc/sysctl.d/90-lvs.conf:1:net.ipv4.vs.expire_nodest_conn=1',
    }),
    *check(hosts) {
      for (const view of hosts) {
        if ((view.table?.size ?? 0) === 0) continue;
        const lasting = [...(view.table?.values() ?? [])].some(({ flags }) => flags.includes('-p'));
        const names = ['expire_nodest_conn', ...(lasting ? ['expire_quiescent_template'] : [])];
        for (const name of names) {
          if (parameter(view, `net/ipv4/vs/${name}`) === 0)
            yield { place: view.place, what: `net.ipv4.vs.${name} is 0` };
        }
      }
    },
  },
  {
    code: 'LVS-LIVE-312',
    severity: 'warning',
    title: 'nodes of a pair with other parameters',
    why: 'One node forwards, or treats connections, otherwise than the other: a takeover changes how the service behaves.',
    remedy: 'Set the same on both.',
    source: 'ipvs-sysctl.rst; ip-sysctl.rst',
    bad: pairOf('net/ipv4/vs/conntrack:1', 'net/ipv4/vs/conntrack:0'),
    good: pairOf('net/ipv4/vs/conntrack:1', 'net/ipv4/vs/conntrack:1'),
    *check(hosts) {
      const done = new Set<string>();
      for (const members of routers(hosts)) {
        const [first, ...others] = members;
        if (first === undefined) continue;
        for (const { view } of others) {
          for (const [name, own] of view.seen.sysctls) {
            const their = first.view.seen.sysctls.get(name);
            const what = `${name.replaceAll('/', '.')} is ${own}, and ${their} on ${first.view.seen.name}`;
            const matters = name === 'net/ipv4/ip_forward' || (name.startsWith('net/ipv4/vs/') && !SIZED.test(name));
            if (!matters || their === undefined || their === own || done.has(view.seen.name + what)) continue;
            done.add(view.seen.name + what);
            yield { place: view.place, what };
          }
        }
      }
    },
  },
];

/** What the kernel makes as large as the memory lets it. */
const SIZED = /\/(sync_qlen_max|sync_sock_size|amemthresh|est_\w+)$/;

function pairOf(first: string, second: string): string {
  const node = (name: string, own: string, priority: number, setting: string, vip: string[]): string =>
    host(name, {
      'file /etc/keepalived/keepalived.conf': `vrrp_instance shop {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority ${priority}
    virtual_ipaddress {
        192.0.2.100/24
    }
}
`,
      ...network({ eth0: [own, ...vip] }),
      sysctls: sysctls(setting),
      'boot-files': './etc/sysctl.d/90-lvs.conf',
      boot: `./etc/sysctl.d/90-lvs.conf:1:${setting.replaceAll('/', '.').replace(':', '=')}`,
    });
  return node('lvs1', '192.0.2.1/24', 100, first, ['192.0.2.100/24']) + node('lvs2', '192.0.2.2/24', 90, second, []);
}
