import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openOp, revertTransaction } from '../../src/apply/transaction.ts';
import { execute } from '../../src/host/client.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Op } from '../../src/resources/kind.ts';
import { localShell, SHELLS } from './local-shell.ts';

/** Who carries out what the token says, when those who were to are gone; and processes that have their numbers by now. */

let root = '';
const others: ChildProcess[] = [];
const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-turn-'));
  put('/proc/uptime', '100.25 300.00\n');
  put('/etc/one', 'old\n');
  put('/etc/two', 'old\n');
  put('/bin/sync', '#!/bin/sh\n', 0o755);
});

afterEach(async () => {
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  for (const other of others.splice(0)) {
    other.kill('SIGKILL');
    if (other.exitCode === null && other.signalCode === null) await once(other, 'exit');
  }
});

function put(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

const files = () => ['one', 'two'].map((name) => readFileSync(join(root, 'etc', name), 'utf8'));
const tx = () => join(root, 'var/lib/lvsctl/tx');

/** A process that could be taken for one of ours, by its words. */
async function other(): Promise<number> {
  const child = spawn('sh', ['-c', 'echo; read -r _', 'lvsctl'], { stdio: 'pipe' });
  others.push(child);
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

const lives = (pid: number) => /^State:\s+[^ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  const env = () => ({ LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` });
  const here = () => localShell({ shell: SHELLS[shell] ?? [], env: env() });

  /** Open and changed, its guard gone. */
  async function changed(...back: Op[]): Promise<void> {
    const paths = ['/etc/one', '/etc/two'];
    const ops = paths.map((path): Op => ({ name: 'tx_file', args: [path] }));
    const plan = { hosts: [{ name: 'here', revert: { ops: [...back, ...ops], paths } }] } as unknown as Plan;
    const results = await execute(here(), [
      openOp(plan, 'here', 'run1', 3600),
      ...paths.map((path): Op => ({ name: 'file_put', args: [path, me, group, '0644'], input: 'new\n' })),
    ]);
    expect(results.map(({ status, output }) => status + output)).toEqual(results.map(() => 'done'));
    process.kill(guard(), 'SIGKILL');
    expect(files()).toEqual(['new\n', 'new\n']);
  }

  const guard = () => Number.parseInt(readFileSync(join(tx(), 'guard'), 'utf8'), 10);
  const settle: Op = { name: 'tx_settle', args: [] };

  test('one after the other is ended in the middle: the next goes on', async () => {
    await changed();
    // Two had it, and both are gone: one in the middle of taking back, one before it began.
    execFileSync('mv', [join(tx(), 'armed'), join(tx(), 'reverting')]);
    const [gone, too] = [spawnGone(), spawnGone()];
    if (existsSync(join(tx(), 'turn.0'))) execFileSync('mv', [join(tx(), 'turn.0'), join(tx(), `turn.${too}.1`)]);
    writeFileSync(join(tx(), 'claimer'), `${gone}\n`);
    mkdirSync(join(tx(), `over.${gone}`));
    const [result] = await execute(here(), [settle], { timeout: 30 });
    expect(result).toMatchObject({ status: 'done' });
    expect(files()).toEqual(['old\n', 'old\n']);
    expect(existsSync(tx())).toBe(false);
  });

  test('what was confirmed and not ended stands, by whoever comes next', async () => {
    await changed();
    execFileSync('mv', [join(tx(), 'armed'), join(tx(), 'confirmed')]);
    const [result] = await execute(here(), [settle], { timeout: 30 });
    expect(result).toMatchObject({ status: 'done' });
    expect(files()).toEqual(['new\n', 'new\n']);
    expect(readFileSync(join(root, 'var/lib/lvsctl/confirmed'), 'utf8')).toBe('run1\n');
  });

  test('processes that have the numbers of session, guard and claimer by now are left alone, and hold nobody up', async () => {
    await changed();
    const [session, guarding, claiming] = [await other(), await other(), await other()];
    const born = /\d+$/.exec(readFileSync(join(tx(), 'session'), 'utf8').trim())?.[0] ?? '';
    writeFileSync(join(tx(), 'session'), `${session}.${Number(born) - 1}\n`);
    writeFileSync(join(tx(), 'guard'), `${guarding}.${Number(born) - 1}\n`);
    execFileSync('mv', [join(tx(), 'armed'), join(tx(), 'reverting')]);
    execFileSync('mv', [join(tx(), 'turn.0'), join(tx(), `turn.${claiming}.${Number(born) - 1}`)]);
    const [result] = await execute(here(), [settle], { timeout: 30 });
    expect(result).toMatchObject({ status: 'done' });
    expect(files()).toEqual(['old\n', 'old\n']);
    expect([session, guarding, claiming].map(lives)).toEqual([true, true, true]);
  });

  test('at boot nothing that runs has to do with it, whatever its number', async () => {
    await changed();
    const theirs = await other();
    writeFileSync(join(tx(), 'guard'), `${theirs}\n`);
    const [command = '', ...words] = SHELLS[shell] ?? [];
    const stranger = spawn('sleep', ['1000'], { stdio: 'ignore' });
    others.push(stranger);
    writeFileSync(join(tx(), 'guard'), `${stranger.pid}\n`);
    execFileSync(command, [...words, join(tx(), 'program'), 'settle'], { env: { ...process.env, ...env() } });
    expect(files()).toEqual(['old\n', 'old\n']);
    expect([theirs, stranger.pid ?? 0].map(lives)).toEqual([true, true]);
  });

  test('one that lives has its time, and is not helped', async () => {
    await changed();
    const claiming = await other();
    const stat = readFileSync(`/proc/${claiming}/stat`, 'utf8')
      .replace(/^.*\) /u, '')
      .split(' ');
    execFileSync('mv', [join(tx(), 'armed'), join(tx(), 'reverting')]);
    execFileSync('mv', [join(tx(), 'turn.0'), join(tx(), `turn.${claiming}.${stat[19]}`)]);
    const going = execute(here(), [settle]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(files()).toEqual(['new\n', 'new\n']);
    others[0]?.kill('SIGKILL');
    expect(await going).toMatchObject([{ status: 'done' }]);
    expect(files()).toEqual(['old\n', 'old\n']);
  });

  test('of several that come at once one does it', async () => {
    await changed({ name: 'module_load', args: ['x'] });
    put('/bin/modprobe', '#!/bin/sh\necho once >>"$LVSCTL_ROOT/undone"\n', 0o755);
    execFileSync('mv', [join(tx(), 'armed'), join(tx(), 'reverting')]);
    execFileSync('mv', [join(tx(), 'turn.0'), join(tx(), `turn.${spawnGone()}.1`)]);
    const all = await Promise.all([1, 2, 3, 4].map(() => execute(here(), [settle])));
    expect(all.flat().map(({ status }) => status)).toEqual(['done', 'done', 'done', 'done']);
    expect(readFileSync(join(root, 'undone'), 'utf8')).toBe('once\n');
    expect(files()).toEqual(['old\n', 'old\n']);
  });

  test('without the copies nothing is removed for want of one', async () => {
    // Another process ends the same transaction meanwhile.
    put(
      '/bin/modprobe',
      `#!/bin/sh\nmv ${join(root, 'var/lib/lvsctl/tx')} ${join(root, 'var/lib/lvsctl/tx.old')}\n`,
      0o755,
    );
    await changed({ name: 'module_load', args: ['x'] });
    await execute(here(), [{ name: 'tx_revert', args: ['run1', 'x'] }]);
    expect(files()).toEqual(['new\n', 'new\n']);
    expect(readdirSync(join(root, 'etc')).toSorted()).toEqual(['one', 'two']);
  });

  test('an operation that takes nothing of its input leaves none of it to the next', async () => {
    // "op tx_file 1 0" in it would be one.
    put('/etc/three', 'mine\n');
    const input = 'op file_remove 1 0\n/etc/three\n';
    await changed({ name: 'module_load', args: ['x'], input });
    put('/bin/modprobe', '#!/bin/sh\nexit 1\n', 0o755);
    expect(await revertTransaction(here(), 'run1', 'x')).toMatchObject({ state: 'reverted' });
    expect(files()).toEqual(['old\n', 'old\n']);
    expect(readFileSync(join(root, 'etc/three'), 'utf8')).toBe('mine\n');
  });

  /** A host with systemd, whose `systemd-run` begins with these lines. */
  function systemd(lines: string): void {
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
    const start = `while [ "\${1#-}" != "$1" ]; do shift; done\n"$@" </dev/null >/dev/null 2>&1 3>&- &\n`;
    put('/bin/systemd-run', `#!/bin/sh\n${lines}\n${start}`, 0o755);
    put('/bin/systemctl', '#!/bin/sh\n', 0o755);
  }

  test('the guard comes again while there is something to guard, by words that systemd leaves as they are', async () => {
    systemd('printf \'%s\\n\' "$@" >"$LVSCTL_ROOT/guard-words"');
    await changed();
    const words = readFileSync(join(root, 'guard-words'), 'utf8').trim().split('\n');
    const program = join(root, 'var/lib/lvsctl/tx/program');
    expect(words.slice(-3)).toEqual(['sh', program, 'guard']);
    expect(words).toContain(`--property=ConditionPathExists=${program}`);
    for (const word of words) expect(word).toMatch(/^[\w./=-]+$/u);
    await execute(here(), [{ name: 'tx_revert', args: ['run1', 'x'] }]);
    expect(files()).toEqual(['old\n', 'old\n']);
  });

  test('a systemd that takes no condition there has a guard all the same', async () => {
    systemd("case $* in *Condition*) echo 'Unknown assignment' >&2; exit 1 ;; esac");
    await changed();
    await execute(here(), [{ name: 'tx_revert', args: ['run1', 'x'] }]);
    expect(files()).toEqual(['old\n', 'old\n']);
  });

  test('rules that an apply staged when it was killed go with what it did', async () => {
    const plan = {
      hosts: [
        { name: 'here', revert: { ops: [{ name: 'firewall_nftables', args: [], input: 'earlier\n' }], paths: [] } },
      ],
    } as unknown as Plan;
    put('/bin/nft', '#!/bin/sh\ncat "$2" >"$LVSCTL_ROOT/rules"\n', 0o755);
    await execute(here(), [openOp(plan, 'here', 'run1', 3600)]);
    put('/run/lvsctl/firewall', 'half of the new\n');
    await execute(here(), [{ name: 'tx_revert', args: ['run1', 'x'] }]);
    expect(existsSync(join(root, 'run/lvsctl/firewall'))).toBe(false);
    expect(readFileSync(join(root, 'rules'), 'utf8')).toBe('earlier\n');
  });
});

/** The number of a process that is gone. */
function spawnGone(): number {
  return Number(execFileSync('sh', ['-c', 'echo $$']).toString());
}
