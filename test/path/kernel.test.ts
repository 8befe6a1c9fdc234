import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLab, type TestLab } from '../lab/harness.ts';
import { host, nic } from '../lab/hosts.ts';
import { plainCases } from './cases.ts';
import { compare, table } from './compare.ts';
import { type Case, live, PREPARE } from './kernel.ts';
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
let test: TestLab;

beforeAll(async () => {
  test = await startLab([host('box', [nic('eth0', 'wire', ['10.255.255.2/24'])])]);
  await test.on('box', PREPARE);
}, 15 * MINUTES);

afterAll(() => test?.down(), 2 * MINUTES);

describe('the model of a packet’s way', () => {
  it('says what a kernel does', { timeout: 10 * MINUTES }, async () => {
    const all = [...plainCases(), ...variantCases()];
    const cases = SAMPLE.map((name) => all.find((one) => one.name === name)).filter(
      (one): one is Case => one !== undefined,
    );
    expect(cases).toHaveLength(SAMPLE.length);
    const met = await live(test.lab, 'box', cases);
    const rows = cases.map((one, at) => compare(one, met[at] ?? { connections: [], said: [] }));
    const wrong = rows.filter(({ equal }) => !equal).flatMap(({ name, differs }) => [name, ...differs]);
    expect(wrong, table(rows)).toEqual([]);
    expect(rows.every(({ traced }) => traced > 0)).toBe(true);
  });
});
