import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import { buildPlan } from '../../src/plan/build.ts';
import { makePaint } from '../../src/report/paint.ts';
import { planText } from '../../src/report/plan-text.ts';
import { keyOf } from '../../src/resources/key.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { folder, inventory } from '../inventory/files.ts';

const cluster = (text: string) => loadCluster([join(folder({ 'lvs.yaml': text }), 'lvs.yaml')]);
const managing = (manage: string, more = '') =>
  cluster(
    inventory({ tail: 'web_servers: { p: { software: nginx, hosts: [r], port: 80, index: x } }' })
      .replace('  r: {', `  r: { manage: ${manage}, ${more}`)
      .replace('  d: {', `  d: { manage: ${manage}, ${more}`),
  );
const kindsOf = (manage: string, host = 'r', more = '') => {
  const all = desire(managing(manage, more), host, facts());
  const kinds = (foreign: boolean) => [
    ...new Set(all.filter((one) => (one.foreign === true) === foreign).map(({ resource }) => resource.kind)),
  ];
  return { own: kinds(false).sort(), foreign: kinds(true).sort() };
};

describe('what is lvsctl’s on a host', () => {
  test.each<[string, string, string[], string[]]>([
    ['[sysctl]', 'r', ['file', 'sysctl'], ['connection', 'package', 'service']],
    ['[network]', 'r', ['connection'], ['package', 'service', 'sysctl']],
    ['[web]', 'r', ['file', 'package', 'service'], ['connection', 'sysctl']],
    ['[ipvs]', 'd', ['file', 'ipvs', 'module', 'package', 'service'], ['connection', 'sysctl']],
    ['[]', 'd', [], ['connection', 'ipvs', 'module', 'package', 'service', 'sysctl']],
  ])('manage: %s of %s', (manage, host, own, foreign) => {
    expect(kindsOf(manage, host)).toEqual({ own, foreign });
  });

  test('of what a host has besides its roles the kind decides', () => {
    const more =
      'packages: [a], files: { /etc/x: { content: y } }, units: { u.service: {} }, modules: [m], sysctls: { a.b: 1 },';
    const keys = (manage: string) =>
      desire(managing(manage, more), 'r', facts())
        .filter(({ foreign }) => foreign !== true)
        .map(({ resource }) => keyOf(resource));
    expect(keys('[files]')).toEqual(['file /etc/x']);
    expect(keys('[packages]')).toEqual(['package a']);
    expect(keys('[services]')).toEqual(['service u.service']);
    expect(keys('[modules]')).toEqual(['file /etc/modules-load.d/lvsctl.conf', 'module m']);
  });

  test('all of it where nothing is said', () => {
    const all = desire(cluster(inventory()), 'r', facts());
    expect(all.length).toBeGreaterThan(3);
    expect(all.filter(({ foreign }) => foreign)).toEqual([]);
  });

  test('what is needed of the rest is a warning, never a change, and nothing is recorded of it', () => {
    const target = managing('[files]', 'files: { /etc/x: { content: y } },');
    const desired = desire(target, 'r', facts());
    const states = new Map<string, unknown>(
      desired.map(({ resource }) => [
        keyOf(resource),
        resource.kind === 'sysctl' ? { value: '0' } : resource.kind === 'file' ? { type: 'absent' } : undefined,
      ]),
    );
    const looked = desired.filter(({ resource }) => resource.kind === 'sysctl' || resource.kind === 'file');
    const host = target.hosts.find(({ name }) => name === 'r');
    if (host === undefined) throw new Error('no host');
    const plan = buildPlan(
      { cluster: target, fingerprint: '', engine: '', lab: false, created: '' },
      [{ host, facts: facts(), desired: looked, states }],
      [],
    );
    expect(plan.steps.flatMap(({ changes }) => changes).map(({ key }) => key)).toEqual(['file /etc/x']);
    expect(plan.warnings).toContainEqual({
      host: 'r',
      key: 'sysctl net.ipv4.conf.all.arp_ignore',
      text: 'is needed, and not lvsctl’s here (manage): it has 0, not 1',
    });
    expect(JSON.stringify(plan.steps)).not.toContain('arp_ignore');
    expect(planText(plan, makePaint(false))).toContain('arp_ignore');
  });
});

test('what a host has besides on its family', () => {
  const target = cluster(`version: 1
name: c
hosts:
  h:
    packages: [tcpdump]
    sysctls: { net.core.a: 1, net.core.b: 1 }
    by_platform:
      debian: { packages: [conntrack], sysctls: { net.core.b: 2 } }
      rhel: { packages: [conntrack-tools] }
`);
  const of = (platform: 'debian' | 'rhel') =>
    desire(target, 'h', facts({ platform })).flatMap(({ resource }) =>
      resource.kind === 'package'
        ? [resource.name]
        : resource.kind === 'sysctl'
          ? [`${resource.name}=${resource.value}`]
          : [],
    );
  expect(of('debian')).toEqual(['tcpdump', 'conntrack', 'net.core.a=1', 'net.core.b=2']);
  expect(of('rhel')).toEqual(['tcpdump', 'conntrack-tools', 'net.core.a=1', 'net.core.b=1']);
});
