import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ClusterLab, clusterUp } from './cluster.ts';
import { differences, type Snapshot } from './snapshot.ts';

/**
 * A director and a real server whose change touches most kinds of resources, disturbed at steps of it that a run told of:
 * lvsctl killed, the link cut, the power cut. Each host is in its old state or its new one then, all of it, and the next
 * apply goes on. The client is also the router.
 */

const program = new URL('../../dist/lvsctl.js', import.meta.url).pathname;

/**
 * The tunnel, a service by firewall mark, timeouts, a parameter, a module, files and pages come; the gateway changes. The
 * packages are there before: what is compared is what an apply takes back.
 */
function inventory(state: 'old' | 'new'): string {
  const isNew = state === 'new';
  const gateway = isNew ? '192.168.10.254' : '192.168.10.12';
  const extras = isNew
    ? 'sysctls: { net.core.somaxconn: 5000 }, modules: [dummy], files: { /etc/lvs/one.txt: { content: "new\\n" } }'
    : 'packages: [iptables], files: { /etc/lvs-old.txt: { content: "old\\n" } }';
  return `version: 1
name: minimal-nat
defaults: { host: { ssh: { user: root }, ${extras} } }
hosts:
  client: { manage: none, interfaces: { ens33: { addresses: [20.20.20.1/24, 192.168.10.254/24] } } }
  lvs: { interfaces: { ens33: { addresses: [192.168.10.12/24], gateway: 192.168.10.254 } } }
  web1: { interfaces: { ens33: { addresses: [192.168.10.13/24], gateway: ${gateway} } } }
services:
  web: { mode: ${isNew ? 'tun' : 'nat'}, vip: 20.20.20.20, port: 80, scheduler: ${isNew ? 'wlc' : 'rr'}, directors: [lvs], real_servers: { web1: {} } }
${isNew ? '  shop: { mode: dr, vip: 20.20.20.21, ports: [80, 81], fwmark: auto, directors: [lvs], real_servers: { web1: {} } }\nipvs: { timeouts: { tcp: 800, tcp_fin: 100, udp: 200 } }' : ''}
web_servers:
  pages: { software: nginx, hosts: [web1], port: 80, index: "${state}\\n" }
`;
}

const FAULTS = ['kill lvsctl', 'cut the link', 'cut the power'] as const;
/** Two at once; they come last where all cells are run. */
const DOUBLE_FAULTS = ['cut the power as it takes back', 'kill lvsctl and the guard'] as const;
type Fault = (typeof FAULTS | typeof DOUBLE_FAULTS)[number];

const HOSTS = ['lvs', 'web1'];
/**
 * Its own records, and packages, only go forward; so do modules that iptables loads by itself. NetworkManager gives lo's
 * profile another random uuid at each start, and the profile with VIPs keeps it: the addresses tell what it does. At boot
 * it takes lo up with other parameters than later.
 */
const IGNORED = [
  /^files \/etc\/NetworkManager\/system-connections\/lo\.nmconnection \(content\): \w+ → /u,
  /^sysctls net\.ipv6\.conf\.lo\.(addr_gen_mode|accept_ra|use_tempaddr): /u,
  /^files \/var\/lib\/lvsctl/u,
  /^packages /u,
  /^modules (bpfilter|iptable_\w+|ip_tables|x_tables|xt_\w+): /u,
];
const TIMES = ['--confirm-timeout', '15', '--step-timeout', '300'];

let cluster: ClusterLab;
/** Both states, each as it came about by an apply and as it came about by a boot. */
const states: { name: 'old' | 'new'; seen: Record<string, Snapshot> }[] = [];
/** The hosts as they were right before a cell. */
let before: Record<string, Snapshot> = {};
/** What a run says, in its order: `STEP: WHAT`. */
let steps: string[] = [];

/** Applies, and does something once the first line was said that begins so; gives what was said. */
async function applying(state: 'old' | 'new', start?: string, act?: (pid: number) => unknown): Promise<string[]> {
  cluster.edit(() => inventory(state));
  const args = ['apply', '--lab', '--yes', '--json', '--lock-wait', '2m', ...TIMES, '-i', cluster.file];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const said: string[] = [];
  let acted: unknown;
  createInterface({ input: child.stdout }).on('line', (text) => {
    const event: { event: string; item?: string; state?: string; text?: string } = JSON.parse(text);
    if (event.event !== 'item' || event.item === undefined) return;
    const word = `${event.item}: ${event.state} ${event.text ?? ''}`.trim();
    said.push(word);
    if (start !== undefined && word.startsWith(start) && acted === undefined) acted = act?.(child.pid ?? 0) ?? 'done';
  });
  await new Promise((resolve) => child.once('close', resolve));
  await acted;
  if (start !== undefined) expect(acted, `${start} was never said`).toBeDefined();
  return said;
}

/** The host hears nothing and says nothing, for longer than its time to confirm. */
const CUT =
  'set -- $SSH_CONNECTION; peer=$1; setsid sh -c "ip route add blackhole $peer; sleep 30; ip route del blackhole $peer" >/dev/null 2>&1 &';

async function strike(fault: Fault, host: string, pid: number): Promise<void> {
  switch (fault) {
    case 'kill lvsctl':
      process.kill(pid, 'SIGKILL');
      return;
    case 'kill lvsctl and the guard':
      process.kill(pid, 'SIGKILL');
      await cluster.attempt(host, 'IFS=. read -r guard _ </var/lib/lvsctl/tx/guard && kill -KILL "$guard"');
      return;
    case 'cut the link':
      await cluster.lab.run(host, ['sh', '-c', CUT]);
      return;
    case 'cut the power':
      await cluster.powerCut(host);
      return;
    case 'cut the power as it takes back':
      process.kill(pid, 'SIGKILL');
      await cluster.attempt(host, 'cd /var/lib/lvsctl && while [ -e tx/armed ]; do sleep 0.05; done');
      await cluster.powerCut(host);
  }
}

/** Until nothing is open on a host, which it has to bring about by itself. */
async function settled(host: string): Promise<string> {
  for (let left = 90; left > 0; left -= 1) {
    const { stdout } = await cluster
      .attempt(
        host,
        'if [ -e /var/lib/lvsctl/tx ] || ip route | grep -q ^blackhole; then echo open; else echo closed; fi',
      )
      .catch(() => ({ stdout: 'unreachable' }));
    if (stdout.trim() === 'closed') return 'closed';
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  return 'still open after three minutes';
}

/** The state that a host is in, and the host as it was seen; what is different from each state, where it is in none. */
async function stateOf(host: string): Promise<{ state: string; now: Snapshot }> {
  // After a boot, units are still starting.
  for (let left = 5; ; left -= 1) {
    const now = await cluster.snapshot(host);
    const found: string[] = [];
    for (const { name, seen } of [{ name: 'old', seen: before }, ...states]) {
      const lines = differences(seen[host] ?? now, now, IGNORED);
      if (lines.length === 0) return { state: name, now };
      found.push(`not ${name}: ${lines.join('; ')}`);
    }
    if (left === 1) return { state: found.join('\n'), now };
    await new Promise((resolve) => setTimeout(resolve, 5000));
  }
}

async function seen(): Promise<Record<string, Snapshot>> {
  const taken = await Promise.all(HOSTS.map(async (host) => [host, await cluster.snapshot(host)] as const));
  return Object.fromEntries(taken);
}

async function note(name: 'old' | 'new'): Promise<void> {
  states.push({ name, seen: await seen() });
}

/** What became of a cell: what is wrong, and whether both hosts are as they were before it. */
interface End {
  wrong: string[];
  unchanged: boolean;
}

/** Strikes at a step of the change, and looks what became of each host. */
async function cell(step: string, fault: Fault): Promise<End> {
  const host = step.split('/')[0] ?? '';
  await applying('new', step, (pid) => strike(fault, host, pid));
  const ends = await Promise.all(
    HOSTS.map(async (name) => ({ name, closed: await settled(name), ...(await stateOf(name)) })),
  );
  console.log(`${fault} at ${step}: ${ends.map((end) => `${end.name} ${end.state}`).join(', ')}`);
  before = Object.fromEntries(ends.map((end) => [end.name, end.now]));
  return {
    wrong: ends
      .filter(({ closed, state }) => closed !== 'closed' || (state !== 'old' && state !== 'new'))
      .map(({ name, closed, state }) => `${name} ${closed}, ${state}`),
    unchanged: ends.every(({ state }) => state === 'old'),
  };
}

/** A cell that could not be tried ends none of the others. */
function failed(error: unknown): End {
  return { wrong: [error instanceof Error ? error.message : String(error)], unchanged: false };
}

/** The next apply finishes the change, and the one after that changes nothing. */
async function finished(what: string): Promise<string[]> {
  await cluster.apply('--lock-wait', '2m');
  const left = await cluster.pending();
  return left.length > 0 ? [`${what}: the next apply leaves ${left.join(', ')}`] : [];
}

async function up(): Promise<void> {
  cluster = await clusterUp({ inventory: 'minimal-nat', edit: () => inventory('old') });
  await cluster.apply();
}

async function down(): Promise<void> {
  await cluster?.down();
}

/** Which cells are run: all, a number of them evenly spread, or those from one number to another. */
export type Cells = 'all' | { spread: number } | { first: number; last: number };

/** Reads `all`, `12` or `79-156`. */
export function cellsOf(text: string): Cells {
  const [, first, last] = /^([0-9]+)-([0-9]+)$/u.exec(text) ?? [];
  if (first !== undefined) return { first: Number(first), last: Number(last) };
  if (/^[0-9]+$/u.test(text)) return { spread: Number(text) };
  if (text !== 'all') throw new Error(`${text}: all, a number, or FIRST-LAST`);
  return 'all';
}

/** The cells in their order: each step once, and once more with the next fault, until each has had each. */
function chosen(said: readonly string[], cells: Cells): { step: string; fault: Fault }[] {
  if (cells !== 'all' && 'spread' in cells) {
    const faults = [...FAULTS, ...DOUBLE_FAULTS];
    return Array.from({ length: cells.spread }, (_, at) => ({
      step: said[Math.floor(((at + 0.5) * said.length) / cells.spread)] ?? '',
      fault: faults[at % faults.length] as Fault,
    }));
  }
  const all = [FAULTS, DOUBLE_FAULTS].flatMap((faults) =>
    faults.flatMap((_, turn) =>
      said.map((step, at) => ({ step, fault: faults[(at + turn) % faults.length] as Fault })),
    ),
  );
  console.log(`${all.length} cells`);
  return cells === 'all' ? all : all.slice(cells.first - 1, cells.last);
}

/** After so many cells that left the hosts as they were, the change is finished all the same. */
const CHAIN = 8;

/** The matrix of steps and faults; its steps are what a run said that nothing disturbed. */
export function crashMatrix(cells: Cells): void {
  beforeAll(async () => {
    await up();
    const said = await applying('new');
    expect(await cluster.pending()).toEqual([]);
    await note('new');
    await cluster.powerCut();
    await note('new');
    cluster.edit(() => inventory('old'));
    await cluster.apply();
    await cluster.powerCut();
    await note('old');
    // Hosts go beside each other: only each one's own order is the same in every run.
    const own = (host: string) =>
      said.filter((line) => line.startsWith(`${host}/`) && !/\/(record|packages)/u.test(line));
    steps = [...new Set(HOSTS.flatMap(own))];
    console.log(steps.join('\n'));
  }, 3_600_000);

  afterAll(down, 120_000);

  it('disturbed at any step, each host is in its old state or its new one, and the next apply goes on', {
    timeout: 86_400_000,
  }, async () => {
    const wrong: string[] = [];
    const tell = (line: string): void => {
      console.log(`WRONG ${line}`);
      wrong.push(line);
    };
    const list = chosen(steps, cells);
    before = await seen();
    let chain = 0;
    for (const [at, { step, fault }] of list.entries()) {
      const end = await cell(step, fault).catch(failed);
      for (const line of end.wrong) tell(`${step}, ${fault}: ${line}`);
      chain += 1;
      // Where both hosts are as they were, the next cell's apply is the next apply: it has to come to its step.
      if (end.unchanged && chain < CHAIN && at + 1 < list.length) continue;
      chain = 0;
      const left = await finished(`${step}, ${fault}`);
      left.forEach(tell);
      console.log(
        `${at + 1} of ${list.length}: finished${left.length > 0 ? ', not whole' : ', and then nothing to change'}`,
      );
      cluster.edit(() => inventory('old'));
      await cluster.apply();
      before = await seen();
    }
    expect(wrong).toEqual([]);
  });
}

/**
 * One step of the matrix for each fault, one after the other on the same hosts: all of them before anything is
 * confirmed, so that the old state is the only right one. Then the change is finished.
 */
export function crashSample(): void {
  beforeAll(async () => {
    await up();
    await cluster.powerCut();
    await note('old');
  }, 1_800_000);

  afterAll(down, 120_000);

  it('disturbed by each fault, both hosts are in their old state, and the next apply goes on', {
    timeout: 1_800_000,
  }, async () => {
    cluster.edit(() => inventory('new'));
    const ids = [...new Set((await cluster.pending()).map((line) => line.replace(/:.*/u, '')))];
    expect(ids.toSorted()).toEqual(HOSTS);
    before = await seen();
    const cells: [string, Fault][] = [
      ['web1/reach: done', 'kill lvsctl and the guard'],
      ['lvs/rules: running 7 of', 'cut the link'],
      ['web1/rules: running 4 of', 'cut the power'],
      ['lvs/rules: done', 'cut the power as it takes back'],
    ];
    for (const [step, fault] of cells)
      expect(await cell(step, fault), `${step}, ${fault}`).toEqual({ wrong: [], unchanged: true });
    expect(await finished('all of them')).toEqual([]);
  });
}
