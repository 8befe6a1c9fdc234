import { describe, expect, test } from 'vitest';
import { CONTENT_LIMIT, parseFiles, sha256 } from '../../src/resources/file.ts';
import { diffOne, type FileResource } from '../../src/resources/index.ts';
import type { FileState } from '../../src/resources/kind.ts';
import { DEBIAN, words } from './facts.ts';

const want: FileResource = {
  kind: 'file',
  path: '/etc/x.conf',
  state: 'present',
  content: 'new\n',
  owner: 'root',
  group: 'root',
  mode: '0644',
};
const gone: FileResource = { kind: 'file', path: '/etc/x.conf', state: 'absent' };
const there: FileState = { type: 'file', sha256: sha256('new\n'), owner: 'root', group: 'root', mode: '0644' };
const old: FileState = { ...there, sha256: sha256('old\n'), content: 'old\n' };

describe('what observe_file prints', () => {
  const hash = sha256('old\n');
  const text = [
    'absent ./etc/gone',
    'other symlink ./etc/a link',
    'other directory ./etc/dir',
    'stat 644 root root ./etc/x.conf',
    'stat 4755 root UNKNOWN ./usr/bin/with space',
    'stat 600 root root ./etc/unreadable',
    `${hash}  ./etc/x.conf`,
    `${hash}  ./usr/bin/with space`,
    'sha256sum: ./etc/unreadable: Input/output error',
    '',
  ].join('\n');

  test('each path with what is there', () => {
    const bytes = Buffer.from('old\n');
    expect(Object.fromEntries(parseFiles(text, new Map([['/etc/x.conf', bytes]])))).toEqual({
      '/etc/a link': { type: 'other', what: 'symlink' },
      '/etc/dir': { type: 'other', what: 'directory' },
      '/etc/x.conf': { type: 'file', sha256: hash, owner: 'root', group: 'root', mode: '0644', content: 'old\n' },
      '/usr/bin/with space': { type: 'file', sha256: hash, owner: 'root', group: 'UNKNOWN', mode: '4755' },
      '/etc/unreadable': { type: 'other', what: 'special' },
    });
  });

  test.each([
    ['a zero byte', Buffer.from('a\0b')],
    ['no UTF-8', Buffer.from([0x61, 0xff])],
    ['too long', Buffer.alloc(CONTENT_LIMIT + 1, 'x')],
  ])('%s is no text', (_, bytes) => {
    expect(parseFiles(text, new Map([['/etc/x.conf', bytes]])).get('/etc/x.conf')).toMatchObject({ content: null });
  });
});

describe('changes', () => {
  test.each<[string, FileResource, FileState, string[]]>([
    ['as described', want, there, []],
    ['absent as described', gone, { type: 'absent' }, []],
    ['new', want, { type: 'absent' }, ['file_put /etc/x.conf root root 0644']],
    ['other bytes', want, old, ['file_put /etc/x.conf root root 0644']],
    ['other mode', want, { ...there, mode: '0600' }, ['file_put /etc/x.conf root root 0644']],
    ['other owner', want, { ...there, owner: 'www-data' }, ['file_put /etc/x.conf root root 0644']],
    ['a link', want, { type: 'other', what: 'symlink' }, ['file_put /etc/x.conf root root 0644']],
    ['no longer wanted', gone, old, ['file_remove /etc/x.conf']],
  ])('%s', (_, resource, state, ops) => {
    const changes = diffOne(resource, state, DEBIAN);
    expect(words(changes.flatMap((change) => change.ops))).toEqual(ops);
    expect(changes.length).toBe(ops.length);
  });

  test('the mode may be written in any way', () => {
    expect(diffOne({ ...want, mode: '644' }, there, DEBIAN)).toEqual([]);
  });

  test('shows text where the text differs, owner and mode where they do; the state to come back to has no content', () => {
    const [text] = diffOne(want, old, DEBIAN);
    expect(text?.shown).toEqual([{ as: 'text', path: '/etc/x.conf', before: 'old\n', after: 'new\n' }]);
    expect(JSON.stringify([text?.before, text?.after])).not.toContain('content');
    const [mode] = diffOne(want, { ...there, mode: '0600' }, DEBIAN);
    expect(mode?.shown).toEqual([
      { as: 'value', name: '/etc/x.conf owner and mode', before: 'root:root 0600', after: 'root:root 0644' },
    ]);
  });
});
