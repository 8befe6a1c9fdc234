import type { LimitFunction } from 'p-limit';
import type { Problem } from '../errors/index.ts';
import type { Plan, Step } from '../plan/plan.ts';
import { isLastRecord, type StepOutcome } from './graph.ts';
import { type HookEvent, runHook } from './hooks.ts';
import type { ApplyOptions, Course } from './run.ts';

/**
 * Runs hooks around a step. Without its `before_change` a step isn't begun; once that has run, so does `after_change`,
 * whatever came of the step, and what it says changes nothing of that. A host's last record is no change of it.
 */
export function hooking(plan: Plan, options: ApplyOptions, { problems }: Course, limit: LimitFunction) {
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
