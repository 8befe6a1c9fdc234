import pLimit from 'p-limit';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { parseRun } from '../plan/history.ts';
import type { Plan, PlannedHost } from '../plan/plan.ts';
import type { Connection } from '../transport/types.ts';
import { changesOf, firstOfEach, observeChanges } from './changes.ts';
import { stale, used } from './problems.ts';
import { type ApplyOptions, withSignal } from './run.ts';
import { settleLeft } from './transaction.ts';

/** What comes before the first change: every host is reached, and is as it was when the plan was made. */

/** An apply needs every host that its plan was made for. */
export function refuseUnseen(plan: Plan, skip: boolean): void {
  if (skip || plan.unseen.length === 0) return;
  throw failure({
    code: 'APPLY-UNREACHABLE',
    place: { kind: 'none' },
    what: `${plan.unseen.map(({ host }) => host).join(', ')} could not be read, so nothing was changed anywhere`,
    next: 'Mend the connection, or leave these hosts out with --skip-unreachable.',
  });
}

/** Connects to every host of the plan. */
export function reachAll(
  hosts: readonly PlannedHost[],
  connections: Map<string, Connection>,
  options: ApplyOptions,
): Promise<void> {
  return onAll(hosts, options, async (host) => {
    const connection =
      connections.get(host.name) ??
      (await options.transport.connect({ name: host.name, ssh: host.ssh }, withSignal('connect', options)));
    connections.set(host.name, connection);
    return [];
  });
}

/** Compares what every host has with what the plan was made from. */
export function checkAll(
  plan: Plan,
  hosts: readonly PlannedHost[],
  connections: ReadonlyMap<string, Connection>,
  options: ApplyOptions,
): Promise<void> {
  return onAll(hosts, options, async ({ name }) => {
    const connection = connections.get(name);
    if (connection === undefined) throw new Error(`no connection to ${name}`);
    options.onEvent?.({ type: 'checking', host: name });
    const changes = changesOf(plan, name);
    const look = () => observeChanges(connection, changes, 'check', options, options.signal, ['history']);
    let seen = await look();
    if (seen.facts.transaction !== undefined) {
      await settleLeft(connection);
      seen = await look();
    }
    const earlier = (seen.facts.history ?? []).map(parseRun).find((run) => run?.plan === plan.id);
    if (earlier !== undefined) return [used(name, earlier)];
    return stale(name, firstOfEach(changes), seen.states);
  });
}

/** Does the same on all hosts, before anything is changed: all that is in the way is told at once. */
async function onAll(
  hosts: readonly PlannedHost[],
  options: ApplyOptions,
  act: (host: PlannedHost) => Promise<readonly Problem[]>,
): Promise<void> {
  const limit = pLimit(options.parallel);
  const found = await Promise.all(
    hosts.map((host) =>
      limit(async (): Promise<readonly Problem[]> => {
        try {
          options.signal?.throwIfAborted();
          return await act(host);
        } catch (error) {
          if (options.signal?.aborted) return [];
          if (error instanceof LvsctlError) return error.problems;
          throw error;
        }
      }),
    ),
  );
  if (options.signal?.aborted) {
    throw failure(
      {
        code: 'INTERRUPTED',
        place: { kind: 'none' },
        what: 'stopped on request before the first step: nothing was changed anywhere',
        next: 'Run the same command again.',
      },
      { exitCode: 130 },
    );
  }
  const problems = found.flat();
  if (problems.length > 0) throw new LvsctlError(problems);
}
