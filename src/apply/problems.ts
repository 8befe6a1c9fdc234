import type { Problem } from '../errors/index.ts';
import type { OpResult } from '../host/execute.ts';
import { ENDED, NOT_HELD } from '../host/transaction.ts';
import type { HostRun } from '../plan/history.ts';
import type { Plan, PlannedChange, Step } from '../plan/plan.ts';
import { holds } from '../resources/index.ts';
import type { StepOutcome } from './graph.ts';
import { linesNamed } from './lines-named.ts';
import type { Settled } from './transaction.ts';

/** What an apply tells of a host that isn't as it was planned: codes, words and what to do next. Pure. */

export function used(host: string, { id, when, who }: HostRun): Problem {
  return {
    code: 'PLAN-USED',
    place: { kind: 'host', host, phase: 'check' },
    what: `this plan was run already, by ${who} at ${when} (${id}): a plan is run once`,
    next: 'Nothing was changed. Make a new plan and look at it.',
  };
}

export function stale(
  host: string,
  changes: readonly PlannedChange[],
  states: ReadonlyMap<string, unknown>,
): Problem[] {
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

export function opFailed(step: Step, { op, output }: OpResult): Problem {
  if (op.name === 'tx_open') {
    return {
      code: 'APPLY-NOT-ARMED',
      place: { kind: 'host', host: step.host, phase: `apply ${step.stage}` },
      what: `the host can’t be made to take its changes back by itself: ${output.trim() || 'it did not say why'}`,
      next: 'Nothing was changed there. Mend the cause; or do without (--no-confirm), if a wrong step may strand it.',
    };
  }
  const place = { kind: 'host', host: step.host, phase: `apply ${step.stage}` } as const;
  if (output === ENDED) {
    return {
      code: 'APPLY-ENDED',
      place,
      what: 'the host has begun to take its changes back: its time to confirm was over, or another run ended them',
      next: 'See what held this run up (its link, its machine), then run the same command again.',
    };
  }
  if (output === NOT_HELD) return lost(step.host, '');
  return {
    code: 'APPLY-OP-FAILED',
    place: { kind: 'host', host: step.host, phase: `apply ${step.stage}` },
    what: `${[op.name.replaceAll('_', ' '), ...op.args].join(' ')} failed: ${output.trim() || 'it said nothing'}`,
    next: 'Mend the cause and run the same command again.',
  };
}

/**
 * A host that isn't this run's any more.
 * @param mark what stands in the place of the lease: a run (`-`: none), when it ends, and lines that tell whose it is
 */
export function lost(host: string, mark: string): Problem {
  const [id = '', , who = ''] = mark.split('\n');
  return {
    code: 'LEASE-LOST',
    place: { kind: 'host', host, phase: 'lease' },
    what:
      id === '-'
        ? `${who || 'somebody'} broke the lease of this run (lvsctl unlock)`
        : `this run does not hold the host any more, and ${who || 'somebody else'} may be at work there`,
    next: 'This run stopped, and what it had not confirmed goes back. See who is at work there, then run the same command again.',
  };
}

/** A program refused its new configuration: its own words, and the lines that they name. */
export function refused(step: Step, { op, output }: OpResult): Problem {
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

export function reverted(
  host: string,
  { reason, log }: Extract<Settled, { state: 'reverted' }>,
  other: string[],
  brought: string[],
): Problem {
  const said = log === '' ? '' : `; it noted:\n${log}`;
  const but = brought.length === 0 ? '' : `, but for what was installed: ${brought.join(', ')}`;
  return {
    code: other.length === 0 ? 'APPLY-REVERTED' : 'APPLY-REVERTED-OTHERWISE',
    place: { kind: 'host', host, phase: 'read back' },
    what:
      other.length === 0
        ? `the host took its changes back (${reason}); it is as it was before${but}${said}`
        : `the host took its changes back (${reason}), but is not as it was in ${other.join(', ')}${said}`,
    next: 'Mend the cause, then run the same command again.',
  };
}

/** What failed elsewhere held up steps of a host on which nothing failed. */
export function heldUp(host: string, plan: Plan, steps: ReadonlyMap<string, StepOutcome>): Problem {
  const left = plan.steps.filter((step) => step.host === host && steps.get(step.id) !== 'done');
  return {
    code: 'APPLY-HELD-UP',
    place: { kind: 'host', host, phase: 'apply' },
    what: `${left.map(({ id }) => id).join(', ')}: not begun, because something that comes before did not end well`,
    next: 'Mend what failed elsewhere, then run the same command again.',
  };
}

export function notInForce(host: string, key: string): Problem {
  return {
    code: 'APPLY-NOT-IN-FORCE',
    place: { kind: 'host', host, phase: 'read back' },
    what: `${key} was set without an error, but the host does not have it afterwards`,
    next: 'Something on the host sets it back: look what else manages it, then run lvsctl plan.',
  };
}
