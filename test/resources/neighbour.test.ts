import { expect, test } from 'vitest';
import { diffOne, type NeighbourResource, undoOf } from '../../src/resources/index.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const want: NeighbourResource = {
  kind: 'neighbour',
  device: 'ens33',
  address: '20.20.20.20',
  mac: '52:54:00:00:02:01',
  state: 'present',
};
const set = 'neighbour_set ens33 20.20.20.20 52:54:00:00:02:01';

test.each<[string, NeighbourResource, string, string[]]>([
  ['there', want, '20.20.20.20 dev ens33 lladdr 52:54:00:00:02:01 PERMANENT \n', []],
  ['not there', want, '', [set]],
  ['another MAC', want, '20.20.20.20 dev ens33 lladdr 52:54:00:00:02:09 PERMANENT \n', [set]],
  ['on another device', want, '20.20.20.20 dev ens34 lladdr 52:54:00:00:02:01 PERMANENT \n', [set]],
  ['of another address', want, '20.20.20.2 dev ens33 lladdr 52:54:00:00:02:01 PERMANENT \n', [set]],
  [
    'shall go',
    { ...want, state: 'absent' },
    '20.20.20.20 dev ens33 lladdr 52:54:00:00:02:01 PERMANENT \n',
    ['neighbour_gone ens33 20.20.20.20'],
  ],
  ['is gone', { ...want, state: 'absent' }, '', []],
])('%s', (_, resource, text, expected) => {
  const [state] = parsed(text, [resource]);
  expect(words(diffOne(resource, state, DEBIAN).flatMap((change) => change.ops))).toEqual(expected);
});

test('given back as it was', () => {
  const undo = (before: unknown) => undoOf({ resource: want, before, wrote: [] }, 'left');
  expect(undo({ mac: null })).toEqual({ ...want, state: 'absent' });
  expect(undo({ mac: '52:54:00:00:02:07' })).toEqual({ ...want, mac: '52:54:00:00:02:07' });
  expect(undo(undefined)).toBeUndefined();
});
