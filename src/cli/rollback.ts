import { failure, LvsctlError } from '../errors/index.ts';
import { isTakeable } from '../plan/history.ts';
import type { Warning } from '../plan/plan.ts';
import { type ApplyOptions, agreeAndRun } from './apply.ts';
import { type Aim, aim } from './context.ts';
import { makePlan, planAfterOthers } from './make-plan.ts';
import type { Output } from './output.ts';
import { showPlan } from './plan.ts';
import { checkRunId, chooseRun, headOf, leftOut, type Run, readHistory } from './runs.ts';

export interface RollbackOptions extends ApplyOptions {
  out?: string;
}

/** `lvsctl rollback [ID]`: shows what would take back what a run changed, asks, and does it; or saves it as a plan. */
export async function rollbackCommand(
  id: string | undefined,
  options: RollbackOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  if (id !== undefined) checkRunId(id);
  if (options.out !== undefined) return saveRollback(id, options, options.out, output, signal);
  return agreeAndRun(options, output, signal, {
    instead: 'Say --yes; lvsctl show ID tells what a run changed.',
    question: 'Take this back?',
    make: async (target) => {
      const { run, without } = await runToTakeBack(id, target, options, output, signal);
      const extra = { keep: true as const, rollback: { run: run.id, hosts: hostsOf(run), leftOut: without }, signal };
      const made = await planAfterOthers(target, options, output, extra);
      output.print(`Takes back run ${run.id}\n`);
      const after =
        headOf(run).purpose === 'rollback'
          ? 'lvsctl plan shows how the hosts differ from the inventory now.'
          : 'The inventory still describes what was taken back: lvsctl plan shows it as changes to make.';
      return { ...made, after };
    },
  });
}

async function saveRollback(
  id: string | undefined,
  options: RollbackOptions,
  out: string,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const target = await aim(options, output);
  try {
    const { run, without } = await runToTakeBack(id, target, options, output, signal);
    const extra = { keep: false, rollback: { run: run.id, hosts: hostsOf(run), leftOut: without }, signal };
    const { plan } = await makePlan(target, options, output, extra);
    output.print(`Takes back run ${run.id}\n`);
    return showPlan(plan, out, output);
  } finally {
    await target.transport.close();
  }
}

/** The hosts on which a run left something. */
function hostsOf(run: Run): string[] {
  return [...run.hosts].flatMap(([host, one]) => (isTakeable(one) ? [host] : []));
}

/**
 * The run that is named, or the last one that left something; and the hosts that can't be asked what it left there.
 * @throws RUN-UNKNOWN, RUN-AMBIGUOUS, ROLLBACK-NOTHING; what hosts could not be read for, unless they are to be left out
 */
async function runToTakeBack(
  id: string | undefined,
  target: Aim,
  options: ApplyOptions,
  output: Output,
  signal: AbortSignal,
): Promise<{ run: Run; without: Warning[] }> {
  const history = await readHistory(target, options, output, signal);
  if (history.problems.length > 0 && options.skipUnreachable !== true) throw new LvsctlError(history.problems);
  const run = id === undefined ? history.found.find(isTaken) : chooseRun(id, history);
  if (run !== undefined && isTaken(run)) return { run, without: leftOut(run, target.cluster, history.unread) };
  throw failure({
    code: 'ROLLBACK-NOTHING',
    place: { kind: 'none' },
    what:
      run === undefined
        ? 'no host tells of a run that could be taken back'
        : `run ${run.id} left nothing that could be taken back: its hosts took it back themselves, or it was a destroy`,
    next: 'lvsctl history lists what hosts tell of; what destroy gave back comes again with lvsctl apply.',
  });
}

function isTaken(run: Run): boolean {
  return [...run.hosts.values()].some(isTakeable);
}
