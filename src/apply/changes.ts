import { type FactGroup, observe } from '../host/client.ts';
import { isDrain, type Plan, type PlannedChange } from '../plan/plan.ts';
import type { Connection } from '../transport/types.ts';
import type { ApplyOptions } from './run.ts';

/** What a plan changes on one host, in the order of its steps. Pure. */
export function changesOf(plan: Plan, host: string): PlannedChange[] {
  return plan.steps.filter((step) => step.host === host).flatMap((step) => step.changes);
}

/** Those of them that stay: without drains. Pure. */
export function stayingOf(plan: Plan, host: string): PlannedChange[] {
  return plan.steps.filter((step) => step.host === host && !isDrain(step)).flatMap((step) => step.changes);
}

/** A resource may change in several steps; the first is what a run begins with. */
export function firstOfEach(changes: readonly PlannedChange[]): PlannedChange[] {
  return [...new Map(changes.toReversed().map((change) => [change.key, change])).values()].reverse();
}

/** Their keys, each once. Pure. */
export function keysOf(changes: readonly PlannedChange[]): string[] {
  return firstOfEach(changes).map((change) => change.key);
}

/** Reads what changes are about. */
export function observeChanges(
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
