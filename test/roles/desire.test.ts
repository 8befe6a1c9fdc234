import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LvsctlError } from '../../src/errors/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import type { Facts, Profile } from '../../src/platform/facts.ts';
import { keyOf } from '../../src/resources/key.ts';
import { STAGES } from '../../src/resources/kind.ts';
import { type Desired, desire, rehearse } from '../../src/roles/index.ts';
import { facts, LO_PROFILE, RUNTIME_PROFILE, WIRED_PROFILE } from '../inventories/facts.ts';
import { folder, inventory } from '../inventory/files.ts';

const cluster = (text: string, more: Record<string, string> = {}) =>
  loadCluster([join(folder({ 'lvs.yaml': text, ...more }), 'lvs.yaml')]);
const drWrr = loadCluster([new URL('../../inventories/dr-wrr.yaml', import.meta.url).pathname]);
const host = (text: string) => cluster(inventory({ hosts: `  h: ${text}` }));
const codes = (act: () => unknown): string[] => {
  try {
    act();
  } catch (error) {
    if (error instanceof LvsctlError) return error.problems.map(({ code, what }) => `${code} ${what}`);
    throw error;
  }
  return [];
};
const one = <K extends Desired['resource']['kind']>(desired: readonly Desired[], kind: K, part = '') => {
  const found = desired.flatMap(({ stage, resource }) =>
    resource.kind === kind && keyOf(resource).includes(part) ? [{ ...resource, stage }] : [],
  );
  if (found.length !== 1) throw new Error(`${found.length} ${kind} ${part}`);
  return found[0] as Extract<Desired['resource'], { kind: K }> & { stage: string };
};

describe('in general', () => {
  test.each(['route', 'director', 'rs1', 'rs2'])('%s: every key once, stages in order, the same every time', (name) => {
    const desired = desire(drWrr, name, facts());
    const keys = desired.map(({ resource }) => keyOf(resource));
    expect(keys.length).toBeGreaterThan(2);
    expect(new Set(keys).size).toBe(keys.length);
    const stages = desired.map(({ stage }) => STAGES.indexOf(stage));
    expect(stages).toEqual([...stages].sort((a, b) => a - b));
    expect(desire(drWrr, name, facts())).toEqual(desired);
  });

  test('a host without a part to play wants nothing, and needs no NetworkManager', () => {
    const { networkManager: _gone, ...none } = facts();
    expect(desire(host('{}'), 'h', { ...none, systemd: false })).toEqual([]);
  });

  test('suppression comes before the VIP, rules before the VIP', () => {
    const at = (name: string, key: string) =>
      desire(drWrr, name, facts()).findIndex(({ resource }) => keyOf(resource).includes(key));
    expect(at('rs1', 'sysctl net.ipv4.conf.all.arp_ignore')).toBeLessThan(at('rs1', 'connection lo'));
    expect(at('director', 'ipvs ')).toBeLessThan(at('director', 'connection ens33'));
    expect(at('director', 'module ip_vs')).toBeLessThan(at('director', 'sysctl net.ipv4.vs'));
  });
});

describe('what cannot be', () => {
  const { networkManager: _none, ...without } = facts();
  test.each<[string, Cluster, string, Facts, string]>([
    [
      'no NetworkManager',
      drWrr,
      'rs1',
      without,
      'HOST-NO-NETWORKMANAGER ens34, lo would be set up through NetworkManager',
    ],
    [
      'too old for lo',
      drWrr,
      'rs1',
      facts({ networkManager: '1.40.16' }),
      'HOST-OLD-NETWORKMANAGER NetworkManager 1.40.16',
    ],
    ['no systemd', drWrr, 'rs1', facts({ systemd: false }), 'HOST-NO-SYSTEMD nginx.service is wanted'],
    [
      'another family',
      host('{ platform: rhel }'),
      'h',
      facts(),
      'HOST-OTHER-PLATFORM the inventory says platform rhel, the host is debian (debian 12)',
    ],
  ])('%s', (_name, of, name, told, expected) => {
    expect(codes(() => desire(of, name, told))[0]).toContain(expected);
  });

  test('a profile in an ifcfg file', () => {
    const profiles = [{ ...WIRED_PROFILE, file: '/etc/sysconfig/network-scripts/ifcfg-ens33' }];
    expect(codes(() => desire(drWrr, 'director', facts({ profiles })))[0]).toContain(
      'HOST-NO-KEYFILE the profile “Wired connection 1” of ens33',
    );
  });

  test('an old NetworkManager does where there is no VIP on lo', () => {
    expect(codes(() => desire(drWrr, 'route', facts({ networkManager: '1.30.0' })))).toEqual([]);
  });

  test.each<[string, string, string]>([
    [
      'a sysctl',
      'r: { sysctls: { net/ipv4/conf/all/arp_ignore: 0 } }',
      'ROLE-CONFLICT sysctl net/ipv4/conf/all/arp_ignore (1 and 0)',
    ],
    [
      'one sysctl by two names',
      'd: { sysctls: { net.ipv4.ip_forward: 1, net.ipv4.conf.all.forwarding: 0 } }',
      'ROLE-CONFLICT sysctl net.ipv4.conf.all.forwarding (1 and 0)',
    ],
    [
      'a file',
      'r: { files: { /etc/sysctl.d/99-zz-lvsctl.conf: { content: a } } }',
      'ROLE-CONFLICT file /etc/sysctl.d/99-zz-lvsctl.conf',
    ],
    ['a unit', 'd: { units: { ipvsadm.service: { enabled: false } } }', 'ROLE-CONFLICT service ipvsadm.service'],
  ])('two wishes for %s', (_name, hosts, expected) => {
    const name = hosts.slice(0, 1);
    const merged = cluster(inventory().replace(`${name}: { `, hosts.replace(/ }$/, ', ')));
    expect(codes(() => rehearse(merged))[0]).toContain(expected);
  });

  test('a file that the inventory has as lvsctl writes it is no conflict', () => {
    const path = '/etc/sysctl.d/99-zz-lvsctl.conf';
    const written = one(desire(cluster(inventory()), 'r', facts()), 'file', path);
    const content = written.state === 'present' ? written.content : '';
    expect(content).not.toBe('');
    const wish = (text: string) =>
      cluster(inventory().replace('r: { ', `r: { files: { ${path}: { content: ${JSON.stringify(text)} } }, `));
    expect(codes(() => rehearse(wish(content)))).toEqual([]);
    expect(codes(() => rehearse(wish(`${content}#`)))[0]).toContain('ROLE-CONFLICT');
  });

  test('one wish said twice is no conflict', () => {
    expect(
      codes(() =>
        rehearse(cluster(inventory().replace('r: { ', 'r: { sysctls: { net.ipv4.conf.all.arp_ignore: 1 }, '))),
      ),
    ).toEqual([]);
  });
});

describe('rehearse finds what is wrong with templates before any host is asked', () => {
  const pages = (index: string) =>
    inventory({ tail: `web_servers:\n  p: { software: nginx, hosts: [r, d], port: 80, index: ${index} }` });
  test('in the inventory: once, though two hosts render it', () => {
    const wrong = cluster(pages('"{{ host.nmae }}"'));
    expect(codes(() => rehearse(wrong))).toEqual([
      'TPL-UNKNOWN-VARIABLE the template names “host.nmae”, which does not exist here',
    ]);
    const place = problems(() => rehearse(wrong))[0]?.place;
    expect(place).toMatchObject({ line: 17, column: 61 });
  });
  test('in a template of the operator’s', () => {
    const wrong = cluster(pages('x'), { 'templates/nginx/web_server.conf': 'listen {{ prot }};' });
    expect(codes(() => rehearse(wrong))).toEqual([
      'TPL-UNKNOWN-VARIABLE the template names “prot”, which does not exist here',
    ]);
    expect(problems(() => rehearse(wrong))[0]?.place).toMatchObject({ line: 1, column: 11 });
  });
  test('nothing where nothing is wrong', () => {
    expect(codes(() => rehearse(drWrr))).toEqual([]);
  });
});

describe('profiles', () => {
  const connection = (profiles: Profile[], name = 'rs1', device = 'ens34') =>
    one(desire(drWrr, name, facts({ profiles })), 'connection', `connection ${device}`);

  test('the active one is adopted, whoever wrote it: UUID, name, file and foreign settings stay', () => {
    const { profile } = connection([WIRED_PROFILE], 'director', 'ens33');
    expect(profile).toMatchObject({ uuid: WIRED_PROFILE.uuid, name: WIRED_PROFILE.name, file: WIRED_PROFILE.file });
    expect(profile.content).toContain('mac-address=52:54:00:12:34:56');
    expect(profile.content).toContain('dns-search=example.net;');
    expect(profile.content).toContain('autoconnect-priority=-999');
    expect(profile.content).not.toContain('method=auto\n\n[ipv6]');
  });

  test('one that lives in /run gets a file in /etc, with its UUID', () => {
    const { profile } = connection([RUNTIME_PROFILE]);
    expect(profile.file).toBe('/etc/NetworkManager/system-connections/first.nmconnection');
    expect(profile.uuid).toBe(RUNTIME_PROFILE.uuid);
  });

  test('one in memory alone gets a file of lvsctl’s', () => {
    const { profile } = connection([{ ...RUNTIME_PROFILE, file: '', content: '' }]);
    expect(profile.file).toBe('/etc/NetworkManager/system-connections/lvsctl-ens34.nmconnection');
    expect(profile.content).toContain(`uuid=${RUNTIME_PROFILE.uuid}`);
  });

  test('what NetworkManager made for lo by itself becomes lasting', () => {
    const { profile } = connection([LO_PROFILE], 'rs1', 'lo');
    expect(profile.content).not.toMatch(/nmmeta|timestamp|autoconnect=false|nm-generated/);
    expect(profile.content).toContain('address1=127.0.0.1/8\naddress2=20.20.20.20/32\n');
    expect(profile.content).toContain('address1=::1/128');
  });

  test('once applied, the same is wanted again', () => {
    for (const [name, device, before] of [
      ['rs1', 'lo', LO_PROFILE],
      ['rs1', 'ens34', RUNTIME_PROFILE],
      ['director', 'ens33', WIRED_PROFILE],
    ] as const) {
      const { profile } = connection([before], name, device);
      const again = connection([{ ...before, file: profile.file, content: profile.content }], name, device);
      expect(again.profile).toEqual(profile);
    }
  });

  test('without one, a new one: its UUID follows from cluster, host and device', () => {
    const { profile } = connection([{ ...RUNTIME_PROFILE, device: '' }]);
    expect(profile.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(connection([]).profile.uuid).toBe(profile.uuid);
    expect(connection([], 'rs2').profile.uuid).not.toBe(profile.uuid);
  });

  test('the VIP leaves lo where the host is a real server no longer', () => {
    const applied = connection([LO_PROFILE], 'rs1', 'lo').profile;
    const profiles = [{ ...LO_PROFILE, file: applied.file, content: applied.content }];
    const alone = { ...drWrr, services: [] };
    const lo = one(desire(alone, 'rs1', facts({ profiles })), 'connection', 'connection lo');
    expect(lo.addresses).toEqual(['127.0.0.1/8']);
    expect(lo.profile.content).not.toContain('20.20.20.20');
    expect(
      desire(alone, 'rs1', facts({ profiles: [LO_PROFILE] })).map(({ resource }) => keyOf(resource)),
    ).not.toContain('connection lo');
  });

  test('gateway, routes, DNS, MTU and both families', () => {
    const of = host(
      '{ dns: [10.1.0.53], interfaces: { e0: { addresses: [10.1.0.2/24, "2001:db8::2/64"], gateway: [10.1.0.1, "2001:db8::1"], mtu: 9000, routes: [{ to: 10.9.1.2/16, via: 10.1.0.9 }], dns: ["2001:db8::53", 10.1.0.54] } } }',
    );
    const { profile, addresses } = one(desire(of, 'h', facts()), 'connection');
    expect(addresses).toEqual(['10.1.0.2/24', '2001:db8::2/64']);
    expect(profile.content).toContain(`
[ethernet]
mtu=9000

[ipv4]
address1=10.1.0.2/24
dns=10.1.0.54;
gateway=10.1.0.1
method=manual
route1=10.9.0.0/16,10.1.0.9

[ipv6]
address1=2001:db8::2/64
dns=2001:db8::53;
gateway=2001:db8::1
method=manual
`);
  });
});

test('ip_forward comes first, live and in the file', () => {
  const desired = desire(
    host('{ forwarding: true, sysctls: { net.core.somaxconn: 1, net.ipv4.conf.all.rp_filter: 0 } }'),
    'h',
    facts(),
  );
  const redirects = 'net.ipv4.conf.all.accept_redirects';
  const names = ['net.ipv4.ip_forward', 'net.core.somaxconn', redirects, 'net.ipv4.conf.all.rp_filter'];
  expect(desired.flatMap(({ resource }) => (resource.kind === 'sysctl' ? [resource.name] : []))).toEqual(names);
  expect(one(desired, 'file', 'sysctl.d')).toMatchObject({
    content:
      '# lvsctl manages this file: change the inventory, not this.\nnet.ipv4.ip_forward = 1\nnet.core.somaxconn = 1\nnet.ipv4.conf.all.accept_redirects = 0\nnet.ipv4.conf.all.rp_filter = 0\n',
  });
});

describe('IPv6', () => {
  const v6 = cluster(
    inventory()
      .replaceAll('10.0.0.', '2001:db8::')
      .replaceAll('/24', '/64')
      .replace('[2001:db8::2/64], gateway: 2001:db8::1', '["2001:db8::2/64"], gateway: "2001:db8::1"')
      .replace('[2001:db8::3/64]', '["2001:db8::3/64"]')
      .replace('vip: 2001:db8::100', 'vip: "2001:db8::100"'),
  );
  test('rules, VIP and lo are written in its way, and nothing is suppressed', () => {
    const director = desire(v6, 'd', facts());
    expect(one(director, 'file', '/etc/ipvsadm.rules')).toMatchObject({
      content: '-A -t [2001:db8::100]:80 -s wrr\n-a -t [2001:db8::100]:80 -r [2001:db8::3]:80 -g -w 1\n',
    });
    expect(one(director, 'connection').addresses).toEqual(['2001:db8::2/64', '2001:db8::100/128']);
    const real = desire(v6, 'r', facts());
    expect(one(real, 'connection', 'lo').addresses).toEqual(['127.0.0.1/8', '::1/128', '2001:db8::100/128']);
    expect(real.some(({ resource }) => resource.kind === 'sysctl')).toBe(false);
  });
});

test('a host’s own extras', () => {
  const of = host(
    '{ packages: [conntrack], modules: [nf_conntrack], sysctls: { net.core.somaxconn: 4096 }, units: { chrony.service: {} }, files: { /etc/motd: { source: ./motd, mode: "0600" } } }'.replace(
      'source: ./motd',
      'content: hello',
    ),
  );
  expect(desire(of, 'h', facts()).map(({ stage, resource }) => `${stage}: ${keyOf(resource)}`)).toEqual([
    'packages: package conntrack',
    'reach: file /etc/modules-load.d/lvsctl.conf',
    'reach: file /etc/sysctl.d/99-zz-lvsctl.conf',
    'reach: file /etc/motd',
    'reach: module nf_conntrack',
    'reach: sysctl net.core.somaxconn',
    'application: service chrony.service',
  ]);
});

function problems(act: () => unknown) {
  try {
    act();
  } catch (error) {
    if (error instanceof LvsctlError)
      return error.problems.map((problem) => ({
        ...problem,
        place: problem.place as { line?: number; column?: number },
      }));
    throw error;
  }
  return [];
}
