import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import { folder, problemsIn, problemsOf } from './files.ts';

/** What an operator gets wrong, and what lvsctl says then: one problem, at its place, with what to do. */

const HOSTS = `version: 1
name: c
hosts:
  a: { interfaces: { out: { addresses: [10.0.0.2/24] }, in: { addresses: [10.1.0.2/24] } } }
  b: { interfaces: { out: { addresses: [10.0.0.3/24] }, in: { addresses: [10.1.0.3/24] } } }
  r: { interfaces: { in: { addresses: [10.1.0.9/24] } } }
`;
const pair = (more = '', instance = '') => `${HOSTS}vrrp:
  edge:
    nodes: { a: {}, b: { priority: 90 } }
    instances: { outside: { virtual_router_id: 51, interface: out${instance} } }
${more.replace(/^(?=.)/gm, '    ')}
vips: { shop: { addresses: [10.0.0.100], vrrp: edge.outside } }
`;
const proxies = (addresses: string) =>
  `${HOSTS.replace('[10.1.0.9/24]', addresses)}proxies:
  front: { software: nginx, hosts: [a], port: 80, upstream: { servers: { r: { port: 80 } } } }
  other: { software: nginx, hosts: [b], port: 80, upstream: { servers: { r: { port: 80 } } } }
`;
const service = (said: string, real = '{ r: {} }') =>
  `${HOSTS}services:\n  web:\n    { mode: dr, vip: 10.1.0.100, directors: [a], real_servers: ${real}, ${said} }\n`.replace(
    /mode: dr, (.*)(mode: \w+)/,
    '$1$2',
  );
const interfaces = (said: string) => `version: 1\nname: c\nhosts:\n  h: { interfaces: { ${said} } }\n`;

describe('one mistake, one problem', () => {
  test.each<[string, string, string]>([
    // What a mode, a scheduler or a protocol can't do.
    [
      'a port rewrite in dr',
      service('port: 80', '{ r: { port: 8080 } }'),
      '9:77 INV-PORT-REWRITE mode dr passes packets on as they are: the real server’s port can’t differ from the service’s → Leave it out, or use mode nat or fullnat.',
    ],
    [
      'a range into one port',
      service('ports: [8000-8010], mode: nat', '{ r: { port: 80 } }'),
      'INV-PORT-REWRITE a range of ports can’t become one port',
    ],
    [
      'gue without port',
      service('port: 80, mode: tun, tunnel: { type: gue }'),
      'INV-TUNNEL gue needs a port → Add port: the UDP port on which real servers unwrap (6080).',
    ],
    [
      'ipip with a checksum',
      service('port: 80, mode: tun, tunnel: { type: ipip, checksum: csum }'),
      'INV-TUNNEL ipip has no checksum',
    ],
    [
      'gre with remcsum',
      service('port: 80, mode: tun, tunnel: { type: gre, checksum: remcsum }'),
      'INV-TUNNEL gre has no remcsum',
    ],
    ['a tunnel in dr', service('port: 80, tunnel: { type: ipip }'), 'INV-NOT-IN-MODE mode dr has no tunnel'],
    [
      'arp in nat',
      service('port: 80, mode: nat, arp: sysctl'),
      'INV-NOT-IN-MODE in mode nat no real server has the VIP',
    ],
    [
      'a flag of another scheduler',
      service('port: 80, scheduler: mh, scheduler_flags: [sh-port]'),
      'INV-SCHEDULER-FLAG sh-port is a flag of sh, and the scheduler is mh → Leave it out, or use scheduler: sh.',
    ],
    ['one packet over tcp', service('port: 80, one_packet: true'), 'INV-ONE-PACKET one-packet scheduling is for udp'],
    ['a netmask without persistence', service('port: 80, persistence_netmask: { ipv4: 24 }'), 'INV-NO-PERSISTENCE'],
    [
      'half a second of persistence',
      service('port: 80, persistence_timeout: 500ms'),
      'INV-BAD-VALUE persistence is timed in whole seconds',
    ],
    [
      'sip over tcp',
      service('port: 80, persistence_timeout: 9, persistence_engine: sip'),
      'INV-BAD-VALUE sip tells clients apart over udp only',
    ],
    [
      'thresholds upside down',
      service('port: 80', '{ r: { upper_threshold: 5, lower_threshold: 9 } }'),
      'INV-THRESHOLDS the lower threshold of r (9) is above the upper one (5)',
    ],
    ['every weight 0', service('port: 80', '{ r: { weight: 0 } }'), 'INV-NO-WEIGHT'],
    [
      'no way back',
      service('port: 80, mode: nat', '{ x: {} }').replace(
        '  r:',
        '  x: { interfaces: { e: { addresses: [10.7.0.9/24] } } }\n  r:',
      ),
      'INV-NO-WAY-BACK x has no IPv4 gateway',
    ],
    [
      'no way back of a sorry server',
      service('port: 80, mode: nat, health_check: { tcp_check: {} }, sorry_server: { address: 10.7.0.9 }').replace(
        '  r:',
        '  x: { interfaces: { e: { addresses: [10.7.0.9/24] } } }\n  r:',
      ),
      'INV-NO-WAY-BACK x has no IPv4 gateway',
    ],
    // Checks.
    [
      'two checks',
      service('port: 80, health_check: { tcp_check: {}, ping_check: {} }'),
      'INV-HEALTH-CHECK the health check says tcp_check and ping_check',
    ],
    [
      'no check',
      service('port: 80, health_check: { interval: 5 }'),
      'INV-HEALTH-CHECK the health check says no check → Give one of http_get,',
    ],
    [
      'a misspelt check',
      service('port: 80, health_check: { htpp_get: { path: / } }'),
      'INV-UNKNOWN-KEY “htpp_get” is not a key of services.web.health_check → Did you mean “http_get”?',
    ],
    [
      'no time at all',
      service('port: 80, health_check: { tcp_check: {}, interval: 0 }'),
      'INV-BAD-VALUE “interval” must be more than 0',
    ],
    [
      'a duration in words',
      service('port: 80, health_check: { tcp_check: {}, timeout: 5 minutes }'),
      '“5 minutes” can’t stand in “timeout” → For one answer; 3 s when left out. In seconds, or with a unit (500ms, 2m).',
    ],
    [
      'a sorry server without a check',
      service('port: 80, sorry_server: { address: 10.1.0.8 }'),
      'INV-NEEDS-HEALTH-CHECK sorry_server without a health check',
    ],
    [
      'a quorum out of reach',
      service('port: 80, health_check: { tcp_check: {} }, quorum: 3'),
      'INV-QUORUM a quorum of 3 is never reached: all weights together are 1',
    ],
    // Ports and VIPs.
    ['port and ports', service('port: 80, ports: [81]'), 'INV-PORT-TWICE a service has either “port” or “ports”'],
    ['a port twice', service('ports: [80, 70-90]'), 'INV-PORT-TWICE port 80 is named twice'],
    ['a range upside down', service('ports: [90-80]'), 'INV-BAD-RANGE “90-80” is no range of ports'],
    [
      'too many rows',
      service('ports: [1000-2000]'),
      'INV-TOO-MANY-PORTS 1001 ports would be 1001 rows of the IPVS table; lvsctl makes at most 128 → Add fwmark: auto',
    ],
    [
      'a parameter as a file',
      HOSTS.replace(/(hosts:\n {2}\w+: \{ )/u, '$1files: { /proc/sys/net/ipv4/ip_forward: { content: "1" } }, '),
      'INV-BAD-VALUE /proc/sys/net/ipv4/ip_forward is the kernel’s, no file of yours → Name the parameter under sysctls.',
    ],
    [
      'lvsctl’s own record as a file',
      HOSTS.replace(/(hosts:\n {2}\w+: \{ )/u, '$1files: { /var/lib/lvsctl/manifest.json: { content: "{}" } }, '),
      'INV-BAD-VALUE /var/lib/lvsctl/manifest.json is lvsctl’s own, no file of yours',
    ],
    [
      'an unknown VIP',
      service('port: 80').replace('10.1.0.100', 'shpo').concat('vips: { shop: { addresses: [10.1.0.7] } }\n'),
      'INV-UNKNOWN-NAME there is no VIP “shpo” → Did you mean “shop”?',
    ],
    [
      'a VIP where there are none',
      service('port: 80').replace('10.1.0.100', 'shop'),
      'INV-UNKNOWN-NAME there is no VIP “shop” → Write an address, or describe the VIP under vips.',
    ],
    [
      'a VIP of two names',
      `${pair()}  `.replace(
        '[10.0.0.100], vrrp: edge.outside }',
        '[10.0.0.100], vrrp: edge.outside }, two: { addresses: [10.0.0.100] }',
      ),
      'INV-DUPLICATE-ADDRESS 10.0.0.100 is an address of the VIP shop too (line 12)',
    ],
    [
      'a mark that is a word',
      service('port: 80, fwmark: atuo'),
      'INV-BAD-VALUE “fwmark” can’t be “atuo” → Did you mean “auto”?',
    ],
    [
      'arp misspelt',
      service('port: 80, arp: arptable'),
      'INV-BAD-VALUE “arp” can’t be “arptable” → Did you mean “arptables”?',
    ],
    [
      'arp a number',
      service('port: 80, arp: 5'),
      'INV-WRONG-TYPE “arp” must be "sysctl" or "arptables" or a map; this is 5',
    ],
    // VRRP.
    [
      'half a second in version 2',
      pair('version: 2\nadvert_interval: 500ms'),
      'INV-BAD-VALUE VRRP version 2 counts adverts in whole seconds from 1 to 255, not in 0.5 s',
    ],
    [
      'a password in version 3',
      pair('version: 3\nauth_pass: { env: A }'),
      'INV-AUTH-VERSION VRRP version 3 has no authentication',
    ],
    ['a delay without preemption', pair('preempt_delay: 5'), 'INV-NO-PREEMPT'],
    ['nothing to carry', pair().replace(', vrrp: edge.outside', ''), 'INV-NO-ADDRESS edge.outside carries no address'],
    [
      'carried addresses that are none',
      pair('', ', addresses: [10.0.0.999/24]').replace(', vrrp: edge.outside', ''),
      'INV-BAD-ADDRESS “10.0.0.999/24” is no address',
    ],
    [
      'a VIP that is none',
      pair().replace('[10.0.0.100]', '[10.0.0.999]'),
      'INV-BAD-ADDRESS “10.0.0.999” is no address',
    ],
    [
      'a node’s address that is none',
      pair().replace('10.0.0.2/24', '10.0.0.2'),
      'INV-BAD-ADDRESS “10.0.0.2” is no address with a prefix length',
    ],
    ['a node’s addresses that are no list of texts', pair().replace('[10.0.0.2/24]', '[10.5]'), '4:41 INV-WRONG-TYPE'],
    ['a node’s interface that is none', pair().replace('{ addresses: [10.0.0.2/24] }', '5'), '4:27 INV-WRONG-TYPE'],
    [
      'a node without an address, in two instances',
      pair()
        .replace('{ addresses: [10.0.0.2/24] }', '{}')
        .replace(
          'interface: out }',
          'interface: out }, more: { virtual_router_id: 52, interface: out, addresses: [10.0.0.101/24] }',
        ),
      '4:22 INV-NO-ADDRESS a’s out has no address to speak VRRP from',
    ],
    ['a server’s address that is none', proxies('[10.1.0.9]'), 'INV-BAD-ADDRESS “10.1.0.9” is no address'],
    [
      'a server without an address, asked twice',
      proxies('[]'),
      '6:8 INV-NO-ADDRESS r has no address, and others ask it',
    ],
    [
      'an instance that is none',
      pair().replace('edge.outside', 'edge.outsid'),
      'INV-UNKNOWN-NAME there is no VRRP instance “edge.outsid” → Did you mean “edge.outside”?',
    ],
    [
      'an interface that a node has not',
      pair().replace('interface: out', 'interface: otu'),
      'INV-UNKNOWN-NAME a and b have no interface “otu” → Did you mean “out”?',
    ],
    [
      'a node that is none',
      pair().replace('b: { priority', 'bb: { priority'),
      '9:21 INV-UNKNOWN-NAME there is no host “bb” → Did you mean “b”?',
    ],
    [
      'one number, two routers',
      pair().replace(
        'outside: {',
        'more: { virtual_router_id: 51, interface: out, addresses: [10.0.0.50/24] }, outside: {',
      ),
      'INV-DUPLICATE-VRID virtual router 51 (IPv4) on segment 10.0.0.0/24 is edge.more too (line 10)',
    ],
    ['a number too high', pair().replace('51', '256'), 'INV-BAD-VALUE “virtual_router_id” must be at most 255'],
    [
      'a literal password',
      pair('auth_pass: "1111"'),
      'INV-WRONG-TYPE “auth_pass” must be a map; this is a text → A secret: from an environment variable, a file or a command, never a literal.',
    ],
    [
      'a script that is not there',
      pair('notify: { master: ./none.sh }'),
      'INV-FILE-SOURCE the file none.sh can’t be read: ENOENT',
    ],
    // IPVS.
    ['sync without a pair', `${HOSTS}ipvs: { sync: { interface: out } }\n`, '7:9 INV-SYNC-WITHOUT-PAIR'],
    [
      'a sync group that is none',
      `${pair()}ipvs: { sync: { interface: out, group: 10.0.0.9 } }\n`,
      'INV-BAD-ADDRESS 10.0.0.9 is no multicast address',
    ],
    ['no timeout', `${HOSTS}ipvs: { timeouts: { udp: 0 } }\n`, 'INV-BAD-VALUE ipvsadm sets timeouts in whole seconds'],
    // Groups.
    [
      'a range of none',
      `${HOSTS}groups: { g: { hosts: ["web[3-1]"] } }\n`,
      'INV-BAD-RANGE “web[3-1]” is no range of hosts',
    ],
    [
      'a range of strangers',
      `${HOSTS}groups: { g: { hosts: ["web[1-9]"] } }\n`,
      'INV-UNKNOWN-NAME 9 hosts of web[1-9] are not described: web1, web2, web3 and 6 more',
    ],
    [
      'a group of groups',
      `${HOSTS}groups: { g: { hosts: [h] }, h: { hosts: [a] } }\n`,
      'INV-UNKNOWN-NAME “h” is a group, and a group’s members are hosts',
    ],
    [
      'a group called like a host',
      `${HOSTS}groups: { a: { hosts: [b] } }\n`,
      'INV-DUPLICATE-NAME “a” is a host too (line 4)',
    ],
    // Interfaces.
    [
      'a member with addresses',
      interfaces('e: { addresses: [10.0.0.2/24] }, bond0: { bond: { mode: 802.3ad, members: [e] } }'),
      'INV-BOND e is a member of bond0, and a member has no addresses',
    ],
    [
      'a member of two bonds',
      interfaces('b0: { bond: { mode: 802.3ad, members: [e] } }, b1: { bond: { mode: 802.3ad, members: [e] } }'),
      'INV-BOND e is a member of b0 already',
    ],
    [
      'a VLAN on a member',
      interfaces('b0: { bond: { mode: 802.3ad, members: [e] } }, v: { vlan: { parent: e, id: 5 } }'),
      'INV-VLAN e is a member of b0 → Put the VLAN on b0.',
    ],
    [
      'a VLAN twice',
      interfaces('v: { vlan: { parent: e, id: 5 } }, w: { vlan: { parent: e, id: 5 } }'),
      'INV-VLAN VLAN 5 on e is v already',
    ],
    [
      'a VLAN larger than its parent',
      interfaces('e: { mtu: 1500 }, v: { vlan: { parent: e, id: 5 }, mtu: 9000 }'),
      'INV-VLAN v can’t carry packets of 9000 bytes',
    ],
    [
      'bond and VLAN',
      interfaces('v: { vlan: { parent: e, id: 5 }, bond: { mode: 802.3ad, members: [f] } }'),
      'INV-BOND-AND-VLAN',
    ],
    // Around.
    [
      'ip_hash with a backup',
      `${HOSTS}proxies: { p: { software: nginx, hosts: [a], port: 80, upstream: { method: ip_hash, servers: { r: { port: 80, backup: true } } } } }\n`,
      'INV-NOT-IN-MODE ip_hash has no backup servers',
    ],
    [
      'health for nobody',
      `${HOSTS}proxies: { p: { software: nginx, hosts: [a], port: 80, upstream: { servers: { r: { port: 80 } } }, health_check: { path: /h } } }\n`,
      'INV-NO-DIRECTORS only directors may ask for the health of p',
    ],
    [
      'a network that is none',
      `${HOSTS}firewall: { trusted: [10.0.0.0] }\n`,
      'INV-BAD-ADDRESS “10.0.0.0” is no network',
    ],
    [
      'a hook that is not there',
      `${HOSTS}hooks: { before_change: ./none.sh }\n`,
      'INV-HOOK the program none.sh can’t be run: ENOENT',
    ],
    [
      'a service from nothing',
      `${HOSTS}services: { web: { vip: 10.1.0.100, port: 80, directors: [a], real_servers: { r: {} } } }\n`,
      'INV-MISSING-KEY “mode” is missing in services.web → Add it there or in defaults.service.',
    ],
  ])('%s', (_name, text, expected) => {
    const problems = problemsIn(text);
    expect(problems, problems.join('\n')).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });
});

describe('files that are included', () => {
  const part = 'hosts:\n  x: { interfaces: { e: { addresses: [10.0.5.2/24] } } }\n';
  const said = (files: Record<string, string>) => {
    const path = folder(files);
    return problemsOf(join(path, 'lvs.yaml'), path);
  };
  const main = (more = '') => `include: [hosts.yaml]\n${HOSTS}${more}`;

  test('belong to the cluster; what they name stands beside themselves', () => {
    const path = folder({
      'lvs.yaml': `include: [shared/hosts.yaml]\n${HOSTS}groups: { all: { hosts: [a, x] } }\n`,
      'shared/hosts.yaml': `version: 1\ninclude: [more.yaml]\n${part}defaults: { host: { dns: [10.0.0.53] } }\n`,
      'shared/more.yaml':
        'hosts: { y: { files: { /etc/motd: { source: ./motd } } } }\nvips: { v: { addresses: [10.1.0.7] } }\n',
      'shared/motd': 'hello\n',
    });
    const cluster = loadCluster([path]);
    expect(cluster.hosts.map(({ name }) => name).sort()).toEqual(['a', 'b', 'r', 'x', 'y']);
    expect(cluster.groups).toEqual([{ name: 'all', hosts: ['a', 'x'] }]);
    expect(cluster.hosts.find(({ name }) => name === 'y')?.files).toMatchObject([{ content: 'hello\n' }]);
    expect(cluster.hosts.find(({ name }) => name === 'x')?.interfaces[0]?.dns).toEqual(['10.0.0.53']);
    expect(cluster.file).toBe(join(path, 'lvs.yaml'));
  });
  test('one that two others include counts once', () => {
    expect(
      said({
        'lvs.yaml': `include: [p.yaml, hosts.yaml]\n${HOSTS}`,
        'p.yaml': 'include: [hosts.yaml]\n',
        'hosts.yaml': part,
      }),
    ).toEqual([]);
  });
  test.each<[string, Record<string, string>, string[]]>([
    [
      'a mistake is told where it stands',
      {
        'lvs.yaml': main(
          'services: { web: { mode: dr, vip: 10.1.0.99, port: 80, directors: [a], real_servers: { r: {}, q: {} } } }\n',
        ),
        'hosts.yaml': part.replace('10.0.5.2/24', '10.0.5.2/33'),
      },
      ['hosts.yaml:2:39 INV-BAD-ADDRESS', '8:95 INV-UNKNOWN-NAME'],
    ],
    [
      'so is an unknown key',
      { 'lvs.yaml': main(), 'hosts.yaml': `${part}hsots: {}\n` },
      ['hosts.yaml:3:1 INV-UNKNOWN-KEY'],
    ],
    ['and what is no YAML', { 'lvs.yaml': main(), 'hosts.yaml': 'hosts: [a\n' }, ['hosts.yaml:2:1 INV-NOT-YAML']],
    [
      'a name twice',
      { 'lvs.yaml': main(), 'hosts.yaml': part.replace('x:', 'a:') },
      ['hosts.yaml:2:3 INV-DUPLICATE-NAME the host “a” is given a second time; the first is in line 5 of lvs.yaml'],
    ],
    [
      'a setting twice',
      {
        'lvs.yaml': main('defaults: { host: { dns: [10.0.0.1] } }\n'),
        'hosts.yaml': 'defaults: { host: { ssh: { user: x }, dns: [10.0.0.2] } }\n',
      },
      [
        'hosts.yaml:1:39 INV-DUPLICATE-KEY “defaults.host.dns” is given a second time; the first is in line 8 of lvs.yaml',
      ],
    ],
    [
      'an address twice',
      { 'lvs.yaml': main(), 'hosts.yaml': part.replace('10.0.5.2', '10.0.0.2') },
      ['INV-DUPLICATE-ADDRESS 10.0.0.2 stands on'],
    ],
    [
      'none there',
      { 'lvs.yaml': main() },
      ['1:11 INV-NO-FILE the included file hosts.yaml can’t be read: there is no such inventory → Correct the path'],
    ],
    [
      'a circle',
      { 'lvs.yaml': main(), 'hosts.yaml': 'include: [more.yaml]\n', 'more.yaml': 'include: [hosts.yaml]\n' },
      [
        'more.yaml:1:11 INV-INCLUDE-CYCLE the files include each other in a circle: hosts.yaml → more.yaml → hosts.yaml',
      ],
    ],
    ['itself', { 'lvs.yaml': `include: [lvs.yaml]\n${HOSTS}` }, ['1:11 INV-INCLUDE-CYCLE']],
    [
      'a cluster of its own',
      { 'lvs.yaml': main(), 'hosts.yaml': `name: d\n${part}` },
      ['hosts.yaml:1:7 INV-INCLUDE-CLUSTER'],
    ],
    [
      'no map',
      { 'lvs.yaml': main(), 'hosts.yaml': '- a\n' },
      ['hosts.yaml:1:1 INV-WRONG-TYPE an included file must be a map'],
    ],
    [
      'another version',
      { 'lvs.yaml': main(), 'hosts.yaml': `version: 2\n${part}` },
      ['hosts.yaml:1:10 INV-BAD-VALUE “version” must be 1'],
    ],
  ])('%s', (_name, files, expected) => {
    const problems = said(files);
    expect(problems, problems.join('\n')).toHaveLength(expected.length);
    for (const one of expected)
      expect(
        problems.some((problem) => problem.includes(one)),
        problems.join('\n'),
      ).toBe(true);
  });
});

describe('several clusters', () => {
  const other = (text: string) => text.replace('name: c', 'name: d').replaceAll('10.', '11.');
  const saidOf = (files: Record<string, string>, cluster = 'c') => {
    const path = folder(files);
    return problemsOf(path, path, { cluster });
  };
  test('that have nothing in common are well', () => {
    expect(saidOf({ 'a.yaml': pair(), 'b.yaml': other(pair()) })).toEqual([]);
  });
  test('may share a host', () => {
    const files = { 'a.yaml': `include: [h.yaml]\n${pair()}`, 'b.yaml': `include: [h.yaml]\n${other(pair())}` };
    expect(
      saidOf({ ...files, 'h.yaml': 'hosts: { x: { interfaces: { e: { addresses: [10.9.0.1/24] } } } }\n' }),
    ).toEqual([]);
  });
  test('one address on two hosts', () => {
    const problems = saidOf({
      'a.yaml': pair(),
      'b.yaml': other(pair()).replace('11.1.0.9/24', '10.1.0.9/24').replace('  r:', '  q:'),
    });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(
      /^a\.yaml:6:\d+ INV-DUPLICATE-ADDRESS 10\.1\.0\.9 is r’s here, and q’s in the cluster d \(.*b\.yaml:6:/,
    );
  });
  test('one virtual router on one segment', () => {
    const text = other(pair()).replace('[11.0.0.2/24]', '[10.0.0.6/24]').replace('[11.0.0.3/24]', '[10.0.0.7/24]');
    const problems = saidOf({ 'a.yaml': pair(), 'b.yaml': text });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(
      'INV-DUPLICATE-VRID virtual router 51 (IPv4) on segment 10.0.0.0/24 is edge.outside here, and edge.outside in the cluster d',
    );
    expect(saidOf({ 'a.yaml': pair(), 'b.yaml': text.replace('51', '52') })).toEqual([]);
  });
  test('what another one has wrong is not this one’s matter', () => {
    expect(saidOf({ 'a.yaml': pair(), 'b.yaml': other(HOSTS).replace('hosts:', 'hsots:') })).toEqual([]);
  });
});
