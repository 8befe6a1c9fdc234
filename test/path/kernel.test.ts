import { describe, expect, it } from 'vitest';
import { kernelBox } from './box.ts';
import { plainCases } from './cases.ts';
import { table } from './compare.ts';
import type { Case } from './kernel.ts';
import { variantCases } from './variants.ts';

/** A sample of kernel.all.test.ts: the model and a real kernel agree on each frame. */

const SAMPLE = [
  'nat-two-nic web 200.0.0.2',
  'dr-wrr web 20.20.20.20',
  'tun web 30.30.30.100',
  'fullnat web 200.0.0.2',
  'nat-two-nic: no forwarding',
  'nat-two-nic: one real server with another gateway',
  'dr-wrr: VIP missing on one',
  'tun: loose filter on all',
  'fullnat: no conntrack of IPVS',
];

const MINUTES = 60_000;
const judged = kernelBox();

describe('the model of a packet’s way', () => {
  it('says what a kernel does', { timeout: 10 * MINUTES }, async () => {
    const all = [...plainCases(), ...variantCases()];
    const cases = SAMPLE.map((name) => all.find((one) => one.name === name)).filter(
      (one): one is Case => one !== undefined,
    );
    expect(cases).toHaveLength(SAMPLE.length);
    const rows = await judged(cases);
    const wrong = rows.filter(({ equal }) => !equal).flatMap(({ name, differs }) => [name, ...differs]);
    expect(wrong, table(rows)).toEqual([]);
    expect(rows.every(({ traced }) => traced > 0)).toBe(true);
  });
});
