import { execFileSync } from 'node:child_process';
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
import { execute } from '../../src/host/client.ts';
import type { Op } from '../../src/resources/kind.ts';
import { localShell, SHELLS } from './local-shell.ts';

/** Checkers see new files in their places, and nobody else does. Mounts are real: in a user namespace of their own. */

let root = '';
const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();
const unshare = execFileSync('sh', ['-c', 'command -v unshare']).toString().trim();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-validators-'));
  stub('sync', ':');
  stub('unshare', `exec ${unshare} -r "$@"`);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

function stub(name: string, script: string): void {
  put(`/bin/${name}`, `#!/bin/sh\n${script}\n`, 0o755);
}

function attempt(path: string, content: string, mode = '0600'): Op {
  return { name: 'file_try', args: [path, me, group, mode], input: content };
}

function check(validator: string): Op {
  return { name: 'file_check', args: [validator] };
}

async function run(shell: string, ops: Op[]) {
  const env = { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` };
  const results = await execute(localShell({ shell: SHELLS[shell] ?? [], env }), ops);
  return results.map(({ status, output }) => [status, output]);
}

const CONFIG = '/etc/keepalived/keepalived.conf';

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  test('new files and old ones are seen together, in their places; the host keeps its own', async () => {
    put(CONFIG, 'old\n');
    put('/etc/keepalived/scripts/there.sh', 'script\n');
    stub('keepalived', 'cat "$3" "$(dirname "$3")"/scripts/*; stat -c "%a %n" "$3"; exit 5');
    const ops = [
      attempt(CONFIG, 'new\n'),
      attempt('/etc/keepalived/scripts/too.sh', 'too\n', '0755'),
      check('keepalived'),
    ];
    expect(await run(shell, ops)).toEqual([
      ['done', ''],
      ['done', ''],
      ['failed', `new\nscript\ntoo\n600 ${root}${CONFIG}`],
    ]);
    expect(readFileSync(join(root, CONFIG), 'utf8')).toBe('old\n');
    expect(readdirSync(join(root, 'etc/keepalived/scripts'))).toEqual(['there.sh']);
    expect(readdirSync(join(root, 'run/lvsctl'))).toEqual([]);
  });

  test('what is accepted stays untouched too', async () => {
    put('/etc/nginx/nginx.conf', 'whole\n');
    stub('nginx', `cat ${root}/etc/nginx/conf.d/a.conf >${root}/seen`);
    expect(await run(shell, [attempt('/etc/nginx/conf.d/a.conf', 'site\n'), check('nginx')])).toEqual([
      ['done', ''],
      ['done', ''],
    ]);
    expect(readFileSync(join(root, 'seen'), 'utf8')).toBe('site\n');
    expect(existsSync(join(root, 'etc/nginx/conf.d'))).toBe(false);
    expect(readdirSync(join(root, 'run/lvsctl'))).toEqual([]);
  });

  test('keepalived that ends itself over a script’s user is asked with root in that place', async () => {
    put(CONFIG, '');
    stub('keepalived', `cat "$3" >>${root}/asked; grep -q nobody "$3" || exit 0; kill -TERM $$`);
    const text = 'script_user nobody\n  user nobody nogroup\n# the user nobody\nscript "/bin/user x"\n';
    const [, result] = await run(shell, [attempt(CONFIG, text), check('keepalived')]);
    // The comment makes it end itself the second time too; some shells say so.
    expect(result?.[0]).toBe('failed');
    expect(result?.[1]).toMatch(/^(keepalived says no and not why|Terminated)$/);
    expect(readFileSync(join(root, 'asked'), 'utf8')).toBe(
      `${text}script_user root\n  user root\n# the user nobody\nscript "/bin/user x"\n`,
    );
    const again = await run(shell, [attempt(CONFIG, 'script_user nobody\n'), check('keepalived')]);
    expect(again.map(([status]) => status)).toEqual(['done', 'done']);
  });

  test('an interface that is yet to be made is no reason to refuse; anything beside it is', async () => {
    put(CONFIG, 'old\n');
    const words = [
      '(/etc/keepalived/keepalived.conf: Line 14) WARNING - interface bond0 for vrrp_instance edge_outside doesn’t exist',
      'Non-existent interface specified in configuration',
    ].map((line) => line.replace('’', "'"));
    put('/words', `${words.join('\n')}\n`);
    stub('keepalived', `cat ${root}/words; exit 5`);
    const ops = [attempt(CONFIG, 'new\n'), check('keepalived')];
    expect((await run(shell, ops)).at(-1)).toEqual(['done', '']);
    put('/words', `${words[0]}\n(/etc/keepalived/keepalived.conf: Line 2) Unknown keyword 'x'\n`);
    expect((await run(shell, ops)).at(-1)?.[0]).toBe('failed');
  });

  test('a host that can’t mount is left to the service’s own start', async () => {
    put(CONFIG, 'old\n');
    stub('unshare', 'echo not permitted >&2; exit 1');
    stub('keepalived', 'echo never; exit 5');
    expect((await run(shell, [attempt(CONFIG, 'new\n'), check('keepalived')])).at(-1)).toEqual(['done', '']);
  });

  test('an unknown checker, and one that is missing, refuse', async () => {
    put(CONFIG, 'old\n');
    const said = [
      await run(shell, [attempt(CONFIG, 'x\n'), check('sendmail')]),
      await run(shell, [attempt(CONFIG, 'x\n'), check('keepalived')]),
    ];
    expect(said.map((each) => each.at(-1)?.[0])).toEqual(['failed', 'failed']);
    expect(said[0]?.at(-1)?.[1]).toContain('no validator sendmail');
    expect(said[1]?.at(-1)?.[1]).toContain('keepalived');
  });

  test('a script whose interpreter the host doesn’t have is refused with its line', async () => {
    put(CONFIG, 'old\n');
    stub('keepalived', ':');
    const scripts: [string, string][] = [
      ['a.sh', '#!/bin/sh\n'],
      ['b.py', '#!/usr/bin/nosuch-python -u\n'],
      ['c.rb', '#!/usr/bin/env nosuch-ruby\n'],
      ['d.sh', '#! /usr/bin/env sh\n'],
    ];
    const ops = scripts.map(([name, text]) => attempt(`/etc/keepalived/lvsctl/${name}`, text, '0755'));
    const said = await run(shell, [attempt(CONFIG, 'new\n'), ...ops, check('keepalived')]);
    expect(said.at(-1)?.[0]).toBe('failed');
    expect(said.at(-1)?.[1]?.split('\n').sort()).toEqual([
      '/etc/keepalived/lvsctl/b.py: Line 1: there is no /usr/bin/nosuch-python on this host',
      '/etc/keepalived/lvsctl/c.rb: Line 1: there is no nosuch-ruby on this host',
    ]);
  });

  test('copies that a killed run left go', async () => {
    put('/run/lvsctl/try.999999999/etc/keepalived/keepalived.conf', 'secret\n');
    put(CONFIG, 'old\n');
    stub('keepalived', ':');
    await run(shell, [attempt(CONFIG, 'new\n'), check('keepalived')]);
    expect(readdirSync(join(root, 'run/lvsctl'))).toEqual([]);
  });
});
