import { refuseUnseen } from '../apply/apply.ts';
import { failure, LvsctlError } from '../errors/index.ts';
import { isTakeable } from '../plan/history.ts';
import { isEmpty } from '../plan/plan.ts';
import { planText } from '../report/plan-text.ts';
import type { Connection } from '../transport/types.ts';
import { type ApplyOptions, runPlan } from './apply.ts';
import { type Aim, aim, confirm } from './context.ts';
import { planAfterOthers } from './make-plan.ts';
import { EXIT, type Output } from './output.ts';
import { chooseRun, headOf, type Run, readHistory } from './runs.ts';

/** `lvsctl rollback [ID]`: shows what would take back what a run changed, asks, and does it. */
export async function rollbackCommand(
  id: string | undefined,
  options: ApplyOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  if (options.yes !== true && !output.interactive) {
    throw failure({
      code: 'CLI-NO-TERMINAL',
      place: { kind: 'none' },
      what: 'there is no terminal to ask on, so nothing was changed',
      next: 'Say --yes; lvsctl show ID tells what a run changed.',
    });
  }
  const target = await aim(options, output);
  let connections: Map<string, Connection> | undefined;
  try {
    const run = await runToTakeBack(id, target, options, output, signal);
    const hosts = [...run.hosts].flatMap(([host, one]) => (isTakeable(one) ? [host] : []));
    const limited = { ...options, limit: hosts };
    const { plan, survey, veil } = await planAfterOthers(target, limited, output, {
      keep: true,
      rollback: run.id,
      signal,
    });
    connections = survey.connections;
    output.print(`Takes back run ${run.id}\n\n${planText(plan, output.paint)}`);
    output.emit('plan', { plan });
    if (output.json) output.problems(plan.unseen.flatMap(({ problems }) => problems));
    refuseUnseen(plan, options.skipUnreachable === true);
    if (isEmpty(plan)) {
      output.emit('rolled-back', { hosts: [] });
      return EXIT.done;
    }
    if (options.yes !== true && !(await confirm('\nTake this back?', signal))) {
      output.print('Nothing was changed.');
      return EXIT.done;
    }
    const code = await runPlan(plan, target.transport, connections, { ...options, veil }, output, signal);
    output.print(
      headOf(run).purpose === 'rollback'
        ? 'lvsctl plan shows how the hosts differ from the inventory now.'
        : 'The inventory still describes what was taken back: lvsctl plan shows it as changes to make.',
    );
    return code;
  } finally {
    await Promise.all([...(connections?.values() ?? [])].map((connection) => connection.close()));
    await target.transport.close();
  }
}

/**
 * The run that is named, or the last one that left something.
 * @throws RUN-UNKNOWN, RUN-AMBIGUOUS, ROLLBACK-NOTHING; what hosts could not be read for, unless they are to be left out
 */
async function runToTakeBack(
  id: string | undefined,
  target: Aim,
  options: ApplyOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Run> {
  const history = await readHistory(target, options, output, signal);
  if (history.problems.length > 0 && options.skipUnreachable !== true) throw new LvsctlError(history.problems);
  const run = id === undefined ? history.found.find(isTaken) : chooseRun(id, history);
  if (run !== undefined && isTaken(run)) return run;
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
