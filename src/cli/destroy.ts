import { LvsctlError, type Problem } from '../errors/index.ts';
import { stillAsked } from '../inventory/derived.ts';
import type { Cluster } from '../inventory/model.ts';
import type { Plan, Warning } from '../plan/plan.ts';
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
      const made = await planAfterOthers(target, options, output, { keep: true, destroy, signal });
      return {
        ...made,
        plan: { ...made.plan, warnings: [...unreadAsking(target.cluster, made.plan), ...made.plan.warnings] },
      };
    },
  });
}

/** Who could not be read may be serving, and go on sending requests to those that are given back. Pure. */
export function unreadAsking(cluster: Cluster, plan: Plan): Warning[] {
  const unseen = new Set(plan.unseen.map(({ host }) => host));
  const given = new Set(plan.steps.map(({ host }) => host));
  return stillAsked(cluster, [...given]).flatMap(({ by, host, what }) => {
    const unread = by.filter((name) => unseen.has(name));
    const text = `${unread.join(' and ')} could not be read: it may go on sending requests of ${what} there`;
    return unread.length === 0 ? [] : [{ host, key: what, text }];
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
