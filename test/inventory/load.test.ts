import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inventoryFingerprint, loadCluster } from '../../src/inventory/index.ts';
import { folder, inventory, problemsIn, problemsOf } from './files.ts';

const service = (text: string) => inventory({ service: text });
const good =
  'mode: dr, vip: 10.0.0.100, protocol: tcp, port: 80, scheduler: wrr, directors: [d], real_servers: { r: {} }';
const changed = (from: string, to: string) => inventory().replace(from, to);

test('what is right gives no problem', () => {
  expect(problemsIn(inventory())).toEqual([]);
  expect(problemsIn(`version: 1\nname: c\nhosts: { h: {} }\nservices: {}\n`)).toEqual([]);
});

describe('the file itself', () => {
  test.each<[string, string | Uint8Array, string[]]>([
    ['no YAML', 'version: 1\nname: [a\n', ['3:1 INV-NOT-YAML']],
    ['tab for indentation', 'version: 1\nhosts:\n\ta: {}\n', ['3:1 INV-NOT-YAML']],
    ['an unknown tag', 'version: !secret 1\n', ['1:10 INV-NOT-YAML']],
    ['two documents', 'version: 1\n---\nversion: 1\n', ['2:1 INV-NOT-YAML']],
    ['bytes that are no text', new Uint8Array([0x61, 0xff, 0xfe]), ['lvs.yaml INV-NOT-YAML']],
    ['empty', '', ['1:1 INV-WRONG-TYPE']],
    ['a list', '- a\n', ['1:1 INV-WRONG-TYPE']],
    ['one key twice', 'version: 1\nname: a\nhosts: {}\nname: b\n', ['4:1 INV-DUPLICATE-KEY']],
    ['another version', inventory().replace('version: 1', 'version: 2'), ['1:10 INV-BAD-VALUE']],
  ])('%s', (_name, text, expected) => {
    expect(problemsIn(text).map(head)).toEqual(expected);
  });

  test('none there', () => {
    expect(problemsOf('/nowhere/lvs.yaml', '/nowhere')).toEqual([
      'lvs.yaml INV-NO-FILE there is no such inventory → Name the inventory with -i FILE; without it lvsctl reads lvs.yaml here.',
    ]);
  });

  describe('large files of other programs', () => {
    // What isn't parsed shows no error of its own: the end of it is no YAML.
    const foreign = (head: string) => `${head}\npaths:\n${'  - { hosts: a, services: b }\n'.repeat(4000)}x: [\n`;

    test.each([
      ['without a name', 'openapi: 3.0.0'],
      ['with a name and a version', 'name: CI\nversion: 1\n"on": push'],
    ])('%s: in a folder they are passed over', (_name, head) => {
      const path = folder({ 'lvs.yaml': inventory(), 'other.yaml': foreign(head) });
      expect(problemsOf(path, path)).toEqual([]);
    });

    test('named, or included, they are refused at once', () => {
      expect(problemsIn(foreign('openapi: 3.0.0')).map(head)).toEqual(['lvs.yaml INV-NOT-INVENTORY']);
      const path = folder({ 'lvs.yaml': `include: [other.yaml]\n${inventory()}`, 'other.yaml': foreign('a: b') });
      expect(problemsOf(join(path, 'lvs.yaml'), path).map(head)).toEqual(['other.yaml INV-NOT-INVENTORY']);
    });

    test('an inventory as large is read, whatever its keys are written in', () => {
      const comments = `# ${'x'.repeat(100)}\n`.repeat(700);
      expect(problemsIn(comments + inventory())).toEqual([]);
      expect(problemsIn(`${comments}version: 1\nname: c\n"hosts": { h: {} }\n`)).toEqual([]);
      expect(problemsIn(`${comments}{ version: 1, name: c, hosts: { h: {} } }\n`)).toEqual([]);
      expect(problemsIn(comments + inventory().replace('hosts:', 'hsots:')).map(head)).toContain(
        '703:1 INV-UNKNOWN-KEY',
      );
    });
  });

  test('a billion laughs ends', () => {
    const lines = Array.from({ length: 12 }, (_x, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`);
    expect(problemsIn(`a0: &a0 [x]\n${lines.join('\n')}\n`).map(head)).toEqual(['1:1 INV-NOT-YAML']);
  });
});

describe('one mistake, one problem, with its place', () => {
  test.each<[string, string, string[]]>([
    [
      'misspelt key',
      changed('scheduler:', 'schedular:'),
      ['13:5 INV-UNKNOWN-KEY “schedular” is not a key of services.web → Did you mean “scheduler”?'],
    ],
    [
      'misspelt required key',
      changed('vip:', 'vpi:'),
      ['INV-UNKNOWN-KEY “vpi” is not a key of services.web → Did you mean “vip”?'],
    ],
    [
      'wrong type',
      changed('port: 80', 'port: http'),
      ['INV-WRONG-TYPE “port” must be a whole number; this is the text “http”'],
    ],
    [
      'empty value',
      changed('scheduler: wrr', 'scheduler:'),
      ['INV-WRONG-TYPE “scheduler” must be text; this is empty'],
    ],
    ['a fraction', changed('port: 80', 'port: 80.5'), ['INV-WRONG-TYPE “port” must be a whole number; this is 80.5']],
    ['out of range', changed('r: {}', 'r: { weight: 70000 }'), ['INV-BAD-VALUE “weight” must be at most 65535']],
    ['negative', changed('r: {}', 'r: { weight: -1 }'), ['INV-BAD-VALUE “weight” must be at least 0']],
    ['an empty list', changed('[d]', '[]'), ['INV-BAD-VALUE “directors” must not be empty']],
    ['an item twice', changed('[d]', '[d, d]'), ['INV-BAD-VALUE “directors” names one thing twice']],
    ['unknown word', changed('wrr', 'wr'), ['INV-BAD-VALUE “scheduler” can’t be “wr” → Did you mean “wrr”?']],
    [
      'no such mode',
      changed('mode: dr', 'mode: direct'),
      ['INV-BAD-VALUE “mode” can’t be “direct” → There are: dr, nat, tun, fullnat.'],
    ],
    [
      'missing',
      changed('    port: 80\n', ''),
      ['8:3 INV-MISSING-KEY “port” is missing in services.web → Add it there or in defaults.service.'],
    ],
    ['no address', changed('vip: 10.0.0.100', 'vip: 200.0.0.0.1'), ['INV-BAD-ADDRESS “200.0.0.0.1” is no address']],
    [
      'an address in short',
      changed('vip: 10.0.0.100', 'vip: 10.100'),
      ['INV-WRONG-TYPE “vip” must be text; this is 10.1'],
    ],
    ['octal look', changed('vip: 10.0.0.100', 'vip: 010.0.0.1'), ['INV-BAD-ADDRESS “010.0.0.1” is no address']],
    [
      'VIP is multicast',
      changed('vip: 10.0.0.100', 'vip: 224.0.0.18'),
      ['INV-NOT-A-HOST-ADDRESS 224.0.0.18 is a multicast address'],
    ],
    [
      'VIP is link-local',
      changed('vip: 10.0.0.100', 'vip: "fe80::1"'),
      ['INV-NOT-A-HOST-ADDRESS fe80::1 is a link-local address'],
    ],
    [
      'VIP is IPv4 in IPv6’s writing',
      changed('vip: 10.0.0.100', 'vip: "::ffff:10.0.0.100"'),
      ['INV-NOT-A-HOST-ADDRESS ::ffff:10.0.0.100 is an IPv4 address in IPv6’s writing (10.0.0.100)'],
    ],
    [
      'VIP is a host’s',
      changed('vip: 10.0.0.100', 'vip: 10.0.0.3'),
      ['5:42 INV-DUPLICATE-ADDRESS 10.0.0.3 is a VIP (line 10)'],
    ],
    [
      'unknown director',
      changed('directors: [d]', 'directors: [dd]'),
      ['14:17 INV-UNKNOWN-NAME there is no host “dd” → Did you mean “d”?'],
    ],
    [
      'unknown real server',
      changed('{ r: {} }', '{ zebra: {} }'),
      ['15:21 INV-UNKNOWN-NAME there is no host “zebra” → There are: d, r.'],
    ],
    ['no real server', changed('{ r: {} }', '{}'), ['INV-NO-REAL-SERVER']],
    [
      'director is real server',
      changed('{ r: {} }', '{ d: {}, r: {} }'),
      ['INV-LOCAL-NODE d is director and real server'],
    ],
    [
      'two directors',
      changed('directors: [d]', 'directors: [d, r]')
        .replace('{ r: {} }', '{ x: {} }')
        .replace('services:', '  x: { interfaces: { eth0: { addresses: [10.0.0.9/24] } } }\nservices:'),
      ['INV-DIRECTORS-WITHOUT-VRRP 2 directors share a VIP that no VRRP instance carries'],
    ],
    [
      'another segment',
      changed('10.0.0.3/24', '10.9.0.3/24'),
      ['INV-DIFFERENT-SEGMENT r has no IPv4 address on a segment of the director d'],
    ],
    [
      'twins',
      inventory({ tail: `  web2: { ${good} }` }),
      ['INV-DUPLICATE-SERVICE web2 and web (line 8) are both on tcp 10.0.0.100 port 80'],
    ],
    ['control character', changed('wrr', '"w\\u0007"'), ['INV-BAD-VALUE “scheduler” can’t be “w�”']],
  ])('%s', (_name, text, expected) => {
    const problems = problemsIn(text);
    expect(problems.length, problems.join('\n')).toBe(expected.length);
    for (const part of expected)
      expect(
        problems.some((problem) => problem.includes(part)),
        `${part}\n${problems.join('\n')}`,
      ).toBe(true);
  });

  const host = (text: string) => inventory({ hosts: `  h: ${text}` });
  test.each<[string, string, string]>([
    [
      'no prefix length',
      host('{ interfaces: { e: { addresses: [10.1.0.1] } } }'),
      '6:39 INV-BAD-ADDRESS “10.1.0.1” is no address with a prefix length → Add the prefix length',
    ],
    ['prefix too long', host('{ interfaces: { e: { addresses: [10.1.0.1/33] } } }'), 'INV-BAD-ADDRESS'],
    [
      'network address',
      host('{ interfaces: { e: { addresses: [10.1.0.0/24] } } }'),
      'INV-NOT-A-HOST-ADDRESS 10.1.0.0/24 is its network’s own address',
    ],
    ['broadcast address', host('{ interfaces: { e: { addresses: [10.1.0.255/24] } } }'), 'INV-NOT-A-HOST-ADDRESS'],
    [
      'one address, two hosts',
      host('{ interfaces: { e: { addresses: [10.0.0.3/24] } } }'),
      'INV-DUPLICATE-ADDRESS 10.0.0.3 stands on r’s eth0 too (line 5)',
    ],
    [
      'one IPv6 address in two spellings',
      host('{ interfaces: { e: { addresses: ["2001:db8::1/64", "2001:DB8:0::1/64"] } } }'),
      'INV-DUPLICATE-ADDRESS 2001:db8::1',
    ],
    [
      'gateway elsewhere',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], gateway: 10.2.0.1 } } }'),
      'INV-GATEWAY-UNREACHABLE the gateway 10.2.0.1 is in no network of e → Its networks are 10.1.0.0/24',
    ],
    [
      'gateway is itself',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], gateway: 10.1.0.1 } } }'),
      'INV-GATEWAY-IS-SELF',
    ],
    ['gateway without address', host('{ interfaces: { e: { gateway: 10.1.0.1 } } }'), 'INV-GATEWAY-UNREACHABLE'],
    [
      'two gateways of a family',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], gateway: [10.1.0.2, 10.1.0.3] } } }'),
      'INV-SECOND-GATEWAY',
    ],
    [
      'two default gateways',
      host(
        '{ interfaces: { e: { addresses: [10.1.0.1/24], gateway: 10.1.0.2 }, f: { addresses: [10.2.0.1/24], gateway: 10.2.0.2 } } }',
      ),
      'INV-SECOND-GATEWAY a second default gateway (IPv4)',
    ],
    [
      'gateway of no type',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], gateway: 5 } } }'),
      'INV-WRONG-TYPE “gateway” must be text or a list; this is 5',
    ],
    [
      'a wrong one of two gateways',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], gateway: [10.1.0.2, 5] } } }'),
      'INV-WRONG-TYPE each of “gateway” must be text; this is 5',
    ],
    [
      'route over another family',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], routes: [{ to: "2001:db8::/64", via: 10.1.0.2 }] } } }'),
      'INV-MIXED-FAMILIES',
    ],
    [
      'router elsewhere',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], routes: [{ to: 10.9.0.0/16, via: 10.3.0.2 }] } } }'),
      'INV-GATEWAY-UNREACHABLE the router 10.3.0.2',
    ],
    [
      'route without via',
      host('{ interfaces: { e: { addresses: [10.1.0.1/24], routes: [{ to: 10.9.0.0/16 }] } } }'),
      'INV-MISSING-KEY “via” is missing',
    ],
    ['DNS is a name', host('{ dns: [dns.example.net] }'), 'INV-BAD-ADDRESS “dns.example.net” is no address'],
    [
      'interface name too long',
      host('{ interfaces: { enp0123456789012: {} } }'),
      'INV-BAD-NAME “enp0123456789012” can’t be a name here',
    ],
    ['interface name with a slash', host('{ interfaces: { ../x: {} } }'), 'INV-BAD-NAME'],
    ['lo', host('{ interfaces: { lo: { addresses: [10.1.0.1/32] } } }'), 'INV-LOOPBACK'],
    [
      'user like an option',
      host('{ ssh: { user: -oProxyCommand=x } }'),
      'INV-BAD-VALUE “-oProxyCommand=x” can’t stand in “user”',
    ],
    ['address like an option', host('{ ssh: { address: -oProxyCommand=x } }'), 'INV-BAD-VALUE'],
    [
      'unquoted mode',
      host('{ files: { /etc/x: { content: a, mode: 0644 } } }'),
      'INV-WRONG-TYPE “mode” must be text; this is 644 → Octal, in quotes; 0644 when left out. Put the value in quotes.',
    ],
    ['relative path', host('{ files: { etc/x: { content: a } } }'), 'INV-BAD-NAME “etc/x”'],
    ['path that climbs', host('{ files: { /etc/../x: { content: a } } }'), 'INV-BAD-NAME'],
    ['file of nothing', host('{ files: { /etc/x: {} } }'), 'INV-FILE-CONTENT'],
    [
      'source that is not there',
      host('{ files: { /etc/x: { source: ./none } } }'),
      'INV-FILE-SOURCE the file none can’t be read: ENOENT',
    ],
    ['unit without suffix', host('{ units: { nginx: {} } }'), 'INV-BAD-NAME “nginx”'],
    ['sysctl with a newline', host('{ sysctls: { net.core.somaxconn: "1\\nkernel.x = 2" } }'), 'INV-BAD-VALUE'],
    [
      'an area that is none',
      host('{ manage: [netwrok] }'),
      '6:17 INV-BAD-VALUE “manage” can’t be “netwrok” → Did you mean “network”?',
    ],
    ['manage is no word', host('{ manage: all }'), 'INV-BAD-VALUE “manage” can’t be “all” → none: described only'],
    [
      'unknown web host',
      inventory({ tail: 'web_servers: { p: { software: nginx, hosts: [rr], port: 80, index: x } }' }),
      'INV-UNKNOWN-NAME there is no host “rr” → Did you mean “r”?',
    ],
    [
      'two web servers on a port',
      inventory({
        tail: 'web_servers: { p: { software: nginx, hosts: [r], port: 80, index: x }, q: { software: nginx, hosts: [r], port: 80, index: x } }',
      }),
      'INV-PORT-TAKEN q and p both want port 80 of r',
    ],
  ])('%s', (_name, text, expected) => {
    const problems = problemsIn(text);
    expect(problems.length, problems.join('\n')).toBe(1);
    expect(problems[0]).toContain(expected);
  });
});

test('all mistakes of a file come at once, in its order', () => {
  const text = `versoin: 1
name: c
hosts:
  d: { interfaces: { eth0: { addresses: [10.0.0.300/24], gatway: 10.0.0.1 } } }
  r: { interfaces: { eth0: { addresses: [10.0.0.3/24], mtu: big } } }
services:
  web: { ${good.replace('[d]', '[dd]').replace('port: 80', 'port: 0')} }
`;
  expect(problemsIn(text).map(head)).toEqual([
    '1:1 INV-UNKNOWN-KEY',
    '4:42 INV-BAD-ADDRESS',
    '4:58 INV-UNKNOWN-KEY',
    '5:61 INV-WRONG-TYPE',
    '7:58 INV-BAD-VALUE',
    '7:89 INV-UNKNOWN-NAME',
  ]);
});

test('a place is right through an alias, and one mistake one problem', () => {
  const text = inventory({
    hosts: '  h: { interfaces: { e: { addresses: &a [10.1.0.1] } } }\n  i: { interfaces: { e: { addresses: *a } } }',
  });
  expect(problemsIn(text).map(head)).toEqual(['6:42 INV-BAD-ADDRESS']);
});

describe('defaults', () => {
  const text = `version: 1
name: c
defaults:
  host: { dns: [10.0.0.53], packages: [a], ssh: { user: root, port: 22 }, sysctls: { net.core.a: 1, net.core.b: 2 } }
  service: { mode: dr, protocol: udp, scheduler: rr, directors: [d], port: 53 }
hosts:
  d: { interfaces: { eth0: { addresses: [10.0.0.2/24] } }, packages: [b], ssh: { port: 2222 }, sysctls: { net.core.b: 3 } }
  r: { interfaces: { eth1: {}, eth0: { addresses: [10.0.0.3/24, "2001:db8::3/64"] } } }
  s: { interfaces: { eth0: { addresses: [10.0.0.4/24] } } }
services:
  one: { vip: 10.0.0.100, real_servers: { r: {} } }
  two: { vip: 10.0.0.100, real_servers: { r: { weight: 0 }, s: {} }, port: 54, scheduler: wlc }
`;
  const cluster = () => loadCluster([join(folder({ 'lvs.yaml': text }), 'lvs.yaml')]);

  test('of hosts: maps merge, lists replace', () => {
    const [d, r] = cluster().hosts;
    expect(d?.ssh).toEqual({ address: '10.0.0.2', user: 'root', port: 2222 });
    expect(d?.packages).toEqual(['b']);
    expect(d?.sysctls).toEqual({ 'net.core.a': '1', 'net.core.b': '3' });
    expect(r?.ssh).toEqual({ address: '10.0.0.3', user: 'root', port: 22 });
    expect(r?.packages).toEqual(['a']);
    expect(r?.interfaces.map(({ dns }) => dns)).toEqual([[], ['10.0.0.53']]);
  });
  test('of services', () => {
    expect(cluster().services).toMatchObject([
      {
        name: 'one',
        protocol: 'udp',
        ports: [{ first: 53, last: 53 }],
        scheduler: 'rr',
        virtuals: [{ realServers: [{ host: 'r', address: '10.0.0.3', port: 53, weight: 1 }] }],
      },
      {
        name: 'two',
        protocol: 'udp',
        scheduler: 'wlc',
        virtuals: [{ match: { by: 'socket', protocol: 'udp', address: '10.0.0.100', port: 54 } }],
      },
    ]);
    expect(cluster().services[1]?.virtuals[0]?.realServers).toMatchObject([{ weight: 0, port: 54 }, { host: 's' }]);
  });
  test('what is wrong in them is told where it stands', () => {
    expect(problemsIn(text.replace('directors: [d]', 'directors: [x]')).map(head)).toEqual(['5:66 INV-UNKNOWN-NAME']);
    expect(problemsIn(text.replace('dns: [10.0.0.53]', 'dns: [x]')).map(head)).toEqual(['4:17 INV-BAD-ADDRESS']);
  });
});

describe('several files', () => {
  const two = () =>
    folder({
      'a.yaml': inventory(),
      'b.yml': inventory().replace('name: c', 'name: b').replaceAll('10.0.0.', '10.0.1.'),
      'part.yaml': 'x: 1\n',
      'notes.txt': '',
    });

  test('a folder with one cluster', () => {
    expect(loadCluster([folder({ 'a.yaml': inventory(), 'part.yaml': 'hosts: {}\n' })]).name).toBe('c');
  });
  test('a folder with two: one has to be chosen', () => {
    const path = two();
    expect(problemsOf(path, path)).toEqual([
      ' INV-SEVERAL-CLUSTERS the inventory holds several clusters: c (a.yaml), b (b.yml) → Choose one with --cluster, or name one file with -i.',
    ]);
    expect(loadCluster([path], { cluster: 'b' }).name).toBe('b');
    expect(problemsOf(path, path, { cluster: 'cc' })).toEqual([
      ' INV-UNKNOWN-CLUSTER there is no cluster “cc” in the inventory → Did you mean “c”?',
    ]);
  });
  test('a folder without any', () => {
    const path = folder({ 'part.yaml': 'x: 1\n' });
    expect(problemsOf(path, path).map((line) => line.split(' ')[1])).toEqual(['INV-NO-CLUSTER']);
  });
  test('one name twice', () => {
    const path = folder({ 'a.yaml': inventory(), 'b.yaml': inventory() });
    expect(problemsOf(path, path, { cluster: 'c' }).map((line) => line.split(' ')[1])).toEqual([
      'INV-DUPLICATE-CLUSTER',
    ]);
  });
  test('one file named twice is one', () => {
    const path = join(folder({ 'a.yaml': inventory() }), 'a.yaml');
    expect(loadCluster([path, path]).name).toBe('c');
  });
});

describe('the fingerprint', () => {
  const of = (text: string) => inventoryFingerprint(loadCluster([join(folder({ 'lvs.yaml': text }), 'lvs.yaml')]));
  test('is of what the inventory means, not of how or where it is written', () => {
    expect(of(`# a comment\n${inventory()}`)).toBe(of(inventory()));
    expect(of(service(good.replaceAll(', ', '\n    ')))).toBe(of(inventory()));
  });
  test('changes with the meaning', () => {
    expect(of(changed('r: {}', 'r: { weight: 2 }'))).not.toBe(of(inventory()));
  });
});

function head(problem: string): string {
  return problem.split(' ').slice(0, 2).join(' ');
}
