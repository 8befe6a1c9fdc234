import { expect, test } from 'vitest';
import type { ArchiveState } from '../../src/resources/archive.ts';
import { type ArchiveResource, diffOne, kinds } from '../../src/resources/index.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const sha256 = 'ab'.repeat(32);
const tree: ArchiveResource = {
  kind: 'archive',
  state: 'present',
  path: '/opt/lvsctl/jdk-22-abababababab',
  file: '/home/me/jdk-22.tar.gz',
  sha256,
};
const gone: ArchiveResource = { ...tree, state: 'absent' };
const PUT = [`archive_put ${tree.path} ${sha256}`];

test('what observe_archive prints', () => {
  const other = { ...tree, path: '/opt/lvsctl/a b' };
  const text = `tree ${sha256} ${tree.path}\nother - /opt/lvsctl/a b\n`;
  expect(parsed(text, [tree, other, { ...tree, path: '/opt/lvsctl/none' }])).toEqual([
    { what: 'tree', sha256 },
    { what: 'other' },
    { what: 'absent' },
  ]);
});

test.each<[string, ArchiveResource, ArchiveState, string[]]>([
  ['there', tree, { what: 'tree', sha256 }, []],
  ['missing', tree, { what: 'absent' }, PUT],
  ['of another archive', tree, { what: 'tree', sha256: '0'.repeat(64) }, PUT],
  ['something else in its place', tree, { what: 'other' }, PUT],
  ['no longer wanted', gone, { what: 'tree', sha256 }, [`archive_remove ${tree.path}`]],
  ['gone', gone, { what: 'absent' }, []],
])('%s', (_, resource, state, ops) => {
  const changes = diffOne(resource, state, DEBIAN);
  expect(words(changes.flatMap((change) => change.ops))).toEqual(ops);
  if (ops === PUT) expect(changes[0]?.ops[0]?.inputFile).toBe('/home/me/jdk-22.tar.gz');
});

test('given back: its tree goes; of what stood there before there is no copy, and that is said', () => {
  const undo = (before: unknown) => kinds.archive.undo({ resource: tree, before, wrote: [] }, 'left');
  expect(undo({ what: 'absent' })).toEqual(gone);
  expect(undo({ what: 'other' })).toMatchObject({ left: expect.stringContaining('no copy') });
  expect(undo(undefined)).toBeUndefined();
});
