import pLimit, { type LimitFunction } from 'p-limit';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { execute, observe } from '../host/client.ts';
import type { OpResult } from '../host/execute.ts';
import type { Veil } from '../host/veil.ts';
import type { Plan, PlannedChange, PlannedHost, Step } from '../plan/plan.ts';
import { diffOne, holds } from '../resources/index.ts';
import type { Connection, Transport } from '../transport/types.ts';
import { isLastRecord, runGraph, type StepOutcome } from './graph.ts';
import { type HookEvent, refuseOtherHooks, runHook } from './hooks.ts';
import { linesNamed } from './lines-named.ts';

/** What an apply reports while it goes on. */
export type ApplyEvent =
  | { type: 'checking'; host: string }
  | { type: 'hook-started'; step: string; host: string; hook: HookEvent }
  | { type: 'step-started'; step: string; host: string }
  | { type: 'op-done'; step: string; host: string; op: string; done: number; of: number }
  | { type: 'step-ended'; step: string; host: string; outcome: StepOutcome; problems: readonly Problem[] }
  | { type: 'reading-back'; host: string };

/** The truth about one host after an apply: read from it, not remembered. */
export interface HostResult {
  host: string;
  /** `done`: read back as planned. `unchanged`: none of its steps ran. `partial`: some did, some did not. */
  status: 'done' | 'partial' | 'unchanged' | 'unknown';
  /** Keys of changes that were read back as planned. */
  done: string[];
  /** Keys of changes that the host doesn't have. */
  missing: string[];
  /** What was left on the host on purpose, in words for the operator: what something else uses, what packages leave. */
  left: string[];
  problems: readonly Problem[];
}

export interface ApplyResult {
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
  signal?: AbortSignal;
  /** What puts secrets in their places on the hosts, and hides them here. */
  veil?: Veil;
  onEvent?: (event: ApplyEvent) => void;
}

/**
 * Does what the plan says and nothing else: checks that every host still is as it was when the plan was made,
 * runs the steps along their graph, and reads back what each host has afterwards.
 * @throws PLAN-STALE, HOOK-CHANGED (before anything is changed), and the transport's errors when a host can't be reached
 */
export async function applyPlan(plan: Plan, options: ApplyOptions): Promise<ApplyResult> {
  const connections = options.connections ?? new Map<string, Connection>();
  const hosts = plan.hosts.filter((host) => plan.steps.some((step) => step.host === host.name));
  try {
    refuseOtherHooks(plan);
    await reachAll(plan, hosts, connections, options);
    const course: Course = { problems: new Map(), left: new Map(), touched: new Set() };
    const limit = pLimit(options.parallel);
    const hooked = hooking(plan, options, course, limit);
    const steps = await runGraph(
      plan.steps,
      (step) => hooked(step, () => runStep(step, connections, options, course)),
      options.signal,
    );
    const results = await Promise.all(
      hosts.map((host) =>
        limit(() => {
          if (course.touched.has(host.name)) return readBack(plan, host, connections, steps, course, options);
          return untouched(plan, host, course);
        }),
      ),
    );
    return { hosts: results, steps, interrupted: options.signal?.aborted === true };
  } finally {
    await Promise.all([...connections.values()].map((connection) => connection.close()));
  }
}

/** What the steps of a run found out, by host. */
interface Course {
  problems: Map<string, Problem[]>;
  left: Map<string, string[]>;
  /** Hosts on which an operation was begun. */
  touched: Set<string>;
}

/** Connects to every host of the plan and compares what it has with what the plan was made from. */
async function reachAll(
  plan: Plan,
  hosts: readonly PlannedHost[],
  connections: Map<string, Connection>,
  options: ApplyOptions,
): Promise<void> {
  const limit = pLimit(options.parallel);
  const found = await Promise.all(
    hosts.map((host) =>
      limit(async (): Promise<readonly Problem[]> => {
        options.onEvent?.({ type: 'checking', host: host.name });
        try {
          options.signal?.throwIfAborted();
          const connection =
            connections.get(host.name) ??
            (await options.transport.connect({ name: host.name, ssh: host.ssh }, withSignal('connect', options)));
          connections.set(host.name, connection);
          const changes = changesOf(plan, host.name);
          const { states } = await observeChanges(connection, changes, 'check', options, options.signal);
          return stale(host.name, firstOfEach(changes), states);
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

function stale(host: string, changes: readonly PlannedChange[], states: ReadonlyMap<string, unknown>): Problem[] {
  const other = changes.filter((change) => !holds(change.before ?? null, states.get(change.key) ?? null));
  if (other.length === 0) return [];
  return [
    {
      code: 'PLAN-STALE',
      place: { kind: 'host', host, phase: 'check' },
      what: `no longer as it was when the plan was made: ${other.map((change) => change.key).join(', ')}`,
      next: 'Nothing was changed. Make a new plan and look at it.',
    },
  ];
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
) {
  return observe(connection, {
    facts: [],
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

async function runStep(
  step: Step,
  connections: ReadonlyMap<string, Connection>,
  options: ApplyOptions,
  { problems, left, touched }: Course,
): Promise<StepOutcome> {
  const connection = connections.get(step.host);
  if (connection === undefined) throw new Error(`no connection to ${step.host}`);
  options.onEvent?.({ type: 'step-started', step: step.id, host: step.host });
  const ops = [...step.changes.flatMap((change) => change.ops), ...step.ops];
  let outcome: StepOutcome;
  const found: Problem[] = [];
  try {
    let done = 0;
    const results = await execute(connection, ops, {
      timeout: options.stepTimeout,
      ...(options.veil ? { veil: options.veil } : {}),
      ...(options.signal && !isLastRecord(step) ? { signal: options.signal } : {}),
      onOp: (result) => {
        touched.add(step.host);
        left.set(step.host, [...(left.get(step.host) ?? []), ...leftLines(result.output)]);
        done += 1;
        options.onEvent?.({
          type: 'op-done',
          step: step.id,
          host: step.host,
          op: result.op.name,
          done,
          of: ops.length,
        });
      },
    });
    const failed = results.find((result) => result.status === 'failed');
    if (failed !== undefined)
      found.push(failed.op.name === 'file_check' ? refused(step, failed) : opFailed(step, failed));
    outcome =
      failed !== undefined ? 'failed' : results.every((result) => result.status === 'done') ? 'done' : 'stopped';
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    touched.add(step.host);
    found.push(...error.problems);
    outcome = 'failed';
  }
  problems.set(step.host, [...(problems.get(step.host) ?? []), ...found]);
  options.onEvent?.({ type: 'step-ended', step: step.id, host: step.host, outcome, problems: found });
  return outcome;
}

/** An operation tells what it leaves on purpose in lines that begin with `left: `; several as one tell it once. */
function leftLines(output: string): string[] {
  const lines = output.split('\n').filter((line) => line.startsWith('left: '));
  return lines.map((line) => line.slice('left: '.length));
}

function opFailed(step: Step, { op, output }: OpResult): Problem {
  return {
    code: 'APPLY-OP-FAILED',
    place: { kind: 'host', host: step.host, phase: `apply ${step.stage}` },
    what: `${[op.name.replaceAll('_', ' '), ...op.args].join(' ')} failed: ${output.trim() || 'it said nothing'}`,
    next: 'What was done before it stays done; mend the cause and run the same command again, it goes on from there.',
  };
}

/** A program refused its new configuration: its own words, and the lines that they name. */
function refused(step: Step, { op, output }: OpResult): Problem {
  const files = step.ops.flatMap(({ name, args, input }) =>
    name === 'file_try' ? [{ path: args[0] ?? '', content: input ?? '' }] : [],
  );
  return {
    code: 'APPLY-REFUSED',
    place: { kind: 'host', host: step.host, phase: `apply ${step.stage}` },
    what: [`${op.args[0]} refuses its configuration: ${output.trim()}`, ...linesNamed(output, files)].join('\n'),
    next: 'Nothing but packages was changed there. Correct the inventory, or the template that it comes from.',
  };
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
    const different = firstOfEach(changes).filter(
      (change) => diffOne(change.resource, states.get(change.key), facts).length > 0,
    );
    const missing = different.filter((change) => change.mayStay !== true);
    const allRan = plan.steps.every((step) => step.host !== host.name || steps.get(step.id) === 'done');
    const silent = allRan && missing.length > 0 ? missing.map((change) => notInForce(host.name, change.key)) : [];
    return {
      host: host.name,
      status: missing.length === 0 && allRan ? 'done' : 'partial',
      done: keys.filter((key) => !different.some((change) => change.key === key)),
      missing: missing.map((change) => change.key),
      left,
      problems: [...problems, ...silent],
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

function notInForce(host: string, key: string): Problem {
  return {
    code: 'APPLY-NOT-IN-FORCE',
    place: { kind: 'host', host, phase: 'read back' },
    what: `${key} was set without an error, but the host does not have it afterwards`,
    next: 'Something on the host sets it back: look what else manages it, then run lvsctl plan.',
  };
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
