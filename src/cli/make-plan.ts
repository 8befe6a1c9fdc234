import { bindHooks } from '../apply/hooks.ts';
import { settleAll } from '../apply/settle.ts';
import { ENGINE_VERSION } from '../host/index.ts';
import type { Veil } from '../host/veil.ts';
import { directorsOf } from '../inventory/derived.ts';
import type { Cluster, Host } from '../inventory/model.ts';
import { buildPlan } from '../plan/build.ts';
import type { Plan, Warning } from '../plan/plan.ts';
import { chooseHosts, giveBack, type Survey, survey, takeBack } from '../survey/survey.ts';
import { commitOf } from './commit.ts';
import { type Aim, DRAIN_TIMEOUT, type HostOptions } from './context.ts';
import type { Output } from './output.ts';
import { shownOn } from './reading.ts';
import { secrecyOf } from './veil.ts';

/** What a plan is for, where it isn't to bring about what the inventory describes. */
interface Purpose {
  destroy?: { keepPackages: boolean };
  /** The run that is taken back, and the hosts on which it left something. */
  rollback?: { run: string; hosts: string[]; leftOut: Warning[] };
}

function purposeOf({ destroy, rollback }: Purpose): Plan['purpose'] {
  if (destroy !== undefined) return 'destroy';
  return rollback === undefined ? 'apply' : 'rollback';
}

/**
 * The hosts that a plan is for and, of a rollback, those that may drain their real servers: in a rollback's own hosts only
 * what a run changed is read, and their directors need not be among these.
 */
function hostsFor(cluster: Cluster, { limit, drain }: HostOptions, rollback: Purpose['rollback']) {
  if (rollback === undefined) return { hosts: chooseHosts(cluster, limit), beside: [] as Host[] };
  const hosts = chooseHosts(cluster, rollback.hosts);
  const directors = drain === false ? new Set<string>() : directorsOf(cluster, rollback.hosts);
  const others = chooseHosts(cluster, limit).filter((host) => !hosts.includes(host));
  return { hosts, beside: others.filter(({ name }) => directors.has(name)) };
}

/** Reads the hosts and makes the plan, showing progress. */
export async function makePlan(
  aim: Aim,
  options: HostOptions,
  output: Output,
  extra: Purpose & { keep: boolean; signal?: AbortSignal },
): Promise<{ plan: Plan; survey: Survey; veil: Veil }> {
  const { veil, digests } = secrecyOf(aim.cluster, purposeOf(extra) === 'apply');
  const { hosts, beside } = hostsFor(aim.cluster, options, extra.rollback);
  const all = [...hosts, ...beside];
  const phase = await output.progress.phase(
    'Reading hosts',
    all.map((host) => host.name),
  );
  const committed = commitOf(aim.cluster.file);
  const read = await survey(aim.cluster, all, {
    transport: aim.transport,
    veil,
    parallel: options.parallel,
    timeout: options.timeout,
    keep: extra.keep,
    ...(extra.destroy ? { ask: giveBack(extra.destroy) } : {}),
    ...(extra.rollback === undefined ? {} : { ask: takeBack(extra.rollback.run) }),
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
    ...(extra.rollback === undefined ? {} : { of: extra.rollback.run }),
    secrets: digests,
    ...bindHooks(aim.cluster.hooks),
    ...(options.drain === false ? {} : { draining: { timeout: options.drainTimeout ?? DRAIN_TIMEOUT } }),
  };
  // A director that only would drain and can't be read takes no part: the plan warns of what is lost.
  const unseen = read.unseen.filter(({ host }) => !beside.includes(host));
  const plan = buildPlan(context, read.seen, unseen, purposeOf(extra));
  const warnings = [...(extra.rollback?.leftOut ?? []), ...plan.warnings];
  return { plan: { ...plan, warnings }, survey: read, veil };
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
  const part = new Set(made.plan.hosts.map(({ name }) => name));
  const open = made.survey.seen.flatMap(({ host: { name }, facts }) =>
    facts.transaction !== undefined && part.has(name) ? [name] : [],
  );
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
