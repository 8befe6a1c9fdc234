/** Whole applies over ways that break at random: what is reported is what the hosts have. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import pLimit from 'p-limit';
import { type ApplyResult, applyPlan } from '../../src/apply/apply.ts';
import { LvsctlError } from '../../src/errors/index.ts';
import type { StagedResource } from '../../src/plan/manifest.ts';
import { type Fault, faultyWay } from './faulty-link.ts';
import { file, makeSandbox, type Sandbox } from './sandbox.ts';

const HOSTS = ['lvs1', 'rs1'];
/** What the hosts are to have; each is one step, and the last one comes in the subtractive half. */
const WANTED: StagedResource[] = [
  file('/etc/one', `new\n${'x'.repeat(3000)}\n`, 'application'),
  file('/etc/deep/er/two', 'new\n'),
  { stage: 'suppress', resource: { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: '/etc/sysctl.d/x' } },
  { stage: 'rules', resource: { kind: 'file', path: '/etc/gone', state: 'absent' } },
];

/** What counts of a host, as it was and as it shall be. */
const PATHS = ['etc/one', 'etc/deep/er/two', 'proc/sys/net/ipv4/ip_forward', 'etc/gone'];
const OLD = ['old\n', null, '0\n', 'still here\n'];
const NEW = [`new\n${'x'.repeat(3000)}\n`, 'new\n', '1\n', null];

/** One run: what breaks, and how long (in seconds) a host takes for each file that it changes. */
export interface Case {
  faults: Fault[];
  slow: number;
}

interface World extends Sandbox {
  root: (host: string) => string;
  has: (host: string) => 'old' | 'new' | 'neither';
}

function makeWorld(slow: number): World {
  const sandbox = makeSandbox(HOSTS);
  // Who isn't root can't give files away.
  sandbox.put('bin', 'chown', `#!/bin/sh\n${slow > 0 ? `sleep ${slow}` : ''}\n`, 0o755);
  for (const host of HOSTS) {
    PATHS.forEach((path, index) => {
      const content = OLD[index];
      if (typeof content === 'string') sandbox.put(host, path, content);
    });
  }
  const has = (host: string) => {
    const now = JSON.stringify(PATHS.map((path) => sandbox.read(host, path)));
    return now === JSON.stringify(OLD) ? 'old' : now === JSON.stringify(NEW) ? 'new' : 'neither';
  };
  return { ...sandbox, root: (host) => join(sandbox.folder, host), has };
}

const makePlan = (world: World) => world.plan(Object.fromEntries(HOSTS.map((host) => [host, WANTED])));

const envOf = (world: World) => (host: string) => ({
  LVSCTL_ROOT: world.root(host),
  PATH: `${join(world.folder, 'bin')}:${process.env.PATH}`,
});

interface Report {
  /** What was reported, and what the host has. */
  hosts: Record<string, string>;
  /** What is wrong with it; none: nothing is. */
  wrong: string[];
}

const LIMITS = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 3, lockWait: 60 };
/** Seconds that a session may take at most. */
const PATIENCE = 4;
/** Seconds after which a run counts as one that never ends, however slow the machine. */
const HANG = 240;

/** Runs one case, and compares what it reported with what is there. */
export async function runCase({ faults, slow }: Case): Promise<Report> {
  const world = makeWorld(slow);
  const wrong: string[] = [];
  const hosts: Record<string, string> = {};
  try {
    const plan = await makePlan(world);
    const way = faultyWay({ env: envOf(world), faults, patience: PATIENCE });
    const events: string[] = [];
    const result = await withinLimit(
      applyPlan(plan, { ...LIMITS, transport: way, onEvent: (event) => events.push(JSON.stringify(event)) }),
    );
    if (result === 'hang') {
      return { hosts, wrong: [`it never ended; the last: ${events.slice(-3).join(' ')}`] };
    }
    const soon = Object.fromEntries(HOSTS.map((host) => [host, world.has(host)]));
    await quiet(world, way.programs);
    for (const host of HOSTS) {
      const has = world.has(host);
      const { status, problems } = statusOf(result, host);
      hosts[host] = `${status}: ${has}`;
      const codes = problems.map(({ code, what }) => `${code} (${what})`).join('; ');
      const expected = { done: 'new', unchanged: 'old', reverted: 'old' }[status as string];
      if (expected !== undefined && (has !== expected || soon[host] !== expected))
        wrong.push(`${host} is said to be ${status}, has ${soon[host]} and then ${has}: ${codes}`);
      if (expected !== 'new' && problems.length === 0) wrong.push(`${host} is ${status}, and nothing tells why`);
      if (status !== 'done' && has === 'neither') wrong.push(`${host} (${status}) is left half changed: ${codes}`);
      for (const { place, next, code } of problems) {
        if (place.kind !== 'host' || next === '' || code === '')
          wrong.push(`a problem without host or next step: ${code}`);
      }
      if (existsSync(join(world.root(host), 'var/lib/lvsctl/tx')))
        wrong.push(`${host} has a transaction open for good`);
    }
    wrong.push(...(await again(world)));
    return { hosts, wrong };
  } finally {
    world.end();
  }
}

type Ended = ApplyResult | LvsctlError;

function statusOf(result: Ended, host: string) {
  if (result instanceof LvsctlError) return { status: 'unchanged', problems: result.problems };
  const found = result.hosts.find((one) => one.host === host);
  if (found === undefined) throw new Error(`nothing is reported of ${host}`);
  return found;
}

async function withinLimit(run: Promise<ApplyResult>): Promise<Ended | 'hang'> {
  const stop = new AbortController();
  const limit = sleep(HANG * 1000, 'hang' as const, { signal: stop.signal }).catch(() => 'hang' as const);
  try {
    return await Promise.race([run, limit]);
  } catch (error) {
    if (error instanceof LvsctlError) return error;
    throw error;
  } finally {
    stop.abort();
  }
}

/** Waits until nothing that the run left on the hosts goes on any more: no program, and no transaction. */
async function quiet(
  world: World,
  programs: readonly { exitCode: number | null; signalCode: unknown }[],
): Promise<void> {
  const open = () =>
    programs.some((one) => one.exitCode === null && one.signalCode === null) ||
    HOSTS.some((host) => existsSync(join(world.root(host), 'var/lib/lvsctl/tx')));
  for (let left = 400; left > 0 && open(); left -= 1) await sleep(50);
}

/** The next run, over a way that holds, brings about what is missing, and the one after that finds nothing to do. */
async function again(world: World): Promise<string[]> {
  const plan = await makePlan(world);
  if (plan.steps.length > 0) {
    const way = faultyWay({ env: envOf(world), faults: [], patience: 60 });
    const result = await withinLimit(applyPlan(plan, { ...LIMITS, confirmTimeout: 60, transport: way }));
    if (result === 'hang') return ['the next run never ended'];
    if (result instanceof LvsctlError) return [`the next run: ${result.problems.map(({ what }) => what).join('; ')}`];
    const bad = result.hosts.filter(({ status }) => status !== 'done');
    if (bad.length > 0) return [`the next run: ${JSON.stringify(bad)}`];
  }
  const left = (await makePlan(world)).steps;
  if (left.length > 0) return [`the run after the next would still do ${left.map(({ id }) => id).join(', ')}`];
  return HOSTS.filter((host) => world.has(host) !== 'new').map((host) => `${host} is not as wanted after the next run`);
}

/** Sessions of a host in a run without a fault, and bytes that the longest of them answers. */
const SESSIONS = 10;
const LONGEST = 830;

const fault: fc.Arbitrary<Fault> = fc.record({
  what: fc.constantFrom('reset', 'half-open', 'end', 'hang', 'kill', 'delay', 'twice', 'deaf'),
  host: fc.constantFrom(...HOSTS),
  session: fc.nat(SESSIONS - 1),
  at: fc.nat(LONGEST),
  ms: fc.constantFrom(0, 100, 700, 2000, 5000),
});

/** Runs cases, some at once: they wait more than they work. */
export async function runCases(seed: number, count: number): Promise<{ wrong: string[]; tally: Map<string, number> }> {
  const limit = pLimit(8);
  const wrong: string[] = [];
  const tally = new Map<string, number>();
  const all = casesOf(seed, count).map((one) =>
    limit(async () => {
      const report = await runCase(one);
      if (report.wrong.length > 0) wrong.push(`${JSON.stringify(one)}: ${report.wrong.join('; ')}`);
      for (const what of Object.values(report.hosts)) tally.set(what, (tally.get(what) ?? 0) + 1);
    }),
  );
  await Promise.all(all);
  return { wrong, tally };
}

/** Cases that are the same in every run. */
function casesOf(seed: number, count: number): Case[] {
  const one = fc.record({
    faults: fc.array(fault, { minLength: 1, maxLength: 3 }),
    slow: fc.constantFrom(0, 0, 0.6),
  });
  return fc.sample(one, { seed, numRuns: count });
}
