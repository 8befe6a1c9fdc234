import { expect, test } from 'vitest';
import { type AccountResource, diffOne, kinds } from '../../src/resources/index.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const wanted: AccountResource = { kind: 'account', state: 'present', name: 'tomcat' };
const gone: AccountResource = { ...wanted, state: 'absent' };

test('what getent prints: the name as a whole counts', () => {
  const text = 'tomcat2:x:998:998::/:/usr/sbin/nologin\ntomcat:x:997:997::/:/usr/sbin/nologin\n';
  expect(parsed(text, [wanted, { ...wanted, name: 'tom' }])).toEqual([{ present: true }, { present: false }]);
});

test.each<[string, AccountResource, boolean, string[]]>([
  ['there', wanted, true, []],
  ['missing', wanted, false, ['account_add tomcat']],
  ['no longer wanted', gone, true, ['account_remove tomcat']],
  ['gone', gone, false, []],
])('%s', (_, resource, present, ops) => {
  expect(words(diffOne(resource, { present }, DEBIAN).flatMap((change) => change.ops))).toEqual(ops);
});

test('given back: removed where lvsctl added it, kept where it was there before', () => {
  const undo = (before: unknown) => kinds.account.undo({ resource: wanted, before, wrote: [] }, 'destroy');
  expect(undo({ present: false })).toEqual(gone);
  expect(undo(undefined)).toBeUndefined();
});
