import { LvsctlError } from '../errors/index.ts';
import { execute } from '../host/client.ts';
import type { PlannedHost, Step } from '../plan/plan.ts';
import type { Op } from '../resources/kind.ts';
import type { Connection } from '../transport/types.ts';
import type { StepOutcome } from './graph.ts';
import type { Run } from './run.ts';
import { confirmTransaction, reachAnew, revertTransaction, type Settled } from './transaction.ts';

/** How a host's transaction is kept open, confirmed or taken back, and how its history hears of it. */

/** From now on a host's transaction stays open for as long as this run lives; or its time runs. */
export function extend({ course, options }: Run, host: string, on: boolean): void {
  const lease = course.leases.get(host);
  if (lease !== undefined) lease.confirm = on ? (options.confirmTimeout ?? 0) : 0;
}

function anew({ plan, options }: Run, name: string, patience: number): Promise<Connection> {
  const host = plan.hosts.find((each) => each.name === name);
  if (host === undefined) throw new Error(`${name} is not in the plan`);
  const target = { name, ssh: host.ssh };
  const connect = () => options.transport.connect(target, { phase: 'confirm' });
  return reachAnew(name, { connect, patience });
}

/** What was changed has not locked us out; where it has, the host's time runs until it takes it back. */
export async function stillReached(step: Step, run: Run): Promise<void> {
  extend(run, step.host, false);
  await (await anew(run, step.host, run.options.confirmTimeout ?? 0)).close();
  extend(run, step.host, true);
}

/** Confirms a host's changes over a connection that came about after them. */
export async function confirmed(step: Step, run: Run): Promise<boolean> {
  const { host } = step;
  const { id, connections, options, course } = run;
  options.onEvent?.({ type: 'confirming', step: step.id, host });
  extend(run, host, false);
  const connection = await anew(run, host, options.confirmTimeout ?? 0);
  const settled = await confirmTransaction(connection, id).catch(async (error: unknown) => {
    await connection.close();
    throw error;
  });
  // The earlier connection holds the lease and stays; this one is newer than any change.
  course.extra.push(connections.get(host) ?? connection);
  connections.set(host, connection);
  settle(run, host, settled);
  return settled.state === 'confirmed';
}

function settle({ course, options }: Run, host: string, settled: Settled): void {
  course.open.delete(host);
  course.settled.set(host, settled);
  options.onEvent?.({ type: 'settled', host, settled });
}

/** A host whose changes were begun and not confirmed gets its earlier state back. */
export async function takeBack({ name }: PlannedHost, run: Run): Promise<void> {
  const { id, connections, options, course } = run;
  const at = course.open.get(name);
  if (at === undefined) return;
  options.onEvent?.({ type: 'reverting', host: name });
  const [problem] = course.problems.get(name) ?? [];
  const reason = problem === undefined ? `the run did not come to its end (${at})` : `${at}: ${problem.code}`;
  extend(run, name, false);
  const connection = connections.get(name);
  try {
    if (connection === undefined) throw new Error(`no connection to ${name}`);
    settle(run, name, await revertTransaction(connection, id, reason));
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    try {
      // It takes them back by itself, and then can be reached again.
      const another = await anew(run, name, (options.confirmTimeout ?? 0) + PATIENCE);
      if (connection !== undefined) course.extra.push(connection);
      connections.set(name, another);
      settle(run, name, await revertTransaction(another, id, reason));
    } catch (again) {
      if (!(again instanceof LvsctlError)) throw again;
      settle(run, name, { state: 'unknown', problems: again.problems });
    }
  }
}

/** Seconds that a host may take to start anew, beyond the time to confirm. */
const PATIENCE = 60;

/** A host whose run had no transaction, which would have told its history how it ended. */
export async function tellEnd({ name }: PlannedHost, steps: ReadonlyMap<string, StepOutcome>, run: Run): Promise<void> {
  const { plan, id, connections, options, course } = run;
  const settled = course.settled.get(name);
  if (!course.noted.has(name) || (settled !== undefined && settled.state !== 'unopened')) return;
  const connection = connections.get(name);
  const failed = plan.steps.find((step) => step.host === name && steps.get(step.id) !== 'done');
  const [problem] = course.problems.get(name) ?? [];
  const reason =
    problem === undefined ? `the run did not come to its end (${failed?.id})` : `${failed?.id}: ${problem.code}`;
  const result = failed === undefined ? 'done' : `failed ${reason}`;
  const op: Op = { name: 'run_close', args: [id, result] };
  try {
    if (connection !== undefined) await execute(connection, [op], { phase: 'history', timeout: options.timeout });
  } catch (error) {
    // It stays open in the history, which is true: nobody has told its end.
    if (!(error instanceof LvsctlError)) throw error;
  }
}
