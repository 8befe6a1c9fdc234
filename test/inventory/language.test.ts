import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import { folder } from './files.ts';

/** What each part of the language means: the model that comes of it. */

function load(text: string, files: Record<string, string> = {}): Cluster {
  return loadCluster([join(folder({ 'lvs.yaml': `version: 1\nname: c\n${text}`, ...files }), 'lvs.yaml')]);
}

const sha = (text: string) => createHash('sha256').update(text).digest('hex');

/** A director, two real servers and a client, in one network. */
const HOSTS = `
hosts:
  d: { interfaces: { eth0: { addresses: [10.0.0.2/24, "2001:db8::2/64"] } } }
  r1: { interfaces: { eth0: { addresses: [10.0.0.3/24, "2001:db8::3/64"] } } }
  r2: { interfaces: { eth0: { addresses: [10.0.0.4/24, "2001:db8::4/64"] } } }
`;
const service = (said: string) =>
  load(
    `${HOSTS}services:\n  web: { ${said.includes('mode:') ? '' : 'mode: dr, '}vip: 10.0.0.100, directors: [d], real_servers: { r1: {}, r2: {} }, ${said} }`,
  ).services[0];

/** A pair with an outside and an inside network, and a real server behind it. */
const PAIR = `
hosts:
  a: { interfaces: { out: { addresses: [10.0.0.2/24, "2001:db8::2/64"] }, in: { addresses: [10.1.0.2/24] } } }
  b: { interfaces: { out: { addresses: [10.0.0.3/24, "2001:db8::3/64"] }, eth9: { addresses: [10.1.0.3/24] } } }
  r: { interfaces: { eth0: { addresses: [10.1.0.9/24] } } }
vrrp:
  edge:
    nodes: { a: {}, b: { priority: 90, interfaces: { inside: eth9 } } }
    instances:
      outside: { virtual_router_id: 51, interface: out }
      inside: { virtual_router_id: 52, interface: in, addresses: [10.1.0.1/24] }
vips:
  shop: { addresses: [10.0.0.100], vrrp: edge.outside }
`;

describe('groups', () => {
  const farm = (members: string, more = '') =>
    load(`
defaults: { host: { packages: [less], ssh: { user: root, port: 22 }, vars: { rack: z, row: 1 } } }
groups:
  web: { hosts: ${members}, ssh: { user: web, jump: bastion }, vars: { rack: a }, packages: [strace] }
  old: { hosts: [web03], vars: { rack: b }, sysctls: { net.core.a: 1 } }
hosts:
  web01: {}
  web02: { ssh: { user: me }, vars: { rack: c } }
  web03: {}
  web10: {}
  other: {}
${more}`);

  test.each([
    ['["web[01-03]"]', ['web01', 'web02', 'web03']],
    ['["web[01,10]"]', ['web01', 'web10']],
    ['["web[02-03,10]", other]', ['web02', 'web03', 'web10', 'other']],
    ['["web[01-02]", "web[02-03]"]', ['web01', 'web02', 'web03']],
    ['["web0[1-2]"]', ['web01', 'web02']],
  ])('%s', (members, expected) => {
    expect(farm(members).groups.find(({ name }) => name === 'web')?.hosts).toEqual(expected);
  });

  test('host over group over defaults; maps merge, lists replace; of two groups the first that says it', () => {
    const of = (name: string) => farm('["web[01-03]"]').hosts.find((host) => host.name === name);
    expect(of('web01')).toMatchObject({
      groups: ['web'],
      ssh: { user: 'web', port: 22, jump: 'bastion' },
      vars: { rack: 'a', row: 1 },
      packages: ['strace'],
    });
    expect(of('web02')).toMatchObject({ ssh: { user: 'me', jump: 'bastion' }, vars: { rack: 'c', row: 1 } });
    expect(of('web03')).toMatchObject({ groups: ['web', 'old'], vars: { rack: 'a' }, sysctls: { 'net.core.a': '1' } });
    expect(of('other')).toMatchObject({ groups: [], ssh: { user: 'root' }, packages: ['less'] });
  });

  test('stand wherever hosts do; a host’s own entry overrides its group’s', () => {
    const cluster = load(`${HOSTS}
groups: { farm: { hosts: ["r[1-2]"] }, lvs: { hosts: [d] } }
services:
  web:
    { mode: dr, vip: 10.0.0.100, port: 80, directors: [lvs], real_servers: { r2: { weight: 3 }, farm: { weight: 2, upper_threshold: 9 } } }
web_servers: { pages: { software: nginx, hosts: [farm], port: 80, index: x } }
proxies:
  front: { software: nginx, hosts: [lvs], port: 81, upstream: { servers: { farm: { port: 80, weight: 4 }, r1: { port: 80, backup: true } } } }
`);
    expect(cluster.services[0]).toMatchObject({
      directors: ['d'],
      virtuals: [
        {
          realServers: [
            { host: 'r1', weight: 2, upperThreshold: 9 },
            { host: 'r2', weight: 3, upperThreshold: 9 },
          ],
        },
      ],
    });
    expect(cluster.webServers[0]?.hosts).toEqual(['r1', 'r2']);
    expect(cluster.proxies[0]?.upstream.servers).toEqual([
      { host: 'r1', address: '10.0.0.3', port: 80, weight: 4, backup: true },
      { host: 'r2', address: '10.0.0.4', port: 80, weight: 4, backup: false },
    ]);
  });

  test('manage and forwarding can be said of a group', () => {
    const [web01, , , , other] = load(`
groups: { seen: { hosts: [web01], manage: none, forwarding: true } }
defaults: { host: { manage: [ipvs] } }
hosts: { web01: {}, b: {}, c: {}, d: {}, other: {} }`).hosts;
    expect(web01).toMatchObject({ managed: false, forwarding: true });
    expect(other).toMatchObject({ managed: true, owns: ['ipvs'], forwarding: false });
  });
});

describe('ports', () => {
  test.each([
    ['port: 80', [[80, 80]], 1],
    [
      'ports: [80, 443]',
      [
        [80, 80],
        [443, 443],
      ],
      2,
    ],
    [
      'ports: [80, 8000-8010]',
      [
        [80, 80],
        [8000, 8010],
      ],
      12,
    ],
    [
      'fwmark: auto, ports: [21, 50000-50100]',
      [
        [21, 21],
        [50000, 50100],
      ],
      1,
    ],
  ])('%s', (said, ports, rows) => {
    const found = service(said);
    expect(found?.ports.map(({ first, last }) => [first, last])).toEqual(ports);
    expect(found?.virtuals).toHaveLength(rows);
  });

  test('each row has its own, and its real servers too', () => {
    expect(
      service('ports: [80, 443]')?.virtuals.map(({ match, realServers }) => [match, realServers[0]?.port]),
    ).toEqual([
      [{ by: 'socket', protocol: 'tcp', address: '10.0.0.100', port: 80 }, 80],
      [{ by: 'socket', protocol: 'tcp', address: '10.0.0.100', port: 443 }, 443],
    ]);
  });
});

describe('firewall marks', () => {
  test('a number, or one of lvsctl’s that stays the same; the real server’s port is the one asked for', () => {
    expect(service('fwmark: 7, ports: [20, 21]')).toMatchObject({
      fwmark: 7,
      virtuals: [{ match: { by: 'fwmark', mark: 7 }, realServers: [{ port: 0 }, { port: 0 }] }],
    });
    const auto = service('fwmark: auto, port: 80')?.fwmark ?? 0;
    expect(auto).toBeGreaterThan(0xffff);
    expect(service('fwmark: auto, ports: [80, 81]')?.fwmark).toBe(auto);
  });
  test('one row for each family of the VIP', () => {
    const cluster = load(`${HOSTS}
vips: { both: { addresses: [10.0.0.100, "2001:db8::100"] } }
services: { web: { mode: dr, vip: both, fwmark: 9, ports: [80, 443], directors: [d], real_servers: { r1: {} } } }`);
    expect(cluster.services[0]?.virtuals.map(({ family, realServers }) => [family, realServers[0]?.address])).toEqual([
      [4, '10.0.0.3'],
      [6, '2001:db8::3'],
    ]);
  });
  test('a check without a port asks the first one', () => {
    const port = (check: string) =>
      service(`fwmark: 7, ports: [80, 443], health_check: { ${check} }`)?.healthCheck?.check;
    expect(port('tcp_check: {}')).toMatchObject({ port: 80 });
    expect(port('tcp_check: { port: 443 }')).toMatchObject({ port: 443 });
    expect(port('ping_check: {}')).toEqual({ type: 'ping_check' });
  });
});

describe('services', () => {
  test.each<[string, object]>([
    ['port: 80', { protocol: 'tcp', scheduler: 'wlc', arp: 'sysctl', tunnel: { type: 'ipip' }, onePacket: false }],
    ['port: 80, persistence_timeout: 5m', { persistence: { timeout: 300, prefix4: 32, prefix6: 128 } }],
    [
      'port: 80, persistence_timeout: 30, persistence_netmask: { ipv4: 24 }',
      { persistence: { timeout: 30, prefix4: 24, prefix6: 128 } },
    ],
    ['port: 53, protocol: udp, one_packet: true', { protocol: 'udp', onePacket: true }],
    ['port: 80, scheduler: mh, scheduler_flags: [mh-port]', { scheduler: 'mh', schedulerFlags: ['mh-port'] }],
    ['port: 80, mode: tun, tunnel: { type: gre, checksum: csum }', { tunnel: { type: 'gre', checksum: 'csum' } }],
    [
      'port: 80, mode: tun, tunnel: { type: gue, port: 6080 }',
      { tunnel: { type: 'gue', port: 6080, checksum: 'none' } },
    ],
    ['port: 80, arp: { static_neighbour: { at: [r2] } }', { arp: { staticNeighbourAt: ['r2'] } }],
    [
      'port: 80, health_check: { tcp_check: {} }, sorry_server: { address: 10.0.0.9 }, quorum: 2, hysteresis: 1',
      { sorryServer: { address: '10.0.0.9', family: 4 }, quorum: 2, hysteresis: 1 },
    ],
  ])('%s', (said, expected) => {
    expect(service(said)).toMatchObject(expected);
  });
});

describe('defaults of services hold where they can', () => {
  const all = (defaults: string, said: string) =>
    load(`${HOSTS}
defaults: { service: { ${defaults} } }
services: { web: { vip: 10.0.0.100, real_servers: { r1: {} }, ${said} } }`).services[0];
  test.each<[string, string, object]>([
    ['mode: dr, directors: [d], ports: [80, 81]', 'port: 8080', { ports: [{ first: 8080, last: 8080 }] }],
    ['mode: dr, directors: [d], port: 80', 'ports: [1, 2]', { ports: [{ first: 1 }, { first: 2 }] }],
    ['directors: [d], port: 80, arp: arptables', 'mode: nat', { mode: 'nat', arp: 'sysctl' }],
    ['directors: [d], port: 80, arp: arptables', 'mode: dr', { arp: 'arptables' }],
    ['directors: [d], port: 80, arp: { static_neighbour: { at: [r2] } }', 'mode: dr, arp: sysctl', { arp: 'sysctl' }],
    ['directors: [d], port: 80, tunnel: { type: gre, checksum: csum }', 'mode: dr', { tunnel: { type: 'ipip' } }],
    [
      'directors: [d], port: 80, tunnel: { type: gue, port: 6080 }',
      'mode: tun, tunnel: { type: ipip }',
      { tunnel: { type: 'ipip' } },
    ],
    [
      'mode: dr, directors: [d], port: 80, scheduler: sh, scheduler_flags: [sh-port]',
      'scheduler: mh',
      { scheduler: 'mh', schedulerFlags: [] },
    ],
    ['mode: dr, directors: [d], port: 80, one_packet: true', 'protocol: tcp', { onePacket: false }],
    [
      'mode: dr, directors: [d], port: 80, health_check: { http_get: { path: /x }, interval: 9 }',
      'health_check: { tcp_check: {} }',
      { healthCheck: { check: { type: 'tcp_check' }, interval: 9 } },
    ],
    [
      'mode: dr, directors: [d], port: 80, health_check: { http_get: { path: /x } }',
      'health_check: { interval: 9 }',
      { healthCheck: { check: { type: 'http_get', path: '/x' }, interval: 9 } },
    ],
  ])('%s under %s', (defaults, said, expected) => {
    expect(all(defaults, said)).toMatchObject(expected);
  });
});

describe('health checks', () => {
  test.each<[string, object]>([
    ['http_get: { path: /h }', { type: 'http_get', path: '/h', status: [200] }],
    [
      'ssl_get: { path: /h, status: [200, 204], host: x.y, port: 8443 }',
      { type: 'ssl_get', status: [200, 204], host: 'x.y', port: 8443 },
    ],
    ['tcp_check: {}', { type: 'tcp_check' }],
    ['smtp_check: { helo_name: a.b }', { type: 'smtp_check', heloName: 'a.b' }],
    ['dns_check: { name: a.b, type: A }', { type: 'dns_check', name: 'a.b', recordType: 'A' }],
    ['dns_check: {}', { type: 'dns_check', recordType: 'SOA' }],
    ['ping_check: {}', { type: 'ping_check' }],
    ['udp_check: { payload: 00ff, require_reply: true }', { type: 'udp_check', payload: '00ff', requireReply: true }],
    ['bfd: { min_rx: 10ms, multiplier: 5 }', { type: 'bfd', minRx: 0.01, multiplier: 5 }],
  ])('%s', (check, expected) => {
    const protocol = /^(dns|udp)/.test(check) ? 'udp' : 'tcp';
    const found = service(`port: 80, protocol: ${protocol}, health_check: { ${check} }`)?.healthCheck;
    expect(found?.check).toMatchObject(expected);
    expect(found).toMatchObject({
      interval: 6,
      timeout: 3,
      retries: 3,
      retryInterval: 2,
      startDown: true,
      inhibit: false,
    });
  });
  test('a script is read', () => {
    const text = `${HOSTS}services: { web: { mode: dr, vip: 10.0.0.100, port: 80, directors: [d], real_servers: { r1: {} },
      health_check: { misc_check: { script: ./s/check.sh, arguments: [-q], dynamic: true } } } }`;
    expect(load(text, { 's/check.sh': '#!/bin/sh\n' }).services[0]?.healthCheck?.check).toEqual({
      type: 'misc_check',
      script: { name: 'check.sh', content: '#!/bin/sh\n' },
      arguments: ['-q'],
      dynamic: true,
    });
  });
});

test.each([
  ['6', 6],
  ['0.5', 0.5],
  ['500ms', 0.5],
  ['30s', 30],
  ['2m', 120],
  ['1h', 3600],
  ['1.5m', 90],
])('the duration %s is %d seconds', (said, expected) => {
  expect(service(`port: 80, health_check: { tcp_check: {}, timeout: ${said} }`)?.healthCheck?.timeout).toBe(expected);
});

describe('VRRP', () => {
  const edge = (more = '', text = PAIR) =>
    load(text.replace('    nodes:', `${more.replace(/^(?=.)/gm, '    ')}\n    nodes:`)).vrrp[0];

  test('defaults; each node’s interface and address there; a VIP is carried by its instance', () => {
    expect(edge()).toMatchObject({
      nodes: [
        { host: 'a', priority: 100 },
        { host: 'b', priority: 90 },
      ],
      preempt: false,
      unicast: true,
      advertInterval: 1,
      version: 2,
      instances: [
        {
          name: 'outside',
          virtualRouterId: 51,
          nodes: [
            { host: 'a', device: 'out', address: '10.0.0.2' },
            { host: 'b', device: 'out', address: '10.0.0.3' },
          ],
          addresses: [{ address: '10.0.0.100', prefix: 32, family: 4 }],
        },
        {
          name: 'inside',
          nodes: [{ device: 'in' }, { device: 'eth9', address: '10.1.0.3' }],
          addresses: [{ address: '10.1.0.1', prefix: 24, family: 4 }],
        },
      ],
    });
  });
  test.each<[string, number]>([
    ['', 2],
    ['version: 3', 3],
    ['advert_interval: 100ms', 3],
    ['advert_interval: 2', 2],
  ])('%s: version %d', (more, version) => expect(edge(more)?.version).toBe(version));
  test('an instance with IPv6 addresses alone speaks version 3, from an IPv6 address', () => {
    const six = PAIR.replace('[10.0.0.100]', '["2001:db8::100"]');
    expect(edge('', six)).toMatchObject({ version: 3, instances: [{ nodes: [{ address: '2001:db8::2' }, {}] }, {}] });
    const both = PAIR.replace('[10.0.0.100]', '[10.0.0.100, "2001:db8::100"]');
    expect(edge('', both)).toMatchObject({ version: 2, instances: [{ nodes: [{ address: '10.0.0.2' }, {}] }, {}] });
  });
  test('scripts are read', () => {
    const text = PAIR.replace(
      '    nodes:',
      '    track_scripts: { up: { script: ./up.sh, interval: 2, weight: -20, rise: 2 } }\n    notify: { master: ./n.sh, any: ./n.sh }\n    nodes:',
    );
    expect(load(text, { 'up.sh': 'u', 'n.sh': 'n' }).vrrp[0]).toMatchObject({
      trackScripts: [{ name: 'up', script: { name: 'up.sh', content: 'u' }, interval: 2, weight: -20, rise: 2 }],
      notify: { master: { content: 'n' }, any: { name: 'n.sh' } },
    });
  });

  const nat = (vip: string, r = '') =>
    load(`${PAIR.replace('eth0: { addresses: [10.1.0.9/24] }', `eth0: { addresses: [10.1.0.9/24]${r} }`)}
services: { web: { mode: nat, vip: ${vip}, port: 80, real_servers: { r: { port: 8080 } } } }`);

  test.each(['shop', '10.0.0.100'])('the directors of a service on %s are the nodes', (vip) => {
    expect(nat(vip).services[0]).toMatchObject({
      directors: ['a', 'b'],
      vrrp: { group: 'edge', instance: 'outside' },
      virtuals: [{ realServers: [{ address: '10.1.0.9', port: 8080 }] }],
    });
  });
  test('the real servers’ gateway is the floating inside address, unless they have one', () => {
    const gateway = (cluster: Cluster) => cluster.hosts[2]?.interfaces[0]?.gateways;
    expect(gateway(nat('shop'))).toEqual({ v4: '10.1.0.1' });
    expect(gateway(nat('shop', ', gateway: 10.1.0.77'))).toEqual({ v4: '10.1.0.77' });
  });
  test('directors that defaults name are those of other VIPs', () => {
    const text = `defaults: { service: { directors: [r] } }${PAIR}
services: { web: { mode: nat, vip: shop, port: 80, real_servers: { r: {} } } }`;
    expect(load(text).services[0]?.directors).toEqual(['a', 'b']);
  });
});

test('with one director its inside address is the gateway', () => {
  const [, r] = load(`
hosts:
  d: { interfaces: { out: { addresses: [10.0.0.2/24] }, in: { addresses: [10.1.0.1/24, "2001:db8:1::1/64"] } } }
  r: { interfaces: { eth0: { addresses: [10.1.0.9/24, "2001:db8:1::9/64"] } } }
services: { web: { mode: nat, vip: 10.0.0.2, port: 80, directors: [d], real_servers: { r: {} } } }`).hosts;
  expect(r?.interfaces[0]?.gateways).toEqual({ v4: '10.1.0.1', v6: '2001:db8:1::1' });
});

test('a VIP of both families makes a row for each, to addresses of that family', () => {
  const cluster = load(`${HOSTS}
vips: { both: { addresses: [10.0.0.100, "2001:DB8::100"] } }
services: { web: { mode: dr, vip: both, port: 80, directors: [d], real_servers: { r1: {} } } }`);
  expect(cluster.services[0]?.vips).toEqual([
    { address: '10.0.0.100', family: 4 },
    { address: '2001:db8::100', family: 6 },
  ]);
  expect(cluster.services[0]?.virtuals.map(({ realServers }) => realServers[0]?.address)).toEqual([
    '10.0.0.3',
    '2001:db8::3',
  ]);
});

describe('interfaces', () => {
  const links = (text: string) => load(`hosts: { h: { interfaces: { ${text} } } }`).hosts[0]?.interfaces;
  test('bonds, VLANs, two gateways, routes, name servers, MTU, segments', () => {
    expect(
      links(`eno1: {}, eno2: {},
        bond0: { bond: { mode: 802.3ad, members: [eno1, eno2], options: { xmit_hash_policy: layer3+4 } }, mtu: 9000 },
        bond0.30: { vlan: { parent: bond0, id: 30 }, addresses: [10.0.30.2/24, "2001:db8:30::2/64"],
          gateway: [10.0.30.1, "2001:db8:30::1"], mtu: 9000, dns: [10.0.30.53],
          routes: [{ to: 10.9.1.2/16, via: 10.0.30.254, metric: 5 }], segment: servers }`),
    ).toMatchObject([
      { name: 'eno1', link: { type: 'ethernet' } },
      {},
      {
        name: 'bond0',
        link: {
          type: 'bond',
          mode: '802.3ad',
          members: ['eno1', 'eno2'],
          options: { miimon: '100', xmit_hash_policy: 'layer3+4' },
        },
      },
      {
        name: 'bond0.30',
        link: { type: 'vlan', parent: 'bond0', id: 30 },
        gateways: { v4: '10.0.30.1', v6: '2001:db8:30::1' },
        routes: [{ to: { address: '10.9.0.0', prefix: 16 }, via: '10.0.30.254', metric: 5 }],
        dns: ['10.0.30.53'],
        mtu: 9000,
        segment: 'servers',
      },
    ]);
  });
  test('the host’s name servers count where its gateway is', () => {
    const host = (text: string) => load(`hosts: { h: { dns: [10.0.0.53], interfaces: { ${text} } } }`).hosts[0];
    const dns = (text: string) => host(text)?.interfaces.map((one) => one.dns);
    expect(dns('a: { addresses: [10.0.0.2/24] }, b: { addresses: [10.1.0.2/24], gateway: 10.1.0.1 }')).toEqual([
      [],
      ['10.0.0.53'],
    ]);
  });
});

describe('IPVS on all directors', () => {
  test('timeouts: what is not said is the kernel’s', () => {
    expect(load(`${HOSTS}ipvs: { timeouts: { tcp: 10m } }`).ipvs).toEqual({
      timeouts: { tcp: 600, tcpFin: 120, udp: 300 },
    });
    expect(load(HOSTS).ipvs).toEqual({});
  });
  test('the sync daemon’s defaults', () => {
    expect(load(`${PAIR}ipvs: { sync: { interface: out, id: 51 } }`).ipvs.sync).toEqual({
      interface: 'out',
      id: 51,
      group: '224.0.0.81',
      port: 8848,
    });
  });
});

describe('around the service', () => {
  test('a proxy: the address in a common network; who may ask for its health', () => {
    const text = (allow: string) => `
hosts:
  d: { interfaces: { out: { addresses: [10.0.0.2/24] } } }
  p: { interfaces: { out: { addresses: [10.0.0.3/24] }, in: { addresses: [10.1.0.3/24] } } }
  a: { interfaces: { x: { addresses: [10.9.0.4/24] }, in: { addresses: [10.1.0.4/24] } } }
services: { web: { mode: dr, vip: 10.0.0.100, port: 80, directors: [d], real_servers: { p: {} } } }
proxies:
  front: { software: nginx, hosts: [p], port: 80, upstream: { method: ip_hash, servers: { a: { port: 8080 } } },
    health_check: { path: /h${allow} } }`;
    expect(load(text('')).proxies[0]).toMatchObject({
      upstream: {
        method: 'ip_hash',
        servers: [{ host: 'a', address: '10.1.0.4', port: 8080, weight: 1, backup: false }],
      },
      healthCheck: { path: '/h', allow: ['10.0.0.2'] },
    });
    expect(load(text(', allow: directors')).proxies[0]?.healthCheck?.allow).toEqual(['10.0.0.2']);
    expect(load(text(', allow: [10.3.0.0/16, 10.4.0.1]')).proxies[0]?.healthCheck?.allow).toEqual([
      '10.3.0.0/16',
      '10.4.0.1',
    ]);
  });
  test('an application: pages are read, archives named by where they are', () => {
    const [app, other] = load(
      `${HOSTS}applications:
  shop: { software: tomcat, hosts: [r1], port: 8080, pages: ./files/shop }
  old: { software: tomcat, hosts: [r2], port: 8080, index: "hi", source: { archive: ./t.tar.gz, sha256: ${sha('t')},
    java: { archive: ./j.tar.gz, sha256: ${sha('j')} } } }`,
      { 'files/shop/index.jsp': 'x', 'files/shop/a/b.txt': 'y', 't.tar.gz': 't', 'j.tar.gz': 'j' },
    ).applications;
    expect(app).toMatchObject({
      source: { type: 'package' },
      pages: [
        { path: 'a/b.txt', content: 'y' },
        { path: 'index.jsp', content: 'x' },
      ],
    });
    expect(other?.source).toMatchObject({
      type: 'archive',
      archive: { file: expect.stringMatching(/^\/.*\/t\.tar\.gz$/), sha256: sha('t') },
      java: { sha256: sha('j') },
    });
  });
  test('the firewall’s networks', () => {
    expect(load(`${HOSTS}firewall: { manage: true, trusted: [10.1.2.3/8] }`).firewall).toEqual({
      manage: true,
      trusted: [{ address: '10.0.0.0', prefix: 8, family: 4 }],
    });
    expect(load(HOSTS).firewall).toEqual({ manage: false, trusted: [] });
  });
});
