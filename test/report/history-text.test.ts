import { expect, test } from 'vitest';
import type { RunEnd } from '../../src/plan/history.ts';
import { historyText, type RunRow } from '../../src/report/history-text.ts';
import { makePaint } from '../../src/report/paint.ts';

/** A run of one host: `apply`, or a rollback of another one. */
function row(id: string, of?: string, ends: RunEnd[] = [{ state: 'confirmed' }]): RunRow {
  return {
    ...{ id, plan: `plan-${id}`, who: 'op@desk', when: '2026-01-02T03:04:05Z', cluster: 'shop', changes: 1 },
    ...{ purpose: of === undefined ? 'apply' : 'rollback', end: { state: 'confirmed' } },
    ...(of === undefined ? {} : { of }),
    hosts: ends.map((end, at) => ({ host: `web${at}`, end, changes: 1 })),
  };
}

/** What the table says of each run, by its name. */
function results(...runs: RunRow[]): Record<string, string> {
  const lines = historyText(runs, makePaint(false))
    .split('\n')
    .slice(1, 1 + runs.length);
  return Object.fromEntries(
    lines.map((line) => [
      line.split(/ +/)[0] ?? '',
      /confirmed|(partly )?taken back|reverted|mixed|open/.exec(line)?.[0] ?? line,
    ]),
  );
}

const reverted: RunEnd = { state: 'reverted', reason: 'x' };

test.each<[string, RunRow[], Record<string, string>]>([
  ['an apply', [row('a')], { a: 'confirmed' }],
  ['one that was rolled back', [row('b', 'a'), row('a')], { b: 'confirmed', a: 'taken back' }],
  [
    'a rollback that was rolled back: the first stands',
    [row('c', 'b'), row('b', 'a'), row('a')],
    { c: 'confirmed', b: 'taken back', a: 'confirmed' },
  ],
  ['a rollback that a host took back', [row('b', 'a', [reverted]), row('a')], { b: 'reverted', a: 'confirmed' }],
  [
    'one that a host of two took back',
    [row('b', 'a', [{ state: 'done' }, reverted]), row('a', undefined, [{ state: 'done' }, { state: 'done' }])],
    { b: 'mixed', a: 'partly taken back' },
  ],
  ['another one', [row('c', 'a'), row('b'), row('a')], { c: 'confirmed', b: 'confirmed', a: 'taken back' }],
])('%s', (_, runs, expected) => expect(results(...runs)).toEqual(expected));
