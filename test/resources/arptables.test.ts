import { describe, expect, test } from 'vitest';
import { type ArptablesResource, diffOne, undoOf } from '../../src/resources/index.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const want: ArptablesResource = {
  kind: 'arptables',
  address: '20.20.20.20',
  source: '30.30.30.30',
  state: 'present',
};
// As arptables 0.0.5 and arptables-nft 1.8.9 print it; the first ends its lines with a blank.
const table = (input: string[], output: string[]) =>
  `Chain INPUT (policy ACCEPT)\n${input.join('\n')}\n\nChain OUTPUT (policy ACCEPT)\n${output.join('\n')}\n\nChain FORWARD (policy ACCEPT)\n`;
const DROP = '-j DROP -d 20.20.20.20 ';
const MANGLE = '-j mangle -s 20.20.20.20 --mangle-ip-s 30.30.30.30 ';

function ops(resource: ArptablesResource, text: string): string[] {
  const [state] = parsed(text, [resource]);
  return words(diffOne(resource, state, DEBIAN).flatMap((change) => change.ops));
}

const addDrop = 'arptables -I INPUT -j DROP -d 20.20.20.20';
const addMangle = 'arptables -I OUTPUT -j mangle -s 20.20.20.20 --mangle-ip-s 30.30.30.30';

describe('changes', () => {
  test.each<[string, ArptablesResource, string, string[]]>([
    ['both rules', want, table([DROP], [MANGLE]), []],
    ['a rule twice counts once', want, table([DROP, DROP], [MANGLE]), []],
    ['no rules', want, table([], []), [addDrop, addMangle]],
    ['no arptables', want, '', [addDrop, addMangle]],
    ['one rule', want, table([], [MANGLE]), [addDrop]],
    [
      'in the wrong chain',
      want,
      table([MANGLE], [DROP]),
      [
        addDrop,
        addMangle,
        'arptables -D INPUT -j mangle -s 20.20.20.20 --mangle-ip-s 30.30.30.30',
        'arptables -D OUTPUT -j DROP -d 20.20.20.20',
      ],
    ],
    ['about another address', want, table([DROP, '-j DROP -d 20.20.20.2'], [MANGLE]), []],
    [
      'another source',
      want,
      table([DROP], [MANGLE.replace('30.30.30.30', '30.30.30.31')]),
      [addMangle, 'arptables -D OUTPUT -j mangle -s 20.20.20.20 --mangle-ip-s 30.30.30.31'],
    ],
    ['shall go', { ...want, state: 'absent' }, table([DROP], []), ['arptables -D INPUT -j DROP -d 20.20.20.20']],
    ['is gone', { ...want, state: 'absent' }, table([], []), []],
  ])('%s', (_, resource, text, expected) => expect(ops(resource, text)).toEqual(expected));
});

test('given back: rules of ours go, and what was there before is not touched', () => {
  const undo = (before: unknown) => undoOf({ resource: want, before, wrote: [] }, 'destroy');
  expect(undo({ rules: [] })).toEqual({ ...want, state: 'absent' });
  expect(undo(undefined)).toBeUndefined();
  expect(undo({ rules: ['INPUT -j DROP -d 20.20.20.20'] })).toEqual({ left: expect.any(String) });
});
