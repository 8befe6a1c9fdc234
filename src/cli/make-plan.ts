import { bindHooks } from '../apply/hooks.ts';
import { settleAll } from '../apply/settle.ts';
import { ENGINE_VERSION } from '../host/index.ts';
import type { Veil } from '../host/veil.ts';
import { buildPlan } from '../plan/build.ts';
import type { Plan } from '../plan/plan.ts';
import { chooseHosts, giveBack, type Survey, survey, takeBack } from '../survey/survey.ts';
import { commitOf } from './commit.ts';
import { type Aim, DRAIN_TIMEOUT, type HostOptions } from './context.ts';
import type { Output } from './output.ts';
import { shownOn } from './reading.ts';
import { secrecyOf } from './veil.ts';

/** What a plan is for, where it isn't to bring about what the inventory describes. */
interface Purpose {
  destroy?: { keepPackages: boolean };
  /** The run that is taken back. */
  rollback?: string;
}

function purposeOf({ destroy, rollback }: Purpose): Plan['purpose'] {
  if (destroy !== undefined) return 'destroy';
  return rollback === undefined ? 'apply' : 'rollback';
}

/** Reads the hosts and makes the plan, showing progress. */
export async function makePlan(
  aim: Aim,
  options: HostOptions,
  output: Output,
  extra: Purpose & { keep: boolean; signal?: AbortSignal },
): Promise<{ plan: Plan; survey: Survey; veil: Veil }> {
  const { veil, digests } = secrecyOf(aim.cluster, purposeOf(extra) === 'apply');
  const hosts = chooseHosts(aim.cluster, options.limit);
  const phase = await output.progress.phase(
    'Reading hosts',
    hosts.map((host) => host.name),
  );
  const committed = commitOf(aim.cluster.file);
  const read = await survey(aim.cluster, hosts, {
    transport: aim.transport,
    veil,
    parallel: options.parallel,
    timeout: options.timeout,
    keep: extra.keep,
    ...(extra.destroy ? { ask: giveBack(extra.destroy) } : {}),
    ...(extra.rollback === undefined ? {} : { ask: takeBack(extra.rollback) }),
    ...(extra.signal ? { signal: extra.signal } : {}),
    onEvent: shownOn(phase),
  }).finally(() => phase.end());
  const commit = await committed;
  const context = {
    cluster: aim.cluster,
    fingerprint: aim.fingerprint,
    engine: ENGINE_VERSION,
    lab: options.lab === true,
    created: new Date().toISOString(),
    ...(commit === undefined ? {} : { commit }),
    ...(extra.rollback === undefined ? {} : { of: extra.rollback }),
    secrets: digests,
    ...bindHooks(aim.cluster.hooks),
    ...(options.drain === false ? {} : { draining: { timeout: options.drainTimeout ?? DRAIN_TIMEOUT } }),
  };
  return { plan: buildPlan(context, read.seen, read.unseen, purposeOf(extra)), survey: read, veil };
}

/**
 * The same for a run that is about to change the hosts: what an earlier run left open there is ended first.
 * @throws LEASE-HELD where that run is still at work
 */
export async function planAfterOthers(
  aim: Aim,
  options: HostOptions & { lockWait?: number },
  output: Output,
  extra: Purpose & { keep: true; signal: AbortSignal },
): Promise<{ plan: Plan; survey: Survey; veil: Veil }> {
  const made = await makePlan(aim, options, output, extra);
  const open = made.survey.seen.filter(({ facts }) => facts.transaction !== undefined).map(({ host }) => host.name);
  if (open.length === 0) return made;
  const { connections } = made.survey;
  try {
    await settleAll(new Map([...connections].filter(([host]) => open.includes(host))), {
      wait: options.lockWait ?? 0,
      signal: extra.signal,
    });
  } finally {
    await Promise.all([...connections.values()].map((connection) => connection.close()));
  }
  return makePlan(aim, options, output, extra);
}
