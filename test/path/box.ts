import { afterAll, beforeAll } from 'vitest';
import { startLab, type TestLab } from '../lab/harness.ts';
import { host, nic } from '../lab/hosts.ts';
import { compare } from './compare.ts';
import { type Case, live, PREPARE } from './kernel.ts';

const MINUTES = 60_000;

/** One machine of the lab for a test file: what the model says of cases, held against what its kernel did. */
export function kernelBox(): (cases: readonly Case[]) => Promise<ReturnType<typeof compare>[]> {
  let test: TestLab;
  beforeAll(async () => {
    test = await startLab([host('box', [nic('eth0', 'wire', ['10.255.255.2/24'])])]);
    await test.on('box', PREPARE);
  }, 15 * MINUTES);
  afterAll(() => test?.down(), 2 * MINUTES);
  return async (cases) => {
    const met = await live(test.lab, 'box', cases);
    return cases.map((one, at) => compare(one, met[at] ?? { connections: [], said: [] }));
  };
}
