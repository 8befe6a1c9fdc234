import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import type { Cluster } from '../inventory/model.ts';
import type { UnseenHost } from '../plan/build.ts';
import { type HostRun, type PastChange, parseChanges, parseRun } from '../plan/history.ts';
import type { Warning } from '../plan/plan.ts';
import { chooseHosts, readRuns, survey } from '../survey/survey.ts';
import type { Aim, HostOptions } from './context.ts';
import type { Output } from './output.ts';
import { shownOn } from './reading.ts';
import { secrecyOf } from './veil.ts';

/** A run, as all hosts that took part in it tell. */
export interface Run {
  id: string;
  /** By host, in the inventory's order. */
  hosts: Map<string, HostRun>;
}

/** What one run changed on a host. */
export interface RunOnHost {
  run: HostRun;
  changes: PastChange[];
}

export interface Reading<T> {
  found: T;
  /** Of hosts that could not be read. */
  problems: readonly Problem[];
  /** Their names. */
  unread: string[];
}

/** Reads the history of hosts: their runs, newest first. */
export async function readHistory(
  aim: Aim,
  options: HostOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Reading<Run[]>> {
  const { seen, unseen } = await read(aim, options, output, signal);
  const runs = new Map<string, Run>();
  for (const { host, facts } of seen) {
    for (const one of (facts.history ?? []).flatMap((past) => parseRun(past) ?? [])) {
      const run = runs.get(one.id) ?? { id: one.id, hosts: new Map() };
      run.hosts.set(host.name, one);
      runs.set(one.id, run);
    }
  }
  const orders = seen.map(({ facts }) => (facts.history ?? []).flatMap((past) => parseRun(past)?.id ?? []));
  return { found: newestFirst(runs, orders), ...unreadOf(unseen) };
}

/**
 * Each host's order is sure, and so is that of runs which have a host in common; else it is that of the operators' clocks.
 * Pure.
 * @param orders the runs of each host, oldest first
 */
export function newestFirst(runs: ReadonlyMap<string, Run>, orders: readonly (readonly string[])[]): Run[] {
  const left = new Map(runs);
  const found: Run[] = [];
  while (left.size > 0) {
    const newest = orders.map((order) => order.findLast((id) => left.has(id)));
    const isNewest = ({ id, hosts }: Run) => newest.filter((one) => one === id).length === hosts.size;
    const all = [...left.values()].sort((a, b) => (headOf(a).when < headOf(b).when ? 1 : -1));
    // Hosts that contradict one another tell of no order.
    const next = all.find(isNewest) ?? all[0];
    if (next === undefined) break;
    left.delete(next.id);
    found.push(next);
  }
  return found;
}

/** Reads what one run changed, by host. */
export async function readRun(
  aim: Aim,
  options: HostOptions,
  output: Output,
  { id, signal }: { id: string; signal: AbortSignal },
): Promise<Reading<Map<string, RunOnHost>>> {
  const { seen, unseen } = await read(aim, options, output, signal, id);
  const found = new Map<string, RunOnHost>();
  for (const { host, facts } of seen) {
    const run = facts.run === undefined ? undefined : parseRun(facts.run);
    if (facts.run !== undefined && run !== undefined) found.set(host.name, { run, changes: parseChanges(facts.run) });
  }
  return { found, ...unreadOf(unseen) };
}

function unreadOf(unseen: readonly UnseenHost[]): Omit<Reading<unknown>, 'found'> {
  return { problems: unseen.flatMap(({ problems }) => problems), unread: unseen.map(({ host }) => host.name) };
}

/**
 * Hosts of which nobody tells what a run changed there: those that the inventory doesn't have any more, or not by that
 * name, and those that could not be read. A host that has nothing to tell was never begun. Pure.
 */
export function leftOut({ hosts, id }: Run, { hosts: all }: Cluster, unread: readonly string[]): Warning[] {
  const told = new Set([...hosts].map(([name, { part }]) => part?.host ?? name));
  const parts = [...hosts.values()].flatMap(({ part }) => (part === undefined ? [] : [part]));
  const among = parts.length === 0 ? unread : [...new Set(parts.flatMap((part) => part.among))];
  const managed = new Set(all.filter((host) => host.managed).map(({ name }) => name));
  return among.flatMap((host): Warning[] => {
    if (told.has(host)) return [];
    const key = `run ${id.slice(0, 8)}`;
    if (!managed.has(host))
      return [{ host, key, text: 'the inventory has no such host any more: what the run changed there stays' }];
    return unread.includes(host) ? [{ host, key, text: 'it could not be read: what the run changed there stays' }] : [];
  });
}

async function read(aim: Aim, options: HostOptions, output: Output, signal: AbortSignal, id?: string) {
  const hosts = chooseHosts(aim.cluster, options.limit);
  const names = hosts.map((host) => host.name);
  const phase = await output.progress.phase('Reading the history of hosts', names);
  return survey(aim.cluster, hosts, {
    transport: aim.transport,
    veil: secrecyOf(aim.cluster, false).veil,
    parallel: options.parallel,
    timeout: options.timeout,
    keep: false,
    ask: readRuns(id),
    signal,
    onEvent: shownOn(phase),
  }).finally(() => phase.end());
}

/** What all hosts tell alike. */
export function headOf({ hosts, id }: Run): HostRun {
  const [head] = hosts.values();
  if (head === undefined) throw new Error(`run ${id} without a host`);
  return head;
}

/**
 * Refuses what no run's id begins with, before any host is asked: that is 16 hexadecimal digits.
 * @throws CLI-USAGE
 */
export function checkRunId(said: string): void {
  if (/^[0-9a-f]{1,16}$/i.test(said)) return;
  throw failure({
    code: 'CLI-USAGE',
    place: { kind: 'none' },
    what: `no run’s id begins with “${said}”: an id is 16 digits from 0 to 9 and a to f`,
    next: 'lvsctl history lists the runs that hosts keep.',
  });
}

/**
 * The run that an operator names, by the beginning of its id.
 * @throws RUN-UNKNOWN, RUN-AMBIGUOUS; where hosts could not be read, their problems with it
 */
export function chooseRun(said: string, { found, problems }: Pick<Reading<Run[]>, 'found' | 'problems'>): Run {
  const fitting = found.filter(({ id }) => id.startsWith(said.toLowerCase()));
  const [run, other] = fitting;
  if (run !== undefined && other === undefined) return run;
  const problem: Problem =
    run === undefined
      ? {
          code: 'RUN-UNKNOWN',
          place: { kind: 'none' },
          what: `no host tells of a run ${said}`,
          next: 'lvsctl history lists those that hosts keep, the last 20 of each.',
        }
      : {
          code: 'RUN-AMBIGUOUS',
          place: { kind: 'none' },
          what: `several runs begin with ${said}: ${fitting.map(({ id }) => id).join(', ')}`,
          next: 'Say more of it.',
        };
  if (problems.length > 0) throw new LvsctlError([...problems, problem]);
  throw failure(problem);
}
