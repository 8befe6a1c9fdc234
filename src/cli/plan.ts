import { writePlan } from '../plan/file.ts';
import { isEmpty } from '../plan/plan.ts';
import { planText } from '../report/plan-text.ts';
import { aim, type HostOptions } from './context.ts';
import { makePlan } from './make-plan.ts';
import { EXIT, type Output } from './output.ts';

export interface PlanOptions extends HostOptions {
  out?: string;
  detailedExitcode?: boolean;
}

/** `lvsctl plan`: shows what would change, host by host; changes nothing. */
export async function planCommand(options: PlanOptions, output: Output, signal: AbortSignal): Promise<number> {
  const target = await aim(options, output);
  try {
    const { plan } = await makePlan(target, options, output, { keep: false, signal });
    output.print(planText(plan, output.paint));
    output.emit('plan', { plan });
    if (options.out !== undefined) {
      writePlan(options.out, plan);
      output.progress.note(`Saved to ${options.out}. Apply exactly this: lvsctl apply ${options.out}`);
    }
    if (plan.unseen.length > 0) {
      if (output.json) output.problems(plan.unseen.flatMap(({ problems }) => problems));
      return EXIT.error;
    }
    return options.detailedExitcode && !isEmpty(plan) ? EXIT.changes : EXIT.done;
  } finally {
    await target.transport.close();
  }
}
