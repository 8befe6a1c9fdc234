import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { confirmTransaction, enterOp, openOp, revertTransaction } from '../../src/apply/transaction.ts';
import { execute, observe } from '../../src/host/client.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { diffOne, keyOf, type Resource } from '../../src/resources/index.ts';
import type { Op } from '../../src/resources/kind.ts';
import { revertOf } from '../../src/resources/revert.ts';
import { localShell, SHELLS } from './local-shell.ts';

/** A host's transaction in a folder of the test's own, under each shell. */

let root = '';
const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-tx-'));
  put('/etc/os-release', 'ID=debian\n');
  put('/proc/uptime', '100.25 300.00\n');
  for (const name of ['kernel/osrelease', 'kernel/arch', 'kernel/random/boot_id', 'kernel/hostname'])
    put(`/proc/sys/${name}`, 'x\n');
  put('/proc/sys/net/ipv4/ip_forward', '0\n');
  put('/etc/one', 'old\n', 0o640);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

function file(path: string, content: string): Resource {
  return { kind: 'file', path, state: 'present', content, owner: me, group, mode: '0644' };
}

const WANTED: Resource[] = [
  file('/etc/one', 'new\n'),
  file('/etc/deep/er/two', 'new\n'),
  { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: '/etc/sysctl.d/x' },
  { kind: 'file', path: '/etc/gone', state: 'absent' },
];

/** All of the host but lvsctl's own. */
function listing(): string {
  return execFileSync(
    'sh',
    [
      '-c',
      'find . -path ./var -prune -o -path ./run -prune -o -path ./proc/uptime -prune -o -type f -printf "%p %m " -exec cat {} \\; | sort',
    ],
    { cwd: root },
  ).toString();
}

async function until(check: () => boolean, what: string): Promise<void> {
  for (let left = 200; left > 0; left -= 1) {
    if (check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not in time: ${what}`);
}

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  const here = () =>
    localShell({ shell: SHELLS[shell] ?? [], env: { LVSCTL_ROOT: root, PATH: process.env.PATH ?? '' } });

  /** The operations of a change, the one that opens its transaction first; and what the host was before. */
  async function changing(id = 'run1'): Promise<{ before: string; ops: Op[] }> {
    put('/etc/gone', 'still here\n');
    const { states, facts } = await observe(here(), { facts: [], desire: () => WANTED });
    const changes = WANTED.flatMap((resource) =>
      diffOne(resource, states.get(keyOf(resource)), facts).map((change) => ({ resource, change })),
    );
    const taken = changes.map(({ resource, change }) => revertOf(change, resource, states.get(keyOf(resource)), facts));
    const revert = {
      ops: taken.toReversed().flatMap(({ ops }) => ops),
      paths: taken.flatMap(({ paths }) => paths ?? []),
    };
    const plan = { hosts: [{ name: 'here', revert }] } as unknown as Plan;
    return { before: listing(), ops: [openOp(plan, 'here', id, 20), ...changes.flatMap(({ change }) => change.ops)] };
  }

  async function run(ops: readonly Op[]): Promise<void> {
    const results = await execute(here(), ops);
    expect(results.map(({ status, output }) => `${status}${output}`)).toEqual(ops.map(() => 'done'));
  }

  const tx = () => join(root, 'var/lib/lvsctl/tx');

  test('confirmed: everything stays, nothing is open, and a second word changes nothing', async () => {
    const { ops } = await changing();
    await run(ops);
    expect(statSync(tx()).mode & 0o777).toBe(0o700);
    const changed = listing();
    expect(await confirmTransaction(here(), 'run1')).toEqual({ state: 'confirmed' });
    expect(existsSync(tx())).toBe(false);
    expect(await confirmTransaction(here(), 'run1')).toEqual({ state: 'confirmed' });
    expect(await revertTransaction(here(), 'run1', 'too late')).toEqual({ state: 'confirmed' });
    expect(listing()).toBe(changed);
  });

  test('taken back: bytes, modes, parameters and folders as before, and the reason is kept', async () => {
    const { before, ops } = await changing();
    await run(ops);
    expect(listing()).not.toBe(before);
    const settled = await revertTransaction(here(), 'run1', 'a step failed');
    expect(settled).toEqual({ state: 'reverted', reason: 'a step failed', log: '' });
    expect(listing()).toBe(before);
    expect(existsSync(join(root, 'etc/deep'))).toBe(false);
    expect(await confirmTransaction(here(), 'run1')).toEqual(settled);
  });

  test('killed between two folders of a path: the one that was made goes', async () => {
    const { before, ops } = await changing();
    await run(ops.slice(0, 1));
    put('/var/lib/lvsctl/folders', '/etc/deep\n');
    mkdirSync(join(root, 'etc/deep'));
    expect(await revertTransaction(here(), 'run1', 'killed')).toMatchObject({ state: 'reverted' });
    expect(existsSync(join(root, 'etc/deep'))).toBe(false);
    expect(listing()).toBe(before);
  });

  test('nobody confirms: the host takes it back when its own time has passed', async () => {
    const { before, ops } = await changing();
    await run(ops);
    put('/proc/uptime', '119.99 300.00\n');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(existsSync(tx())).toBe(true);
    put('/proc/uptime', '120.00 300.00\n');
    await until(() => !existsSync(tx()), 'taken back');
    expect(listing()).toBe(before);
    expect(await confirmTransaction(here(), 'run1')).toMatchObject({
      state: 'reverted',
      reason: 'nobody confirmed it in time',
    });
  });

  test('a run that comes back after that does nothing more', async () => {
    const { before, ops } = await changing();
    await run(ops.slice(0, 2));
    put('/proc/uptime', '120.00 300.00\n');
    await until(() => !existsSync(tx()), 'taken back');
    const late = await execute(here(), [enterOp('run1'), ...ops.slice(2)]);
    expect(late[0]).toMatchObject({
      status: 'failed',
      output: 'the host takes its changes back: nothing more is done',
    });
    expect(listing()).toBe(before);
  });

  test('what is at work when the time has passed is ended first', async () => {
    const { before, ops } = await changing();
    const working = execute(here(), [...ops.slice(0, 2), { name: 'ipvs', args: ['forget', '600'] }, ...ops.slice(2)]);
    const ended = expect(working).rejects.toThrow(/in the middle of ipvs forget 600/);
    await until(() => listing() !== before, 'something changed');
    put('/proc/uptime', '120.00 300.00\n');
    await ended;
    await until(() => !existsSync(tx()), 'taken back');
    expect(listing()).toBe(before);
  });

  test('another run is refused while one is open, and ends what nobody holds any more', async () => {
    const { before, ops } = await changing();
    await run(ops);
    const [second] = (await changing('run2')).ops;
    expect(await revertTransaction(here(), 'run2', 'never begun')).toEqual({ state: 'unopened' });
    put('/etc/gone', '');
    rmSync(join(root, 'etc/gone'));
    const refused = await execute(here(), [second as Op]);
    expect(refused).toMatchObject([{ status: 'failed', output: 'changes of another run are open here' }]);
    await run([{ name: 'tx_settle', args: [] }]);
    expect(listing()).toBe(before);
    await run([second as Op]);
    expect(await confirmTransaction(here(), 'run2')).toEqual({ state: 'confirmed' });
  });

  test.each(['its guard lives', 'its guard is gone'])(
    'what a run of another version left open is taken back by the program of that version: %s',
    async (how) => {
      const { before, ops } = await changing();
      // That version calls an operation otherwise.
      await run(ops);
      const guard = Number.parseInt(readFileSync(join(tx(), 'guard'), 'utf8'), 10);
      process.kill(guard, 'SIGKILL');
      execFileSync('sh', [
        '-c',
        `sed -i "s/^engine=.*/engine=0-older/; s/tx_file) op_tx_file/older_file) op_tx_file/" "$0/program" && sed -i "s/^op tx_file /op older_file /" "$0/revert"`,
        tx(),
      ]);
      if (how === 'its guard lives') {
        rmSync(join(tx(), 'guard'));
        spawn(SHELLS[shell]?.[0] ?? '', [...(SHELLS[shell] ?? []).slice(1), join(tx(), 'program'), 'guard'], {
          env: { ...process.env, LVSCTL_ROOT: root },
          stdio: 'ignore',
        });
        await until(() => existsSync(join(tx(), 'guard')), 'a guard');
      }
      await run([{ name: 'tx_settle', args: [] }]);
      expect(listing()).toBe(before);
      expect(existsSync(tx())).toBe(false);
    },
  );

  test('after a power cut, what stands on disk is taken back at boot', async () => {
    const { before, ops } = await changing();
    await run(ops);
    const program = join(tx(), 'program');
    const guard = Number.parseInt(readFileSync(join(tx(), 'guard'), 'utf8'), 10);
    process.kill(guard, 'SIGKILL');
    execFileSync(SHELLS[shell]?.[0] ?? '', [...(SHELLS[shell] ?? []).slice(1), program, 'settle'], {
      env: { ...process.env, LVSCTL_ROOT: root },
    });
    put('/proc/sys/net/ipv4/ip_forward', '0\n');
    expect(listing()).toBe(before);
    expect(existsSync(tx())).toBe(false);
  });
});
