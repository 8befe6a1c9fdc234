import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LvsctlError } from '../../src/errors/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Facts } from '../../src/platform/facts.ts';
import { type Desired, desire, rehearse } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { folder } from '../inventory/files.ts';

const read = (name: string) => loadCluster([new URL(`../../inventories/${name}.yaml`, import.meta.url).pathname]);
const load = (text: string) => loadCluster([join(folder({ 'lvs.yaml': text }), 'lvs.yaml')]);

type Kind = Desired['resource']['kind'];
function of<K extends Kind>(desired: readonly Desired[], kind: K): Extract<Desired['resource'], { kind: K }>[] {
  return desired.flatMap(({ resource }) =>
    resource.kind === kind ? [resource as Extract<Desired['resource'], { kind: K }>] : [],
  );
}
const sysctls = (desired: readonly Desired[]) =>
  Object.fromEntries(of(desired, 'sysctl').map(({ name, value }) => [name.replace('net.', ''), value]));
const addresses = (desired: readonly Desired[], device: string) =>
  of(desired, 'connection').find((one) => one.device === device)?.addresses;
const routes = (desired: readonly Desired[], device: string) =>
  of(desired, 'connection').find((one) => one.device === device)?.routes;
const traffic = (desired: readonly Desired[]) => of(desired, 'firewall').flatMap(({ rules }) => rules);

const two = (mode: string, hosts: string, service: string) =>
  load(`version: 1
name: c
hosts:
${hosts}
services:
  web: { mode: ${mode}, port: 80, directors: [lvs], real_servers: { rs: {} }, ${service} }
`);
const nic = (name: string, address: string, more = '') => `${name}: { addresses: ["${address}"]${more} }`;

describe('nat', () => {
  const cluster = read('nat-two-nic');

  test('the director forwards, and its own address is the VIP: no other is added', () => {
    const desired = desire(cluster, 'lvs', facts());
    expect(sysctls(desired)).toMatchObject({ 'ipv4.ip_forward': '1' });
    expect(addresses(desired, 'ens33')).toEqual(['200.0.0.2/24']);
    expect(addresses(desired, 'ens34')).toEqual(['192.168.10.12/24']);
    expect(traffic(desired)).toEqual([]);
  });

  test('a real server is an ordinary host with the director as its gateway', () => {
    const desired = desire(cluster, 'web1', facts());
    expect(sysctls(desired)).toEqual({});
    expect(addresses(desired, 'lo')).toBeUndefined();
    expect(routes(desired, 'ens33')).toEqual(['default via 192.168.10.12']);
  });

  test('a VIP that is no own address stands outside, in its network', () => {
    const hosts = `  lvs: { interfaces: { ${nic('in0', '10.0.0.1/24')}, ${nic('out0', '192.0.2.1/24')} } }
  rs: { interfaces: { ${nic('e0', '10.0.0.2/24')} } }`;
    const desired = desire(two('nat', hosts, 'vip: 192.0.2.9'), 'lvs', facts());
    expect(addresses(desired, 'out0')).toEqual(['192.0.2.1/24', '192.0.2.9/32']);
  });

  test('and one of no network where requests come from', () => {
    const hosts = `  lvs: { interfaces: { ${nic('in0', '10.0.0.1/24')}, ${nic('out0', '192.0.2.1/24', ', gateway: 192.0.2.254')} } }
  rs: { interfaces: { ${nic('e0', '10.0.0.2/24')} } }`;
    const desired = desire(two('nat', hosts, 'vip: 198.51.100.9'), 'lvs', facts());
    expect(addresses(desired, 'out0')).toEqual(['192.0.2.1/24', '198.51.100.9/32']);
  });

  test('with one card no redirects; with two they are left alone', () => {
    const one = sysctls(desire(read('nat-one-arm'), 'lvs', facts()));
    expect(one).toMatchObject({ 'ipv4.conf.all.send_redirects': '0', 'ipv4.conf.ens33.send_redirects': '0' });
    expect(Object.keys(sysctls(desire(cluster, 'lvs', facts()))).join()).not.toContain('send_redirects');
  });

  test('IPv6 is forwarded for IPv6 VIPs alone', () => {
    const hosts = `  lvs: { interfaces: { ${nic('in0', '2001:db8:1::1/64')}, ${nic('out0', '2001:db8:2::1/64')} } }
  rs: { interfaces: { ${nic('e0', '2001:db8:1::2/64')} } }`;
    const found = sysctls(desire(two('nat', hosts, 'vip: "2001:db8:2::9"'), 'lvs', facts()));
    expect(found['ipv6.conf.all.forwarding']).toBe('1');
    expect(found['ipv4.ip_forward']).toBeUndefined();
  });
});

test('where requests come in and no way back begins, filtering by source is loose', () => {
  const hosts = `  lvs: { interfaces: { ${nic('in0', '10.0.0.1/24', ', gateway: 10.0.0.254')}, ${nic('out0.7', '192.0.2.1/24')} } }
  rs: { interfaces: { ${nic('e0', '10.0.0.2/24', ', gateway: 10.0.0.1')} } }`;
  const asymmetric = two('nat', hosts, 'vip: 192.0.2.9');
  expect(sysctls(desire(asymmetric, 'lvs', facts()))).toMatchObject({ 'ipv4.conf.out0/7.rp_filter': '2' });
  const plain = Object.keys(sysctls(desire(read('nat-one-arm'), 'lvs', facts())));
  expect(plain.join()).not.toContain('rp_filter');
});

describe('fullnat', () => {
  const desired = desire(read('fullnat'), 'lvs', facts());
  test('forwards, lets netfilter see IPVS’s connections, and masquerades towards the real servers’ own port', () => {
    expect(sysctls(desired)).toMatchObject({ 'ipv4.ip_forward': '1', 'ipv4.vs.conntrack': '1' });
    const ports = [{ first: 8080, last: 8080 }];
    const rule = { rule: 'masquerade', family: 4, protocol: 'tcp', ports };
    expect(traffic(desired)).toEqual([
      { ...rule, address: '192.168.10.13' },
      { ...rule, address: '192.168.10.14' },
    ]);
  });
  test('a real server is asked for nothing, not even a gateway', () => {
    const real = desire(read('fullnat'), 'web1', facts());
    expect(routes(real, 'ens33')).toEqual([]);
    expect(sysctls(real)).toEqual({});
  });
});

describe('arp', () => {
  const variant = (arp: string) => {
    const text = `version: 1
name: c
hosts:
  client: { manage: none, interfaces: { ${nic('e0', '40.0.0.1/24', ', gateway: 40.0.0.254')} } }
  route: { forwarding: true, interfaces: { ${nic('r0', '40.0.0.254/24')}, ${nic('r1', '30.0.0.254/24')} } }
  d: { interfaces: { ${nic('d0', '30.0.0.20/24', ', gateway: 30.0.0.254')} } }
  rs: { interfaces: { ${nic('e0', '30.0.0.30/24', ', gateway: 30.0.0.254')} } }
services:
  web: { mode: dr, vip: 30.0.0.100, port: 80, directors: [d], real_servers: { rs: {} }, arp: ${arp} }
`;
    return load(text);
  };

  test('sysctl: on `all` and lo', () => {
    const desired = desire(variant('sysctl'), 'rs', facts());
    expect(sysctls(desired)).toEqual({
      'ipv4.conf.all.arp_announce': '2',
      'ipv4.conf.all.arp_ignore': '1',
      'ipv4.conf.lo.arp_announce': '2',
      'ipv4.conf.lo.arp_ignore': '1',
    });
    expect(of(desired, 'arptables')).toEqual([]);
  });

  test.each([
    ['debian', 'arptables'],
    ['rhel', 'iptables-nft'],
  ] as const)('arptables on %s: rules live and at boot, no sysctl', (platform, name) => {
    const desired = desire(variant('arptables'), 'rs', facts({ platform }));
    expect(sysctls(desired)).toEqual({});
    expect(of(desired, 'package')).toContainEqual({ kind: 'package', name });
    expect(of(desired, 'arptables')).toEqual([
      { kind: 'arptables', address: '30.0.0.100', source: '30.0.0.30', state: 'present' },
    ]);
    const unit = of(desired, 'file').find(({ path }) => path.endsWith('/lvsctl-arptables.service'));
    expect(unit?.state === 'present' && unit.content).toContain(
      'ExecStart=/usr/sbin/arptables -I INPUT -j DROP -d 30.0.0.100\n',
    );
    expect(of(desired, 'service')).toContainEqual(
      expect.objectContaining({ unit: 'lvsctl-arptables.service', enabled: true }),
    );
    expect(addresses(desired, 'lo')).toContain('30.0.0.100/32');
  });

  describe('static_neighbour', () => {
    const cluster = variant('{ static_neighbour: { at: [route] } }');
    const told = (mac: string): Map<string, Facts> =>
      new Map([['d', facts({ devices: { d0: { mac, up: true, mtu: 1500, addresses: [] } } })]]);

    test('the router holds the MAC address that the director told, on its interface there', () => {
      const desired = desire(cluster, 'route', facts(), told('52:54:00:AB:CD:EF'));
      expect(of(desired, 'neighbour')).toEqual([
        { kind: 'neighbour', device: 'r1', address: '30.0.0.100', mac: '52:54:00:ab:cd:ef', state: 'present' },
      ]);
      const script = of(desired, 'file').find(({ path }) => path.includes('dispatcher.d'));
      expect(script).toMatchObject({ mode: '0755', owner: 'root' });
      expect(script?.state === 'present' && script.content).toContain(
        'ip neigh replace 30.0.0.100 lladdr 52:54:00:ab:cd:ef dev r1 nud permanent',
      );
    });

    test('nothing is asked of real servers but the VIP', () => {
      const desired = desire(cluster, 'rs', facts());
      expect(sysctls(desired)).toEqual({});
      expect(of(desired, 'arptables')).toEqual([]);
      expect(addresses(desired, 'lo')).toContain('30.0.0.100/32');
    });

    test.each<[string, ReadonlyMap<string, Facts>]>([
      ['could not be read', new Map()],
      ['has no such device', new Map([['d', facts()]])],
    ])('a director that %s is an error that names it', (_, peers) => {
      expect(codes(() => desire(cluster, 'route', facts(), peers))).toEqual(['HOST-PEER-UNREAD']);
    });

    test('a router elsewhere is refused before any host is touched', () => {
      const wrong = variant('{ static_neighbour: { at: [far] } }'.replace('far', 'route'));
      const moved = { ...wrong, hosts: wrong.hosts.map((host) => (host.name === 'route' ? elsewhere(host) : host)) };
      expect(codes(() => rehearse(moved))).toEqual(['HOST-NO-NEIGHBOUR']);
      expect(codes(() => rehearse(wrong))).toEqual([]);
    });
  });
});

const elsewhere = <H extends { interfaces: { segment: string }[] }>(host: H): H => ({
  ...host,
  interfaces: host.interfaces.map((one) => ({ ...one, segment: `far-${one.segment}` })),
});

function codes(act: () => unknown): string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof LvsctlError) return error.problems.map(({ code }) => code);
    throw error;
  }
  return [];
}

describe('tun', () => {
  const real = (inner: 4 | 6, tunnel: string, mtu = '') => {
    const [net, vip] = inner === 4 ? ['10.0.0.', '192.0.2.9'] : ['2001:db8:1::', '2001:db8:2::9'];
    const prefix = inner === 4 ? 24 : 64;
    const hosts = `  lvs: { interfaces: { ${nic('e0', `${net}1/${prefix}`, mtu)} } }
  rs: { interfaces: { ${nic('e0', `${net}2/${prefix}`)} } }`;
    return desire(two('tun', hosts, `vip: "${vip}", tunnel: ${tunnel}`), 'rs', facts());
  };
  const ends = (desired: readonly Desired[]) =>
    of(desired, 'tunnel').map((end) => (end.type === 'gue' ? `gue ${end.port}/${end.family}` : end.device));
  const modules = (desired: readonly Desired[]) => of(desired, 'module').map(({ name }) => name);
  const mss = (desired: readonly Desired[]) =>
    traffic(desired).flatMap((rule) => (rule.rule === 'clamp' ? [rule.mss] : []));

  // MSS: 1500 less the outer headers less 40 (IPv4) or 60 (IPv6).
  test.each<[4 | 6, string, string[], string[], number]>([
    [4, '{ type: ipip }', ['ipip'], ['tunl0'], 1440],
    [6, '{ type: ipip }', ['ip6_tunnel'], ['ip6tnl0'], 1400],
    [4, '{ type: gre }', ['ip_gre'], ['gre0'], 1436],
    [4, '{ type: gre, checksum: csum }', ['ip_gre'], ['lvs-gre'], 1432],
    [6, '{ type: gre }', ['ip6_gre'], ['ip6gre0'], 1396],
    [4, '{ type: gue, port: 6080 }', ['fou', 'ipip'], ['gue 6080/4', 'tunl0'], 1428],
    [4, '{ type: gue, port: 6080, checksum: remcsum }', ['fou', 'ipip'], ['gue 6080/4', 'tunl0'], 1420],
    [6, '{ type: gue, port: 6080 }', ['fou6', 'ip6_tunnel'], ['gue 6080/6', 'ip6tnl0'], 1388],
  ])('IPv%i through %s', (inner, tunnel, wantedModules, wantedEnds, wantedMss) => {
    const desired = real(inner, tunnel);
    expect(modules(desired)).toEqual(wantedModules);
    expect(ends(desired)).toEqual(wantedEnds);
    expect(mss(desired)).toEqual([wantedMss]);
  });

  test('a smaller MTU on the way makes smaller segments', () => {
    expect(mss(real(4, '{ type: ipip }', ', mtu: 1400'))).toEqual([1340]);
  });

  test('loose filtering on the tunnel, silence about the VIP, all before the VIP', () => {
    const desired = real(4, '{ type: ipip }');
    expect(sysctls(desired)).toMatchObject({
      'ipv4.conf.tunl0.rp_filter': '0',
      'ipv4.conf.all.rp_filter': '0',
      'ipv4.conf.all.arp_ignore': '1',
      'ipv4.conf.all.arp_announce': '2',
    });
    const at = (kind: Kind, part = '') =>
      desired.findIndex(({ resource }) => resource.kind === kind && JSON.stringify(resource).includes(part));
    expect(at('module')).toBeLessThan(at('tunnel'));
    expect(at('tunnel')).toBeLessThan(at('sysctl', 'tunl0'));
    expect(at('sysctl', 'tunl0')).toBeLessThan(at('connection', '"lo"'));
  });

  test('the director needs no device, no forwarding', () => {
    const desired = desire(read('tun'), 'director', facts());
    expect(ends(desired)).toEqual([]);
    expect(Object.keys(sysctls(desired)).join()).not.toContain('forward');
    expect(addresses(desired, 'ens33')).toEqual(['30.30.30.20/24', '30.30.30.100/32']);
  });
});

describe('a sorry server that is a host of the inventory', () => {
  const cluster = (said: string, { sorry = '10.0.0.9', own = '10.0.0.9/24, "2001:db8::9/64"', more = '' } = {}) =>
    load(`version: 1
name: c
hosts:
  lvs: { interfaces: { e0: { addresses: [10.0.0.1/24, "2001:db8::1/64"] } } }
  rs: { interfaces: { e0: { addresses: [10.0.0.2/24, "2001:db8::2/64"] } } }
  sorry: { ${more}interfaces: { e0: { addresses: [${own}] } } }
vips: { site: { addresses: [10.0.0.100, "2001:db8::100"] } }
services:
  web: { vip: site, port: 80, directors: [lvs], real_servers: { rs: {} }, health_check: { tcp_check: { port: 81 } }, sorry_server: { address: "${sorry}" }, ${said} }
`);
  const SILENT = {
    'ipv4.conf.all.arp_announce': '2',
    'ipv4.conf.all.arp_ignore': '1',
    'ipv4.conf.lo.arp_announce': '2',
    'ipv4.conf.lo.arp_ignore': '1',
  };
  const LOOSE = { 'ipv4.conf.all.rp_filter': '0', 'ipv4.conf.tunl0.rp_filter': '0' };

  test.each<[string, string, Record<string, string>, string[] | undefined, string[]]>([
    ['mode: dr', '10.0.0.9', SILENT, ['127.0.0.1/8', '10.0.0.100/32'], []],
    ['mode: dr', '2001:db8::9', {}, ['127.0.0.1/8', '::1/128', '2001:db8::100/128'], []],
    ['mode: dr, arp: arptables', '10.0.0.9', {}, ['127.0.0.1/8', '10.0.0.100/32'], []],
    ['mode: tun', '10.0.0.9', { ...SILENT, ...LOOSE }, ['127.0.0.1/8', '10.0.0.100/32'], ['tunl0']],
    ['mode: nat', '10.0.0.9', {}, undefined, []],
    ['mode: fullnat', '10.0.0.9', {}, undefined, []],
  ])('%s, at %s: set up as real servers are, for the VIPs of its family', (said, sorry, parameters, lo, ends) => {
    const desired = desire(cluster(said, { sorry }), 'sorry', facts());
    expect(sysctls(desired)).toEqual(parameters);
    expect(addresses(desired, 'lo')).toEqual(lo);
    expect(of(desired, 'tunnel').map((end) => ('device' in end ? end.device : end.type))).toEqual(ends);
    expect(routes(desired, 'e0')).toEqual(
      said === 'mode: nat' ? ['default via 10.0.0.1', 'default via 2001:db8::1'] : [],
    );
  });

  test('by arptables it is silent under its own address', () => {
    const desired = desire(cluster('mode: dr, arp: arptables'), 'sorry', facts());
    expect(of(desired, 'arptables')).toEqual([
      { kind: 'arptables', address: '10.0.0.100', source: '10.0.0.9', state: 'present' },
    ]);
  });

  test.each(['dr', 'tun', 'nat', 'fullnat'])('%s: it is no row’s real server', (mode) => {
    const desired = desire(cluster(`mode: ${mode}`), 'lvs', facts());
    const rows = of(desired, 'ipvs').flatMap((row) => (row.state === 'present' ? row.destinations : []));
    expect(rows.map(({ address }) => address)).toEqual(['10.0.0.2', '2001:db8::2']);
  });

  test.each<[string, string[]]>([
    ['10.0.0.9', ['10.0.0.2', '10.0.0.9', '2001:db8::2']],
    ['10.0.0.77', ['10.0.0.2', '10.0.0.77', '2001:db8::2']],
    ['10.0.0.2', ['10.0.0.2', '2001:db8::2']],
  ])('fullnat: the director masquerades towards %s too, whosever it is', (sorry, expected) => {
    const rules = traffic(desire(cluster('mode: fullnat', { sorry }), 'lvs', facts()));
    expect(rules.flatMap((rule) => (rule.rule === 'masquerade' ? [rule.address] : []))).toEqual(expected);
  });

  test('a filter lets clients in, and nobody who checks', () => {
    const filtered = { ...cluster('mode: dr'), firewall: { manage: true, trusted: [] } };
    const rules = of(desire(filtered, 'sorry', facts()), 'firewall').flatMap((one) => one.rules);
    expect(rules).toEqual([{ rule: 'accept', protocol: 'tcp', ports: [{ first: 80, last: 80 }] }]);
  });

  test('a director’s own address asks for nothing', () => {
    const desired = desire(cluster('mode: dr', { sorry: '10.0.0.1' }), 'lvs', facts());
    expect(addresses(desired, 'lo')).toBeUndefined();
  });
});
