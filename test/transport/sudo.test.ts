import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectionOf } from '../../src/transport/connection.ts';
import { localExec } from '../../src/transport/local.ts';
import type { Prompt } from '../../src/transport/options.ts';
import { commandLine } from '../../src/transport/quote.ts';
import { secretsOf } from '../../src/transport/secrets.ts';
import { collectStderr, sessionOf } from '../../src/transport/session.ts';
import { becomeRoot, sudoCommand } from '../../src/transport/sudo.ts';
import { all, codeOf, failureOf, run, sh } from './io.ts';
import { tempDir } from './sshd.ts';

/**
 * Stands in for sudo, for what no test may ask of the machine's own: accounts, passwords and sudoers. It takes the
 * options lvsctl gives, asks and refuses as sudo 1.9 does (words on stderr, three tries, the password by single bytes).
 */
const FAKE = `#!/bin/sh
[ "$1 $2" = "-S -p" ] && [ "$4" = "--" ] || { echo "usage: sudo" >&2; exit 1; }
prompt=$3; shift 4
case $FAKE_SUDO in
  nopasswd) exec "$@" ;;
  asks) for try in 1 2 3; do
      printf %s "$prompt" >&2
      IFS= read -r answer || { echo >&2; echo "sudo: no password was provided" >&2; exit 1; }
      [ "$answer" = "$FAKE_PASSWORD" ] && exec "$@"
      echo "Sorry, try again." >&2
    done; echo "sudo: 3 incorrect password attempts" >&2; exit 1 ;;
  lecture) printf '\\nWe trust you have received the usual lecture.\\n\\n' >&2; exec "$@" ;;
  refuses) echo "operator is not in the sudoers file." >&2; exit 1 ;;
esac
`;

let dir: string;
beforeAll(() => {
  dir = tempDir();
  writeFileSync(join(dir, 'sudo'), FAKE);
  chmodSync(join(dir, 'sudo'), 0o755);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function connection(
  how: string,
  environment: NodeJS.ProcessEnv = {},
  prompt?: Prompt,
  path = `${dir}:${process.env.PATH}`,
) {
  const exec = localExec({ PATH: path, FAKE_SUDO: how, FAKE_PASSWORD: 'pass word$', ...environment });
  const target = { name: 'web1', ssh: { address: 'localhost', become: 'sudo' as const } };
  return connectionOf(target, 'operator', { exec, close() {} }, secretsOf(environment, prompt));
}

const phase = 'observe';
const echo = sh('cat; echo err >&2; exit 5');
const echoed = { stdout: 'data\n', stderr: 'err\n', exit: { code: 5, signal: null } };

describe('become: sudo', () => {
  test.each(['nopasswd', 'lecture'])(
    '%s: the program gets its own input, and stderr holds its own words only',
    async (how) => {
      expect(await run(connection(how, { LVSCTL_SUDO_PASSWORD: 'not needed' }), echo, 'data\n')).toEqual(echoed);
    },
  );

  test('the password from the environment answers the prompt and goes nowhere else', async () => {
    const one = connection('asks', { LVSCTL_SUDO_PASSWORD: 'pass word$' });
    expect(await run(one, echo, 'data\n')).toEqual(echoed);
    const { stdout } = await run(one, sh('env; ps -o args= -p $$'));
    expect(stdout.replace(/FAKE_PASSWORD=.*/, '')).not.toContain('pass word$');
  });

  test('the password by a prompt, asked once for many hosts and sessions', async () => {
    const questions: string[] = [];
    const one = connection('asks', {}, async (question) => {
      questions.push(question);
      return 'pass word$';
    });
    const results = await Promise.all([1, 2, 3].map(() => run(one, echo, 'data\n')));
    expect(results).toEqual([echoed, echoed, echoed]);
    expect(questions).toEqual(['sudo password of operator (for all hosts): ']);
  });

  test('a wrong password: SSH-SUDO-PASSWORD, without it', async () => {
    const error = await failureOf(connection('asks', { LVSCTL_SUDO_PASSWORD: 'wrong' }).open(['id'], { phase }));
    expect(error.problems[0]).toMatchObject({
      code: 'SSH-SUDO-PASSWORD',
      place: { kind: 'host', host: 'web1', phase },
    });
    expect(JSON.stringify(error.problems)).not.toContain('wrong');
  });

  test('no password to be had: SSH-SUDO-ASKS', async () => {
    expect(await codeOf(connection('asks').open(['id'], { phase }))).toBe('SSH-SUDO-ASKS');
  });

  test('not allowed: SSH-SUDO-REFUSED with sudo’s words', async () => {
    const error = await failureOf(connection('refuses').open(['id'], { phase }));
    expect(error.problems[0]?.code).toBe('SSH-SUDO-REFUSED');
    expect(error.problems[0]?.what).toContain('operator is not in the sudoers file.');
  });

  test('no sudo on the host: SSH-SUDO-REFUSED', async () => {
    const empty = tempDir();
    const error = await failureOf(connection('nopasswd', {}, undefined, empty).open(['id'], { phase }));
    expect(error.problems[0]?.code).toBe('SSH-SUDO-REFUSED');
    expect(error.problems[0]?.what).toContain('not found');
  });

  test('much input and odd arguments pass through', async () => {
    const input = Buffer.alloc(300_000, 'x');
    const one = connection('asks', { LVSCTL_SUDO_PASSWORD: 'pass word$' });
    expect((await run(one, ['wc', '-c'], input)).stdout.trim()).toBe('300000');
    expect((await run(one, ['printf', '%s|', '', "it's", '$x', '-n'])).stdout).toBe("|it's|$x|-n|");
  });

  test('a program that looks like a question does not get the password', async () => {
    const one = connection('nopasswd', { LVSCTL_SUDO_PASSWORD: 'pass word$' });
    const result = await run(one, sh('printf "[sudo] password for operator: " >&2; cat'), 'input');
    expect(result.stdout).toBe('input');
  });

  test('root needs none', async () => {
    const exec = localExec({ PATH: '/usr/bin:/bin' });
    const target = { name: 'web1', ssh: { address: 'localhost', become: 'sudo' as const } };
    const one = connectionOf(target, 'root', { exec, close() {} }, secretsOf({}, undefined));
    expect((await run(one, ['echo', 'in'])).stdout).toBe('in\n');
  });
});

const hasSudo = (() => {
  try {
    execFileSync('sudo', ['-n', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

// Where nobody may use sudo without a password, the machine's own shows at least that it understands the words.
test(`the machine's own sudo ${hasSudo ? 'runs' : 'asks as lvsctl expects'}`, async () => {
  const whom = { host: 'here', phase };
  const sudo = sudoCommand(sh('id -u; cat'));
  const raw = await localExec(process.env)(commandLine(sudo.argv), whom);
  const stderr = collectStderr(raw.stderr);
  const started = becomeRoot(raw, stderr, sudo, whom, async () => undefined);
  if (!hasSudo) {
    expect(await codeOf(started)).toMatch(/^SSH-SUDO-(ASKS|REFUSED)$/);
    return;
  }
  await started;
  const session = sessionOf(raw, stderr, whom, undefined);
  await session.write('through');
  session.end();
  expect((await all(session.stdout)).toString()).toBe('0\nthrough');
  expect(session.stderr()).toBe('');
});
