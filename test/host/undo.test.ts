import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { execute, observe } from '../../src/host/client.ts';
import { makeRecords, removals, type StagedResource } from '../../src/plan/manifest.ts';
import { sha256 } from '../../src/resources/file.ts';
import { diffOne, keyOf, type Resource } from '../../src/resources/index.ts';
import type { Change, Op } from '../../src/resources/kind.ts';
import { localShell, SHELLS } from './local-shell.ts';

/** What lvsctl replaces comes back: real files in a folder of the test's own, under each shell. */

let root = '';
const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-undo-'));
  put('/etc/os-release', 'ID=debian\n');
  put('/proc/modules', 'nf_conntrack 1 0 - Live 0x0\nloop 1 0 - Live 0x0\n');
  for (const name of ['kernel/osrelease', 'kernel/arch', 'kernel/random/boot_id', 'kernel/hostname'])
    put(`/proc/sys/${name}`, 'x\n');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string | Buffer, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

function stub(name: string, script: string): void {
  put(`/bin/${name}`, `#!/bin/sh\n${script}\n`, 0o755);
}

/** Names below the test's folder that aren't the host's own. */
function tree(): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => !/^(bin|proc)(\/|$)/.test(name))
    .toSorted();
}

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  const here = () =>
    localShell({
      shell: SHELLS[shell] ?? [],
      env: { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` },
    });

  async function changesOf(resources: readonly Resource[]): Promise<Change[]> {
    const { states, facts } = await observe(here(), { facts: [], desire: () => resources });
    return resources.flatMap((each) => diffOne(each, states.get(keyOf(each)), facts));
  }

  async function run(ops: readonly Op[]): Promise<string[]> {
    const results = await execute(here(), ops);
    expect(results.map(({ status }) => status)).toEqual(ops.map(() => 'done'));
    return results.map(({ output }) => output);
  }

  /** Records and applies as a plan does, and gives back again what a manifest then says. */
  async function thereAndBack(resources: readonly Resource[], between = () => {}): Promise<void> {
    const desired = resources.map((resource): StagedResource => ({ stage: 'web', resource }));
    const changes = await changesOf(resources);
    const byKey = new Map(changes.map((change) => [change.key, [change]]));
    const { keep, first } = makeRecords('c', desired, undefined, byKey);
    await run([
      ...keep.map(({ path, sha256 }): Op => ({ name: 'before_keep', args: [path, sha256] })),
      { name: 'manifest_write', args: [], input: JSON.stringify(first) },
      ...changes.flatMap(({ ops }) => ops),
    ]);
    expect(await changesOf(resources)).toEqual([]);
    between();
    const back = removals(JSON.parse(JSON.stringify(first)), [], 'destroy').map(({ resource }) => resource);
    await run((await changesOf(back)).flatMap(({ ops }) => ops));
    expect(await changesOf(back)).toEqual([]);
    await run([{ name: 'manifest_forget', args: [] }]);
  }

  function file(path: string, content = 'lvsctl\n'): Resource {
    return { kind: 'file', path, state: 'present', content, owner: me, group, mode: '0644' };
  }

  test('a file gets its bytes and mode back, whatever they are, and nothing of lvsctl is left', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 256));
    put('/etc/odd', bytes, 0o4751);
    put('/etc/empty', '');
    const before = tree();
    await thereAndBack([file('/etc/odd'), file('/etc/empty')]);
    expect(readFileSync(join(root, 'etc/odd')).equals(bytes)).toBe(true);
    expect(statSync(join(root, 'etc/odd')).mode & 0o7777).toBe(0o4751);
    expect(readFileSync(join(root, 'etc/empty'), 'utf8')).toBe('');
    // The folders that lvsctl's own stood in are the system's.
    expect(tree().filter((name) => !['var', 'var/lib', 'run'].includes(name))).toEqual(before);
  });

  test('folder and names of copies are for their owner alone from the first moment', async () => {
    put('/etc/one', 'old');
    stub('chmod', 'exit 1');
    await execute(here(), [{ name: 'before_keep', args: ['/etc/one', sha256('old')] }]);
    expect(statSync(join(root, 'var/lib/lvsctl/before')).mode & 0o777).toBe(0o700);
  });

  test('copies are for their owner alone', async () => {
    put('/etc/secret', 'word', 0o644);
    await thereAndBack([file('/etc/secret')], () => {
      const folder = join(root, 'var/lib/lvsctl/before');
      expect(statSync(folder).mode & 0o777).toBe(0o700);
      const copies = readdirSync(folder);
      expect(copies.map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual([0o600]);
    });
  });

  test('no command that keeps a copy, gives it back or drops it is told its name, which tells what is in it', async () => {
    put('/etc/secret', 'word');
    for (const name of ['cat', 'cp', 'find', 'grep', 'ls', 'mv', 'rm', 'sha256sum'])
      stub(name, `echo "${name} $*" >>"$LVSCTL_ROOT/told"; exec "$(PATH=/usr/bin:/bin command -v ${name})" "$@"`);
    await thereAndBack([file('/etc/secret')]);
    expect(readFileSync(join(root, 'etc/secret'), 'utf8')).toBe('word');
    await run([
      { name: 'before_keep', args: ['/etc/secret', sha256('word')] },
      { name: 'before_prune', args: [] },
    ]);
    const told = readFileSync(join(root, 'told'), 'utf8');
    expect(told).toMatch(/^sha256sum/m);
    expect(told).not.toContain(sha256('word'));
    rmSync(join(root, 'told'));
  });

  test('copies that nothing needs go, those that are named or noted stay', async () => {
    for (const name of ['a', 'b', 'c']) put(`/etc/${name}`, name);
    await run(['a', 'b', 'c'].map((name) => ({ name: 'before_keep', args: [`/etc/${name}`, sha256(name)] })));
    put('/var/lib/lvsctl/history/1-x', `{"sha256":"${sha256('b')}"}`);
    await run([{ name: 'before_prune', args: [sha256('a')] }]);
    const copies = join(root, 'var/lib/lvsctl/before');
    const left = readdirSync(copies).filter((name) => readFileSync(join(copies, name), 'utf8') !== '');
    expect(left.toSorted()).toEqual([sha256('a'), sha256('b')].toSorted());
  });

  test('a copy that was left unfinished is written again', async () => {
    put('/etc/x', 'one');
    put(`/var/lib/lvsctl/before/${sha256('one')}`, 'o');
    await run([{ name: 'before_keep', args: ['/etc/x', sha256('one')] }]);
    expect(readFileSync(join(root, 'var/lib/lvsctl/before', sha256('one')), 'utf8')).toBe('one');
  });

  test('taken back, a profile that was not begun is left alone; one that was is gone on with', async () => {
    stub('nmcli', 'echo "$*" >>"$LVSCTL_ROOT/asked"');
    mkdirSync(join(root, 'var/lib/lvsctl/tx/files'), { recursive: true });
    stub('ip', ':');
    const none = Array.from({ length: 8 }, () => '-');
    const back: Op = {
      name: 'connection_return',
      args: ['lo', '-', '/etc/NetworkManager/system-connections/lo.nmconnection', 'tx', ...none, '-20.20.20.20/32'],
    };
    await run([back]);
    expect(existsSync(join(root, 'asked'))).toBe(false);
    put('/run/lvsctl/pending/lo', '');
    await run([back]);
    expect(readFileSync(join(root, 'asked'), 'utf8')).toContain('connection load');
    expect(existsSync(join(root, 'run/lvsctl/pending/lo'))).toBe(false);
  });

  test('a symbolic link comes back as one', async () => {
    put('/etc/a link', '');
    rmSync(join(root, 'etc/a link'));
    symlinkSync('../to/some where', join(root, 'etc/a link'));
    await thereAndBack([file('/etc/a link')]);
    expect(lstatSync(join(root, 'etc/a link')).isSymbolicLink()).toBe(true);
    expect(readlinkSync(join(root, 'etc/a link'))).toBe('../to/some where');
  });

  test('folders that lvsctl made go again when they are empty; others, and those in use, stay', async () => {
    mkdirSync(join(root, 'srv'));
    await thereAndBack([file('/srv/a/b/c'), file('/srv/x/y')], () => put('/srv/x/mine', ''));
    expect(tree().filter((name) => name.startsWith('srv'))).toEqual(['srv', 'srv/x', 'srv/x/mine']);
  });

  test('a copy of what changed meanwhile is refused', async () => {
    put('/etc/x', 'one');
    const [result] = await execute(here(), [{ name: 'before_keep', args: ['/etc/x', 'f'.repeat(64)] }]);
    expect(result).toMatchObject({ status: 'failed', output: '/etc/x was changed meanwhile' });
    expect(readdirSync(join(root, 'var/lib/lvsctl/before'))).toEqual([]);
  });

  test('a missing copy is said, and what stands there stays', async () => {
    put('/etc/x', 'one');
    const op = { name: 'file_restore', args: ['/etc/x', me, group, '0644', 'f'.repeat(64)] };
    expect((await execute(here(), [op]))[0]?.output).toContain('the copy of /etc/x that lvsctl kept is gone');
    expect(readFileSync(join(root, 'etc/x'), 'utf8')).toBe('one');
  });

  test('a copy that is not what it was is said, and what stands there stays', async () => {
    put('/etc/x', 'one');
    put(`/var/lib/lvsctl/before/${sha256('zero')}`, '', 0o600);
    const op = { name: 'file_restore', args: ['/etc/x', me, group, '0644', sha256('zero')] };
    expect((await execute(here(), [op]))[0]?.output).toContain('the copy of /etc/x that lvsctl kept is damaged');
    expect(readFileSync(join(root, 'etc/x'), 'utf8')).toBe('one');
  });

  test('a folder that is made again and again is noted once', async () => {
    const ops = (content: string) => [{ name: 'file_put', args: ['/srv/a/b', me, group, '0644'], input: content }];
    for (const content of ['1', '2', '3']) {
      await run(ops(content));
      rmSync(join(root, 'srv'), { recursive: true });
    }
    expect(readFileSync(join(root, 'var/lib/lvsctl/folders'), 'utf8')).toBe('/srv\n/srv/a\n');
  });

  test('a copy that can’t be written is said, and nothing else ends', async () => {
    put('/etc/one', 'old\n');
    const sha = sha256('old\n');
    mkdirSync(join(root, 'var/lib/lvsctl/before', sha), { recursive: true });
    const results = await execute(here(), [{ name: 'before_keep', args: ['/etc/one', sha] }]);
    expect(results).toMatchObject([
      { status: 'failed', output: expect.stringContaining("can't keep a copy of /etc/one") },
    ]);
  });

  test('copies that nothing needs any more go', async () => {
    put('/var/lib/lvsctl/before/aa', '');
    put('/var/lib/lvsctl/before/bb', '');
    await run([{ name: 'before_prune', args: ['bb'] }]);
    expect(readdirSync(join(root, 'var/lib/lvsctl/before'))).toEqual(['bb']);
    await run([{ name: 'before_prune', args: [] }]);
    expect(readdirSync(join(root, 'var/lib/lvsctl/before'))).toEqual([]);
  });

  test('modules go with what came along, but for what was there before and what is in use', async () => {
    stub(
      'modprobe',
      `case $1 in --show-depends) printf 'insmod /lib/%s.ko \\n' nf_conntrack libcrc32c ip_vs ip_vs-wrr ;; esac`,
    );
    stub(
      'rmmod',
      'echo "$1" >>"$LVSCTL_ROOT/log"; rm -r "$LVSCTL_ROOT/sys/module/$1"; echo 0 >"$LVSCTL_ROOT/sys/module/ip_vs/refcnt"',
    );
    await run([{ name: 'module_load', args: ['ip_vs_wrr'] }]);
    const used = { nf_conntrack: 0, libcrc32c: 0, ip_vs: 1, ip_vs_wrr: 0, ipip: 1 };
    for (const [name, count] of Object.entries(used)) put(`/sys/module/${name}/refcnt`, `${count}\n`);
    const [said] = await run([{ name: 'module_unload', args: ['ip_vs_wrr', 'ipip'] }]);
    expect(readFileSync(join(root, 'log'), 'utf8').trim().split('\n').toSorted()).toEqual([
      'ip_vs',
      'ip_vs_wrr',
      'libcrc32c',
    ]);
    expect(existsSync(join(root, 'sys/module/nf_conntrack'))).toBe(true);
    expect(said).toBe('left: kernel module ipip, which is in use');
  });

  test('packages go with all that came along, but for what others need; what they leave is named', async () => {
    put('/etc/passwd', 'root:x:0\nwww:x:33\n');
    put('/etc/group', 'root:x:0\n');
    put('/var/log/nginx', '');
    put('/var/lib/lvsctl/brought', 'account www\ngroup gone\npackage lib\npackage nginx-common\npath /etc/never\n');
    stub('dpkg-query', 'exit 0');
    stub(
      'apt-get',
      `case "$*" in
  *-s*' lib'*) echo 'Purg lib [1]'; echo 'Remv theirs [1]' ;;
  *-s*) ;;
  *) echo "$*" >>"$LVSCTL_ROOT/log" ;;
esac`,
    );
    const [said] = await run([{ name: 'package_remove', args: ['apt', 'nginx'] }]);
    expect(readFileSync(join(root, 'log'), 'utf8')).toMatch(/ purge nginx nginx-common\n$/);
    expect(said?.split('\n')).toEqual([
      'left: package lib, which is needed by theirs',
      'left: account www, which the installation made',
    ]);
  });
});
