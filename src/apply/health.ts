import { setTimeout as sleep } from 'node:timers/promises';
import { LvsctlError, type Problem } from '../errors/index.ts';
import type { Question } from '../plan/health.ts';
import { isTaken } from '../plan/plan.ts';
import type { Connection } from '../transport/types.ts';
import { type Look, lookAfter, type Seen } from '../verify/health.ts';
import type { Run } from './run.ts';

/**
 * The health of hosts and services in a rollout. Before the first change each question of the plan is asked once. When a
 * host's changes are made, and before they are confirmed, its units are to run, its ports to be listened on, and what
 * answered before is to answer again. What can't be asked counts for nothing.
 *
 * Of a VIP nothing can be said while its service is being changed in several places. So it is asked only where what is
 * behind it is at rest: after a host behind the directors when none of these has anything left to do, after a director
 * when nobody else has. Hosts that are changed at the same time wait for each other, and are judged by the same answer.
 */
export interface Watch {
  /** Questions that were answered before the first change. */
  answered: Set<Question>;
  /** Connections to those who ask and aren't hosts of the plan. */
  askers: Map<string, Connection>;
  /** Hosts with changes that have begun; those at rest: all are made, if not confirmed, or taken back. */
  begun: Set<string>;
  rest: Set<string>;
  /** Hosts at their last step: it goes on, or it isn't known yet whether they are well by themselves. */
  last: Set<string>;
  /** Services whose VIPs are being waited for, by all whose changes are made. */
  vips: Map<string, Wait>;
}

/** One wait for several hosts: whoever comes while it goes on is judged with the others, by an answer to a question put later. */
interface Wait {
  hosts: string[];
  /** When the last of them came. */
  joined: number;
  /** What is wrong when the time is over. */
  found: Promise<string[]>;
}

export function newWatch(): Watch {
  return {
    answered: new Set(),
    askers: new Map(),
    begun: new Set(),
    rest: new Set(),
    last: new Set(),
    vips: new Map(),
  };
}

/** Seconds in which who asks is to be reached: a client may be described only. */
const PATIENCE = 10;
/** Seconds that a confirmation takes at most, of the time that a host gives. */
const CONFIRMING = 5;

/** Asks everything once. Whoever can't be asked, or doesn't answer, is asked nothing later. */
export async function lookBefore(run: Run): Promise<void> {
  const { plan, options, course } = run;
  if (plan.health === undefined || options.healthTimeout === undefined) return;
  const { askers, questions } = plan.health;
  await Promise.all(
    askers.map(async ({ name, ssh }) => {
      const stop = [AbortSignal.timeout(PATIENCE * 1000), ...(options.signal ? [options.signal] : [])];
      const signal = AbortSignal.any(stop);
      try {
        if (!run.connections.has(name))
          course.watch.askers.set(name, await options.transport.connect({ name, ssh }, { phase: 'health', signal }));
        const own = questions.filter(({ from }) => from === name);
        const seen = await ask(name, own, run);
        for (const [index, question] of own.entries())
          if (seen[index]?.state === 'well') course.watch.answered.add(question);
      } catch (error) {
        if (!(error instanceof LvsctlError) && !signal.aborted) throw error;
      }
    }),
  );
}

async function ask(name: string, questions: readonly Question[], run: Run): Promise<Seen[]> {
  const looks = questions.map(({ address, port, count, how }): Look => ({ what: 'answer', address, port, count, how }));
  return look(name, looks, run);
}

async function look(name: string, looks: readonly Look[], run: Run): Promise<Seen[]> {
  const connection = run.connections.get(name) ?? run.course.watch.askers.get(name);
  if (connection === undefined || looks.length === 0) return [];
  return lookAfter(connection, looks);
}

/**
 * Waits until a host whose changes are made, and all that depends on it, is well.
 * @returns what is wrong when the time is over; none: all is well, or the run was stopped
 */
export async function unwell(host: string, run: Run): Promise<Problem[]> {
  const { plan, options, course } = run;
  if (plan.health === undefined || options.healthTimeout === undefined) return [];
  const seconds = options.healthTimeout;
  const own = plan.health.hosts.find((one) => one.host === host);
  const mine = plan.health.questions.filter(
    ({ from, of }) => of.what === 'real-server' && (of.host === host || from === host),
  );
  const here = async () => [...(own === undefined ? [] : await ill(host, own, run)), ...(await silent(mine, run))];
  const wrong = await waitFor(here, host, seconds, run);
  if (wrong.length > 0) return [notWell(host, wrong)];
  course.watch.last.delete(host);
  const vips = plan.health.questions.filter(
    ({ of, directors, others }) => of.what === 'vip' && [...directors, ...others].includes(host),
  );
  await othersMade(host, vips, run);
  const unheard = await silentVips(host, vips, seconds, run);
  return unheard.length > 0 ? [notWell(host, unheard)] : [];
}

/** Looks until all is well, the time is over (but once in any case), or the run is stopped; says what is wrong then. */
async function waitFor(find: () => Promise<string[]>, host: string, seconds: number, run: Run): Promise<string[]> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const wrong = await find();
    if (wrong.length === 0 || run.options.signal?.aborted) return [];
    if (performance.now() >= Math.min(end, heldUntil(host, run))) return wrong;
    await sleep(1000);
  }
}

/** Waits for hosts of the same services whose last step goes on, until they are well or went back. */
async function othersMade(host: string, vips: readonly Question[], run: Run): Promise<void> {
  const around = new Set(vips.flatMap(({ directors, others }) => [...directors, ...others]));
  const { last } = run.course.watch;
  while ([...last].some((other) => around.has(other)) && performance.now() < heldUntil(host, run)) await sleep(50);
}

/** Until when the host is known not to take its changes back by itself. */
function heldUntil(host: string, { course, options }: Run): number {
  const lease = course.leases.get(host);
  if (options.confirmTimeout === null || lease === undefined) return Number.POSITIVE_INFINITY;
  return lease.kept + (options.confirmTimeout - CONFIRMING) * 1000;
}

async function ill(host: string, { units, ports }: { units: string[]; ports: number[] }, run: Run): Promise<string[]> {
  const looks: Look[] = [
    ...units.map((unit): Look => ({ what: 'running', unit })),
    ...ports.map((port): Look => ({ what: 'listening', port })),
  ];
  const names = [...units, ...ports.map((port) => `port ${port}`)];
  return told(names, await tried(look(host, looks, run)));
}

/** Those of the questions that were answered before and aren't now. */
async function silent(questions: readonly Question[], run: Run): Promise<string[]> {
  const asked = questions.filter((question) => run.course.watch.answered.has(question));
  const askers = [...new Set(asked.map(({ from }) => from))];
  const found = await Promise.all(
    askers.map(async (name) => {
      const own = asked.filter(({ from }) => from === name);
      return told(own.map(nameOf), await tried(ask(name, own, run)));
    }),
  );
  return found.flat();
}

function nameOf({ service, from, address, port, how, of }: Question): string {
  const where = `${address.includes(':') ? `[${address}]` : address}:${port}${how.by === 'http' ? how.path : ''}`;
  return `${from} → ${of.what === 'vip' ? service : of.host} ${where}`;
}

function told(names: readonly string[], seen: readonly Seen[]): string[] {
  return seen.flatMap((one, index) => (one.state === 'ill' ? [`${names[index]}: ${one.said}`] : []));
}

/** Who asks can be lost, which says nothing of who is asked. */
async function tried(looking: Promise<Seen[]>): Promise<Seen[]> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof LvsctlError) return [];
    throw error;
  }
}

async function silentVips(host: string, vips: readonly Question[], seconds: number, run: Run): Promise<string[]> {
  const resting = () => vips.filter((each) => atRest(each, host, run));
  const services = new Set(resting().map(({ service }) => service));
  const waits = [...services].map((service) =>
    joinWait(service, () => resting().filter((each) => each.service === service), host, seconds, run),
  );
  return (await Promise.all(waits)).flat();
}

/** Waits for a service's VIPs with whoever does already: hosts changed together go back together, or stay together. */
function joinWait(service: string, vips: () => Question[], host: string, seconds: number, run: Run): Promise<string[]> {
  const { vips: waits } = run.course.watch;
  const now = performance.now();
  const known = waits.get(service);
  if (known !== undefined) {
    known.joined = now;
    known.hosts.push(host);
    return known.found;
  }
  const wait: Wait = { hosts: [host], joined: now, found: Promise.resolve([]) };
  const end = () => Math.min(now + seconds * 1000, ...wait.hosts.map((one) => heldUntil(one, run)));
  const looking = async () => {
    for (;;) {
      const begun = performance.now();
      const wrong = await silent(vips(), run);
      const all = begun >= wait.joined;
      if (run.options.signal?.aborted || (wrong.length === 0 && all)) return [];
      if (performance.now() >= end() && all) return wrong;
      if (wrong.length > 0) await sleep(1000);
    }
  };
  wait.found = looking().finally(() => waits.delete(service));
  waits.set(service, wait);
  return wait.found;
}

/** Whether a VIP is to answer now that this host's changes are made. */
function atRest({ directors, others }: Question, host: string, { plan, course }: Run): boolean {
  const { begun, rest } = course.watch;
  const changed = new Set(plan.steps.filter(isTaken).map((step) => step.host));
  const left = (other: string) => other !== host && changed.has(other) && !rest.has(other);
  if (directors.some(left)) return false;
  return !others.some((other) => left(other) && (begun.has(other) || directors.includes(host)));
}

function notWell(host: string, wrong: readonly string[]): Problem {
  return {
    code: 'APPLY-UNWELL',
    place: { kind: 'host', host, phase: 'health' },
    what: `its changes were made, and then this was not well: ${wrong.join('; ')}`,
    next: 'Look why (the log of the service there), correct the inventory, and run the same command again. Where this is to be expected: --no-health.',
  };
}
