import { afterAll, beforeAll, expect, test } from 'vitest';
import { AFTERWARDS, type Bench, bench, complaints, runAll, table } from './crash-matrix.ts';

/** The host's transaction, killed at a sample of its commands; all of them in crash.all.test.ts. */

let made: Bench;
beforeAll(async () => {
  made = await bench('dash');
});
afterAll(() => made?.end());

/** Whatever else changes, each story, each moment and each end of it is among them. */
const SAMPLE = 41;

test('killed at any command, before or after it, a host is in its old state or its new one', {
  timeout: 600_000,
}, async () => {
  const cells = made.cells.filter((_, index) => index % SAMPLE === 0);
  for (const afterwards of AFTERWARDS) expect(cells.some((cell) => cell.afterwards === afterwards)).toBe(true);
  const results = await runAll(made, cells);
  console.log(table(made, results).join('\n'));
  expect(complaints(results)).toEqual([]);
});
