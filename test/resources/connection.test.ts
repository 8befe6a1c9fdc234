import { describe, expect, test } from 'vitest';
import type { Facts } from '../../src/platform/facts.ts';
import { masked } from '../../src/resources/connection.ts';
import { sha256 } from '../../src/resources/file.ts';
import { type ConnectionResource, diffOne } from '../../src/resources/index.ts';
import type { FileState } from '../../src/resources/kind.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const FILE = '/etc/NetworkManager/system-connections/ens33.nmconnection';
const RUNTIME = '/run/NetworkManager/system-connections/ens33.nmconnection';
const UUID = '11111111-2222-5333-8444-555555555555';
const keyfile = (...addresses: string[]) =>
  ['[ipv4]', 'method=manual', ...addresses.map((address, n) => `address${n + 1}=${address}`), ''].join('\n');

const want: ConnectionResource = {
  kind: 'connection',
  device: 'ens33',
  type: 'ethernet',
  profile: { name: 'ens33', uuid: UUID, file: FILE, content: keyfile('30.30.30.20/24', '20.20.20.20/32') },
  addresses: ['30.30.30.20/24', '20.20.20.20/32'],
  routes: [],
};
const right: FileState = {
  type: 'file',
  sha256: sha256(want.profile.content),
  owner: 'root',
  group: 'root',
  mode: '0600',
};

interface Case {
  live: string[];
  profile?: Partial<Facts['profiles'][number]> | null;
  file?: FileState;
  text?: string;
  routes?: string[];
}

function changes({ live, profile, file = right, text = '', routes = [] }: Case) {
  const wanted = { ...want, routes };
  const active = {
    name: 'ens33',
    uuid: UUID,
    type: 'ethernet',
    device: 'ens33',
    file: FILE,
    content: want.profile.content,
  };
  const facts: Facts = {
    ...DEBIAN,
    devices: { ens33: { mac: '', up: true, mtu: 1500, addresses: live } },
    profiles: profile === null ? [] : [{ ...active, ...profile }],
  };
  const [state] = parsed(text, [wanted], { facts, files: new Map([[FILE, file]]) });
  return diffOne(wanted, state, facts);
}

const ALL = ['30.30.30.20/24', '20.20.20.20/32'];
const put = `connection_put ens33 ${FILE}`;
const activate = (other: string, ...gone: string[]) =>
  ['connection_activate ens33', UUID, FILE, other, '+30.30.30.20/24', '+20.20.20.20/32', ...gone].join(' ');

describe('changes', () => {
  test.each<[string, Case, string[]]>([
    ['as described', { live: ALL }, []],
    ['foreign addresses are left alone', { live: [...ALL, '30.30.30.99/24'] }, []],
    ['an address deleted by hand', { live: ['30.30.30.20/24'] }, [activate('-')]],
    [
      'the profile of the installer, adopted from /run',
      {
        live: ['30.30.30.20/24'],
        profile: { file: RUNTIME, content: keyfile('30.30.30.20/24') },
        file: { type: 'absent' },
      },
      [put, activate(RUNTIME)],
    ],
    [
      'a profile that exists in memory alone',
      { live: ALL, profile: { file: '' }, file: { type: 'absent' } },
      [put, activate('-')],
    ],
    ['another profile is active', { live: [], profile: { uuid: 'x', file: '/etc/y', content: '' } }, [activate('-')]],
    ['no profile is active', { live: [], profile: null }, [activate('-')]],
    ['the keyfile was edited', { live: ALL, file: { ...right, sha256: sha256('') } }, [put, activate('-')]],
    ['others may read the keyfile', { live: ALL, file: { ...right, mode: '0644' } }, [put, activate('-')]],
    ['an activation was broken off', { live: ALL, text: 'pending ens33\n' }, [activate('-')]],
    ['of another device', { live: ALL, text: 'pending ens34\n' }, []],
    [
      'an address that the profile loses',
      {
        live: [...ALL, '30.30.30.21/24'],
        profile: { content: keyfile(...ALL, '30.30.30.21/24,30.30.30.254') },
        file: { ...right, sha256: sha256('old') },
      },
      [put, activate('-', '-30.30.30.21/24')],
    ],
  ])('%s', (_, given, ops) => {
    const found = changes(given);
    expect(words(found.flatMap((change) => change.ops))).toEqual(ops);
    for (const change of found) expect(change.shown).not.toEqual([]);
  });

  test('an address in another’s place comes first; the old one goes in a change of its own', () => {
    const profile = { content: keyfile('30.30.30.20/24', '20.20.20.21/32') };
    const old = { ...right, sha256: sha256('old') };
    const found = changes({ live: ['30.30.30.20/24', '20.20.20.21/32'], profile, file: old });
    expect(found.map(({ direction }) => direction)).toEqual(['change', 'remove']);
    expect(found.map(({ ops }) => words(ops))).toEqual([
      [put, activate('-', '+20.20.20.21/32')],
      [put, activate('-', '-20.20.20.21/32')],
    ]);
    const [first, second] = found.map(({ ops }) => ops[0]?.input);
    expect(first).toBe(keyfile('30.30.30.20/24', '20.20.20.20/32', '20.20.20.21/32'));
    expect(second).toBe(want.profile.content);
    // Broken off between the two, only the second is left to do.
    const between = { ...right, sha256: sha256(first ?? '') };
    const rest = changes({ live: [...ALL, '20.20.20.21/32'], profile: { content: first ?? '' }, file: between });
    expect(rest.map(({ direction, ops }) => [direction, words(ops)])).toEqual([
      ['remove', [put, activate('-', '-20.20.20.21/32')]],
    ]);
  });

  const WAYS = ['default via 30.30.30.254', 'default via fe80::1', '10.9.0.0/16 via 30.30.30.253 metric 50'];
  const LIVE = [
    'default via 30.30.30.254 dev ens33 proto static metric 100 ',
    '10.9.0.0/16 via 30.30.30.253 dev ens33 proto static metric 50 ',
    '30.30.30.0/24 dev ens33 proto kernel scope link src 30.30.30.20 metric 100 ',
    'default via fe80::1 dev ens33 proto static metric 100 pref medium',
  ];
  const without = (part: string) => LIVE.filter((line) => !line.startsWith(part));
  const routed = WAYS.map((way) => `>${way}`);
  test.each<[string, string[], string[]]>([
    ['as described', LIVE, []],
    ['the gateway is gone', without('default via 30'), [activate('-', ...routed)]],
    ['the IPv6 gateway is gone', without('default via fe80'), [activate('-', ...routed)]],
    ['a route is gone', without('10.9'), [activate('-', ...routed)]],
    [
      'a route has another metric',
      [...without('10.9'), '10.9.0.0/16 via 30.30.30.253 dev ens33 proto static metric 60 '],
      [activate('-', ...routed)],
    ],
    [
      'it stands on another device',
      [...without('10.9'), '10.9.0.0/16 via 30.30.30.253 dev ens34 proto static metric 50 '],
      [activate('-', ...routed)],
    ],
    ['it stands in another table', [...without('10.9'), `${LIVE[1]}table 7`], [activate('-', ...routed)]],
    [
      'somebody added another gateway',
      [...LIVE, 'default via 30.30.30.1 dev ens33 '],
      [activate('-', ...routed, '<default via 30.30.30.1')],
    ],
    ['a router advertised another', [...LIVE, 'default via fe80::2 dev ens33 proto ra metric 100 '], []],
    ['another device has a gateway', [...LIVE, 'default via 40.40.40.1 dev ens34 proto static '], []],
    ['somebody added another route', [...LIVE, '10.8.0.0/16 via 30.30.30.1 dev ens33 '], []],
  ])('routes: %s', (_, lines, ops) => {
    const found = changes({ live: ALL, text: lines.join('\n'), routes: WAYS });
    expect(words(found.flatMap((change) => change.ops))).toEqual(ops);
    for (const change of found) expect(change.shown).not.toEqual([]);
  });

  test('without a wanted gateway nobody’s default route counts', () => {
    expect(changes({ live: ALL, text: LIVE.join('\n') })).toEqual([]);
  });

  test('losing an address alone is subtractive', () => {
    const file = { ...right, sha256: sha256('old') };
    const profile = { content: keyfile(...ALL, '30.30.30.21/24') };
    expect(changes({ live: [...ALL, '30.30.30.21/24'], profile, file })[0]?.direction).toBe('remove');
    expect(changes({ live: ['30.30.30.20/24', '30.30.30.21/24'], profile, file })[0]?.direction).toBe('change');
  });

  test('what is shown holds no secret of a foreign keyfile, nor does the state to come back to', () => {
    const profile = { file: RUNTIME, content: '[802-1x]\npassword=hunter2\n[wifi-security]\npsk=hunter2\n' };
    const [change] = changes({ live: ALL, profile, file: { type: 'absent' } });
    expect(change?.shown[0]).toMatchObject({
      as: 'text',
      before: '[802-1x]\npassword=(hidden)\n[wifi-security]\npsk=(hidden)\n',
    });
    expect(JSON.stringify(change)).not.toContain('hunter2');
  });
});

test.each([
  ['psk=a', 'psk=(hidden)'],
  ['wep-key0=a', 'wep-key0=(hidden)'],
  ['private-key-password = a', 'private-key-password =(hidden)'],
  ['secrets=a', 'secrets=(hidden)'],
  ['address1=10.0.0.1/24', 'address1=10.0.0.1/24'],
  ['id=password of mine', 'id=password of mine'],
])('%s', (line, shown) => expect(masked(`[x]\n${line}\n`)).toBe(`[x]\n${shown}\n`));
