import { describe, expect, it } from 'vitest';
import {
  type Manifest,
  makeRecords,
  neededCopies,
  parseManifest,
  removals,
  type StagedResource,
} from '../../src/plan/manifest.ts';
import { sha256 } from '../../src/resources/file.ts';
import { keyOf } from '../../src/resources/index.ts';
import type { Change } from '../../src/resources/kind.ts';

const rules: StagedResource = {
  stage: 'rules',
  resource: {
    kind: 'ipvs',
    state: 'present',
    protocol: 'tcp',
    address: '20.20.20.20',
    port: 80,
    scheduler: 'wrr',
    flags: [],
    destinations: [],
  },
};
const sysctl: StagedResource = {
  stage: 'suppress',
  resource: { kind: 'sysctl', name: 'net.ipv4.conf.all.arp_ignore', value: '1', file: '/etc/sysctl.d/x.conf' },
};
const file: StagedResource = {
  stage: 'web',
  resource: {
    kind: 'file',
    path: '/etc/x',
    state: 'present',
    content: 'text',
    owner: 'root',
    group: 'root',
    mode: '0644',
  },
};
const packaged: StagedResource = { stage: 'packages', resource: { kind: 'package', name: 'nginx' } };
const all = [rules, sysctl, file, packaged];

/** What is there before the first apply, by key. */
const before: Record<string, unknown> = {
  'ipvs tcp 20.20.20.20:80': null,
  'sysctl net.ipv4.conf.all.arp_ignore': { value: '0' },
  'file /etc/x': { type: 'file', sha256: 'a'.repeat(64), owner: 'root', group: 'mail', mode: '0640' },
  'package nginx': { installed: false },
};
const wrote: Record<string, unknown> = {
  'sysctl net.ipv4.conf.all.arp_ignore': { value: '1' },
  'file /etc/x': { type: 'file', sha256: sha256('text'), owner: 'root', group: 'root', mode: '0644' },
};

function changes(of: readonly StagedResource[], from = before, to = wrote): Map<string, Change[]> {
  return new Map(
    of.map(({ resource }) => {
      const key = keyOf(resource);
      const { kind } = resource;
      return [
        key,
        [{ key, kind, direction: 'change', shown: [], ops: [], before: from[key] ?? null, after: to[key] ?? null }],
      ];
    }),
  );
}

/** As it comes back from a host. */
function again(value: unknown): Manifest {
  const manifest = parseManifest(JSON.parse(JSON.stringify(value)));
  if (manifest === undefined) throw new Error('no manifest');
  return manifest;
}

const first = makeRecords('c', all, undefined, changes(all));
const entryOf = (manifest: Manifest | undefined, key: string) => manifest?.entries.find((entry) => entry.key === key);

describe('the manifest', () => {
  it('holds no content of files, only what identifies it', () => {
    expect(JSON.stringify(first.first)).not.toContain('text"');
    expect(entryOf(first.first, 'file /etc/x')?.wrote).toEqual([wrote['file /etc/x']]);
  });

  it('comes back as it was written, and nothing else counts as one', () => {
    expect(again(first.first)).toEqual(first.first);
    const none = { version: 2, cluster: 'c', entries: [{}] };
    const unknown = { version: 2, cluster: 'c', entries: [{ key: 'x', stage: 'web', resource: { kind: 'toaster' } }] };
    for (const other of [undefined, null, 7, [], {}, none, unknown, { ...first.first, version: 3 }]) {
      expect(parseManifest(other)).toBeUndefined();
    }
  });

  it('is whole before a first apply changes anything: there is nothing to write after it', () => {
    expect(first.last).toBeUndefined();
    expect(first.first.entries.map(({ key }) => key)).toEqual(all.map(({ resource }) => keyOf(resource)));
    expect(entryOf(first.first, 'sysctl net.ipv4.conf.all.arp_ignore')?.before).toEqual({ value: '0' });
  });

  it('has a copy made of each file that is replaced, for the history too; it names those of the first time', () => {
    expect(first.keep).toEqual([{ path: '/etc/x', sha256: 'a'.repeat(64) }]);
    expect(neededCopies(first.first)).toEqual(['a'.repeat(64)]);
    const later = makeRecords('c', all, again(first.first), changes(all));
    expect(later.keep).toEqual([{ path: '/etc/x', sha256: 'a'.repeat(64) }]);
    expect(makeRecords('c', all, again(first.first), new Map()).keep).toEqual([]);
  });

  it('remembers the state from before the first change, not of a later one', () => {
    const later = makeRecords('c', all, again(first.first), changes(all, { 'file /etc/x': { type: 'absent' } }));
    expect(entryOf(later.first, 'file /etc/x')?.before).toEqual(before['file /etc/x']);
  });

  it('takes nothing that somebody changed meanwhile for the state from before', () => {
    const key = 'sysctl net.ipv4.conf.all.arp_ignore';
    const found = makeRecords('c', all, undefined, changes([file]));
    expect(entryOf(found.first, key)?.before).toBeUndefined();
    const drifted = changes([sysctl], { [key]: { value: '2' } });
    expect(entryOf(makeRecords('c', all, again(found.first), drifted).first, key)?.before).toBeUndefined();
    const wanted: StagedResource = {
      ...sysctl,
      resource: { ...sysctl.resource, value: '7' } as StagedResource['resource'],
    };
    const asked = makeRecords('c', [wanted], again(found.first), changes([wanted], { [key]: { value: '1' } }));
    expect(entryOf(asked.first, key)?.before).toEqual({ value: '1' });
  });

  it('knows what was written and what is about to be while a change is under way, and then what is there', () => {
    const other = { ...wrote, 'sysctl net.ipv4.conf.all.arp_ignore': { value: '2' } };
    const later = makeRecords('c', all, again(first.first), changes(all, before, other));
    const key = 'sysctl net.ipv4.conf.all.arp_ignore';
    expect(entryOf(later.first, key)?.wrote).toEqual([{ value: '1' }, { value: '2' }]);
    expect(entryOf(later.last, key)?.wrote).toEqual([{ value: '2' }]);
  });

  it('drops what leaves the inventory only after it was given back, and keeps what goes with destroy alone', () => {
    const previous = again(first.first);
    const desired = [sysctl, ...removals(previous, [sysctl])];
    const records = makeRecords('c', desired, previous, new Map());
    expect(records.first.entries.map(({ key }) => key).sort()).toEqual(previous.entries.map(({ key }) => key).sort());
    expect(records.last?.entries.map(({ key }) => key)).toEqual([
      'sysctl net.ipv4.conf.all.arp_ignore',
      'package nginx',
    ]);
  });

  it('of version 1 is read: what it kept no copy of stays as it is', () => {
    const one = {
      version: 1,
      cluster: 'c',
      entries: [
        {
          key: 'file /etc/new',
          stage: 'web',
          resource: { ...file.resource, path: '/etc/new' },
          sha256: 'h',
          before: { type: 'absent' },
        },
        { key: 'file /etc/x', stage: 'web', resource: file.resource, sha256: 'h', before: before['file /etc/x'] },
        {
          key: 'sysctl net.ipv4.conf.all.arp_ignore',
          stage: 'suppress',
          resource: sysctl.resource,
          before: { value: '0' },
        },
      ],
    };
    expect(removals(again(one), [], 'destroy').map(({ resource }) => keyOf(resource))).toEqual([
      'file /etc/new',
      'sysctl net.ipv4.conf.all.arp_ignore',
    ]);
  });
});

describe('removals', () => {
  const manifest = again(first.first);

  it('asks for nothing while everything is wanted, or without a manifest', () => {
    expect(removals(manifest, all)).toEqual([]);
    expect(removals(undefined, [])).toEqual([]);
  });

  it('gives back what is no longer wanted, what stands on others first; packages only with the host', () => {
    expect(removals(manifest, [])).toEqual([
      {
        stage: 'rules',
        leaving: true,
        resource: { kind: 'ipvs', state: 'absent', protocol: 'tcp', address: '20.20.20.20', port: 80 },
      },
      {
        stage: 'web',
        leaving: true,
        resource: { kind: 'file', path: '/etc/x', state: 'restored', was: before['file /etc/x'] },
      },
      { stage: 'suppress', leaving: true, resource: { ...sysctl.resource, value: '0' } },
    ]);
    expect(removals(manifest, [], 'destroy').at(-1)?.resource).toMatchObject({ kind: 'package', name: 'nginx' });
  });
});
