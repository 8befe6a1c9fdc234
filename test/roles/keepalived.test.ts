import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import type { Resource } from '../../src/resources/index.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';

// After a change that is meant: UPDATE_GOLDEN=1 npx vitest run test/roles/keepalived.test.ts, and read the difference.
// keepalived 2.2.7 accepted the recorded text on a real kernel, and the IPVS table had all of it.

const folder = fileURLToPath(new URL('keepalived/', import.meta.url));
const cluster = loadCluster([`${folder}all.yaml`]);
const pair = loadCluster([fileURLToPath(new URL('../../inventories/dr-keepalived.yaml', import.meta.url))]);

function resources(of: Cluster, host: string, more: Parameters<typeof facts>[0] = {}): Resource[] {
  return desire(of, host, facts(more)).map(({ resource }) => resource);
}

function configOf(of: Cluster, host: string): string {
  const found = resources(of, host).find((each) => each.kind === 'file' && each.path.endsWith('/keepalived.conf'));
  return found?.kind === 'file' && found.state === 'present' ? found.content : '';
}

test('everything that it can be asked for', () => {
  const file = `${folder}lvs1.conf`;
  const text = configOf(cluster, 'lvs1');
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
});

describe('two nodes of a pair', () => {
  const lines = (host: string) => configOf(cluster, host).split('\n');

  test('differ in what is their own alone', () => {
    const [first, second] = [lines('lvs1'), lines('lvs2')];
    expect(second).toHaveLength(first.length);
    const other = first.flatMap((line, index) => (line === second[index] ? [] : [line.trim().split(' ')[0]]));
    expect([...new Set(other)].sort()).toEqual([
      '10.9.0.2',
      '192.168.148.131',
      'priority',
      'router_id',
      'source_ip',
      'unicast_src_ip',
    ]);
  });

  test('name each other as peers', () => {
    const peers = (host: string) => /unicast_src_ip (\S+)\n\s+unicast_peer \{\n\s+(\S+)\n/.exec(configOf(pair, host));
    const [first, second] = [peers('lvs1'), peers('lvs2')];
    expect([first?.[1], first?.[2]]).toEqual([second?.[2], second?.[1]]);
    expect(first?.[1]).toBe('192.168.148.130');
  });

  test('have one address in the adverts, whatever VIPs there are', () => {
    for (const host of ['lvs1', 'lvs2'])
      for (const [, listed = ''] of configOf(cluster, host).matchAll(/virtual_ipaddress \{\n([^}]*)\}/g))
        expect(listed.trim().split('\n')).toHaveLength(1);
  });
});

describe('of a pair’s director', () => {
  const all = resources(pair, 'lvs1');
  const of = <K extends Resource['kind']>(kind: K) => all.filter((each) => each.kind === kind);

  test('the password’s place is in no other file, and that one is root’s alone', () => {
    const files = all.filter((each) => each.kind === 'file' && each.state === 'present');
    const holding = files.filter((each) => each.content.includes('<secret'));
    expect(holding).toMatchObject([{ path: '/etc/keepalived/keepalived.conf', owner: 'root', mode: '0600' }]);
  });

  test('the VIP is in no profile of NetworkManager', () => {
    expect(JSON.stringify(of('connection'))).not.toContain('192.168.148.161');
  });

  test('keepalived starts at boot and is reloaded; ipvsadm’s unit is not its rival', () => {
    expect(of('service')).toMatchObject([
      { unit: 'ipvsadm.service', enabled: false, running: null },
      { unit: 'keepalived.service', enabled: true, running: true, activate: 'reload' },
    ]);
  });

  test('its rows are compared as far as they are not the checks’ matter', () => {
    expect(of('ipvs')).toMatchObject([{ scheduler: 'wrr', flags: ['-p', '30'], checker: { inhibit: false } }]);
  });

  test('no saved rules: keepalived makes them anew at boot', () => {
    expect(JSON.stringify(of('file'))).not.toContain('ipvsadm.rules');
  });
});

describe('scripts', () => {
  const scripts = (more: Parameters<typeof facts>[0]) =>
    resources(cluster, 'lvs1', more).filter((each) => each.kind === 'file' && each.path.endsWith('/ok.sh'));

  test.each([
    ['debian', '/etc/keepalived/lvsctl/ok.sh'],
    ['rhel', '/usr/libexec/keepalived/ok.sh'],
  ] as const)('on %s stand where root alone writes', (platform, path) => {
    expect(scripts({ platform })).toMatchObject([
      { path, owner: 'root', group: 'root', mode: '0755', validate: 'keepalived' },
    ]);
  });
});

test('a health check without a pair is a keepalived without VRRP, and the VIP is NetworkManager’s', () => {
  const alone: Cluster = {
    ...pair,
    vrrp: [],
    services: pair.services.map(({ vrrp, ...service }) => ({ ...service, directors: ['lvs1'] })),
  };
  const text = configOf(alone, 'lvs1');
  expect(text).not.toContain('vrrp_instance');
  expect(text).toContain('HTTP_GET');
  expect(JSON.stringify(resources(alone, 'lvs1').filter(({ kind }) => kind === 'connection'))).toContain(
    '192.168.148.161/32',
  );
  expect(configOf(alone, 'lvs2')).toBe('');
});

test('without a check and without a pair ipvsadm has the table', () => {
  const plain: Cluster = {
    ...pair,
    vrrp: [],
    services: pair.services.map(({ vrrp, healthCheck, ...service }) => ({ ...service, directors: ['lvs1'] })),
  };
  expect(configOf(plain, 'lvs1')).toBe('');
  expect(resources(plain, 'lvs1').some((each) => each.kind === 'file' && each.path === '/etc/ipvsadm.rules')).toBe(
    true,
  );
});
