import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { execute, observe } from '../../src/host/client.ts';
import { SOURCE } from '../../src/host/program.ts';
import { diffOne, type FileResource, keyOf, type Resource } from '../../src/resources/index.ts';
import { localShell, SHELLS } from './local-shell.ts';

let root = '';
const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-engine-'));
  put('/etc/os-release', 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="x"\n');
  put('/proc/sys/kernel/osrelease', '6.1.0-test\n');
  put('/proc/sys/kernel/arch', 'x86_64\n');
  put('/proc/sys/kernel/random/boot_id', 'b-o-o-t\n');
  put('/proc/sys/kernel/hostname', 'rs1\n');
  mkdirSync(join(root, 'bin'));
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

function here(shell: string) {
  return localShell({
    shell: SHELLS[shell] ?? [],
    env: { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` },
  });
}

function look(shell: string, resources: readonly Resource[]) {
  return observe(here(shell), { facts: [], desire: () => resources });
}

function file(path: string, content: string): FileResource {
  return { kind: 'file', path, state: 'present', content, owner: me, group, mode: '0644' };
}

test('shellcheck has nothing to say about the program', () => {
  put('/program.sh', `engine=0\n${SOURCE}`);
  expect(execFileSync('shellcheck', ['-s', 'sh', join(root, 'program.sh')]).toString()).toBe('');
});

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  test('facts', async () => {
    put('/var/lib/lvsctl/manifest.json', '{"version":1}\n');
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    const { facts } = await look(shell, []);
    expect(facts).toEqual({
      platform: 'debian',
      osId: 'debian',
      osVersion: '12',
      kernel: '6.1.0-test',
      arch: 'x86_64',
      bootId: 'b-o-o-t',
      hostname: 'rs1',
      systemd: true,
      devices: {},
      profiles: [],
      manifest: { version: 1 },
    });
  });

  test('files: put, look again, nothing to do; content only where it differs', async () => {
    const wanted = [file('/etc/a b/it\'s "a" $file', 'x\n'), file('/etc/empty', ''), file('/etc/no-newline', 'ü')];
    put('/etc/empty', 'full');
    const before = await look(shell, wanted);
    expect(before.states.get('file /etc/empty')).toMatchObject({ type: 'file', content: 'full', mode: '0644' });
    const ops = wanted.flatMap((each) => diffOne(each, before.states.get(keyOf(each)), before.facts)).flatMap((c) => c.ops);
    const results = await execute(here(shell), ops);
    expect(results.map(({ status, output }) => ({ status, output }))).toEqual(
      ops.map(() => ({ status: 'done', output: '' })),
    );
    const after = await look(shell, wanted);
    expect(wanted.flatMap((each) => diffOne(each, after.states.get(keyOf(each)), after.facts))).toEqual([]);
    expect(readFileSync(join(root, '/etc/no-newline'), 'utf8')).toBe('ü');
    expect(statSync(join(root, '/etc/empty')).mode & 0o777).toBe(0o644);
  });
});
