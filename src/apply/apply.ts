import { randomBytes } from 'node:crypto';
import pLimit from 'p-limit';
import type { Plan, PlannedHost } from '../plan/plan.ts';
import type { Connection } from '../transport/types.ts';
import { takeBack, tellEnd } from './closing.ts';
import { runGraph } from './graph.ts';
import { lookBefore } from './health.ts';
import { hooking } from './hooked.ts';
import { refuseOtherHooks } from './hooks.ts';
import { withJumps } from './jumps.ts';
import { takeAll } from './lease.ts';
import { readBack, untouched } from './read-back.ts';
import { checkAll, reachAll } from './ready.ts';
import { paced, withCanary } from './rollout.ts';
import { type ApplyOptions, type ApplyResult, newCourse, type Run } from './run.ts';
import { runStep } from './step.ts';
import { spansOf } from './transaction.ts';
import { turns } from './turns.ts';

export { refuseUnseen } from './ready.ts';
export type { ApplyEvent, ApplyOptions, ApplyResult, HostResult } from './run.ts';

/**
 * Does what the plan says and nothing else: checks that every host still is as it was when the plan was made,
 * runs the steps along their graph, and reads back what each host has afterwards.
 * @throws PLAN-STALE, PLAN-USED, HOOK-CHANGED (before anything is changed), and the transport's errors when a host can't be reached
 */
export async function applyPlan(plan: Plan, options: ApplyOptions): Promise<ApplyResult> {
  const connections = options.connections ?? new Map<string, Connection>();
  const hosts = plan.hosts.filter((host) => plan.steps.some((step) => step.host === host.name));
  const course = newCourse();
  const lost = new AbortController();
  try {
    refuseOtherHooks(plan);
    const rolled = withCanary(plan.steps, options.rollout?.canary);
    const ordered = options.confirmTimeout === null ? rolled : withJumps(plan, rolled);
    await reachAll(hosts, connections, options);
    const id = randomBytes(8).toString('hex');
    course.leases = await takeAll(new Map(hosts.flatMap(({ name }) => pairOf(name, connections.get(name)))), {
      id,
      reason: `${plan.purpose} ${plan.cluster}`,
      wait: options.lockWait ?? 0,
      signal: options.signal,
      onLost: (host, problem) => {
        course.problems.set(host, [...(course.problems.get(host) ?? []), problem]);
        course.lost ??= host;
        lost.abort();
      },
    });
    const limit = pLimit(options.parallel);
    // Hosts are held all or none: with one of them lost, the run stops as if it had been asked to.
    const going = { ...options, signal: AbortSignal.any([lost.signal, ...(options.signal ? [options.signal] : [])]) };
    const hooked = hooking(plan, going, course, limit);
    const run: Run = { plan, id, spans: spansOf({ ...plan, steps: ordered }), connections, options: going, course };
    const [checked, looked] = await Promise.allSettled([checkAll(plan, hosts, connections, options), lookBefore(run)]);
    for (const one of [checked, looked]) if (one.status === 'rejected') throw one.reason;
    const act = paced(plan, options.rollout ?? {}, options.confirmTimeout !== null, (step) =>
      hooked(step, () => runStep(step, run)),
    );
    const steps = await runGraph(ordered, act, going.signal, turns(run, ordered));
    // Directors give nothing to those that they drained until these are as before.
    const drains = ({ name }: PlannedHost) => run.spans.drains.has(name);
    for (const some of [hosts.filter((host) => !drains(host)), hosts.filter(drains)])
      await Promise.all(some.map(({ name }) => limit(() => takeBack(name, run))));
    await Promise.all(hosts.map((host) => limit(() => tellEnd(host, steps, run))));
    const results = await Promise.all(
      hosts.map((host) =>
        limit(() => {
          if (course.touched.has(host.name)) return readBack(plan, host, connections, steps, course, options);
          return untouched(plan, host, course);
        }),
      ),
    );
    return { id, hosts: results, steps, interrupted: options.signal?.aborted === true };
  } finally {
    await Promise.all([...course.leases.values()].map((lease) => lease.release()));
    await Promise.all(
      [...connections.values(), ...course.watch.askers.values(), ...course.extra].map((connection) =>
        connection.close(),
      ),
    );
  }
}

function pairOf<T>(name: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[name, value]];
}
