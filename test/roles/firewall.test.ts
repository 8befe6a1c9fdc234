import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { FirewallFacts } from '../../src/platform/facts.ts';
import { linesOf } from '../../src/resources/firewall.ts';
import type { FirewallResource } from '../../src/resources/resource.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { folder } from '../inventory/files.ts';

const HOSTS = `
  lvs1: { interfaces: { ens33: { addresses: [10.0.0.1/24] } } }
  lvs2: { interfaces: { ens33: { addresses: [10.0.0.2/24] } } }
  web1: { interfaces: { ens33: { addresses: [10.0.0.11/24] } } }
  web2: { interfaces: { ens33: { addresses: [10.0.0.12/24] } } }
  app1: { interfaces: { ens33: { addresses: [10.0.0.21/24] } } }`;

const PAIR = `version: 1
name: pair
hosts:${HOSTS}
vrrp:
  edge:
    nodes: { lvs1: { priority: 100 }, lvs2: { priority: 90 } }
    instances: { outside: { virtual_router_id: 51, interface: ens33 } }
vips: { shop: { addresses: [10.0.0.100], vrrp: edge.outside } }
services:
  web:
    mode: dr
    vip: shop
    port: 80
    real_servers: { web1: {}, web2: {} }
    health_check: { http_get: { path: /health_check, status: 200 } }
ipvs: { sync: { interface: ens33, id: 51 } }
proxies:
  front: { software: nginx, hosts: [web1, web2], port: 80, upstream: { servers: { app1: { port: 8080 } } } }
applications:
  shop: { software: tomcat, source: package, hosts: [app1], port: 8080 }
`;

const cluster = (text: string) => loadCluster([join(folder({ 'lvs.yaml': text }), 'lvs.yaml')]);

const NOTHING: FirewallFacts = { nft: true, ruleset: [], iptables: [], ipv6: true };
const NO_NFT: FirewallFacts = { ...NOTHING, nft: false };
const FIREWALLD: FirewallFacts = { ...NOTHING, firewalld: { zones: ['public'] } };
const DROPPING: FirewallFacts = {
  ...NOTHING,
  iptables: [{ variant: 'legacy', v4: ['*filter', ':INPUT DROP [0:0]'], v6: [] }],
};
const NFT_DROPPING: FirewallFacts = {
  ...NOTHING,
  ruleset: [
    {
      chain: { family: 'inet', table: 'filter', name: 'input', type: 'filter', hook: 'input', prio: 0, policy: 'drop' },
    },
  ],
};

function desired(text: string, host: string, firewall?: FirewallFacts) {
  return desire(cluster(text), host, { ...facts(), ...(firewall === undefined ? {} : { firewall }) });
}
function firewalls(text: string, host: string, firewall?: FirewallFacts) {
  return desired(text, host, firewall).flatMap(({ stage, resource }) =>
    resource.kind === 'firewall' ? [{ stage, resource }] : [],
  );
}
function lines(text: string, host: string, firewall: FirewallFacts): string[] {
  return firewalls(text, host, firewall).flatMap(({ resource }) => linesOf(resource));
}
const inputRules = (all: readonly string[]) =>
  all.flatMap((line) => {
    const rule = /^iptables -t filter -A LVSCTL-INPUT (.*)$/.exec(line)?.[1];
    return rule === undefined ? [] : [rule];
  });

describe('left alone', () => {
  test.each([
    ['nothing is known', undefined],
    ['nothing filters', NOTHING],
    ['nothing filters, and the kernel has no nftables', NO_NFT],
  ])('where %s', (_, given) => {
    for (const host of ['lvs1', 'web1', 'app1']) expect(firewalls(PAIR, host, given)).toEqual([]);
  });

  test('where lvsctl doesn’t own the firewall', () => {
    const text = PAIR.replace(
      'lvs1: { ',
      'lvs1: { manage: [network, ipvs, vrrp, sysctl, packages, services, files, modules], ',
    );
    expect(firewalls(text, 'lvs1', DROPPING)).toEqual([]);
  });
});

describe('what comes in where the host filters', () => {
  test('to a director of a pair: clients, the peer’s VRRP, the peer’s connections', () => {
    expect(inputRules(lines(PAIR, 'lvs1', DROPPING)).toSorted()).toEqual([
      '-p tcp -m tcp --dport 80 -j ACCEPT',
      '-s 10.0.0.2/32 -p 112 -j ACCEPT',
      '-s 10.0.0.2/32 -p udp -m udp --dport 8848 -j ACCEPT',
    ]);
  });

  test('to a proxy that is a real server: clients and the directors’ checks', () => {
    expect(inputRules(lines(PAIR, 'web1', DROPPING))).toEqual([
      '-p tcp -m tcp --dport 80 -j ACCEPT',
      '-s 10.0.0.1/32 -p tcp -m tcp --dport 80 -j ACCEPT',
      '-s 10.0.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT',
    ]);
  });

  test('to an application: the proxies alone', () => {
    expect(inputRules(lines(PAIR, 'app1', DROPPING))).toEqual([
      '-s 10.0.0.11/32 -p tcp -m tcp --dport 8080 -j ACCEPT',
      '-s 10.0.0.12/32 -p tcp -m tcp --dport 8080 -j ACCEPT',
    ]);
  });

  test('trusted networks', () => {
    const text = `${PAIR}firewall: { trusted: [10.9.0.0/16] }\n`;
    expect(inputRules(lines(text, 'app1', DROPPING)).at(-1)).toBe('-s 10.9.0.0/16 -j ACCEPT');
  });

  test('it stands where the filter is, before anything else', () => {
    expect(firewalls(PAIR, 'app1', DROPPING)[0]).toMatchObject({
      stage: 'reach',
      resource: { place: { backend: 'iptables', variant: 'legacy', families: [4] }, closed: null },
    });
    expect(firewalls(PAIR, 'app1', FIREWALLD)[0]?.resource.place).toEqual({ backend: 'firewalld', zones: ['public'] });
    expect(firewalls(PAIR, 'app1', NFT_DROPPING)[0]?.resource.place).toMatchObject({
      backend: 'nftables',
      into: [{ family: 'inet', table: 'filter', chain: 'input' }],
    });
  });

  test('connections through a director in dr mode are not tracked, before the VIP', () => {
    const traffic = firewalls(PAIR, 'lvs1', DROPPING).find(({ resource }) => resource.purpose === 'traffic');
    expect(traffic?.stage).toBe('rules');
    expect(linesOf(traffic?.resource as FirewallResource)).toEqual([
      'iptables -t raw -A LVSCTL-UNTRACKED -d 10.0.0.100/32 -p tcp -m tcp --dport 80 -j CT --notrack',
      'iptables -t raw -I PREROUTING -j LVSCTL-UNTRACKED',
    ]);
  });
});

describe('what services need without any filter', () => {
  const MARKED = `version: 1
name: marked
hosts:${HOSTS}
services:
  shop: { mode: dr, vip: 10.0.0.100, fwmark: 7, ports: [80, 8000-8010], directors: [lvs1], real_servers: { web1: {} } }
`;
  test.each([
    ['nftables', NOTHING, 'nftables'],
    ['iptables where the kernel has no nftables', NO_NFT, 'iptables'],
    ['iptables where the host uses it', DROPPING, 'iptables'],
    ['nftables beside firewalld', FIREWALLD, 'nftables'],
    ['firewalld where there is nothing else', { ...FIREWALLD, nft: false }, 'firewalld'],
  ])('marks stand in %s', (_, given, backend) => {
    const [traffic] = firewalls(MARKED, 'lvs1', given).filter(({ resource }) => resource.purpose === 'traffic');
    expect(traffic?.stage).toBe('rules');
    expect(traffic?.resource.place.backend).toBe(backend);
    expect(traffic?.resource.rules[0]).toMatchObject({ rule: 'mark', address: '10.0.0.100', mark: 7 });
  });

  test('they come back at boot, by files that the script names and a unit of lvsctl', () => {
    const all = desired(MARKED, 'lvs1', NO_NFT);
    const files = new Map(
      all.flatMap(({ resource }) =>
        resource.kind === 'file' && resource.state === 'present' ? [[resource.path, resource.content] as const] : [],
      ),
    );
    expect([...files.keys()]).toEqual(
      expect.arrayContaining([
        '/etc/lvsctl/firewall-traffic.iptables',
        '/etc/lvsctl/firewall.sh',
        '/etc/systemd/system/lvsctl-firewall.service',
      ]),
    );
    expect(files.get('/etc/lvsctl/firewall.sh')).toBe(`# lvsctl manages this file: change the inventory, not this.
# Brings the rules of lvsctl into the packet filter. Rules of others are left as they are.
failed=0
program=iptables-legacy
command -v "$program" >/dev/null || program=iptables
"$program-restore" -w --noflush /etc/lvsctl/firewall-traffic.iptables || failed=1
"$program" -w -t mangle -C PREROUTING -j LVSCTL-MARK 2>/dev/null || "$program" -w -t mangle -I PREROUTING -j LVSCTL-MARK || failed=1
exit "$failed"
`);
    expect(all.map(({ resource }) => resource)).toContainEqual(
      expect.objectContaining({ kind: 'service', unit: 'lvsctl-firewall.service', enabled: true, running: true }),
    );
    expect(all.map(({ resource }) => resource)).toContainEqual({ kind: 'package', name: 'iptables' });
  });

  test('firewalld keeps them itself', () => {
    const all = desired(MARKED, 'lvs1', { ...FIREWALLD, nft: false });
    expect(all.filter(({ resource }) => resource.kind === 'file' && resource.path.includes('firewall'))).toEqual([]);
  });
});

describe('firewall: { manage: true }', () => {
  const MANAGED = `${PAIR}firewall: { manage: true }\n`;
  test.each([
    ['nothing is known of its SSH', NOTHING, [22]],
    ['SSH came in at another port than the inventory says', { ...NOTHING, sshPort: 2222 }, [2222, 22]],
  ])('drops the rest, never SSH: %s', (_, given, ssh) => {
    const [filter] = firewalls(MANAGED, 'app1', given);
    expect(filter?.resource.closed).toEqual({ ssh });
    const rules = linesOf(filter?.resource as FirewallResource).slice(1);
    expect(rules.slice(0, ssh.length)).toEqual(
      ssh.map((port) => `add rule inet lvsctl_filter input tcp dport ${port} accept`),
    );
    expect(rules.at(-1)).toBe('add rule inet lvsctl_filter input drop');
  });

  test('a filter of the host’s own stays what decides', () => {
    expect(firewalls(MANAGED, 'app1', DROPPING)[0]?.resource.closed).toBeNull();
    expect(firewalls(MANAGED, 'app1', FIREWALLD)[0]?.resource.closed).toBeNull();
  });
});

test('a NAT director that filters has IPVS keep connection tracking right', () => {
  const nat = `version: 1
name: nat
hosts:
  lvs1: { interfaces: { ens33: { addresses: [192.0.2.10/24] }, ens34: { addresses: [10.0.0.1/24] } } }
  web1: { interfaces: { ens33: { addresses: [10.0.0.11/24], gateway: 10.0.0.1 } } }
services:
  web: { mode: nat, vip: 192.0.2.10, port: 80, directors: [lvs1], real_servers: { web1: {} } }
`;
  const conntrack = (given: FirewallFacts) =>
    desired(nat, 'lvs1', given).some(
      ({ resource }) => resource.kind === 'sysctl' && resource.name === 'net.ipv4.vs.conntrack',
    );
  expect([conntrack(NOTHING), conntrack(DROPPING), conntrack(FIREWALLD)]).toEqual([false, true, true]);
});
