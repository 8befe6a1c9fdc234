import { LvsctlError, type Problem } from '../errors/index.ts';
import { UNCONFIRMED } from '../host/transaction.ts';
import type { Plan, PlannedChange, PlannedHost } from '../plan/plan.ts';
import { isRecord } from '../resources/holds.ts';
import { diffOne, holds } from '../resources/index.ts';
import type { Connection } from '../transport/types.ts';
import { changesOf, firstOfEach, keysOf, observeChanges, stayingOf } from './changes.ts';
import type { StepOutcome } from './graph.ts';
import { heldUp, notInForce, reverted } from './problems.ts';
import { type ApplyOptions, type Course, type HostResult, withSignal } from './run.ts';

/** A host on which not one operation was begun. */
export function untouched(plan: Plan, host: PlannedHost, { problems }: Course): HostResult {
  const missing = keysOf(stayingOf(plan, host.name));
  return {
    host: host.name,
    status: 'unchanged',
    done: [],
    missing,
    left: [],
    problems: problems.get(host.name) ?? [],
  };
}

/** What a host has after the run, and whether that is what was planned. */
export async function readBack(
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
  const keys = keysOf(stayingOf(plan, host.name));
  options.onEvent?.({ type: 'reading-back', host: host.name });
  try {
    const { states, facts } = await observeAgain(host, changes, connections, options);
    const settled = course.settled.get(host.name);
    if (settled?.state === 'reverted') {
      const differ = firstOfEach(changes).filter(({ key, before }) => !holds(before ?? null, states.get(key) ?? null));
      const installed = differ.some(({ kind }) => kind === 'package');
      const brought = differ.filter((one) => installed && isBrought(one, states.get(one.key)));
      const other = differ.filter((one) => !brought.includes(one));
      const [reason, why] = reasonOf(settled.reason, problems, course.logins.get(host.name));
      return {
        host: host.name,
        status: other.length === 0 ? 'reverted' : 'partial',
        done: [],
        missing: keys,
        left,
        problems: [
          ...problems,
          ...why,
          reverted(
            host.name,
            { ...settled, reason },
            other.map(({ key }) => key),
            brought.map(({ key }) => key),
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

/** Where nobody confirmed for no new login worked, that is the reason; with what was not told of it yet. */
function reasonOf(
  reason: string,
  told: readonly Problem[],
  login: readonly Problem[] = [],
): [reason: string, why: readonly Problem[]] {
  const [first] = login;
  if (reason !== UNCONFIRMED || first === undefined) return [reason, []];
  const untold = login.filter(({ code }) => !told.some((one) => one.code === code));
  return [`${reason}: a new login failed, ${first.code}`, untold];
}

/**
 * Packages stay installed when a host takes its changes back, and so does what they brought: files that weren't there and
 * aren't lvsctl's, and services that don't run.
 */
function isBrought({ kind, before, after }: PlannedChange, state: unknown): boolean {
  if (kind === 'package') return true;
  if (kind === 'file') return isRecord(before) && before.type === 'absent' && !holds(after ?? null, state ?? null);
  return kind === 'service' && isRecord(state) && state.running === false;
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
