import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster, Host } from '../../src/inventory/model.ts';
import { buildPlan, type SeenHost } from '../../src/plan/build.ts';
import type { StagedResource } from '../../src/plan/manifest.ts';
import { isEmpty } from '../../src/plan/plan.ts';
import type { Facts } from '../../src/platform/facts.ts';
import { sha256 } from '../../src/resources/file.ts';
import { keyOf } from '../../src/resources/index.ts';
import { folder } from '../inventory/files.ts';

const facts: Facts = {
  platform: 'debian',
  osId: 'debian',
  osVersion: '12',
  kernel: '6.1',
  arch: 'x86_64',
  bootId: 'b',
  hostname: 'h',
  systemd: true,
  devices: {},
  profiles: [],
};

const read = loadCluster([join(folder({ 'c.yaml': 'version: 1\nname: c\nhosts: { rs1: {}, rs2: {} }\n' }), 'c.yaml')]);

function host(name: string): Host {
  const found = read.hosts.find((each) => each.name === name);
  if (found === undefined) throw new Error(name);
  return found;
}

const cluster: Cluster = { ...read, file: '/c.yaml', hosts: [] };
const context = { cluster, fingerprint: 'f', engine: 'e', lab: false, created: '2026-01-01T00:00:00.000Z' };

function file(path: string, content: string): StagedResource {
  return {
    stage: 'web',
    resource: { kind: 'file', path, state: 'present', content, owner: 'root', group: 'root', mode: '0644' },
  };
}

function has(content: string) {
  return { type: 'file', sha256: sha256(content), owner: 'root', group: 'root', mode: '0644', content };
}

function seen(desired: StagedResource[], states: unknown[], manifest?: unknown): SeenHost {
  return {
    host: host('rs1'),
    facts: manifest === undefined ? facts : { ...facts, manifest },
    desired,
    states: new Map(desired.map(({ resource }, index) => [keyOf(resource), states[index]])),
  };
}

describe('buildPlan', () => {
  it('is empty where every host has what it shall have, with or without a manifest', () => {
    const plan = buildPlan(context, [seen([file('/etc/x', 'a')], [has('a')])], []);
    expect(isEmpty(plan)).toBe(true);
    expect(plan.hosts).toHaveLength(1);
  });

  it('begins a changed host with the record of what lvsctl is about to manage there, and touches no other', () => {
    const changed = seen([file('/etc/x', 'a'), file('/etc/y', 'b')], [{ type: 'absent' }, has('b')]);
    const other = { ...seen([file('/etc/x', 'a')], [has('a')]), host: host('rs2') };
    const plan = buildPlan(context, [changed, other], []);
    expect(plan.steps.map((step) => step.id)).toEqual(['rs1/record', 'rs1/web']);
    expect(plan.steps[1]?.changes.map((change) => change.key)).toEqual(['file /etc/x']);
    expect(plan.steps[1]?.needs).toEqual(['rs1/record']);
    const manifest = JSON.parse(plan.steps[0]?.ops[0]?.input ?? '');
    expect(manifest.entries.map((entry: { key: string; before?: unknown }) => [entry.key, entry.before])).toEqual([
      ['file /etc/x', { type: 'absent' }],
      ['file /etc/y', undefined],
    ]);
  });

  it('keeps a copy before the record speaks of it', () => {
    const plan = buildPlan(context, [seen([file('/etc/x', 'a')], [has('theirs')])], []);
    expect(plan.steps[0]?.ops.map(({ name, args }) => [name, ...args])).toEqual([
      ['before_keep', '/etc/x', sha256('theirs')],
      ['manifest_write'],
    ]);
  });

  const entry = (content: string, before: unknown = { type: 'absent' }) => ({
    version: 2,
    cluster: 'c',
    entries: [
      { key: 'file /etc/x', stage: 'web', resource: file('/etc/x', '').resource, before, wrote: [has(content)] },
    ],
  });
  const leaving: StagedResource = {
    stage: 'web',
    leaving: true,
    resource: { kind: 'file', path: '/etc/x', state: 'absent' },
  };

  it('takes away what left the inventory, in the subtractive half, and then from the record', () => {
    const plan = buildPlan(context, [seen([leaving], [has('ours')], entry('ours'))], []);
    expect(plan.steps.map((step) => step.id)).toEqual(['rs1/record', 'rs1/web/remove', 'rs1/record/remove']);
    expect(plan.steps.map((step) => step.needs)).toEqual([[], ['rs1/record'], ['rs1/web/remove']]);
    expect(JSON.parse(plan.steps[2]?.ops[0]?.input ?? '').entries).toEqual([]);
    expect(plan.steps[2]?.ops[1]).toEqual({ name: 'before_prune', args: [] });
  });

  it('leaves and reports what somebody changed since lvsctl wrote it', () => {
    const plan = buildPlan(context, [seen([leaving], [has('theirs')], entry('ours'))], []);
    expect(isEmpty(plan)).toBe(true);
    expect(plan.warnings).toMatchObject([{ host: 'rs1', key: 'file /etc/x' }]);
  });

  it('to destroy gives back what it can, reports the rest, and ends with the record itself', () => {
    const plan = buildPlan(context, [seen([leaving], [has('ours')], entry('ours'))], [], 'destroy');
    expect(plan.steps.map((step) => step.id)).toEqual(['rs1/web/remove', 'rs1/record/remove']);
    expect(plan.steps[1]?.ops).toEqual([{ name: 'manifest_forget', args: [] }]);
    const theirs = buildPlan(context, [seen([leaving], [has('theirs')], entry('ours'))], [], 'destroy');
    expect(theirs.steps.map((step) => step.id)).toEqual(['rs1/record/remove']);
    expect(theirs.warnings).toMatchObject([{ host: 'rs1', key: 'file /etc/x' }]);
    expect(isEmpty(buildPlan(context, [seen([], [])], [], 'destroy'))).toBe(true);
  });

  it('gives a parameter its earlier value only after everything that is added', () => {
    const suppress: StagedResource = {
      stage: 'suppress',
      leaving: true,
      resource: { kind: 'sysctl', name: 'net.ipv4.conf.all.arp_ignore', value: '0', file: '/etc/sysctl.d/x' },
    };
    const states = [{ type: 'absent' }, { value: '1', overriddenBy: null }];
    const plan = buildPlan(context, [seen([file('/etc/x', 'a'), suppress], states)], []);
    expect(plan.steps.map((step) => step.id)).toEqual(['rs1/record', 'rs1/web', 'rs1/suppress/remove']);
  });

  it('warns of a file that overrides a parameter at boot', () => {
    const sysctl: StagedResource = {
      stage: 'reach',
      resource: { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: '/etc/sysctl.d/99-zz-lvsctl.conf' },
    };
    const plan = buildPlan(context, [seen([sysctl], [{ value: '1', overriddenBy: '/etc/sysctl.conf:3' }])], []);
    expect(isEmpty(plan)).toBe(true);
    expect(plan.warnings[0]?.text).toContain('/etc/sysctl.conf:3');
  });

  it('names the hosts that could not be read', () => {
    const problem = { code: 'SSH-REFUSED', place: { kind: 'none' }, what: 'w', next: 'n' } as const;
    const plan = buildPlan(context, [], [{ host: host('rs2'), problems: [problem] }]);
    expect(plan.unseen).toEqual([{ host: 'rs2', problems: [problem] }]);
  });
});
