import { describe, expect, it } from 'vitest';
import { kernelBox } from './box.ts';
import { plainCases } from './cases.ts';
import { table } from './compare.ts';
import type { Case } from './kernel.ts';
import { randomCases } from './mutations.ts';
import { variantCases } from './variants.ts';

/**
 * Every inventory, every broken variant and 200 random changes, as namespaces of one kernel: what the model says and what
 * the kernel did, each connection frame by frame. The table is printed.
 */

const MINUTES = 60_000;
const judged = kernelBox();

describe('the model and the kernel', () => {
  it.each<[string, number, () => Case[]]>([
    ['inventories as they are', 16, plainCases],
    ['broken variants', 30, variantCases],
    ['random changes', 200, () => randomCases(200)],
  ])('agree: %s', { timeout: 60 * MINUTES }, async (name, least, make) => {
    const cases = make();
    expect(cases.length).toBeGreaterThanOrEqual(least);
    const rows = await judged(cases);
    const equal = rows.filter((row) => row.equal);
    const chance = rows.filter((row) => row.chance);
    console.log(
      `${name}\n${table(rows)}\n${rows.length} cases, ${equal.length} equal, ${chance.length} of them left to chance by the model`,
    );
    expect(rows.filter((row) => !row.equal).flatMap((row) => [row.name, ...row.differs])).toEqual([]);
    // What is left to chance proves little: most must not be.
    expect(chance.length).toBeLessThan(rows.length / 3);
  });
});
