import { refuseUnseen } from '../apply/apply.ts';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { stillAsked } from '../inventory/derived.ts';
import type { Cluster } from '../inventory/model.ts';
import { isEmpty } from '../plan/plan.ts';
import { planText } from '../report/plan-text.ts';
import type { Connection } from '../transport/types.ts';
import { type ApplyOptions, runPlan } from './apply.ts';
import { aim, confirm } from './context.ts';
import { planAfterOthers } from './make-plan.ts';
import { EXIT, type Output } from './output.ts';

export interface DestroyOptions extends ApplyOptions {
  keepPackages?: boolean;
}

/** `lvsctl destroy`: shows what would be given back, asks, and gives every host back as it was before lvsctl. */
export async function destroyCommand(options: DestroyOptions, output: Output, signal: AbortSignal): Promise<number> {
  if (options.yes !== true && !output.interactive) {
    throw failure({
      code: 'CLI-NO-TERMINAL',
      place: { kind: 'none' },
      what: 'there is no terminal to ask on, so nothing was changed',
      next: 'Say --yes.',
    });
  }
  const target = await aim(options, output);
  let connections: Map<string, Connection> | undefined;
  try {
    if (options.limit !== undefined) refuseAsked(target.cluster, options.limit);
    const destroy = { keepPackages: options.keepPackages === true };
    const { plan, survey, veil } = await planAfterOthers(target, options, output, { keep: true, destroy, signal });
    connections = survey.connections;
    output.print(planText(plan, output.paint));
    output.emit('plan', { plan });
    if (output.json) output.problems(plan.unseen.flatMap(({ problems }) => problems));
    refuseUnseen(plan, options.skipUnreachable === true);
    if (isEmpty(plan)) {
      output.emit('destroyed', { hosts: [] });
      return EXIT.done;
    }
    if (options.yes !== true && !(await confirm('\nGive all of this back?', signal))) {
      output.print('Nothing was changed.');
      return EXIT.done;
    }
    return await runPlan(plan, target.transport, connections, { ...options, veil }, output, signal);
  } finally {
    await Promise.all([...(connections?.values() ?? [])].map((connection) => connection.close()));
    await target.transport.close();
  }
}

/** A host that others of the cluster go on sending requests to would lose them. @throws DESTROY-STILL-ASKED */
function refuseAsked(cluster: Cluster, limit: readonly string[]): void {
  const asked = stillAsked(cluster, limit);
  if (asked.length === 0) return;
  throw new LvsctlError(
    asked.map(
      ({ by, host, what }): Problem => ({
        code: 'DESTROY-STILL-ASKED',
        place: { kind: 'host', host, phase: 'destroy' },
        what: `${by.join(' and ')} would go on sending requests of ${what} to ${host}`,
        next: `Nothing was changed. Take ${host} out of ${what} in the inventory and apply that first, or give all of them back: --limit ${[...limit, ...by].join(',')}.`,
      }),
    ),
  );
}
