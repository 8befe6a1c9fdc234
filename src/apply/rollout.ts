import { failure } from '../errors/index.ts';
import { isTaken, type Plan, type Step } from '../plan/plan.ts';
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
  const last = own.findLast(isTaken);
  if (last !== undefined && !comesAfter(steps, last).some((step) => step.host !== canary && isTaken(step))) {
    const later = (step: Step) => step.host !== canary && isTaken(step);
    return sorted(steps.map((step) => (later(step) ? { ...step, needs: [...step.needs, last.id] } : step)));
  }
  const first = new Map(own.map((step) => [`${step.stage}/${step.direction}`, step.id]));
  return sorted(
    steps.map((step) => {
      const before = first.get(`${step.stage}/${step.direction}`);
      if (before === undefined || step.host === canary || step.stage === 'record') return step;
      return { ...step, needs: [...step.needs, before] };
    }),
  );
}

/** All that a step needs, itself or through others. */
function comesAfter(steps: readonly Step[], step: Step): Step[] {
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
 * Lets steps begin as the rollout says. What doesn't belong to a transaction (records, packages) is only counted.
 * @param armed whether a host that is stopped in the middle gets its earlier state back: else it is brought to its end
 */
export function paced(plan: Plan, { serial, maxFail }: Rollout, armed: boolean, act: Act): Act {
  const hosts = new Set(plan.steps.filter(isTaken).map(({ host }) => host)).size;
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
  return (step) => (group === undefined || !isTaken(step) ? counted(step) : group(() => counted(step)));
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
