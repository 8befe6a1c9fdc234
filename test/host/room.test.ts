import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { confirmTransaction, openOp, revertTransaction, type Settled } from '../../src/apply/transaction.ts';
import { execute } from '../../src/host/client.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Op } from '../../src/resources/kind.ts';
import type { Connection } from '../../src/transport/types.ts';
import { localShell, SHELLS } from './local-shell.ts';

/** A host that is to take its changes back while its disks take nothing: real file systems in a mount namespace. */

let root: string;
let keeper: ChildProcess;

/** The root of 1 MiB and 200 files; /run and /etc/ours are file systems of their own. */
const HOST = `
mount -t tmpfs -o size=1m,nr_inodes=200 none "$1" && mkdir -p "$1/run" "$1/etc/ours" &&
  mount -t tmpfs -o size=64k,nr_inodes=50 none "$1/run" && mount -t tmpfs -o size=64k none "$1/etc/ours" && cd "$1" || exit 1
mkdir -p bin proc/sys/net var/lib run/lvsctl
ln -s /proc/uptime proc/uptime
echo 0 >proc/sys/net/x
for name in etc/one etc/ours/two etc/ours/three; do echo old >"$name"; done
for name in sync sleep nft; do : >"bin/$name"; chmod 0755 "bin/$name"; done
printf '#!/bin/sh\\n[ "$1" != 10 ] || set -- 0.05\\nexec /bin/sleep "$1"\\n' >bin/sleep
printf '#!/bin/sh\\ncat "$2" >>"$LVSCTL_ROOT/etc/ours/nft"\\n' >bin/nft
echo ready
exec sleep 1000`;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-room-'));
  keeper = spawn('unshare', ['-Urm', 'sh', '-c', HOST, 'sh', root], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (keeper.stdout === null) throw new Error('no output');
  await once(keeper.stdout, 'data');
});
afterEach(async () => {
  on('IFS=. read -r guard _ <var/lib/lvsctl/tx/guard && kill -9 "$guard"; true');
  keeper.kill('SIGKILL');
  await once(keeper, 'exit');
  rmSync(root, { recursive: true, force: true });
});

const inside = () => ['nsenter', '-t', String(keeper.pid), '-U', '-m', '--preserve-credentials'];
function on(script: string): string {
  const [command = '', ...words] = inside();
  const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
  return execFileSync(command, [...words, 'sh', '-c', `cd "$0" && ${script}`, root], { encoding: 'utf8', stdio });
}

const put = (path: string, input: string): Op => ({ name: 'file_put', args: [path, 'root', 'root', '0644'], input });
const PATHS = ['/etc/one', '/etc/ours/two', '/etc/ours/new'];
const BACK: Op[] = [
  { name: 'firewall_nftables', args: [], input: 'the earlier rules\n' },
  ...PATHS.map((path): Op => ({ name: 'tx_file', args: [path] })),
];

const FILL = 'dd if=/dev/zero of=fill bs=64k; dd if=/dev/zero of=fill2 bs=1;';
const MANY = 'i=0; while true >"many$i"; do i=$((i + 1)); done;';

describe.each(['dash', 'busybox'])('under %s', (shell) => {
  const here = (): Connection =>
    localShell({
      shell: [...inside(), ...(SHELLS[shell] ?? [])],
      env: { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` },
    });

  async function change(): Promise<void> {
    const plan = { hosts: [{ name: 'here', revert: { ops: BACK, paths: PATHS } }] } as unknown as Plan;
    const results = await execute(here(), [
      { name: 'run_note', args: [], input: 'run1\n{}\n[]\n' },
      openOp(plan, 'here', 'run1', 3600),
      ...PATHS.map((path) => put(path, 'new\n')),
    ]);
    expect(results.map(({ status, output }) => status + output)).toEqual(results.map(() => 'done'));
    expect(files()).toBe('new new new');
  }

  const files = () =>
    on('for f in etc/one etc/ours/two etc/ours/new; do if [ -e $f ]; then cat $f; else echo -; fi; done')
      .trim()
      .replaceAll('\n', ' ');
  const open = () => on('if [ -e var/lib/lvsctl/tx ]; then echo open; fi').trim();

  async function until(check: () => boolean, what: string): Promise<void> {
    for (let left = 1200; left > 0; left -= 1) {
      if (check()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`not in time: ${what}`);
  }

  test.each([
    ['no room', `(${FILL} true)`],
    ['room for no file more', `(${MANY} true)`],
    ['neither', `(${FILL} ${MANY} true)`],
    ['no room, and none in /run', `(${FILL} cd run; ${FILL} true)`],
    ['room for no file more, and none in /run', `(${MANY} cd run; rm -r lvsctl; ${MANY} true)`],
  ])('a disk that has %s: all is as before, and said so', async (_, how) => {
    await change();
    on(how);
    expect(await revertTransaction(here(), 'run1', 'a step failed')).toMatchObject({ state: 'reverted' });
    expect(files()).toBe('old old -');
    expect(on('cat etc/ours/nft')).toBe('the earlier rules\n');
    // What has a name of its own needs more.
    if (!how.includes('many')) expect(on('cat var/lib/lvsctl/history/*')).toMatch(/^reverted a step failed\nrun1\n/);
    expect(open()).toBe('');
  });

  test.each(['by request', 'by the next run'])(
    'a folder that became read-only, %s: what keeps it is told, nothing is forgotten, and it goes on by itself',
    async (how) => {
      await change();
      on('mount -o remount,ro etc/ours');
      if (how === 'by request') {
        const settled: Settled = await revertTransaction(here(), 'run1', 'a step failed');
        expect(settled).toMatchObject({ state: 'unknown' });
        expect(JSON.stringify(settled)).toMatch(/not all taken back: .*[Rr]ead-only.*etc\/ours\/two is not as it was/);
      } else {
        const [result] = await execute(here(), [{ name: 'tx_settle', args: [] }]);
        expect(result).toMatchObject({
          status: 'failed',
          output: expect.stringMatching(/[Rr]ead-only.*etc\/ours\/two is not/s),
        });
      }
      expect(files()).toBe('old new new');
      expect(open()).toBe('open');
      on('mount -o remount,rw etc/ours');
      await until(() => open() === '', 'taken back');
      expect(files()).toBe('old old -');
      const reason = how === 'by request' ? 'a step failed' : 'another run began before it was confirmed';
      expect(await confirmTransaction(here(), 'run1')).toMatchObject({ state: 'reverted', reason });
    },
  );

  test('a folder that became read-only before anything was changed there keeps nothing open', async () => {
    const plan = { hosts: [{ name: 'here', revert: { ops: BACK, paths: PATHS } }] } as unknown as Plan;
    await execute(here(), [openOp(plan, 'here', 'run1', 3600), put('/etc/one', 'new\n')]);
    on('mount -o remount,ro etc/ours');
    expect(await revertTransaction(here(), 'run1', 'a step failed')).toMatchObject({ state: 'reverted' });
    expect(files()).toBe('old old -');
  });

  test('a root that became read-only: said so in bounded time', async () => {
    await change();
    on('mount -o remount,ro .');
    const settled = await revertTransaction(here(), 'run1', 'a step failed');
    expect(settled).toMatchObject({ state: 'unknown' });
    expect(JSON.stringify(settled)).toMatch(/[Rr]ead-only/);
    const [result] = await execute(here(), [{ name: 'tx_settle', args: [] }]);
    expect(result).toMatchObject({ status: 'failed', output: expect.stringMatching(/[Rr]ead-only/) });
    on('mount -o remount,rw .');
    expect(await revertTransaction(here(), 'run1', 'a step failed')).toMatchObject({ state: 'reverted' });
    expect(files()).toBe('old old -');
  });

  test('an empty file that can’t be made is an error of its operation', async () => {
    on('mount -o remount,ro etc/ours');
    const [result] = await execute(here(), [put('/etc/ours/empty', '')]);
    expect(result).toMatchObject({
      status: 'failed',
      output: expect.stringContaining('is the disk full, or read-only?'),
    });
  });
});
