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
 * the first of another host, or where its own need theirs, before all others of the same stage but those that they need
 * there (a director's own step comes before it drains). Pure.
 * @throws CLI-UNKNOWN-HOST
 */
export function withCanary(steps: readonly Step[], canary: string | undefined): Step[] {
  if (canary === undefined) return [...steps];
  const own = steps.filter((step) => step.host === canary && !isDrain(step));
  if (own.length === 0) {
    throw failure({
      code: 'CLI-UNKNOWN-HOST',
      place: { kind: 'none' },
      what: `--canary names ${canary}, on which this plan changes nothing`,
      next: `It changes: ${[...new Set(steps.filter((step) => !isDrain(step)).map(({ host }) => host))].join(', ')}.`,
    });
  }
  const ordered = drainedFirst(steps, canary);
  const last = ordered.findLast((step) => step.host === canary && changes(step));
  // Until its directors have found that it answers.
  const ends = ordered.filter(({ stage, drains }) => stage === 'undrain' && drains?.host === canary);
  const others = (step: Step) => step.host !== canary && isTaken(step) && step.drains?.host !== canary;
  if (last !== undefined && !comesAfter(ordered, last).some(others)) {
    const all = [last, ...ends].map(({ id }) => id);
    return sorted(ordered.map((step) => (others(step) ? { ...step, needs: [...step.needs, ...all] } : step)));
  }
  const byId = new Map(ordered.map((step) => [step.id, step]));
  const first = new Map(own.map(({ id }) => byId.get(id) as Step).map((step) => [laneOf(step), step]));
  // What the canary's own step needs can't come after it.
  const needed = new Map([...first.values()].map((step) => [step, new Set(comesAfter(ordered, step))]));
  return sorted(
    ordered.map((step) => {
      const meant = step.stage === 'drain' ? byId.get(aroundWhat(step)) : isDrain(step) ? undefined : step;
      const before = meant === undefined ? undefined : first.get(laneOf(meant));
      if (before === undefined || meant?.host === canary || step.stage === 'record') return step;
      if (needed.get(before)?.has(step)) return step;
      const all = [before, ...ends.filter((end) => aroundWhat(end) === before.id)].map(({ id }) => id);
      return { ...step, needs: [...step.needs, ...all] };
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
 * Real servers are drained one after the other, and those that can't be drained change one after the other: the canary
 * becomes the first of those of its stage. Each drain leaves its director as it was, so that they may change places. Pure.
 */
function drainedFirst(steps: readonly Step[], canary: string): Step[] {
  const own = steps.filter((step) => step.host === canary && changes(step)).map(({ id }) => id);
  return own.reduce<Step[]>(movedFirst, [...steps]);
}

/** The steps with one of them, and its drains, before the others that change one after the other at that stage. */
function movedFirst(steps: readonly Step[], id: string): Step[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const own = (step: Step) => step.id === id || (isDrain(step) && aroundWhat(step) === id);
  const block = steps.filter(own);
  const sooner = soonerThan(steps, byId, block);
  if (sooner.size === 0) return [...steps];
  const ends = block.filter(({ stage }) => stage !== 'drain').map((step) => step.id);
  const last = block.flatMap(({ needs }) => needs).filter((need) => sooner.has(byId.get(need) as Step));
  return steps.map((step) => {
    // What it waited for, those that come later now waited for too.
    if (own(step)) {
      const passed = neededBy(byId, step, (need) => sooner.has(need));
      const needs = [...step.needs, ...passed.flatMap((one) => one.needs)];
      return { ...step, needs: [...new Set(needs)].filter((need) => !sooner.has(byId.get(need) as Step)) };
    }
    if (sooner.has(step)) return { ...step, needs: [...step.needs, ...ends] };
    const waits = step.needs.some((need) => own(byId.get(need) ?? step));
    return waits ? { ...step, needs: [...new Set([...step.needs, ...last])] } : step;
  });
}

/**
 * What comes before a step and its drains for no reason but that one has to be first: other real servers with their drains,
 * as a whole. A director's own step at that stage stays before, and what that needs.
 */
function soonerThan(steps: readonly Step[], byId: ReadonlyMap<string, Step>, block: readonly Step[]): Set<Step> {
  const main = (step: Step) => (isDrain(step) ? (byId.get(aroundWhat(step)) ?? step) : step);
  const [first] = block;
  const directors = new Set(block.map(({ host }) => host));
  const drained = new Set(steps.filter(isDrain).map(aroundWhat));
  const here = block
    .flatMap((step) => neededBy(byId, step, () => true))
    .filter((step) => first !== undefined && laneOf(main(step)) === laneOf(main(first)) && !block.includes(step));
  const sooner = new Set(here);
  const stay = (step: Step): void => {
    for (const one of [step, ...neededBy(byId, step, () => true)]) sooner.delete(one);
  };
  for (const step of here) if (!isDrain(step) && !drained.has(step.id) && directors.has(step.host)) stay(step);
  for (let size = Number.NaN; size !== sooner.size; ) {
    size = sooner.size;
    const staying = new Set(here.filter((step) => isDrain(step) && !sooner.has(step)).map(main));
    for (const step of here) if (sooner.has(step) && staying.has(main(step))) stay(step);
  }
  return sooner;
}

/** What a step needs, itself or through others of the same sort. */
function neededBy(
  byId: ReadonlyMap<string, Step>,
  step: Pick<Step, 'needs'>,
  isMeant: (need: Step) => boolean,
): Step[] {
  const found = new Set<Step>();
  const left: Pick<Step, 'needs'>[] = [step];
  for (let one = left.pop(); one !== undefined; one = left.pop()) {
    for (const need of one.needs.flatMap((id) => byId.get(id) ?? [])) {
      if (found.has(need) || !isMeant(need)) continue;
      found.add(need);
      left.push(need);
    }
  }
  return [...found];
}

/** All that a step needs, itself or through others. Pure. */
export function comesAfter(steps: readonly Step[], step: Step): Step[] {
  return neededBy(new Map(steps.map((one) => [one.id, one])), step, () => true);
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
