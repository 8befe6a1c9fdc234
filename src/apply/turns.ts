import { LvsctlError } from '../errors/index.ts';
import { observe } from '../host/client.ts';
import type { Step } from '../plan/plan.ts';
import { comesAfter } from './rollout.ts';
import type { Run } from './run.ts';

/**
 * Which steps come before one besides what the plan says: where the nodes of a pair follow one another, those that don't
 * have its address at the moment, before the one that has it. Who has it is read once for all of them, when the first is
 * about to begin.
 */
export function turns(run: Run, steps: readonly Step[]): (step: Step) => Promise<readonly string[]> {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const read = new Map<string, Promise<ReadonlySet<string>>>();
  return async (step) => {
    if (step.turn === undefined) return [];
    const { among, address } = step.turn;
    const key = among.join(' ');
    const nodes = among.flatMap((id) => byId.get(id) ?? []);
    const masters = read.get(key) ?? mastersOf(run, nodes, address);
    read.set(key, masters);
    const found = await masters;
    if (!found.has(step.id)) return [];
    // The operator's canary goes first whatever it is.
    return nodes.filter((one) => !found.has(one.id) && !comesAfter(steps, one).includes(step)).map(({ id }) => id);
  };
}

async function mastersOf(run: Run, nodes: readonly Step[], address: string): Promise<ReadonlySet<string>> {
  const found = await Promise.all(
    nodes.map(async ({ id, host }) => ((await hasAddress(run, host, address)) ? [id] : [])),
  );
  return new Set(found.flat());
}

/** A node that doesn't answer has nothing: its own step tells what is wrong. */
async function hasAddress({ connections, options }: Run, host: string, address: string): Promise<boolean> {
  const connection = connections.get(host);
  if (connection === undefined) return false;
  try {
    const { timeout, signal } = options;
    const stop = signal === undefined ? {} : { signal };
    const { facts } = await observe(connection, {
      facts: ['network'],
      desire: () => [],
      phase: 'who is master',
      timeout,
      ...stop,
    });
    return Object.values(facts.devices).some(({ addresses }) =>
      addresses.some((cidr) => cidr.replace(/\/.*/, '') === address),
    );
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    return false;
  }
}
