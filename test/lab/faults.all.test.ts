import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../cli/lvsctl.ts';
import { eventsOf, type Story, tell, upWithThisTest } from './story.ts';

/** What goes wrong while lvsctl works, on five real kernels: it says so, and the next apply brings it to its end. */

const program = new URL('../../dist/lvsctl.js', import.meta.url).pathname;
const repository = new URL('../../', import.meta.url).pathname;

let folder: string;
let inventory: string;
let story: Story;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-faults-'));
  inventory = join(folder, 'dr-wrr.yaml');
  copyFileSync(join(repository, 'inventories/dr-wrr.yaml'), inventory);
  story = tell(inventory);
  await upWithThisTest(inventory);
}, 900_000);

afterAll(async () => {
  await story.run('lab', 'down');
  rmSync(folder, { recursive: true });
}, 120_000);

/** Runs an apply and does something to it, once, when this step has begun. */
async function applyUntil(step: string, act: (pid: number) => unknown): Promise<Run> {
  const args = ['apply', '--lab', '--yes', '--json', '-i', inventory];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const out: string[] = [];
  let acted: unknown;
  createInterface({ input: child.stdout }).on('line', (line) => {
    out.push(line);
    const event: { item?: string; state?: string } = JSON.parse(line);
    if (acted === undefined && event.item === step && event.state === 'running') acted = act(child.pid ?? 0) ?? 'done';
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  await acted;
  expect(acted, `${step} never began`).toBeDefined();
  return { code: code ?? -1, out: out.join('\n'), err: '' };
}

/** What the apply said of its hosts, and what else it complained about. */
function reportOf(run: Run): { missing: string[]; done: string[]; codes: string[] } {
  const events = eventsOf(run) as unknown as {
    event: string;
    code: string;
    hosts: { host: string; done: string[]; missing: string[] }[];
  }[];
  const hosts = events.find((each) => each.event === 'applied')?.hosts ?? [];
  const keys = (of: 'done' | 'missing') => hosts.flatMap((each) => each[of].map((key) => `${each.host}: ${key}`));
  return {
    done: keys('done'),
    missing: keys('missing'),
    codes: events.flatMap((each) => (each.event === 'error' ? [each.code] : [])),
  };
}

const LONG = 240_000;

describe('an apply', () => {
  it('stopped by Ctrl-C tells exactly what was done and what was not; the next one goes on', {
    timeout: LONG,
  }, async () => {
    const before = await story.pending();
    const stopped = await applyUntil('director/packages', (pid) => process.kill(pid, 'SIGINT'));
    expect(stopped.code).toBe(130);
    const report = reportOf(stopped);
    expect([...report.done, ...report.missing].toSorted()).toEqual(before.toSorted());
    expect((await story.pending()).toSorted()).toEqual(report.missing.toSorted());
  });

  it('killed together with its controller goes on with the next one', { timeout: LONG }, async () => {
    const killed = await applyUntil('rs1/web', (pid) => process.kill(pid, 'SIGKILL'));
    expect(killed.code).toBe(-1);
    expect(await story.run('apply', '--lab', '--yes')).toMatchObject({ code: 0 });
    expect(await story.pending()).toEqual([]);
    expect(await story.shares()).toEqual({ rs1: 10, rs2: 30 });
  });

  it('whose connection drops in the middle reads back over a new one', { timeout: LONG }, async () => {
    await story.on(
      'rs2',
      'printf "[Service]\\nExecStartPre=/bin/sleep 8\\n" >/run/slow; mkdir -p /run/systemd/system/nginx.service.d; mv /run/slow /run/systemd/system/nginx.service.d/slow.conf; systemctl daemon-reload; systemctl stop nginx; sysctl -qw net.ipv4.conf.all.arp_ignore=0',
    );
    const dropped = await applyUntil('rs2/web', () =>
      story.on('rs2', 'sleep 1; pkill -KILL -f "^sshd: root@notty"; true').catch(() => undefined),
    );
    expect(dropped.code).toBe(1);
    const report = reportOf(dropped);
    expect(report.codes.length).toBeGreaterThan(0);
    expect(report.missing).toContain('rs2: sysctl net.ipv4.conf.all.arp_ignore');
    await story.on('rs2', 'rm /run/systemd/system/nginx.service.d/slow.conf; systemctl daemon-reload; sleep 8');
    expect(await story.run('apply', '--lab', '--yes')).toMatchObject({ code: 0 });
    expect(await story.pending()).toEqual([]);
  });

  it('says that a disk is full, and leaves nothing staged', { timeout: LONG }, async () => {
    await story.on(
      'rs1',
      'rm -r /var/www/lvsctl; dd if=/dev/zero of=/big bs=1M 2>/dev/null; dd if=/dev/zero of=/big2 bs=1k 2>/dev/null; true',
    );
    const full = await story.run('apply', '--lab', '--yes');
    expect(full.code).toBe(1);
    const left = await story.on('rs1', 'rm /big /big2; find /etc /var -xdev -name ".lvsctl.*"');
    // A host that can't note what is going to be changed isn't changed.
    expect(full.err).toMatch(/host rs1, apply record: APPLY-OP-FAILED\n.*is the disk full/u);
    expect(left).toBe('');
    expect((await story.run('apply', '--lab', '--yes')).code).toBe(0);
  });

  it('shows what nginx -t says of a broken template, while the running nginx goes on', { timeout: LONG }, async () => {
    const template = join(folder, 'templates/nginx/web_server.conf');
    mkdirSync(dirname(template), { recursive: true });
    writeFileSync(
      template,
      readFileSync(join(repository, 'templates/nginx/web_server.conf'), 'utf8').replace('listen', 'lissten'),
    );
    const broken = await story.run('apply', '--lab', '--yes');
    expect(broken.code).toBe(1);
    expect(broken.err).toContain('unknown directive "lissten"');
    expect(await story.shares()).toEqual({ rs1: 10, rs2: 30 });
    rmSync(join(folder, 'templates'), { recursive: true });
    expect((await story.run('apply', '--lab', '--yes')).code).toBe(0);
    expect(await story.pending()).toEqual([]);
  });

  it('says that a package cannot be had, in the words of the package manager', { timeout: LONG }, async () => {
    const sources = 'find /etc/apt -name "*.sources*" -o -name "*.list*" -type f';
    await story.on(
      'director',
      `apt-get -qq purge -y ipvsadm >/dev/null; rm -rf /var/lib/apt/lists/*
      ${sources} | while read f; do mv $f $f.off; done`,
    );
    const gone = await story.run('apply', '--lab', '--yes');
    expect(gone.code).toBe(1);
    expect(gone.err).toMatch(/host director, apply packages: APPLY-OP-FAILED\n.*Unable to locate package ipvsadm/u);
    await story.on('director', `${sources} | while read f; do mv $f \${f%.off}; done`);
    expect(await story.run('apply', '--lab', '--yes')).toMatchObject({ code: 0 });
    expect(await story.shares()).toEqual({ rs1: 10, rs2: 30 });
  });

  it('does not start where hosts lack NetworkManager or power, unless told to leave them out', {
    timeout: LONG,
  }, async () => {
    await story.on(
      'rs1',
      'ip addr del 20.20.20.20/32 dev lo; systemctl mask --now --runtime NetworkManager 2>/dev/null',
    );
    await story.on('director', 'ipvsadm -e -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 7');
    expect((await story.run('lab', 'power', 'off', 'rs2')).code).toBe(0);
    const plan = await story.run('plan', '--lab', '--connect-timeout', '5');
    expect(plan.code).toBe(1);
    expect(plan.out).toContain('host rs1, desire: HOST-NO-NETWORKMANAGER');
    expect(plan.out).toMatch(/host rs2, connect: /u);
    expect(plan.out).toContain('-w 7');
    const refused = await story.run('apply', '--lab', '--yes', '--connect-timeout', '5');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.err).toContain('APPLY-UNREACHABLE');
    expect(await story.on('director', 'ipvsadm -Sn')).toContain('-w 7');
    const skipped = await story.run('apply', '--lab', '--yes', '--skip-unreachable', '--connect-timeout', '5');
    expect(skipped).toMatchObject({ code: 0 });
    expect(await story.on('director', 'ipvsadm -Sn')).toContain('-w 3');
  });
});
