import { describe, expect, it } from 'vitest';
import { makeManifest, parseManifest, removals, type StagedResource } from '../../src/plan/manifest.ts';

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
const before = new Map<string, unknown>([
  ['ipvs tcp 20.20.20.20:80', null],
  ['sysctl net.ipv4.conf.all.arp_ignore', { value: '0', overriddenBy: null }],
  ['file /etc/x', { type: 'absent' }],
]);

/** As it comes back from a host. */
function again(value: unknown) {
  return parseManifest(JSON.parse(JSON.stringify(value)));
}

describe('the manifest', () => {
  it('holds no content of files, only its hash', () => {
    const manifest = makeManifest('c', all, undefined, before);
    expect(JSON.stringify(manifest)).not.toContain('text"');
    expect(manifest.entries.find((entry) => entry.key === 'file /etc/x')?.sha256).toMatch(/^[0-9a-f]{64}$/u);
  });

  it('comes back as it was written, and nothing else counts as one', () => {
    const manifest = makeManifest('c', all, undefined, before);
    expect(again(manifest)).toEqual(manifest);
    for (const other of [
      undefined,
      null,
      7,
      [],
      {},
      { version: 2, cluster: 'c', entries: [] },
      { ...manifest, entries: [{}] },
    ]) {
      expect(parseManifest(other)).toBeUndefined();
    }
  });

  it('remembers the state from before the first change, not of a later one', () => {
    const first = again(makeManifest('c', all, undefined, before));
    const later = makeManifest('c', all, first, new Map([['file /etc/x', { type: 'file' }]]));
    expect(later.entries.find((entry) => entry.key === 'file /etc/x')?.before).toEqual({ type: 'absent' });
  });

  it('drops what has left the inventory', () => {
    const leaving = { ...rules, leaving: true };
    expect(makeManifest('c', [leaving, sysctl], undefined, before).entries.map((entry) => entry.key)).toEqual([
      'sysctl net.ipv4.conf.all.arp_ignore',
    ]);
  });
});

describe('removals', () => {
  const manifest = again(makeManifest('c', all, undefined, before));

  it('asks for nothing while everything is wanted, or without a manifest', () => {
    expect(removals(manifest, all)).toEqual([]);
    expect(removals(undefined, [])).toEqual([]);
  });

  it('takes away what is no longer wanted, and leaves packages', () => {
    expect(removals(manifest, [])).toEqual([
      {
        stage: 'rules',
        leaving: true,
        resource: { kind: 'ipvs', state: 'absent', protocol: 'tcp', address: '20.20.20.20', port: 80 },
      },
      { stage: 'suppress', leaving: true, resource: { ...sysctl.resource, value: '0' } },
      { stage: 'web', leaving: true, resource: { kind: 'file', path: '/etc/x', state: 'absent' } },
    ]);
  });

  it('leaves a file that was there before lvsctl came', () => {
    const found = again(
      makeManifest('c', [file], undefined, new Map([['file /etc/x', { type: 'file', sha256: 'x' }]])),
    );
    expect(removals(found, [])).toEqual([]);
  });
});
