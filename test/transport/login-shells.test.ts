import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { observe } from '../../src/host/client.ts';
import { PROGRAMS } from '../../src/host/program.ts';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import { commandLine, NO_POSIX_SHELL } from '../../src/transport/quote.ts';
import { failureOf } from './io.ts';
import { type Sshd, startSshd, tempDir } from './sshd.ts';

/** Login shells that aren't a plain sh, by a real sshd: ForceCommand stands in for what the account has. */

let dir: string;
const running: Sshd[] = [];
beforeAll(() => {
  dir = tempDir();
  chmodSync(dir, 0o755);
});
afterAll(async () => {
  await Promise.all(running.map((sshd) => sshd.stop()));
  rmSync(dir, { recursive: true, force: true });
});

/** Reads a host whose login shell is this script; the command line that lvsctl sent is in SSH_ORIGINAL_COMMAND. */
async function look(name: string, script: string) {
  const shell = join(dir, name);
  writeFileSync(shell, `#!/bin/sh\n${script}\n`);
  chmodSync(shell, 0o755);
  const sshd = await startSshd({ config: [`ForceCommand ${shell}`] });
  running.push(sshd);
  const transport = nodeSshTransport({ sshConfig: 'none', environment: {} });
  const connection = await transport.connect(sshd.target(), { phase: 'observe' });
  return observe(connection, { facts: [], desire: () => [], timeout: 20 });
}

const go = 'exec sh -c "$SSH_ORIGINAL_COMMAND"';

test.each([
  ['greets', `echo 'Welcome to web1!'; echo 'Have a nice day'; ${go}`],
  ['greets without an end of line', `printf 'Last login: never'; ${go}`],
  ['greets with bytes that are no text', `printf '\\377\\376\\000\\n'; ${go}`],
  ['says much on stderr', `head -c 300000 /dev/zero | tr '\\0' x >&2; ${go}`],
  [
    'has another environment',
    `LC_ALL=xx_YY.UTF-8 PATH=/usr/bin:/bin IFS=abc CDPATH=/ ENV=/dev/null export LC_ALL PATH IFS CDPATH ENV; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`,
  ],
  ['has a umask of its own', `umask 777; ulimit -c 0; ${go}`],
])('one that %s is read', async (name, script) => {
  const { facts } = await look(name.replaceAll(' ', '-'), script);
  expect(facts.hostname).toBe(execFileSync('uname', ['-n']).toString().trim());
});

test.each([
  [
    'nologin',
    'echo "This account is currently not available."; exit 1',
    'HOST-LOST',
    /did not start \(exit code 1\): This account is currently not available/,
  ],
  ['git-shell', 'echo "fatal: unrecognized command" >&2; exit 128', 'HOST-LOST', /exit code 128.*unrecognized command/],
  ['rbash', 'echo "rbash: exec: restricted" >&2; exit 1', 'HOST-LOST', /restricted/],
  ['menu', 'echo "1) status 2) quit"; read -r choice; echo "no such choice"; exit 0', 'HOST-LOST', /1\) status/],
  ['silent', 'exit 0', 'HOST-LOST', /did not start \(exit code 0\)/],
  ['echo', 'echo "$SSH_ORIGINAL_COMMAND"; exit 0', 'HOST-LOST', /did not start/],
  // What csh sets, and nobody else.
  ['csh', `shell=/bin/csh cwd=/root; export shell cwd; ${go}`, 'HOST-SHELL', /csh/],
])('%s: a clear error', async (name, script, code, what) => {
  const [problem] = (await failureOf(look(name, script))).problems;
  expect(problem).toMatchObject({ code, place: { kind: 'host', host: 'host', phase: 'observe' } });
  expect(problem?.what).toMatch(what);
  expect(problem?.what).not.toMatch(/\n/);
  expect(problem?.what.length).toBeLessThan(1500);
  expect(problem?.next).toMatch(/shell/);
});

test('the first line alone decides, before any other is read', () => {
  const line = commandLine(['sh', '-c', PROGRAMS.observe, 'lvsctl', 'observe']).split('\n')[0] ?? '';
  const end = (env: NodeJS.ProcessEnv) => {
    try {
      return execFileSync('sh', ['-c', `${line}\necho second`], { env: { PATH: process.env.PATH, ...env } }).toString();
    } catch (error) {
      return (error as { status?: number }).status;
    }
  };
  expect(end({})).toBe('second\n');
  expect(end({ shell: '/bin/sh' })).toBe('second\n');
  expect(end({ shell: '/bin/csh', cwd: '/' })).toBe(NO_POSIX_SHELL);
});
