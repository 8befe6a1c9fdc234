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

/** The tunnel, a service by firewall mark, timeouts, a parameter, a module, files and pages come; the gateway changes. */
function inventory(state: 'old' | 'new'): string {
  const isNew = state === 'new';
  const gateway = isNew ? '192.168.10.254' : '192.168.10.12';
  const extras = isNew
    ? 'sysctls: { net.core.somaxconn: 5000 }, modules: [dummy], files: { /etc/lvs/one.txt: { content: "new\\n" } }'
    : 'files: { /etc/lvs-old.txt: { content: "old\\n" } }';
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
type Fault = (typeof FAULTS)[number];

const HOSTS = ['lvs', 'web1'];
/**
 * Its own records, and packages, only go forward; so do modules that iptables loads by itself. NetworkManager gives lo's
 * profile another random uuid at each start, and the profile with VIPs keeps it: the addresses tell what it does.
 */
const IGNORED = [
  /^files \/etc\/NetworkManager\/system-connections\/lo\.nmconnection \(content\): \w+ → /u,
  /^sysctls net\.ipv6\.conf\.lo\.addr_gen_mode: /u,
  /^files \/var\/lib\/lvsctl/u,
  /^packages /u,
  /^modules (bpfilter|iptable_\w+|ip_tables|x_tables|xt_\w+): /u,
];
const TIMES = ['--confirm-timeout', '15', '--step-timeout', '300'];

let cluster: ClusterLab;
/** Both states, each as it came about by an apply and as it came about by a boot. */
const states: { name: 'old' | 'new'; seen: Record<string, Snapshot> }[] = [];
/** The old state as it was right before a cell. */
let before: Record<string, Snapshot> = {};
/** What a run says, in its order: `STEP: WHAT`. */
let steps: string[] = [];

/** Applies, and does something once a line was said; gives what was said. */
async function applying(state: 'old' | 'new', line?: string, act?: (pid: number) => unknown): Promise<string[]> {
  cluster.edit(() => inventory(state));
  const args = ['apply', '--lab', '--yes', '--json', ...TIMES, '-i', cluster.file];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const said: string[] = [];
  let acted: unknown;
  createInterface({ input: child.stdout }).on('line', (text) => {
    const event: { event: string; item?: string; state?: string; text?: string } = JSON.parse(text);
    if (event.event !== 'item' || event.item === undefined) return;
    const word = `${event.item}: ${event.state} ${event.text ?? ''}`.trim();
    said.push(word);
    if (word === line && acted === undefined) acted = act?.(child.pid ?? 0) ?? 'done';
  });
  await new Promise((resolve) => child.once('close', resolve));
  await acted;
  if (line !== undefined) expect(acted, `${line} was never said`).toBeDefined();
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
    case 'cut the link':
      await cluster.lab.run(host, ['sh', '-c', CUT]);
      return;
    case 'cut the power':
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

/** The state that a host is in; what is different from each of them, where it is in none. */
async function stateOf(host: string): Promise<string> {
  let found: string[] = [];
  // After a boot, units are still starting.
  for (let left = 5; left > 0; left -= 1) {
    const now = await cluster.snapshot(host);
    found = [];
    for (const { name, seen } of [{ name: 'old', seen: before }, ...states]) {
      const lines = differences(seen[host] ?? now, now, IGNORED);
      if (lines.length === 0) return name;
      found.push(`not ${name}: ${lines.join('; ')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5000));
  }
  return found.join('\n');
}

async function seen(): Promise<Record<string, Snapshot>> {
  const taken = await Promise.all(HOSTS.map(async (host) => [host, await cluster.snapshot(host)] as const));
  return Object.fromEntries(taken);
}

async function note(name: 'old' | 'new'): Promise<void> {
  states.push({ name, seen: await seen() });
}

/**
 * The matrix of steps and faults.
 * @param count how many of its cells are run: steps evenly spread, the faults in turn
 */
export function crashMatrix(count: number): void {
  beforeAll(async () => {
    cluster = await clusterUp({ inventory: 'minimal-nat', edit: () => inventory('old') });
    await cluster.apply();
    const said = await applying('new');
    expect(await cluster.pending()).toEqual([]);
    await note('new');
    await cluster.powerCut();
    await note('new');
    cluster.edit(() => inventory('old'));
    await cluster.apply();
    await cluster.powerCut();
    await note('old');
    steps = [...new Set(said.filter((line) => /^(lvs|web1)\//u.test(line) && !/\/(record|packages)/u.test(line)))];
    console.log(steps.join('\n'));
  }, 3_600_000);

  afterAll(async () => {
    await cluster?.down();
  }, 120_000);

  it('disturbed at any step, each host is in its old state or its new one, and the next apply goes on', {
    timeout: 14_400_000,
  }, async () => {
    const all = steps.flatMap((step, at) =>
      FAULTS.map((_, turn) => ({ step, fault: FAULTS[(at + turn) % 3] as Fault })),
    );
    const spread = Array.from({ length: count < all.length ? count : 0 }, (_, at) => ({
      step: steps[Math.floor(((at + 0.5) * steps.length) / count)] ?? '',
      fault: FAULTS[at % FAULTS.length] as Fault,
    }));
    const cells = count < all.length ? spread : all;
    const wrong: string[] = [];
    for (const { step, fault } of cells) {
      const host = step.split('/')[0] ?? '';
      before = await seen();
      await applying('new', step, (pid) => strike(fault, host, pid));
      const ends: string[] = [];
      for (const each of HOSTS) {
        const closed = await settled(each);
        const state = await stateOf(each);
        ends.push(`${each} ${state}`);
        if (closed !== 'closed' || (state !== 'old' && state !== 'new'))
          wrong.push(`${step}, ${fault}: ${each} ${closed}, ${state}`);
      }
      await cluster.apply('--lock-wait', '2m');
      const left = await cluster.pending();
      if (left.length > 0) wrong.push(`${step}, ${fault}: the next apply leaves ${left.join(', ')}`);
      console.log(`${fault} at ${step}: ${ends.join(', ')}`);
      cluster.edit(() => inventory('old'));
      await cluster.apply();
    }
    expect(wrong).toEqual([]);
  });
}
