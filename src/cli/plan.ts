import { writePlan } from '../plan/file.ts';
import { isEmpty, type Plan } from '../plan/plan.ts';
import { planText } from '../report/plan-text.ts';
import { aim, type HostOptions } from './context.ts';
import { makePlan } from './make-plan.ts';
import { EXIT, type Output } from './output.ts';

export interface PlanOptions extends HostOptions {
  out?: string;
  detailedExitcode?: boolean;
  strict?: boolean;
}

/** `lvsctl plan`: shows what would change, host by host; changes nothing. */
export async function planCommand(options: PlanOptions, output: Output, signal: AbortSignal): Promise<number> {
  const target = await aim(options, output, { strict: options.strict === true });
  try {
    const { plan } = await makePlan(target, options, output, { keep: false, signal });
    const code = showPlan(plan, options.out, output);
    return code === EXIT.done && options.detailedExitcode && !isEmpty(plan) ? EXIT.changes : code;
  } finally {
    await target.transport.close();
  }
}

/** Shows a plan, and saves it where a file is given. */
export function showPlan(plan: Plan, out: string | undefined, output: Output): number {
  output.print(planText(plan, output.paint));
  output.emit('plan', { plan });
  if (out !== undefined) {
    writePlan(out, plan);
    output.progress.note(`Saved to ${out}. Apply exactly this: lvsctl apply ${out}`);
  }
  if (plan.unseen.length === 0) return EXIT.done;
  if (output.json) output.problems(plan.unseen.flatMap(({ problems }) => problems));
  return EXIT.error;
}
