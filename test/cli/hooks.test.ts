import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lvsctl } from './lvsctl.ts';

/** The built program on this machine, with a folder of the test's own in place of `/`. */

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-cli-hooks-'));
  root = join(folder, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(join(root, 'proc/sys/kernel/random'), { recursive: true });
  writeFileSync(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\n');
  for (const name of ['osrelease', 'arch', 'hostname', 'random/boot_id'])
    writeFileSync(join(root, 'proc/sys/kernel', name), 'x\n');
  const owner = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim();
  const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
  const hosts = { here: { files: { '/etc/motd': { content: 'hello\n', owner, group } } } };
  const hooks = { before_change: './before.sh', after_change: './after.sh' };
  writeFileSync(join(folder, 'lvs.yaml'), JSON.stringify({ version: 1, name: 'test', hosts, hooks }));
  script('before.sh', 'echo "before $2" >>notes');
  script('after.sh', 'echo "after $2 $LVSCTL_OUTCOME" >>notes');
});
afterEach(() => rmSync(folder, { recursive: true }));

function script(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}

const notes = () => (existsSync(join(folder, 'notes')) ? readFileSync(join(folder, 'notes'), 'utf8') : '');
const applied = () => existsSync(join(root, 'etc/motd'));
const run = (...args: string[]) =>
  lvsctl([...args, '--transport', 'local'], { cwd: folder, env: { LVSCTL_ROOT: root } });

test('run around each step, the record of what was there first among them, and not where nothing changes', async () => {
  const inventory = ['-i', join(folder, 'lvs.yaml')];
  const plan = await run('plan', ...inventory);
  expect(plan.out).toContain(`Before each step  ${join(folder, 'before.sh')}`);
  expect(plan.out).toContain(`After each step   ${join(folder, 'after.sh')}`);
  expect(notes()).toBe('');
  expect(await run('apply', '--yes', ...inventory)).toMatchObject({ code: 0 });
  const once = 'before here/record\nafter here/record done\nbefore here/reach\nafter here/reach done\n';
  expect(notes().replace(/here\/(?!record)[a-z-]+/g, 'here/reach')).toBe(once);
  const length = notes().length;
  expect(await run('apply', '--yes', ...inventory)).toMatchObject({ code: 0 });
  expect(notes()).toHaveLength(length);
});

test('before_change that fails at the record: not a trace of lvsctl on the host', async () => {
  script('before.sh', 'echo no; exit 1');
  const result = await run('apply', '--yes', '-i', join(folder, 'lvs.yaml'));
  expect(result.code).toBe(1);
  expect(result.err).toContain('APPLY-HOOK-FAILED');
  expect(result.err).toContain('before.sh failed (exit code 1): no');
  expect([applied(), existsSync(join(root, 'var/lib/lvsctl'))]).toEqual([false, false]);
});

test('after_change that fails: all is applied, and the exit code is 1', async () => {
  script('after.sh', 'exit 1');
  const result = await run('apply', '--yes', '-i', join(folder, 'lvs.yaml'));
  expect(result.code).toBe(1);
  expect(result.out).toContain('Applied: 1 change');
  expect(result.err).toContain('APPLY-HOOK-FAILED');
  expect(applied()).toBe(true);
});

test('a saved plan refuses another program than it was made with', async () => {
  expect((await run('plan', '--out', join(folder, 'saved'), '-i', join(folder, 'lvs.yaml'))).code).toBe(0);
  const own = readFileSync(join(folder, 'before.sh'), 'utf8');
  script('before.sh', 'echo other >>notes');
  const refused = await run('apply', join(folder, 'saved'));
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('HOOK-CHANGED');
  expect([applied(), notes()]).toEqual([false, '']);
  writeFileSync(join(folder, 'before.sh'), own);
  expect(await run('apply', join(folder, 'saved'))).toMatchObject({ code: 0 });
  expect(applied()).toBe(true);
});
