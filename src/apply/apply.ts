import { randomBytes } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { execute, type FactGroup, observe } from '../host/client.ts';
import type { Veil } from '../host/veil.ts';
import { parseRun, pastChanges, runNote } from '../plan/history.ts';
import { isTaken, type Plan, type PlannedChange, type PlannedHost, type Step } from '../plan/plan.ts';
import { diffOne, holds } from '../resources/index.ts';
import type { Op } from '../resources/kind.ts';
import type { Connection, Transport } from '../transport/types.ts';
import { isLastRecord, runGraph, type StepOutcome } from './graph.ts';
import { type HookEvent, refuseOtherHooks, runHook } from './hooks.ts';
import { type Lease, owner, takeAll } from './lease.ts';
import { heldUp, notInForce, opFailed, refused, reverted, stale, used } from './problems.ts';
import { paced, type Rollout, refuseJumps, withCanary } from './rollout.ts';
import {
  confirmTransaction,
  enterOp,
  mayLockOut,
  openOp,
  reachAnew,
  revertTransaction,
  type Settled,
  type Spans,
  settleLeft,
  spansOf,
} from './transaction.ts';

/** What an apply reports while it goes on. */
export type ApplyEvent =
  | { type: 'checking'; host: string }
  | { type: 'hook-started'; step: string; host: string; hook: HookEvent }
  | { type: 'step-started'; step: string; host: string }
  | { type: 'op-done'; step: string; host: string; op: string; done: number; of: number }
  | { type: 'step-ended'; step: string; host: string; outcome: StepOutcome; problems: readonly Problem[] }
  | { type: 'confirming'; step: string; host: string }
  | { type: 'reverting'; host: string }
  | { type: 'settled'; host: string; settled: Settled }
  | { type: 'reading-back'; host: string };

/** The truth about one host after an apply: read from it, not remembered. */
export interface HostResult {
  host: string;
  /**
   * `done`: read back as planned. `unchanged`: none of its steps ran. `reverted`: what was done was taken back.
   * `partial`: neither as planned nor as before.
   */
  status: 'done' | 'partial' | 'unchanged' | 'reverted' | 'unknown';
  /** Keys of changes that were read back as planned. */
  done: string[];
  /** Keys of changes that the host doesn't have. */
  missing: string[];
  /** What was left on the host on purpose, in words for the operator: what something else uses, what packages leave. */
  left: string[];
  problems: readonly Problem[];
}

export interface ApplyResult {
  /** The run, as the hosts' history names it. */
  id: string;
  hosts: HostResult[];
  steps: Map<string, StepOutcome>;
  interrupted: boolean;
}

export interface ApplyOptions {
  transport: Transport;
  /** Connections that are open already (the plan's own); others are made. All are closed at the end. */
  connections?: Map<string, Connection>;
  parallel: number;
  /** Seconds for one observation. */
  timeout: number;
  /** Seconds for one step. */
  stepTimeout: number;
  /** Seconds after which a host takes its changes back by itself, unless they are confirmed; null: it never does. */
  confirmTimeout: number | null;
  /** Seconds to wait for hosts that another run holds. */
  lockWait?: number;
  rollout?: Rollout;
  signal?: AbortSignal;
  /** What puts secrets in their places on the hosts, and hides them here. */
  veil?: Veil;
  onEvent?: (event: ApplyEvent) => void;
}

/**
 * Does what the plan says and nothing else: checks that every host still is as it was when the plan was made,
 * runs the steps along their graph, and reads back what each host has afterwards.
 * @throws PLAN-STALE, PLAN-USED, HOOK-CHANGED (before anything is changed), and the transport's errors when a host can't be reached
 */
export async function applyPlan(plan: Plan, options: ApplyOptions): Promise<ApplyResult> {
  const connections = options.connections ?? new Map<string, Connection>();
  const hosts = plan.hosts.filter((host) => plan.steps.some((step) => step.host === host.name));
  const course: Course = {
    problems: new Map(),
    left: new Map(),
    touched: new Set(),
    noted: new Set(),
    open: new Map(),
    settled: new Map(),
    extra: [],
    leases: new Map(),
  };
  try {
    refuseOtherHooks(plan);
    if (options.confirmTimeout !== null) refuseJumps(plan);
    const ordered = withCanary(plan.steps, options.rollout?.canary);
    await reachAll(hosts, connections, options);
    const id = randomBytes(8).toString('hex');
    course.leases = await takeAll(new Map(hosts.flatMap(({ name }) => pairOf(name, connections.get(name)))), {
      id,
      reason: `${plan.purpose} ${plan.cluster}`,
      wait: options.lockWait ?? 0,
      signal: options.signal,
    });
    await checkAll(plan, hosts, connections, options);
    const limit = pLimit(options.parallel);
    const hooked = hooking(plan, options, course, limit);
    const run: Run = { plan, id, spans: spansOf(plan), connections, options, course };
    const act = paced(plan, options.rollout ?? {}, (step) => hooked(step, () => runStep(step, run)));
    const steps = await runGraph(ordered, act, options.signal);
    await Promise.all(hosts.map((host) => limit(() => takeBack(host, run))));
    await Promise.all(hosts.map((host) => limit(() => tellEnd(host, steps, run))));
    const results = await Promise.all(
      hosts.map((host) =>
        limit(() => {
          if (course.touched.has(host.name)) return readBack(plan, host, connections, steps, course, options);
          return untouched(plan, host, course);
        }),
      ),
    );
    return { id, hosts: results, steps, interrupted: options.signal?.aborted === true };
  } finally {
    await Promise.all([...course.leases.values()].map((lease) => lease.release()));
    await Promise.all([...connections.values(), ...course.extra].map((connection) => connection.close()));
  }
}

function pairOf<T>(name: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[name, value]];
}

/** What the steps of a run found out, by host. */
interface Course {
  problems: Map<string, Problem[]>;
  left: Map<string, string[]>;
  /** Hosts on which an operation was begun. */
  touched: Set<string>;
  /** Hosts that were told what this run is. */
  noted: Set<string>;
  /** Hosts whose transaction may be open, by the step that it came to last. */
  open: Map<string, string>;
  settled: Map<string, Settled>;
  /** Connections that were replaced by newer ones. */
  extra: Connection[];
  leases: Map<string, Lease>;
}

/** One run of a plan. */
interface Run {
  plan: Plan;
  /** Names its transactions and leases. */
  id: string;
  spans: Spans;
  connections: Map<string, Connection>;
  options: ApplyOptions;
  course: Course;
}

/** Connects to every host of the plan. */
function reachAll(
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
function checkAll(
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

function changesOf(plan: Plan, host: string): PlannedChange[] {
  return plan.steps.filter((step) => step.host === host).flatMap((step) => step.changes);
}

/** A resource may change in several steps; the first is what a run begins with. */
function firstOfEach(changes: readonly PlannedChange[]): PlannedChange[] {
  return [...new Map(changes.toReversed().map((change) => [change.key, change])).values()].reverse();
}

function observeChanges(
  connection: Connection,
  changes: readonly PlannedChange[],
  phase: string,
  options: Pick<ApplyOptions, 'timeout' | 'veil'>,
  signal?: AbortSignal,
  facts: readonly FactGroup[] = [],
) {
  return observe(connection, {
    facts,
    desire: () => firstOfEach(changes).map((change) => change.resource),
    phase,
    timeout: options.timeout,
    ...(signal ? { signal } : {}),
    ...(options.veil ? { veil: options.veil } : {}),
  });
}

function withSignal(phase: string, { signal }: ApplyOptions): { phase: string; signal?: AbortSignal } {
  return signal ? { phase, signal } : { phase };
}

/**
 * Runs hooks around a step. Without its `before_change` a step isn't begun; once that has run, so does `after_change`,
 * whatever came of the step, and what it says changes nothing of that. A host's last record is no change of it.
 */
function hooking(plan: Plan, options: ApplyOptions, { problems }: Course, limit: LimitFunction) {
  const hook = async (step: Step, event: HookEvent, outcome?: StepOutcome): Promise<Problem | undefined> => {
    const name = event === 'before_change' ? 'beforeChange' : 'afterChange';
    if (plan.hooks?.[name] === undefined || isLastRecord(step)) return undefined;
    const problem = await limit(() => {
      options.onEvent?.({ type: 'hook-started', step: step.id, host: step.host, hook: event });
      return runHook(plan, step, {
        event,
        timeout: options.stepTimeout,
        ...(outcome === undefined ? {} : { outcome }),
        ...(options.veil === undefined ? {} : { hidden: options.veil.hidden }),
      });
    });
    if (problem !== undefined) problems.set(step.host, [...(problems.get(step.host) ?? []), problem]);
    return problem;
  };
  return async (step: Step, run: () => Promise<StepOutcome>): Promise<StepOutcome> => {
    const refusal = await hook(step, 'before_change');
    if (refusal !== undefined) {
      options.onEvent?.({ type: 'step-ended', step: step.id, host: step.host, outcome: 'failed', problems: [refusal] });
      return 'failed';
    }
    const outcome = options.signal?.aborted && !isLastRecord(step) ? 'stopped' : await run();
    await hook(step, 'after_change', outcome);
    return outcome;
  };
}

async function runStep(step: Step, run: Run): Promise<StepOutcome> {
  const { plan, id, spans, connections, options, course } = run;
  const { problems, left, touched } = course;
  const connection = connections.get(step.host);
  if (connection === undefined) throw new Error(`no connection to ${step.host}`);
  options.onEvent?.({ type: 'step-started', step: step.id, host: step.host });
  const armed = options.confirmTimeout !== null && isTaken(step);
  const opens = armed && spans.first.get(step.host) === step.id;
  const begins = [
    ...noteOps(run, step.host),
    ...(armed ? [opens ? openOp(plan, step.host, id, options.confirmTimeout ?? 0) : enterOp(id)] : []),
  ];
  const ops = [...begins, ...step.changes.flatMap((change) => change.ops), ...step.ops];
  if (armed) course.open.set(step.host, step.id);
  if (opens) extend(run, step.host, true);
  let outcome: StepOutcome;
  const found: Problem[] = [];
  try {
    let done = 0;
    const results = await execute(connection, ops, {
      timeout: options.stepTimeout,
      ...(options.veil ? { veil: options.veil } : {}),
      ...(options.signal && !isLastRecord(step) ? { signal: options.signal } : {}),
      onOp: (result) => {
        if (begins.includes(result.op)) return;
        if (step.stage !== 'record') touched.add(step.host);
        left.set(step.host, [...(left.get(step.host) ?? []), ...leftLines(result.output)]);
        done += 1;
        options.onEvent?.({
          type: 'op-done',
          step: step.id,
          host: step.host,
          op: result.op.name,
          done,
          of: ops.length - begins.length,
        });
      },
    });
    const failed = results.find((result) => result.status === 'failed');
    if (failed !== undefined)
      found.push(failed.op.name === 'file_check' ? refused(step, failed) : opFailed(step, failed));
    outcome =
      failed !== undefined ? 'failed' : results.every((result) => result.status === 'done') ? 'done' : 'stopped';
    if (failed?.op.name === 'tx_open') course.open.delete(step.host);
    if (armed && outcome === 'done') {
      if (spans.last.get(step.host) === step.id) outcome = (await confirmed(step, run)) ? 'done' : 'failed';
      else if (mayLockOut(step)) await stillReached(step, run);
    }
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    if (step.stage !== 'record') touched.add(step.host);
    found.push(...error.problems);
    outcome = 'failed';
  }
  problems.set(step.host, [...(problems.get(step.host) ?? []), ...found]);
  options.onEvent?.({ type: 'step-ended', step: step.id, host: step.host, outcome, problems: found });
  return outcome;
}

/** Before anything is changed on a host, it notes what this run is: what it keeps for its history. */
function noteOps({ plan, id, course }: Run, host: string): Op[] {
  if (course.noted.has(host)) return [];
  course.noted.add(host);
  const changes = pastChanges(plan, host);
  const { commit } = plan.inventory;
  const head = {
    plan: plan.id,
    who: owner(),
    when: new Date().toISOString(),
    cluster: plan.cluster,
    purpose: plan.purpose,
    ...(commit === undefined ? {} : { commit }),
    ...(plan.of === undefined ? {} : { of: plan.of }),
    changes: changes.length,
  };
  return [{ name: 'run_note', args: [], input: runNote(id, head, changes) }];
}

/** A host whose run had no transaction, which would have told its history how it ended. */
async function tellEnd({ name }: PlannedHost, steps: ReadonlyMap<string, StepOutcome>, run: Run): Promise<void> {
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

/** From now on a host's transaction stays open for as long as this run lives; or its time runs. */
function extend({ course, options }: Run, host: string, on: boolean): void {
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
async function stillReached(step: Step, run: Run): Promise<void> {
  extend(run, step.host, false);
  await (await anew(run, step.host, run.options.confirmTimeout ?? 0)).close();
  extend(run, step.host, true);
}

/** Confirms a host's changes over a connection that came about after them. */
async function confirmed(step: Step, run: Run): Promise<boolean> {
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
async function takeBack({ name }: PlannedHost, run: Run): Promise<void> {
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

/** An operation tells what it leaves on purpose in lines that begin with `left: `; several as one tell it once. */
function leftLines(output: string): string[] {
  const lines = output.split('\n').filter((line) => line.startsWith('left: '));
  return lines.map((line) => line.slice('left: '.length));
}

/** A host on which not one operation was begun. */
function untouched(plan: Plan, host: PlannedHost, { problems }: Course): HostResult {
  const missing = keysOf(changesOf(plan, host.name));
  return {
    host: host.name,
    status: 'unchanged',
    done: [],
    missing,
    left: [],
    problems: problems.get(host.name) ?? [],
  };
}

function keysOf(changes: readonly PlannedChange[]): string[] {
  return firstOfEach(changes).map((change) => change.key);
}

async function readBack(
  plan: Plan,
  host: PlannedHost,
  connections: Map<string, Connection>,
  steps: ReadonlyMap<string, StepOutcome>,
  course: Course,
  options: ApplyOptions,
): Promise<HostResult> {
  const problems = course.problems.get(host.name) ?? [];
  const left = [...new Set(course.left.get(host.name))];
  const changes = changesOf(plan, host.name);
  const keys = keysOf(changes);
  options.onEvent?.({ type: 'reading-back', host: host.name });
  try {
    const { states, facts } = await observeAgain(host, changes, connections, options);
    const settled = course.settled.get(host.name);
    if (settled?.state === 'reverted') {
      const other = firstOfEach(changes).filter(({ key, before }) => !holds(before ?? null, states.get(key) ?? null));
      return {
        host: host.name,
        status: other.every(({ kind }) => kind === 'package') ? 'reverted' : 'partial',
        done: [],
        missing: keys,
        left,
        problems: [
          ...problems,
          reverted(
            host.name,
            settled,
            other.map(({ key }) => key),
          ),
        ],
      };
    }
    const different = firstOfEach(changes).filter(
      (change) => diffOne(change.resource, states.get(change.key), facts).length > 0,
    );
    const missing = different.filter((change) => change.mayStay !== true);
    const allRan = plan.steps.every((step) => step.host !== host.name || steps.get(step.id) === 'done');
    const silent = allRan && missing.length > 0 ? missing.map((change) => notInForce(host.name, change.key)) : [];
    // Its transaction is neither confirmed nor known to be taken back: its state may yet change.
    const open = settled?.state === 'unknown' ? settled.problems : [];
    const told = [...problems, ...open, ...silent];
    return {
      host: host.name,
      status: missing.length === 0 && allRan ? 'done' : 'partial',
      done: keys.filter((key) => !different.some((change) => change.key === key)),
      missing: missing.map((change) => change.key),
      left,
      problems: allRan || told.length > 0 ? told : [heldUp(host.name, plan, steps)],
    };
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    const lost = [...problems, ...error.problems];
    return { host: host.name, status: 'unknown', done: [], missing: [], left, problems: lost };
  }
}

/** Over the connection that there is or, where that was lost, over a new one: a lost answer tells nothing of the host. */
async function observeAgain(
  host: PlannedHost,
  changes: readonly PlannedChange[],
  connections: Map<string, Connection>,
  options: ApplyOptions,
) {
  const phase = 'read back';
  const connection = connections.get(host.name);
  if (connection === undefined) throw new Error(`no connection to ${host.name}`);
  try {
    return await observeChanges(connection, changes, phase, options);
  } catch (error) {
    if (!(error instanceof LvsctlError) || options.signal?.aborted) throw error;
    await connection.close();
    const another = await options.transport.connect({ name: host.name, ssh: host.ssh }, withSignal(phase, options));
    connections.set(host.name, another);
    return await observeChanges(another, changes, phase, options);
  }
}

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
