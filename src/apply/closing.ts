import { setTimeout as sleep } from 'node:timers/promises';
import { LvsctlError } from '../errors/index.ts';
import { execute } from '../host/client.ts';
import type { PlannedHost, Step } from '../plan/plan.ts';
import type { Op } from '../resources/kind.ts';
import type { Connection } from '../transport/types.ts';
import type { StepOutcome } from './graph.ts';
import { unwell } from './health.ts';
import type { Run } from './run.ts';
import { confirmTransaction, reachAnew, revertTransaction, type Settled, secondsOf } from './transaction.ts';

/** How a host's transaction is kept open, confirmed or taken back, and how its history hears of it. */

/** From now on a host's transaction stays open for as long as this run lives; or its time runs. */
export function extend({ course, options, spans }: Run, host: string, on: boolean): void {
  const lease = course.leases.get(host);
  if (lease !== undefined) lease.confirm = on ? secondsOf(spans, host, options.confirmTimeout ?? 0) : 0;
}

function anew({ plan, options, course }: Run, name: string, patience: number): Promise<Connection> {
  const host = plan.hosts.find((each) => each.name === name);
  if (host === undefined) throw new Error(`${name} is not in the plan`);
  const target = { name, ssh: host.ssh };
  const connect = () => options.transport.connect(target, { phase: 'confirm' });
  return reachAnew(name, { connect, patience, onFailed: ({ problems }) => course.logins.set(name, problems) });
}

/** What was changed has not locked us out; where it has, the host's time runs until it takes it back. */
export async function stillReached(step: Step, run: Run): Promise<void> {
  extend(run, step.host, false);
  await (await anew(run, step.host, run.options.confirmTimeout ?? 0)).close();
  run.course.logins.delete(step.host);
  extend(run, step.host, true);
}

/**
 * Confirms a host's changes over a connection that came about after them, if all is well; a lost answer is asked for
 * again.
 * @throws APPLY-UNWELL, and the transport's errors
 */
export async function confirmed(step: Step, run: Run): Promise<StepOutcome> {
  const { host } = step;
  const { id, options } = run;
  const seconds = options.confirmTimeout ?? 0;
  extend(run, host, false);
  const connection = await replaced(run, host, seconds);
  extend(run, host, true);
  await lookAfterHost(step, run);
  if (options.signal?.aborted) return 'stopped';
  extend(run, host, false);
  options.onEvent?.({ type: 'confirming', step: step.id, host });
  let settled: Settled;
  try {
    settled = await confirmTransaction(connection, id, seconds);
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    run.course.logins.set(host, error.problems);
    settled = await confirmTransaction(await replaced(run, host, seconds + PATIENCE), id, seconds);
  }
  settle(run, host, settled);
  return settled.state === 'confirmed' ? 'done' : 'failed';
}

/** @throws APPLY-UNWELL */
export async function lookAfterHost(step: Step, run: Run): Promise<void> {
  run.options.onEvent?.({ type: 'looking-after', step: step.id, host: step.host });
  const problems = await unwell(step.host, run);
  if (problems.length > 0) throw new LvsctlError(problems);
}

/** A connection newer than any change; the earlier one holds the lease and stays. */
async function replaced(run: Run, host: string, patience: number): Promise<Connection> {
  const { connections, course } = run;
  const connection = await anew(run, host, patience);
  const earlier = connections.get(host);
  if (earlier !== undefined) course.extra.push(earlier);
  connections.set(host, connection);
  return connection;
}

function settle({ course, options }: Run, host: string, told: Settled): void {
  // What operations print while they take back holds secrets as well as what they print else.
  const hidden = options.veil?.hidden ?? ((text: string) => text);
  const settled = told.state === 'reverted' ? { ...told, log: hidden(told.log) } : told;
  course.open.delete(host);
  course.settled.set(host, settled);
  if (settled.state === 'reverted') course.watch.rest.add(host);
  options.onEvent?.({ type: 'settled', host, settled });
}

/** A host whose changes were begun and not confirmed gets its earlier state back. */
export async function takeBack(name: string, run: Run): Promise<void> {
  const { connections, options, course } = run;
  const at = course.open.get(name);
  if (at === undefined) return;
  options.onEvent?.({ type: 'reverting', host: name });
  const reason = whyNot(name, at, run);
  extend(run, name, false);
  const connection = connections.get(name);
  if (connection === undefined) throw new Error(`no connection to ${name}`);
  try {
    settle(run, name, await backAgain(name, run, connection, reason));
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    settle(run, name, { state: 'unknown', problems: error.problems });
  }
}

/**
 * Takes a host's changes back, over new connections where one is lost. It takes them back by itself too: until then it may
 * not be reached, or let somebody in for whom no program starts (a login shell that is none).
 */
async function backAgain(host: string, run: Run, first: Connection, reason: string): Promise<Settled> {
  const seconds = run.options.confirmTimeout ?? 0;
  const end = performance.now() + (seconds + PATIENCE) * 1000;
  for (let connection = first; ; ) {
    try {
      return await revertTransaction(connection, run.id, reason, seconds);
    } catch (error) {
      if (!(error instanceof LvsctlError) || performance.now() >= end) throw error;
      if (connection !== first) run.course.logins.set(host, error.problems);
      if (connection !== first) await sleep(1000);
    }
    const another = await replaced(run, host, (end - performance.now()) / 1000);
    if (connection !== first) await connection.close();
    connection = another;
  }
}

function whyNot(host: string, step: string | undefined, { course }: Run): string {
  const [problem] = course.problems.get(host) ?? [];
  if (problem !== undefined) return `${step}: ${problem.code}`;
  return `the run did not come to its end (${course.lost === undefined ? step : `it lost ${course.lost}`})`;
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
  const result = failed === undefined ? 'done' : `failed ${whyNot(name, failed.id, run)}`;
  const op: Op = { name: 'run_close', args: [id, result] };
  try {
    if (connection !== undefined) await execute(connection, [op], { phase: 'history', timeout: options.timeout });
  } catch (error) {
    // It stays open in the history, which is true: nobody has told its end.
    if (!(error instanceof LvsctlError)) throw error;
  }
}
