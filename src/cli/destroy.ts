import { LvsctlError, type Problem } from '../errors/index.ts';
import { stillAsked } from '../inventory/derived.ts';
import type { Cluster } from '../inventory/model.ts';
import { type ApplyOptions, agreeAndRun } from './apply.ts';
import { planAfterOthers } from './make-plan.ts';
import type { Output } from './output.ts';

export interface DestroyOptions extends ApplyOptions {
  keepPackages?: boolean;
}

/** `lvsctl destroy`: shows what would be given back, asks, and gives every host back as it was before lvsctl. */
export function destroyCommand(options: DestroyOptions, output: Output, signal: AbortSignal): Promise<number> {
  const destroy = { keepPackages: options.keepPackages === true };
  return agreeAndRun(options, output, signal, {
    instead: 'Say --yes.',
    question: 'Give all of this back?',
    make: async (target) => {
      if (options.limit !== undefined) refuseAsked(target.cluster, options.limit);
      return planAfterOthers(target, options, output, { keep: true, destroy, signal });
    },
  });
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
