import { LvsctlError, type Problem } from '../errors/index.ts';
import { execute } from '../host/client.ts';
import { partOf, pastChanges, runNote } from '../plan/history.ts';
import { isTaken, type Step } from '../plan/plan.ts';
import type { Op } from '../resources/kind.ts';
import { confirmed, extend, lookAfterHost, stillReached, takeBack } from './closing.ts';
import { isLastRecord, type StepOutcome } from './graph.ts';
import { owner } from './lease.ts';
import { opFailed, refused } from './problems.ts';
import type { Run } from './run.ts';
import { enterOp, leaseOp, mayLockOut, openOp, secondsOf } from './transaction.ts';

/**
 * Does one step of the plan on its host: the first of a host opens its transaction, and after the last one it is
 * confirmed. What went wrong is noted in the run's course.
 */
export async function runStep(step: Step, run: Run): Promise<StepOutcome> {
  const { plan, id, spans, connections, options, course } = run;
  const { problems, left, touched, watch } = course;
  const connection = connections.get(step.host);
  if (connection === undefined) throw new Error(`no connection to ${step.host}`);
  options.onEvent?.({ type: 'step-started', step: step.id, host: step.host, run: id });
  const armed = options.confirmTimeout !== null && isTaken(step);
  const last = spans.last.get(step.host) === step.id;
  const opens = armed && spans.first.get(step.host) === step.id;
  const begins = [
    leaseOp(id),
    ...noteOps(run, step.host),
    ...(armed
      ? [opens ? openOp(plan, step.host, id, secondsOf(spans, step.host, options.confirmTimeout ?? 0)) : enterOp(id)]
      : []),
  ];
  const ops = [...begins, ...step.changes.flatMap((change) => change.ops), ...step.ops];
  if (armed) course.open.set(step.host, step.id);
  if (opens) extend(run, step.host, true);
  if (isTaken(step)) watch.begun.add(step.host);
  if (last) watch.last.add(step.host);
  let outcome: StepOutcome;
  const found: Problem[] = [];
  try {
    let done = 0;
    const results = await execute(connection, ops, {
      timeout: options.stepTimeout + waitOf(ops),
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
    if (last && outcome === 'done') {
      watch.rest.add(step.host);
      if (armed) outcome = await confirmed(step, run);
      else await lookAfterHost(step, run);
    } else if (armed && outcome === 'done' && mayLockOut(step)) await stillReached(step, run);
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    if (step.stage !== 'record') touched.add(step.host);
    found.push(...error.problems);
    outcome = 'failed';
    // Another run may have ended what was at work there.
    await course.leases.get(step.host)?.ask();
  }
  const earlier = problems.get(step.host) ?? [];
  problems.set(step.host, [...earlier, ...found]);
  if (outcome === 'failed' && course.open.has(step.host)) {
    // At once: requests may be lost until then.
    await takeBack(step.host, run);
    if (course.settled.get(step.host)?.state === 'confirmed') {
      // Only the answer was lost.
      outcome = 'done';
      problems.set(step.host, earlier);
    }
  }
  watch.last.delete(step.host);
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
    part: partOf(plan, host),
    changes: changes.length,
  };
  return [{ name: 'run_note', args: [], input: runNote(id, head, changes) }];
}

/** Seconds that operations may wait for the end of what real servers serve, and for checks, beyond a step's own time. */
function waitOf(ops: readonly Op[]): number {
  const waits = ops.filter(({ name }) => name === 'ipvs_drained' || name === 'ipvs_again');
  return waits.reduce((sum, { args }) => sum + Number(args[0]), 0);
}

/** An operation tells what it leaves on purpose in lines that begin with `left: `; several as one tell it once. */
function leftLines(output: string): string[] {
  const lines = output.split('\n').filter((line) => line.startsWith('left: '));
  return lines.map((line) => line.slice('left: '.length));
}
