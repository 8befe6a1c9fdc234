import { expect, test } from 'vitest';
import { runCases } from './broken-ways.ts';

const seeds = Array.from({ length: 10 }, (_, index) => 100 + index);
const seen = new Map<string, number>();

test.each(seeds)(
  '100 runs over ways that break at random, seed %i: no wrong report, no run without an end',
  async (seed) => {
    const { wrong, tally } = await runCases(seed, 100);
    for (const [what, count] of tally) seen.set(what, (seen.get(what) ?? 0) + count);
    expect(wrong).toEqual([]);
  },
  1_800_000,
);

test('every kind of end was among them', () => {
  console.log('What was reported of a host, and what it has:', Object.fromEntries([...seen].toSorted()));
  const kinds = new Set([...seen.keys()].map((what) => what.split(':')[0]));
  expect([...kinds].toSorted()).toEqual(['done', 'partial', 'reverted', 'unchanged', 'unknown']);
});
