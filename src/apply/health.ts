import { setTimeout as sleep } from 'node:timers/promises';
import { LvsctlError, type Problem } from '../errors/index.ts';
import type { Floating } from '../plan/floating.ts';
import type { Question } from '../plan/health.ts';
import { isTaken } from '../plan/plan.ts';
import type { Connection } from '../transport/types.ts';
import type { Look, Seen } from '../verify/health.ts';
import { astray, noteHolders } from './floating.ts';
import { look, tried } from './looks.ts';
import type { Run } from './run.ts';

/**
 * The health of hosts and services in a rollout. Before the first change each question of the plan is asked once. When a
 * host's changes are made, and before they are confirmed, its units are to run, its ports to be listened on, and what
 * answered before is to answer again. What can't be asked counts for nothing.
 *
 * Of a VIP nothing can be said while its service is being changed in several places. So it is asked only where what is
 * behind it is at rest: after a host behind the directors when none of these has anything left to do, after a director
 * when nobody else has. Hosts that are changed at the same time wait for each other, and are judged by the same answer.
 * So do nodes that share floating addresses, of each of which one node is to have it when time for an election is over.
 */
export interface Watch {
  /** Questions that were answered before the first change. */
  answered: Set<Question>;
  /** Floating addresses that one node had then, and no other. */
  held: Set<Floating>;
  /** Connections to those who ask and aren't hosts of the plan. */
  askers: Map<string, Connection>;
  /** Hosts with changes that have begun; those at rest: all are made, if not confirmed, or taken back. */
  begun: Set<string>;
  rest: Set<string>;
  /** Hosts at their last step: it goes on, or it isn't known yet whether they are well by themselves. */
  last: Set<string>;
  /** Services whose VIPs, and instances whose addresses are being waited for, by all whose changes are made. */
  waits: Map<string, Wait>;
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
    held: new Set(),
    askers: new Map(),
    begun: new Set(),
    rest: new Set(),
    last: new Set(),
    waits: new Map(),
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
  await noteHolders(run);
}

async function ask(name: string, questions: readonly Question[], run: Run): Promise<Seen[]> {
  const looks = questions.map(({ address, port, count, how }): Look => ({ what: 'answer', address, port, count, how }));
  return look(name, looks, run);
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
  const mine = plan.health.questions.filter((each) => isMine(each, host, run));
  const here = async () => [...(own === undefined ? [] : await ill(host, own, run)), ...(await silent(mine, run))];
  const begun = performance.now();
  const wrong = await waitFor(here, host, begun + seconds * 1000, run);
  if (wrong.length > 0) return [notWell(host, wrong)];
  const slow = mine.filter((each) => each.settle !== undefined && course.watch.answered.has(each));
  if (slow.length > 0) {
    const settle = Math.min(seconds, Math.max(...slow.map((each) => each.settle ?? 0)));
    await until(() => begun + settle * 1000, run);
    const late = await waitFor(() => silent(slow, run), host, begun + seconds * 1000, run);
    if (late.length > 0) return [notWell(host, late)];
  }
  course.watch.last.delete(host);
  const vips = plan.health.questions.filter(
    ({ of, directors, others }) => of.what === 'vip' && [...directors, ...others].includes(host),
  );
  const floating = plan.health.floating.filter(({ nodes }) => nodes.some((node) => node.host === host));
  const around = [
    ...vips.flatMap(({ directors, others }) => [...directors, ...others]),
    ...floating.flatMap(({ nodes }) => nodes.map((node) => node.host)),
  ];
  await othersMade(host, new Set(around), run);
  const found = await Promise.all([silentVips(host, vips, seconds, run), strayed(host, floating, seconds, run)]);
  const unheard = found.flat();
  return unheard.length > 0 ? [notWell(host, unheard)] : [];
}

/** Whether a question about a real server tells of this host's changes. */
function isMine({ from, of, how }: Question, host: string, { plan }: Run): boolean {
  if (of.what !== 'real-server') return false;
  // While it is drained it has no weight in a director's table: that tells when the director itself has come to its end.
  const drained =
    how.by === 'table' && plan.steps.some(({ host: at, drains }) => at === from && drains?.host === of.host);
  return from === host || (of.host === host && !drained);
}

/** Looks until all is well, the time is over (but once in any case), or the run is stopped; says what is wrong then. */
async function waitFor(find: () => Promise<string[]>, host: string, end: number, run: Run): Promise<string[]> {
  for (;;) {
    const wrong = await find();
    if (wrong.length === 0 || run.options.signal?.aborted) return [];
    if (performance.now() >= Math.min(end, heldUntil(host, run))) return wrong;
    await sleep(1000);
  }
}

/** Waits for a moment that may move on, or until the run is stopped. */
async function until(moment: () => number, { options }: Run): Promise<void> {
  for (;;) {
    const left = moment() - performance.now();
    if (left <= 0 || options.signal?.aborted) return;
    await sleep(Math.min(1000, left));
  }
}

/** Waits for hosts of the same services or addresses whose last step goes on, until they are well or went back. */
async function othersMade(host: string, around: ReadonlySet<string>, run: Run): Promise<void> {
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

async function silentVips(host: string, vips: readonly Question[], seconds: number, run: Run): Promise<string[]> {
  const resting = () => vips.filter((each) => atRest(each, host, run));
  const services = new Set(resting().map(({ service }) => service));
  const waits = [...services].map((service) =>
    joinWait(
      { what: service, settle: 0, find: () => silent(ofService(resting(), service), run) },
      { host, seconds, run },
    ),
  );
  return (await Promise.all(waits)).flat();
}

function ofService(questions: readonly Question[], name: string): Question[] {
  return questions.filter(({ service }) => service === name);
}

/** Addresses are asked for when every node has had the time to become master, or to see that another is. */
async function strayed(host: string, floating: readonly Floating[], seconds: number, run: Run): Promise<string[]> {
  const { held } = run.course.watch;
  const resting = () => {
    const left = leftBeside(host, run);
    return floating.filter((each) => held.has(each) && (each.agreed || !each.nodes.some((node) => left(node.host))));
  };
  const waits = [...new Set(resting().map(({ instance }) => instance))].map((instance) => {
    const own = () => resting().filter((each) => each.instance === instance);
    const settle = Math.max(0, ...own().map(({ election }) => election));
    return joinWait({ what: `vrrp ${instance}`, settle, find: () => astray(own(), run) }, { host, seconds, run });
  });
  return (await Promise.all(waits)).flat();
}

/**
 * Waits for something with whoever does already: hosts changed together go back together, or stay together.
 * @param asked `settle`: seconds after a change until the answer counts
 */
function joinWait(
  { what, settle, find }: { what: string; settle: number; find: () => Promise<string[]> },
  { host, seconds, run }: { host: string; seconds: number; run: Run },
): Promise<string[]> {
  const { waits } = run.course.watch;
  const now = performance.now();
  const known = waits.get(what);
  if (known !== undefined) {
    known.joined = now;
    known.hosts.push(host);
    return known.found;
  }
  const wait: Wait = { hosts: [host], joined: now, found: Promise.resolve([]) };
  const end = () => Math.min(now + seconds * 1000, ...wait.hosts.map((one) => heldUntil(one, run)));
  const counts = () => wait.joined + settle * 1000;
  const looking = async () => {
    for (;;) {
      await until(counts, run);
      const begun = performance.now();
      const wrong = await find();
      const all = begun >= counts();
      if (run.options.signal?.aborted || (wrong.length === 0 && all)) return [];
      if (performance.now() >= end() && all) return wrong;
      if (wrong.length > 0) await sleep(1000);
    }
  };
  wait.found = looking().finally(() => waits.delete(what));
  waits.set(what, wait);
  return wait.found;
}

/** Whether a VIP is to answer now that this host's changes are made. */
function atRest({ directors, others }: Question, host: string, run: Run): boolean {
  const { begun } = run.course.watch;
  const left = leftBeside(host, run);
  if (directors.some(left)) return false;
  return !others.some((other) => left(other) && (begun.has(other) || directors.includes(host)));
}

/** Tells which other hosts have changes that are neither made yet nor taken back. */
function leftBeside(host: string, { plan, course }: Run): (other: string) => boolean {
  const changed = new Set(plan.steps.filter(isTaken).map((step) => step.host));
  return (other) => other !== host && changed.has(other) && !course.watch.rest.has(other);
}

function notWell(host: string, wrong: readonly string[]): Problem {
  return {
    code: 'APPLY-UNWELL',
    place: { kind: 'host', host, phase: 'health' },
    what: `its changes were made, and then this was not well: ${wrong.join('; ')}`,
    next: 'Look why (the log of the service there), correct the inventory, and run the same command again. Where this is to be expected: --no-health.',
  };
}
