import { expect, test } from 'vitest';
import { diffOne, type Resource } from '../../src/resources/index.ts';
import type { Change, Taken } from '../../src/resources/kind.ts';
import { revertOf } from '../../src/resources/revert.ts';
import { DEBIAN, words } from './facts.ts';

/** What each kind makes of a change that is to be taken back: the operations, and the files to keep. */

function taken(resource: Resource, state: unknown): Taken {
  const changes: Change[] = diffOne(resource, state, DEBIAN);
  expect(changes.length).toBeGreaterThan(0);
  const all = changes.map((change) => revertOf(change, resource, state, DEBIAN));
  return {
    ops: all.toReversed().flatMap(({ ops }) => ops),
    late: all.flatMap(({ late }) => late ?? []),
    paths: all.flatMap(({ paths }) => paths ?? []),
  };
}

const service: Resource = {
  kind: 'service',
  unit: 'nginx.service',
  enabled: true,
  running: true,
  config: [{ path: '/etc/x', sha256: 'new' }],
  activate: 'reload',
};
const runs = { load: 'loaded', enabled: true, running: true, stale: false, loaded: ['old  /etc/x'] };
const table = (weight: number, address = '10.0.0.1') => ({
  scheduler: 'rr',
  flags: [],
  destinations: [{ method: 'gate' as const, address, port: 80, weight, upper: 0, lower: 0 }],
});
const web = { kind: 'ipvs', protocol: 'tcp', address: '20.0.0.1', port: 80 } as const;
const tree: Resource = { kind: 'archive', state: 'present', path: '/opt/x', file: '/x.tar.gz', sha256: 'new' };
const file = (path: string) => ({ type: 'file', sha256: 'f', owner: 'root', group: 'root', mode: '0600', path });
const profile: Resource = {
  kind: 'connection',
  device: 'lo',
  type: 'loopback',
  profile: { name: 'lo', uuid: 'ours', file: '/etc/nm/lo', content: '[ipv4]\naddress1=20.0.0.1/32\n' },
  addresses: ['20.0.0.1/32'],
  routes: [],
};
const forwarding: Resource = { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: '/etc/x' };

test.each<[string, Resource, unknown, string[], string[]?]>([
  ['a module that comes', { kind: 'module', name: 'ip-vs' }, { loaded: false }, ['module_unload ip_vs']],
  ['a module that goes', { kind: 'module', name: 'ip_vs', state: 'unloaded' }, { loaded: true }, ['module_load ip_vs']],
  [
    'ip_forward, with what the kernel sets along',
    forwarding,
    { value: '0', others: { 'net/ipv4/conf/a/forwarding': '1', 'net/ipv4/conf/b/forwarding': '0' } },
    ['sysctl_set net/ipv4/ip_forward 0', 'sysctl_set net/ipv4/conf/a/forwarding 1'],
  ],
  [
    'ip_forward, given back',
    { ...forwarding, value: '0', others: { 'net/ipv4/conf/a/forwarding': '0' } },
    { value: '1', others: { 'net/ipv4/conf/a/forwarding': '1' } },
    ['sysctl_set net/ipv4/ip_forward 1'],
  ],
  ['an account that comes', { kind: 'account', name: 'x', state: 'present' }, { present: false }, ['account_remove x']],
  ['an account that goes', { kind: 'account', name: 'x', state: 'absent' }, { present: true }, ['account_back x']],
  ['a tree that comes', tree, { what: 'absent' }, ['archive_remove /opt/x']],
  ['a tree in the place of another', tree, { what: 'tree', sha256: 'old' }, ['archive_back /opt/x']],
  ['a tree that goes', { ...tree, state: 'absent' }, { what: 'tree', sha256: 'new' }, ['archive_back /opt/x']],
  [
    'a switch that nobody had stored',
    { kind: 'selinux_boolean', name: 'b', value: true },
    { live: false, stored: null },
    ['selinux_boolean_set b off', 'tx_file /var/lib/selinux/targeted/active/booleans.local'],
  ],
  [
    'rules about a VIP that go',
    { kind: 'arptables', address: '20.0.0.1', source: '10.0.0.1', state: 'absent' },
    { rules: ['INPUT -j DROP -d 20.0.0.1'] },
    ['arptables -I INPUT -j DROP -d 20.0.0.1'],
  ],
  [
    'a tunnel that goes',
    { kind: 'tunnel', type: 'gre', device: 'g', local: '10.0.0.1', state: 'absent' },
    { state: 'up' },
    ['tunnel_gre g gre 10.0.0.1'],
  ],
  [
    'a tunnel that comes',
    { kind: 'tunnel', type: 'gue', port: 6080, family: 4, state: 'up' },
    { state: 'absent' },
    ['tunnel_gue del 4 6080'],
  ],
  [
    'a real server in the place of another',
    { ...web, state: 'present', ...table(2, '10.0.0.2') },
    table(1),
    [
      'ipvs -a -t 20.0.0.1:80 -r 10.0.0.1:80 -g -w 1',
      'ipvs -e -t 20.0.0.1:80 -r 10.0.0.2:80 -g -w 0',
      'ipvs -d -t 20.0.0.1:80 -r 10.0.0.2:80',
    ],
  ],
  ['a service that comes', { ...web, state: 'present', ...table(1) }, null, ['ipvs -D -t 20.0.0.1:80']],
  [
    'a service that goes',
    { ...web, state: 'absent' },
    table(1),
    ['ipvs -A -t 20.0.0.1:80 -s rr', 'ipvs -a -t 20.0.0.1:80 -r 10.0.0.1:80 -g -w 1'],
  ],
  [
    'a unit that takes up a configuration, by its record',
    service,
    runs,
    [],
    ['service_back nginx.service nginx reload kept'],
  ],
  [
    'a unit whose record lvsctl brought',
    service,
    { ...runs, loaded: null },
    [],
    ['service_back nginx.service nginx reload none'],
  ],
  [
    'a unit that is enabled and started',
    service,
    { ...runs, enabled: false, running: false },
    ['service_disable nginx.service', 'service_stop nginx.service'],
    [],
  ],
  [
    'a unit that is stopped',
    { ...service, enabled: false, running: false },
    runs,
    ['service_enable nginx.service'],
    ['service_start nginx.service nginx'],
  ],
  [
    'a profile that gives back: the earlier keyfile goes again, and the note of the device stays',
    {
      ...profile,
      returned: {
        file: { type: 'absent' },
        active: 'theirs',
        other: { path: '/run/nm/lo', file: file('/run/nm/lo') },
        addresses: ['127.0.0.9/8'],
      },
    } as Resource,
    {
      file: file('/etc/nm/lo'),
      active: 'ours',
      otherFile: null,
      missing: ['127.0.0.9/8'],
      surplus: ['20.0.0.1/32'],
      missingRoutes: [],
      surplusRoutes: [],
      pending: false,
      was: { file: file('/etc/nm/lo'), active: 'ours', other: null, addresses: ['20.0.0.1/32'] },
    },
    [
      'tx_file /var/lib/lvsctl/links/lo',
      'connection_return lo ours /etc/nm/lo tx - - - /run/nm/lo tx - - - +20.0.0.1/32 -127.0.0.9/8',
    ],
  ],
])('%s', (_, resource, state, ops, late = []) => {
  const found = taken(resource, state);
  expect(words(found.ops)).toEqual(ops);
  expect(words(found.late ?? [])).toEqual(late);
});

test('firewalld keeps its own files, to the byte', () => {
  const place = { backend: 'firewalld' as const, zones: ['public'] };
  const rule = { rule: 'accept' as const, protocol: 'tcp' as const, ports: [{ first: 80, last: 80 }] };
  const found = taken({ kind: 'firewall', purpose: 'filter', place, rules: [rule], closed: null }, { rules: [] });
  expect(found.paths).toEqual(['/etc/firewalld/zones/public.xml', '/etc/firewalld/zones/public.xml.old']);
  expect(found.ops.map(({ name, args }) => `${name} ${args[0]} ${args[1] ?? ''}`.trim())).toEqual([
    'firewall_firewalld remove runtime',
    'firewall_firewalld remove permanent',
    'tx_file /etc/firewalld/zones/public.xml',
    'tx_file /etc/firewalld/zones/public.xml.old',
  ]);
});
