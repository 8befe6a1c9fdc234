import type { Step } from '../plan/plan.ts';

/** How a step ended. `skipped`: something it needs did not end well. `stopped`: the run was interrupted before it. */
export type StepOutcome = 'done' | 'failed' | 'skipped' | 'stopped';

/**
 * Runs the steps of a plan along its graph: each as soon as all that it needs is done, independent ones at once.
 * A failed step holds up what depends on it and nothing else. When `signal` aborts, running steps come to their
 * next safe point by themselves and no further step starts.
 * @param run does one step; resolves with whether it went well
 * @param further steps that come before one too, found out when all that it needs is done; none that waits for it
 * @returns how each step ended, by id
 */
export async function runGraph(
  steps: readonly Step[],
  run: (step: Step) => Promise<StepOutcome>,
  signal?: AbortSignal,
  further: (step: Step) => Promise<readonly string[]> = async () => [],
): Promise<Map<string, StepOutcome>> {
  const outcomes = new Map<string, Promise<StepOutcome>>();
  const byId = new Map(steps.map((step) => [step.id, step]));
  const outcomeOf = (step: Step): Promise<StepOutcome> => {
    const known = outcomes.get(step.id);
    if (known !== undefined) return known;
    const outcome = (async () => {
      const needs = step.needs.flatMap((id) => byId.get(id) ?? []);
      const before = await Promise.all(needs.map(outcomeOf));
      if (!before.some((each) => each !== 'done')) {
        const more = (await further(step)).flatMap((id) => byId.get(id) ?? []);
        before.push(...(await Promise.all(more.map(outcomeOf))));
      }
      if (before.includes('stopped')) return 'stopped';
      // A host's last record belongs to what is done there by now.
      if (signal?.aborted && !isLastRecord(step)) return 'stopped';
      if (before.some((each) => each !== 'done')) return 'skipped';
      return run(step);
    })();
    outcomes.set(step.id, outcome);
    return outcome;
  };
  // In the plan's order, needs come before what needs them: the recursion above never goes deep.
  const ended = new Map<string, StepOutcome>();
  const all = steps.map(async (step) => ended.set(step.id, await outcomeOf(step)));
  await Promise.all(all);
  return ended;
}

/** The step that records what a host's changes, all of them done, leave to be managed there. */
export function isLastRecord(step: Pick<Step, 'stage' | 'direction'>): boolean {
  return step.stage === 'record' && step.direction === 'remove';
}
