import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLab, type TestLab } from '../lab/harness.ts';
import { host, nic } from '../lab/hosts.ts';
import { plainCases } from './cases.ts';
import { compare, table } from './compare.ts';
import { type Case, live, PREPARE } from './kernel.ts';
import { randomCases } from './mutations.ts';
import { variantCases } from './variants.ts';

/**
 * Every inventory, every broken variant and 200 random changes, as namespaces of one kernel: what the model says and what
 * the kernel did, each connection frame by frame. The table is printed.
 */

const MINUTES = 60_000;
let test: TestLab;

beforeAll(async () => {
  test = await startLab([host('box', [nic('eth0', 'wire', ['10.255.255.2/24'])])]);
  await test.on('box', PREPARE);
}, 15 * MINUTES);

afterAll(() => test?.down(), 2 * MINUTES);

describe('the model and the kernel', () => {
  it.each<[string, number, () => Case[]]>([
    ['inventories as they are', 16, plainCases],
    ['broken variants', 30, variantCases],
    ['random changes', 200, () => randomCases(200)],
  ])('agree: %s', { timeout: 60 * MINUTES }, async (name, least, make) => {
    const cases = make();
    expect(cases.length).toBeGreaterThanOrEqual(least);
    const met = await live(test.lab, 'box', cases);
    const rows = cases.map((one, at) => compare(one, met[at] ?? { connections: [], said: [] }));
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
