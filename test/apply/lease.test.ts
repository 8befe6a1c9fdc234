import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { applyPlan } from '../../src/apply/apply.ts';
import { breakLease, lookAtLease, takeLease } from '../../src/apply/lease.ts';
import type { Problem } from '../../src/errors/index.ts';
import { execute } from '../../src/host/client.ts';
import { PROGRAMS, SOURCE } from '../../src/host/program.ts';
import { ENDED, NOT_HELD } from '../../src/host/transaction.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { file, makeSandbox, type Sandbox } from './sandbox.ts';

/** A host that is taken away from a run: what its owner learns, and that nothing of it is done any more. */

let box: Sandbox;
afterEach(() => box.end());

const limits = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 30 };

/** The same plan, with an operation on one host that takes its time. */
function slowed(plan: Plan, host: string, seconds: number): Plan {
  const wait = { name: 'ipvs', args: ['forget', String(seconds)] };
  return {
    ...plan,
    steps: plan.steps.map((step) => (step.id === `${host}/web` ? { ...step, ops: [...step.ops, wait, wait] } : step)),
  };
}

/** Waits until a run is at work on a host, and says whose lease it is. */
async function atWork(host: string): Promise<string> {
  for (let left = 200; left > 0; left -= 1) {
    const { holder, open } = await lookAtLease(box.connect(host));
    if (holder !== undefined && open !== undefined && box.read(host, '/etc/one') !== null) return holder.id;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nobody came');
}

test('a lease that is broken ends its run, and all that was not confirmed goes back', async () => {
  box = makeSandbox(['a', 'b']);
  const plan = await box.plan({ a: [file('/etc/one', 'new\n')], b: [file('/etc/one', 'new\n')] });
  const running = applyPlan(slowed(slowed(plan, 'a', 5), 'b', 5), { ...limits, transport: box.transport });
  const id = await atWork('b');
  await atWork('a');
  await breakLease(box.connect('b'), id);
  const result = await running;
  expect(result.interrupted).toBe(false);
  expect(result.hosts).toMatchObject([
    { host: 'a', status: 'reverted' },
    { host: 'b', status: 'reverted' },
  ]);
  const [a, b] = result.hosts.map(({ problems }) => problems.map(({ code }) => code));
  expect(b).toEqual(expect.arrayContaining(['LEASE-LOST', 'APPLY-REVERTED']));
  expect(a).toEqual(['APPLY-REVERTED']);
  expect(result.hosts[0]?.problems[0]?.what).toContain('it lost b');
  expect(result.hosts[1]?.problems[0]?.what).toMatch(/^\S+@\S+ broke the lease of this run/);
  expect([box.read('a', '/etc/one'), box.read('b', '/etc/one')]).toEqual([null, null]);
});

test('another run that takes the host meanwhile ends what is open, and the first does nothing more there', async () => {
  box = makeSandbox(['a']);
  const first = await box.plan({ a: [file('/etc/one', 'first\n')] });
  const running = applyPlan(slowed(first, 'a', 4), { ...limits, transport: box.transport });
  await breakLease(box.connect('a'), await atWork('a'));
  const second = await box.plan({ a: [file('/etc/one', 'second\n')] });
  await expect(applyPlan(second, { ...limits, transport: box.transport })).rejects.toThrow(/PLAN-STALE/);
  const lost = await running;
  expect(lost.hosts).toMatchObject([{ status: 'reverted' }]);
  expect(lost.hosts[0]?.problems.map(({ code }) => code)).toContain('LEASE-LOST');
  const third = await box.plan({ a: [file('/etc/one', 'second\n')] });
  expect((await applyPlan(third, { ...limits, transport: box.transport })).hosts).toMatchObject([{ status: 'done' }]);
  expect(box.read('a', '/etc/one')).toBe('second\n');
});

test('a session whose run lost the host does none of its operations', async () => {
  box = makeSandbox(['a']);
  const heard: Problem[] = [];
  const lease = await takeLease(box.connect('a'), {
    id: 'aa',
    reason: 'x',
    onLost: (_, problem) => heard.push(problem),
  });
  if (!('release' in lease)) throw new Error('held');
  const ops = [
    { name: 'lease_enter', args: ['aa'] },
    { name: 'run_close', args: ['aa', 'done'] },
  ];
  expect((await execute(box.connect('a'), ops)).map(({ status }) => status)).toEqual(['done', 'done']);
  const broken = [ops[0], { name: 'lease_break', args: ['aa', 'me@here'] }, ops[1]].flatMap((op) => op ?? []);
  expect(await execute(box.connect('a'), broken)).toMatchObject([
    { status: 'done' },
    { status: 'done' },
    { status: 'failed', output: NOT_HELD },
  ]);
  expect(await lookAtLease(box.connect('a'))).toEqual({});
  for (let left = 100; left > 0 && heard.length === 0; left -= 1)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(heard).toMatchObject([{ code: 'LEASE-LOST', what: 'me@here broke the lease of this run (lvsctl unlock)' }]);
  await lease.release();
  const other = await takeLease(box.connect('a'), { id: 'bb', reason: 'y' });
  expect('release' in other).toBe(true);
  expect(await execute(box.connect('a'), ops)).toMatchObject([
    { status: 'failed', output: NOT_HELD },
    { status: 'not-run' },
  ]);
  if ('release' in other) await other.release();
});

test('an owner that slept while another run came and went learns of it, and does nothing more there', async () => {
  box = makeSandbox(['a']);
  const up = Math.floor(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]));
  box.put('a', 'run/lvsctl/lease', `aa\n${up - 1}\nme@here\napply c\n2026-01-01T00:00:00.000Z\n`);
  const second = await takeLease(box.connect('a'), { id: 'bb', reason: 'apply c' });
  if (!('release' in second)) throw new Error('held');
  await second.release();
  const late = [
    { name: 'lease_enter', args: ['aa'] },
    { name: 'run_close', args: ['aa', 'done'] },
  ];
  expect(await execute(box.connect('a'), late)).toMatchObject([
    { status: 'failed', output: NOT_HELD },
    { status: 'not-run' },
  ]);
  expect(await lookAtLease(box.connect('a'))).toEqual({});
  const third = await takeLease(box.connect('a'), { id: 'cc', reason: 'apply c' });
  expect('release' in third).toBe(true);
  if ('release' in third) await third.release();
});

test('a host whose owner is gone in the middle of an answer is free', async () => {
  box = makeSandbox(['a']);
  const env = { ...process.env, LVSCTL_ROOT: join(box.folder, 'a') };
  const hold = spawn('sh', ['-c', PROGRAMS.hold, 'lvsctl', 'hold'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  const taken = new Promise<void>((resolve) => {
    hold.stdout.on('data', (chunk: Buffer) => chunk.includes('lease taken') && resolve());
  });
  hold.stdin.write(`lvsctl-engine\n${'0'.repeat(32)}\nlease aa 30 1\nme@here\n`);
  await taken;
  expect(box.read('a', '/run/lvsctl/lease')).toMatch(/^aa\n/);
  hold.stdout.destroy();
  hold.stdin.end('beat 30 0\n');
  await once(hold, 'exit');
  expect(box.read('a', '/run/lvsctl/lease')).toBe('aa\n0\nme@here\n');
});

test('the program says what the errors look for', () => {
  expect(SOURCE).toContain(`echo '${ENDED}'`);
  expect(SOURCE).toContain(`echo '${NOT_HELD}'`);
});
