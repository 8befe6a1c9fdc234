import { describe, expect, test } from 'vitest';
import { diffOne, isLate, type Resource, theirsOf, undoOf } from '../../src/resources/index.ts';
import type { FileState, Recorded, Undoing } from '../../src/resources/kind.ts';
import { DEBIAN, parsed, words } from './facts.ts';

/** What each kind makes of its record. */

const file: Resource = {
  kind: 'file',
  path: '/etc/x',
  state: 'present',
  content: '',
  owner: 'root',
  group: 'root',
  mode: '0644',
};
const sysctl: Resource = { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: '/etc/sysctl.d/x' };
const unit: Resource = {
  kind: 'service',
  unit: 'nginx.service',
  enabled: true,
  running: true,
  config: [{ path: '/etc/nginx/x', sha256: 'a' }],
  activate: 'reload',
};
const pack: Resource = { kind: 'package', name: 'nginx' };
const module: Resource = { kind: 'module', name: 'ip_vs' };
const was: FileState = { type: 'file', sha256: 'f'.repeat(64), owner: 'a', group: 'b', mode: '0640' };

function entry(resource: Resource, before: unknown, ...wrote: unknown[]): Recorded<Resource> {
  return JSON.parse(JSON.stringify({ resource, before, wrote }));
}

describe('what gives it back', () => {
  test.each<[string, Resource, unknown, Undoing, object | undefined]>([
    ['a new file goes', file, { type: 'absent' }, 'left', { kind: 'file', path: '/etc/x', state: 'absent' }],
    ['a replaced one returns', file, was, 'left', { kind: 'file', path: '/etc/x', state: 'restored', was }],
    ['a device file does not', file, { type: 'other', what: 'special' }, 'left', { left: expect.any(String) }],
    ['a parameter', sysctl, { value: '0' }, 'left', { ...sysctl, value: '0' }],
    ['one that came with its module goes with it', sysctl, { value: null }, 'left', undefined],
    [
      'what the kernel set along',
      sysctl,
      { value: '0', others: { 'a/b': '1' } },
      'left',
      { value: '0', others: { 'a/b': '1' } },
    ],
    ['a module that was not loaded', module, { loaded: false }, 'left', { ...module, state: 'unloaded' }],
    ['a package stays when its role leaves', pack, { installed: false }, 'left', undefined],
    ['a package goes with the host', pack, { installed: false }, 'destroy', { ...pack, state: 'absent' }],
    [
      'a unit that was off',
      unit,
      { enabled: false, running: false },
      'left',
      { enabled: false, running: false, config: [] },
    ],
    [
      'a unit that ran with its own files',
      unit,
      { running: true, loaded: null },
      'left',
      { enabled: null, running: null },
    ],
  ])('%s', (_, resource, before, why, expected) => {
    const undo = undoOf(entry(resource, before), why);
    if (expected === undefined) expect(undo).toBeUndefined();
    else expect(undo).toMatchObject(expected);
  });

  test.each([file, sysctl, unit, pack, module])('nothing where lvsctl never had to change it: $kind', (resource) => {
    expect(undoOf(entry(resource, undefined), 'destroy')).toBeUndefined();
  });
});

describe('what somebody else changed since', () => {
  test.each<[string, Resource, unknown, unknown, unknown, boolean]>([
    ['as written', file, { type: 'absent' }, { ...was, mode: '0644' }, { ...was, mode: '0644' }, false],
    ['as it was before', file, was, { type: 'absent' }, was, false],
    ['another mode', file, { type: 'absent' }, was, { ...was, mode: '0666' }, true],
    ['a value as written', sysctl, { value: '0' }, { value: '1' }, { value: '1', overriddenBy: null }, false],
    ['another value', sysctl, { value: '0' }, { value: '1' }, { value: '2', overriddenBy: null }, true],
  ])('%s', (_, resource, before, wrote, state, theirs) => {
    expect(theirsOf(entry(resource, before, wrote), state) !== undefined).toBe(theirs);
  });
});

describe('how it is given back', () => {
  function opsOf(resource: Resource | { left: string } | undefined, state: unknown): string[] {
    if (resource === undefined || 'left' in resource) throw new Error('nothing to give back');
    return words(diffOne(resource, state, DEBIAN).flatMap(({ ops }) => ops));
  }

  test('ip_forward first, then what the kernel set along, of the interfaces that are still there', () => {
    const text = ['ip_forward', 'conf/a/forwarding', 'conf/b/forwarding', 'conf/new/forwarding']
      .map((name) => `./proc/sys/net/ipv4/${name}:1:1`)
      .join('\n');
    const [state] = parsed(text, [sysctl]);
    const before = {
      value: '0',
      others: {
        'net/ipv4/conf/a/forwarding': '1',
        'net/ipv4/conf/b/forwarding': '0',
        'net/ipv4/conf/gone/forwarding': '1',
      },
    };
    expect(opsOf(undoOf(entry(sysctl, before), 'left'), state)).toEqual([
      'sysctl_set net/ipv4/ip_forward 0',
      'sysctl_set net/ipv4/conf/a/forwarding 1',
    ]);
  });

  test('a unit that ran takes its own files up, after they were given back', () => {
    const undo = undoOf(entry(unit, { running: true }), 'left');
    const state = { load: 'loaded', enabled: true, running: true, stale: false, loaded: ['a  /etc/nginx/x'] };
    expect(opsOf(undo, state)).toEqual(['service_release nginx.service nginx reload']);
    expect(opsOf(undo, { ...state, loaded: null })).toEqual([]);
    expect(undo !== undefined && 'kind' in undo && isLate(undo)).toBe(true);
  });

  test('a unit that was off is stopped before its files go', () => {
    const undo = undoOf(entry(unit, { enabled: false, running: false }), 'left');
    const state = { load: 'loaded', enabled: true, running: true, stale: false, loaded: null };
    expect(opsOf(undo, state)).toEqual(['service_disable nginx.service', 'service_stop nginx.service']);
    expect(undo !== undefined && 'kind' in undo && isLate(undo)).toBe(false);
  });

  test('a package, or what is left of all that came with it', () => {
    const undo = undoOf(entry(pack, { installed: false }), 'destroy');
    expect(opsOf(undo, { installed: true, version: '1', brought: [] })).toEqual(['package_remove apt nginx']);
    expect(opsOf(undo, { installed: false, brought: ['nginx-common'] })).toEqual(['package_remove apt nginx']);
    expect(opsOf(undo, { installed: false, brought: [] })).toEqual([]);
  });

  test('a profile: the earlier keyfile, its addresses there, those of lvsctl not', () => {
    const profile = {
      name: 'e',
      uuid: 'u',
      file: '/etc/NetworkManager/system-connections/e.nmconnection',
      content: '',
    };
    const resource = {
      kind: 'connection' as const,
      device: 'e',
      type: 'ethernet' as const,
      profile,
      addresses: ['10.0.0.2/24', '20.20.20.20/32'],
      routes: [],
    };
    const before = {
      file: { type: 'absent' },
      active: 'u',
      other: { path: '/run/NetworkManager/system-connections/e.nmconnection', file: was },
      addresses: ['10.0.0.2/24'],
    };
    const undo = undoOf(entry(resource, before), 'left');
    const wrote: FileState = { type: 'file', sha256: '0'.repeat(64), owner: 'root', group: 'root', mode: '0600' };
    const state = { file: wrote, missing: [], surplus: ['20.20.20.20/32'], pending: false };
    expect(opsOf(undo, state)).toEqual([
      `connection_return e u ${profile.file} - - - - ${before.other.path} ${'f'.repeat(64)} a b 0640 +10.0.0.2/24 -20.20.20.20/32`,
    ]);
    expect(opsOf(undo, { ...state, file: { type: 'absent' }, surplus: [] })).toEqual([]);
    expect(theirsOf(entry(resource, before, { file: wrote }), state)).toBeUndefined();
    expect(theirsOf(entry(resource, before, { file: wrote }), { ...state, file: { ...wrote, sha256: '1' } })).toContain(
      'changed',
    );
  });
});
