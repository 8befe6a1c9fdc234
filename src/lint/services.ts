import { hostNamed, hostsIn, realServersOf } from '../inventory/derived.ts';
import type { Interface, Service } from '../inventory/model.ts';
import { serviceSays } from '../inventory/places.ts';
import { around, service } from './examples.ts';
import type { Rule } from './rule.ts';

const FTP = 21;
const SSH = 22;

/** The sorry server is a host of its own. */
const SORRY = service('health_check: { tcp_check: {} }\nsorry_server: { address: 192.0.2.13 }').replace(
  'services:',
  '  web3: { interfaces: { eth0: { addresses: [192.0.2.13/24] } } }\nservices:',
);

/** Services as a whole: ports, persistence, sorry servers. */
export const SERVICES: readonly Rule[] = [
  {
    code: 'LVS-SVC-001',
    severity: 'warning',
    title: 'FTP past the director needs persistence',
    why: 'FTP opens a second connection for each file. In dr and tun mode it comes to the VIP as one more, and the director gives it to any real server: only persistence makes that the one that the client is logged in to.',
    remedy: 'Add persistence_timeout, of at least the longest transfer.',
    source: 'ipvsadm(8), --persistent; Linux net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_service_find',
    bad: service('port: 21'),
    good: service('port: 21\npersistence_timeout: 10m'),
    *check(question) {
      for (const one of question.cluster.services.filter(hasFtp)) {
        if ((one.mode !== 'dr' && one.mode !== 'tun') || one.persistence !== undefined) continue;
        yield {
          path: portOf(question, one.name),
          what: `${one.name} is FTP (port 21) in mode ${one.mode}, without persistence`,
        };
      }
    },
  },
  {
    code: 'LVS-SVC-002',
    severity: 'warning',
    title: 'FTP through NAT needs ip_vs_ftp',
    why: 'FTP tells addresses and ports inside its commands. Behind NAT these are the real server’s, which the client can’t reach; the kernel’s module ip_vs_ftp rewrites them.',
    remedy: 'Add modules: [ip_vs_ftp] to the directors.',
    source: 'Linux net/netfilter/ipvs/ip_vs_ftp.c',
    bad: ftpNat(''),
    good: ftpNat(', modules: [ip_vs_ftp]'),
    *check(question) {
      const { hosts, services } = question.cluster;
      for (const one of services.filter(hasFtp)) {
        if (one.mode !== 'nat' && one.mode !== 'fullnat') continue;
        const without = hostsIn(hosts, one.directors).filter(
          ({ modules, byPlatform }) =>
            ![modules, ...Object.values(byPlatform).map((more) => more.modules)].some((list) =>
              list.includes('ip_vs_ftp'),
            ),
        );
        if (without.length === 0) continue;
        yield {
          path: portOf(question, one.name),
          what: `${one.name} is FTP (port 21) in mode ${one.mode}, and ${without.map(({ name }) => name).join(' and ')} doesn’t load ip_vs_ftp`,
        };
      }
    },
  },
  {
    code: 'LVS-SVC-003',
    severity: 'warning',
    title: 'persistence for each port by itself',
    why: 'Each port is a virtual service of its own, with a memory of its own: a client that comes to 80 and then to 443 may get two real servers, and what it did on the first is unknown to the second.',
    remedy: 'Add fwmark: auto: all ports are one virtual service then.',
    source: 'ipvsadm(8), --fwmark-service',
    bad: service('ports: [80, 443]\npersistence_timeout: 5m'),
    good: service('ports: [80, 443]\nfwmark: auto\npersistence_timeout: 5m'),
    *check(question) {
      for (const { name, persistence, fwmark, ports } of question.cluster.services) {
        const several = ports.length > 1 || ports.some(({ first, last }) => last > first);
        if (persistence === undefined || fwmark !== undefined || !several) continue;
        yield {
          path: serviceSays(question, name, 'persistence_timeout'),
          of: 'key',
          what: `a client of ${name} stays with its real server on each port by itself, not on all of them together`,
        };
      }
    },
  },
  {
    code: 'LVS-SVC-004',
    severity: 'warning',
    title: 'a VIP that nothing uses',
    why: 'It is described, and neither a service nor a VRRP instance has it: nobody puts it anywhere. Often a service still names another address.',
    remedy: 'Name it in a service (vip), or take it out.',
    source: 'lvsctl: docs/inventory.md, VIPs',
    bad: around(
      'vips: { site: { addresses: [192.0.2.100] }, old: { addresses: [192.0.2.101] } }\nservices: { web: { mode: dr, vip: site, port: 80, directors: [lvs], real_servers: { web1: {} } } }',
    ),
    good: around(
      'vips: { site: { addresses: [192.0.2.100] } }\nservices: { web: { mode: dr, vip: site, port: 80, directors: [lvs], real_servers: { web1: {} } } }',
    ),
    *check({ cluster, said }) {
      const used = new Set(Object.values(said.services ?? {}).map(({ vip }) => vip));
      const addresses = new Set(cluster.services.flatMap(({ vips }) => vips.map(({ address }) => address)));
      for (const [name, vip] of Object.entries(said.vips ?? {})) {
        if (vip.vrrp !== undefined || used.has(name) || vip.addresses.some((address) => addresses.has(address)))
          continue;
        yield { path: ['vips', name], of: 'key', what: `no service has the VIP ${name}` };
      }
    },
  },
  {
    code: 'LVS-SVC-005',
    severity: 'warning',
    title: 'the sorry server is one of those that failed',
    why: 'It answers when no real server is left. If it is one of them, it is down at that moment too.',
    remedy: 'Name a host that serves something else, even a page that says sorry.',
    source: 'keepalived.conf(5), sorry_server',
    bad: service('health_check: { tcp_check: {} }\nsorry_server: { address: 192.0.2.12 }'),
    good: SORRY,
    *check(question) {
      for (const one of question.cluster.services) {
        const real = realServersOf(one).find(({ address }) => address === one.sorryServer?.address);
        if (real === undefined) continue;
        yield {
          path: [...serviceSays(question, one.name, 'sorry_server'), 'address'],
          what: `the sorry server ${real.address} is ${real.host}, a real server of ${one.name}`,
        };
      }
    },
  },
  {
    code: 'LVS-SVC-006',
    severity: 'error',
    title: 'a service at the address and port by which its director is reached',
    why: 'IPVS takes connections to a service before the host itself does: SSH to the director ends at a real server from then on, lvsctl’s own too, which then takes everything back.',
    remedy:
      'Give the service another port or VIP, or let ssh.address and ssh.port of the director name another way in.',
    source: 'Linux net/netfilter/ipvs/ip_vs_core.c, ip_vs_in_hook at LOCAL_IN',
    bad: natAt('192.0.2.10', 22),
    good: natAt('192.0.2.20', 22),
    *check(question) {
      const { cluster } = question;
      for (const one of cluster.services) {
        if (one.protocol !== 'tcp') continue;
        const directors = one.directors.flatMap((name) => hostNamed(cluster, name) ?? []);
        const host = directors.find(
          ({ managed, ssh }) =>
            managed &&
            one.vips.some(({ address }) => address === ssh.address) &&
            one.ports.some(({ first, last }) => first <= (ssh.port ?? SSH) && (ssh.port ?? SSH) <= last),
        );
        if (host === undefined) continue;
        yield {
          path: portOf(question, one.name),
          what: `${one.name} takes ${host.ssh.address} port ${host.ssh.port ?? SSH}, by which ${host.name} is reached`,
        };
      }
    },
  },
  {
    code: 'LVS-SVC-007',
    severity: 'warning',
    title: 'a sorry server that nobody gives the VIP',
    why: 'In dr and tun mode the sorry server gets packets to the VIP like a real server: it must have the VIP on lo and be silent to ARP, and in tun unwrap them. lvsctl sets a host of the inventory up so; this address is no such host’s.',
    remedy:
      'Describe the host that has the address, and let lvsctl manage it; or give it the VIP by hand and silence this line.',
    source: 'keepalived.conf(5), sorry_server; Linux net/netfilter/ipvs/ip_vs_xmit.c, ip_vs_dr_xmit',
    bad: service('health_check: { tcp_check: {} }\nsorry_server: { address: 192.0.2.50 }'),
    good: SORRY,
    *check(question) {
      const { cluster } = question;
      for (const one of cluster.services) {
        const { sorryServer, mode, directors } = one;
        if (sorryServer === undefined || (mode !== 'dr' && mode !== 'tun')) continue;
        if (hostNamed(cluster, sorryServer.host ?? '')?.managed) continue;
        const [only, ...others] = directors.flatMap((name) => hostNamed(cluster, name) ?? []);
        // The director itself, which has the VIP.
        if (others.length === 0 && only?.interfaces.some((each) => has(each, sorryServer.address))) continue;
        yield {
          path: [...serviceSays(question, one.name, 'sorry_server'), 'address'],
          what: `nobody gives the sorry server ${sorryServer.address} of ${one.name} its VIP, which it needs in mode ${mode}`,
        };
      }
    },
  },
];

function natAt(vip: string, port: number): string {
  return `version: 1
name: c
hosts:
  lvs:  { interfaces: { out: { addresses: [192.0.2.10/24] }, in: { addresses: [10.0.0.1/24] } } }
  web1: { interfaces: { eth0: { addresses: [10.0.0.11/24], gateway: 10.0.0.1 } } }
services:
  login: { mode: nat, vip: ${vip}, port: ${port}, directors: [lvs], real_servers: { web1: {} } }
`;
}

function ftpNat(more: string): string {
  return `version: 1
name: c
hosts:
  lvs:  { interfaces: { out: { addresses: [192.0.2.10/24] }, in: { addresses: [10.0.0.1/24] } }${more} }
  ftp1: { interfaces: { eth0: { addresses: [10.0.0.11/24] } } }
services:
  ftp: { mode: nat, vip: 192.0.2.10, port: 21, directors: [lvs], real_servers: { ftp1: {} } }
`;
}

function has({ addresses }: Interface, address: string): boolean {
  return addresses.some((one) => one.address === address);
}

function hasFtp({ protocol, ports }: Service): boolean {
  return protocol === 'tcp' && ports.some(({ first, last }) => first <= FTP && FTP <= last);
}

function portOf(question: Parameters<typeof serviceSays>[0], name: string) {
  const port = serviceSays(question, name, 'port');
  return port.at(-1) === 'port' ? port : serviceSays(question, name, 'ports');
}
