import { expect, test } from 'vitest';
import { bench, complaints, runAll, table } from './crash-matrix.ts';

/** The host's transaction, killed at every command of it. */

test.each([
  ['dash', 1],
  ['busybox', 7],
  ['bash', 7],
])('under %s, killed at every command (of %i)', { timeout: 7_200_000 }, async (shell, step) => {
  const made = await bench(shell);
  try {
    const results = await runAll(
      made,
      made.cells.filter((_, index) => index % step === 0),
    );
    console.log(table(made, results).join('\n'));
    expect(complaints(results)).toEqual([]);
  } finally {
    made.end();
  }
});
