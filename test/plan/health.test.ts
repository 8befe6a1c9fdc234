import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import type { SeenHost } from '../../src/plan/build.ts';
import { healthOf } from '../../src/plan/health.ts';
import type { Step } from '../../src/plan/plan.ts';
import { facts } from '../inventories/facts.ts';
import { folder } from '../inventory/files.ts';

const read = (name: string) => loadCluster([new URL(`../../inventories/${name}`, import.meta.url).pathname]);

const step = (host: string, stage = 'web') =>
  ({ id: `${host}/${stage}`, host, stage, direction: 'add', changes: [] }) as unknown as Step;

/** What is asked for when these hosts change. */
function health(cluster: Cluster, changed: readonly string[], units: readonly string[] = []) {
  const seen = cluster.hosts
    .filter(({ managed }) => managed)
    .map((host) => ({
      host,
      facts: facts(),
      states: new Map(),
      desired: units.map((unit) => ({ stage: 'web', resource: { kind: 'service', unit, running: true } })),
    })) as unknown as SeenHost[];
  return healthOf(
    cluster,
    seen,
    changed.map((host) => step(host)),
  );
}

const lines = (made: ReturnType<typeof health>) =>
  (made?.questions ?? []).map(({ from, address, port, count, how, of }) =>
    [
      from,
      of.what === 'vip' ? 'vip' : of.host,
      `${address}:${port}`,
      count,
      how.by === 'http' ? how.path : how.by === 'table' ? how.row : how.by,
    ].join(' '),
  );

describe('healthOf', () => {
  const dr = read('dr-wrr.yaml');

  test('a real server: from its director, and the VIP from the client', () => {
    const made = health(dr, ['rs1'], ['nginx.service']);
    expect(lines(made)).toEqual(['director rs1 30.30.30.30:80 1 /', 'client vip 20.20.20.20:80 8 /']);
    expect(made?.hosts).toEqual([{ host: 'rs1', units: ['nginx.service'], ports: [80] }]);
    expect(made?.askers.map(({ name }) => name)).toEqual(['client', 'director']);
  });

  test('a director: all of its real servers', () => {
    expect(lines(health(dr, ['director']))).toEqual([
      'director rs1 30.30.30.30:80 1 /',
      'director rs2 30.30.30.40:80 1 /',
      'client vip 20.20.20.20:80 8 /',
    ]);
  });

  test('a router: the VIP alone', () => {
    expect(lines(health(dr, ['route']))).toEqual(['client vip 20.20.20.20:80 8 /']);
  });

  test('where nothing is changed but packages and records, nothing is asked', () => {
    const seen = dr.hosts.map((host) => ({ host, desired: [] })) as unknown as SeenHost[];
    expect(healthOf(dr, seen, [step('rs1', 'packages'), step('rs1', 'record')])).toBeUndefined();
  });

  test('what lvsctl does not own on a host is not looked after there', () => {
    const others = { ...dr, hosts: dr.hosts.map((host) => ({ ...host, owns: [] as (typeof host)['owns'] })) };
    expect(health(others, ['rs1'])?.hosts).toEqual([]);
  });

  test('a service’s own check, and what its proxies pass requests on to', () => {
    const pair = read('dr-keepalived.yaml');
    const [service] = pair.services;
    const upstream = pair.proxies.flatMap((proxy) => proxy.upstream.servers.map(({ host }) => host));
    expect(upstream.length).toBeGreaterThan(0);
    const made = health(pair, upstream.slice(0, 1));
    expect(made?.questions.every(({ of }) => of.what === 'vip')).toBe(true);
    expect(made?.questions.length).toBeGreaterThan(0);
    const [real = ''] = (service?.virtuals ?? []).flatMap((row) => row.realServers.map(({ host }) => host));
    const asked = health(pair, [real])?.questions.filter(({ of }) => of.what === 'real-server');
    expect(asked?.map(({ how }) => how)).toEqual(
      service?.directors.map(() => ({ by: 'http', tls: false, path: '/health_check', status: [200] })),
    );
  });

  test.each<[string, string, string, string[]]>([
    ['rs1', 'dns_check: {}', 'port: 53', ['director rs1 30.30.30.30:53 1 -u 20.20.20.20:53']],
    [
      'director',
      'misc_check: { script: ./check.sh }',
      'port: 53',
      ['director rs1 30.30.30.30:53 1 -u 20.20.20.20:53', 'director rs2 30.30.30.40:53 1 -u 20.20.20.20:53'],
    ],
    ['rs1', 'ping_check: {}', 'ports: [53], fwmark: 7', ['director rs1 30.30.30.30:0 1 -f 7']],
    ['director', 'misc_check: { script: ./check.sh, dynamic: true }', 'port: 53', []],
    ['director', '', 'port: 53', []],
  ])('over UDP %s: what keepalived found by %j', (changed, check, ports, expected) => {
    const rhythm = 'interval: 2, timeout: 3, retries: 2, retry_interval: 1';
    const checked = check === '' ? '' : `, health_check: { ${check}, ${rhythm} }`;
    const real = 'real_servers: { rs1: {}, rs2: {}, rs3: { weight: 0 } }';
    const hosts = ['director 30.30.30.20', 'rs1 30.30.30.30', 'rs2 30.30.30.40', 'rs3 30.30.30.50'].map((line) => {
      const [name, address] = line.split(' ');
      return `  ${name}: { interfaces: { e0: { addresses: [${address}/24] } } }`;
    });
    const text = `version: 1\nname: c\nhosts:\n${hosts.join('\n')}\nservices:\n  dns: { mode: dr, vip: 20.20.20.20, protocol: udp, ${ports}, directors: [director], ${real}${checked} }\n`;
    const place = folder({ 'c.yaml': text, 'check.sh': '#!/bin/sh\n' });
    const made = health(loadCluster([join(place, 'c.yaml')]), [changed]);
    expect(lines(made)).toEqual(expected);
    for (const { settle } of made?.questions ?? []) expect(settle).toBe(2 + 3 * 3 + 2 * 1);
  });
});
