import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import type { SeenHost } from '../../src/plan/build.ts';
import { healthOf } from '../../src/plan/health.ts';
import type { Step } from '../../src/plan/plan.ts';

const read = (name: string) => loadCluster([new URL(`../../inventories/${name}`, import.meta.url).pathname]);

const step = (host: string, stage = 'web') => ({ id: `${host}/${stage}`, host, stage, direction: 'add' }) as Step;

/** What is asked for when these hosts change. */
function health(cluster: Cluster, changed: readonly string[], units: readonly string[] = []) {
  const seen = cluster.hosts
    .filter(({ managed }) => managed)
    .map((host) => ({
      host,
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
      how.by === 'http' ? how.path : how.by,
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
});
