import { expect, test } from 'vitest';
import { type Case, runCase, runCases } from './broken-ways.ts';

test('a way that holds: done, on both', async () => {
  expect(await runCase({ faults: [], slow: 0 })).toMatchObject({
    hosts: { lvs1: 'done: new', rs1: 'done: new' },
    wrong: [],
  });
});

test('24 runs over ways that break at random: no wrong report, no run without an end', async () => {
  const { wrong, tally } = await runCases(1, 24);
  expect(wrong).toEqual([]);
  expect([...tally.keys()]).toEqual(expect.arrayContaining(['done: new', 'reverted: old', 'unchanged: old']));
});

test('the answer to a step is lost while its operation goes on: it is not done after it was taken back', async () => {
  const broken: Case = { slow: 1, faults: [{ what: 'reset', host: 'lvs1', session: 3, at: 230, ms: 0 }] };
  expect(await runCase(broken)).toMatchObject({ hosts: { lvs1: 'reverted: old' }, wrong: [] });
});
