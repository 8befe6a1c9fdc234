import { failure } from '../errors/index.ts';
import { aroundWhat, isDrain, isTaken, type Plan, type Step } from '../plan/plan.ts';
import { isLastRecord, type StepOutcome } from './graph.ts';

/** How a plan goes over its hosts, beyond its own order. */
export interface Rollout {
  /** Hosts that are changed at once: a number, or a share of all that the plan changes. */
  serial?: { hosts: number } | { percent: number };
  /** This host's step comes before those of all others at the same stage. */
  canary?: string;
  /**
   * With more failed hosts than this nothing more is begun; absent: 0 where hosts are changed in groups (`serial`), else
   * only what depends on a failed step is not.
   */
  maxFail?: number;
}

/**
 * The plan's steps with the canary's before those of all others, where it fails these aren't begun: all of its own before
 * the first of another host, or where its own need theirs, before all others of the same stage. Pure.
 * @throws CLI-UNKNOWN-HOST
 */
export function withCanary(steps: readonly Step[], canary: string | undefined): Step[] {
  if (canary === undefined) return [...steps];
  const own = steps.filter(({ host }) => host === canary);
  if (own.length === 0) {
    throw failure({
      code: 'CLI-UNKNOWN-HOST',
      place: { kind: 'none' },
      what: `--canary names ${canary}, on which this plan changes nothing`,
      next: `It changes: ${[...new Set(steps.map(({ host }) => host))].join(', ')}.`,
    });
  }
  const ordered = drainedFirst(steps, canary);
  const last = ordered.findLast((step) => step.host === canary && changes(step));
  const others = (step: Step) => step.host !== canary && isTaken(step) && step.drains?.host !== canary;
  if (last !== undefined && !comesAfter(ordered, last).some(others)) {
    return sorted(ordered.map((step) => (others(step) ? { ...step, needs: [...step.needs, last.id] } : step)));
  }
  const first = new Map(own.filter((step) => !isDrain(step)).map((step) => [laneOf(step), step.id]));
  const byId = new Map(steps.map((step) => [step.id, step]));
  return sorted(
    ordered.map((step) => {
      const meant = step.stage === 'drain' ? byId.get(aroundWhat(step)) : isDrain(step) ? undefined : step;
      const before = meant === undefined ? undefined : first.get(laneOf(meant));
      if (before === undefined || meant?.host === canary || step.stage === 'record') return step;
      return { ...step, needs: [...step.needs, before] };
    }),
  );
}

/** Whether a step changes what stays. */
function changes(step: Step): boolean {
  return isTaken(step) && !isDrain(step);
}

function laneOf({ stage, direction }: Step): string {
  return `${stage}/${direction}`;
}

/**
 * Real servers are drained one after the other: the canary becomes the first of those of its stage. Each drain leaves
 * its director as it was, so that they may change places. Pure.
 */
function drainedFirst(steps: readonly Step[], canary: string): Step[] {
  const needs = new Map(steps.map((step) => [step.id, step.needs]));
  const previous = (id: string, host: string) => needs.get(id)?.find((need) => need.startsWith(`${host}/`));
  const follow = (id: string, host: string, next: string | undefined) => {
    const others = (needs.get(id) ?? []).filter((need) => !need.startsWith(`${host}/`));
    needs.set(id, next === undefined ? others : [...others, next]);
  };
  for (const own of steps.filter(({ stage, drains }) => stage === 'drain' && drains?.host === canary)) {
    const { host } = own;
    const lane = (step: Step) => aroundWhat(step).replace(/^[^/]*/, '');
    const [first] = steps.filter((step) => step.stage === 'drain' && step.host === host && lane(step) === lane(own));
    if (first === undefined || first === own) continue;
    const end = own.id.replace('/drain/', '/undrain/');
    const [before, earlier] = [previous(first.id, host), previous(own.id, host)];
    const next = steps.find((step) => step.host === host && previous(step.id, host) === end);
    follow(own.id, host, before);
    follow(first.id, host, end);
    if (next !== undefined) follow(next.id, host, earlier);
  }
  return steps.map((step) => ({ ...step, needs: needs.get(step.id) ?? [] }));
}

/** All that a step needs, itself or through others. Pure. */
export function comesAfter(steps: readonly Step[], step: Step): Step[] {
  const byId = new Map(steps.map((one) => [one.id, one]));
  const found = new Set<Step>();
  const visit = ({ needs }: Step) => {
    for (const id of needs) {
      const need = byId.get(id);
      if (need === undefined || found.has(need)) continue;
      found.add(need);
      visit(need);
    }
  };
  visit(step);
  return [...found];
}

/** Steps in an order in which each comes after what it needs. Pure. */
export function sorted(steps: readonly Step[]): Step[] {
  const left = new Map(steps.map((step) => [step.id, step]));
  const order: Step[] = [];
  const take = (step: Step) => {
    if (!left.delete(step.id)) return;
    for (const id of step.needs) {
      const need = left.get(id);
      if (need !== undefined) take(need);
    }
    order.push(step);
  };
  for (const step of steps) take(step);
  return order;
}

type Act = (step: Step) => Promise<StepOutcome>;

/**
 * Lets steps begin as the rollout says. What changes nothing that stays (records, packages, drains) is only counted.
 * @param armed whether a host that is stopped in the middle gets its earlier state back: else it is brought to its end
 */
export function paced(plan: Plan, { serial, maxFail }: Rollout, armed: boolean, act: Act): Act {
  const hosts = new Set(plan.steps.filter(changes).map(({ host }) => host)).size;
  const group = serial === undefined ? undefined : groups(atOnce(serial, hosts));
  const most = maxFail ?? (serial === undefined ? Number.POSITIVE_INFINITY : 0);
  const begun = new Set<string>();
  const failed = new Set<string>();
  const counted: Act = async (step) => {
    if (failed.size > most && !isLastRecord(step) && (armed || !begun.has(step.host))) return 'stopped';
    if (isTaken(step)) begun.add(step.host);
    const outcome = await act(step);
    if (outcome === 'failed') failed.add(step.host);
    return outcome;
  };
  return (step) => (group === undefined || !changes(step) ? counted(step) : group(() => counted(step)));
}

/** So many at once; when a group is full, the next one begins with the end of all of it. */
function groups(size: number): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let begun = 0;
  let running = 0;
  return async (run) => {
    if (begun === size) await new Promise<void>((resolve) => waiting.push(resolve));
    else begun += 1;
    running += 1;
    try {
      return await run();
    } finally {
      running -= 1;
      if (running === 0) {
        const next = waiting.splice(0, size);
        begun = next.length;
        for (const resolve of next) resolve();
      }
    }
  };
}

/** At least one; a share is rounded down. Pure. */
export function atOnce(serial: NonNullable<Rollout['serial']>, hosts: number): number {
  return Math.max(1, 'hosts' in serial ? serial.hosts : Math.floor((hosts * serial.percent) / 100));
}
