import { describe, expect, test } from 'vitest';
import { buildPlan } from '../../src/plan/build.ts';
import { type PastChange, takenBack } from '../../src/plan/history.ts';
import { removals } from '../../src/plan/manifest.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { sha256 } from '../../src/resources/file.ts';
import type { Resource } from '../../src/resources/index.ts';
import { DEBIAN } from '../resources/facts.ts';
import { bareHost, emptyCluster } from './empty.ts';

/** A program that takes up its earlier files does so when they are there again. */

const PATH = '/etc/keepalived/keepalived.conf';
const conf = (content: string): Resource =>
  ({ kind: 'file', path: PATH, state: 'present', content, owner: 'root', group: 'root', mode: '0600' }) as Resource;
const onDisk = (content: string) => ({
  type: 'file',
  sha256: sha256(content),
  owner: 'root',
  group: 'root',
  mode: '0600',
});
const unit = (content: string): Resource => ({
  kind: 'service',
  unit: 'keepalived.service',
  enabled: true,
  running: true,
  config: [{ path: PATH, sha256: sha256(content) }],
  activate: 'reload',
});
const loaded = (content: string) => [`${sha256(content)}  ${PATH}`];
const running = (content: string) => ({
  ...{ load: 'loaded', enabled: true, running: true, stale: false },
  loaded: loaded(content),
});

/** The operations of a plan that gives these back, in its order. */
function opsOf(
  desired: Parameters<typeof buildPlan>[1][number]['desired'],
  purpose: Plan['purpose'],
  manifest?: unknown,
) {
  const states = new Map<string, unknown>([
    [`file ${PATH}`, onDisk('new')],
    ['service keepalived.service', running('new')],
  ]);
  const facts = { ...DEBIAN, ...(manifest === undefined ? {} : { manifest }) } as typeof DEBIAN;
  const seen = { host: bareHost('lvs1'), facts, desired, states };
  const context = { cluster: emptyCluster(), fingerprint: '', engine: '', lab: false, created: '' };
  const { steps } = buildPlan(context, [seen], [], purpose);
  return steps.flatMap((step) => [...step.changes.flatMap(({ ops }) => ops), ...step.ops]).map(({ name }) => name);
}

const changed: PastChange[] = [
  {
    ...{ key: `file ${PATH}`, stage: 'rules', direction: 'change', half: 'add', shown: [] },
    ...{ resource: conf('new'), before: onDisk('old'), wrote: [onDisk('new')] },
  },
  {
    ...{ key: 'service keepalived.service', stage: 'vip', direction: 'change', half: 'add', shown: [] },
    ...{ resource: unit('new'), before: { running: true, loaded: loaded('old') }, wrote: [running('new')] },
  },
];

describe('a program and its file, which came at an earlier stage', () => {
  test('taken back: the file first, though what goes away goes in the other order', () => {
    const ops = opsOf(takenBack(changed), 'rollback').filter((name) => /^(file|service)_/.test(name));
    expect(ops.length).toBe(2);
    expect(ops[0]).toMatch(/^file_/);
    expect(ops[1]).toBe('service_reload');
  });

  test('also where the program changed in the other half', () => {
    const mixed = changed.map((one): PastChange => (one.stage === 'vip' ? { ...one, half: 'both' } : one));
    const ops = opsOf(takenBack(mixed), 'rollback').filter((name) => /^(file|service)_/.test(name));
    expect(ops[1]).toBe('service_reload');
  });

  test('given back by destroy', () => {
    const entries = changed.map(({ key, stage, resource, before, wrote }) => ({ key, stage, resource, before, wrote }));
    const manifest = { version: 2, cluster: 'c', entries };
    const desired = removals(manifest as unknown as Parameters<typeof removals>[0], [], 'destroy');
    const ops = opsOf(desired, 'destroy', manifest).filter((name) => /^(file|service)_/.test(name));
    expect(ops.length).toBe(2);
    expect(ops[0]).toMatch(/^file_/);
    expect(ops[1]).toBe('service_release');
  });
});
