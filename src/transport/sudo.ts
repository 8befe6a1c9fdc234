import { randomBytes } from 'node:crypto';
import type { LvsctlError } from '../errors/index.ts';
import { printable, sshFailure, type Whom } from './failures.ts';
import type { Raw, Stderr } from './session.ts';

/** Seconds for sudo to start the program or ask for the password (PAM modules may be slow). */
const START_LIMIT = 60;

/** The words that run `argv` by sudo, and the marks by which sudo's doing is told from the program's. */
export interface Sudo {
  argv: string[];
  /** sudo's prompt on stderr. */
  asks: string;
  /** What stderr shows when the program starts. */
  starts: string;
}

/**
 * `-S` makes sudo read the password from stdin, which is the program's stdin too: so that nothing may be written
 * before it is known whether sudo asks. A tiny `sh` says on stderr when the program starts; that costs one round trip
 * on hosts with `become: sudo` and none elsewhere.
 */
export function sudoCommand(argv: readonly string[]): Sudo {
  const nonce = randomBytes(9).toString('hex');
  const asks = `[lvsctl-asks-${nonce}]`;
  const starts = `[lvsctl-starts-${nonce}]`;
  const start = 'printf %s "$0" >&2; exec "$@"';
  return { argv: ['sudo', '-S', '-p', asks, '--', 'sh', '-c', start, starts, ...argv], asks, starts };
}

/**
 * Waits until the program runs as root. The password goes out only after sudo's prompt has come in, and once.
 * Throws SSH-SUDO-ASKS (none to be had), SSH-SUDO-PASSWORD (wrong), SSH-SUDO-REFUSED (sudo said no, or is absent).
 * Afterwards `stderr` holds the program's own words only.
 */
export async function becomeRoot(
  raw: Raw,
  stderr: Stderr,
  sudo: Sudo,
  whom: Whom,
  password: () => Promise<string | undefined>,
): Promise<void> {
  let seen: 'nothing' | 'question' = 'nothing';
  for (;;) {
    const text = stderr.bytes().toString('latin1');
    const started = text.indexOf(sudo.starts);
    if (started >= 0) {
      stderr.drop(started + sudo.starts.length);
      return;
    }
    const questions = text.split(sudo.asks).length - 1;
    if (questions > 1) {
      throw stop(
        raw,
        sshFailure(
          whom,
          'SSH-SUDO-PASSWORD',
          'sudo does not accept the password',
          'Set LVSCTL_SUDO_PASSWORD to the password of the login user on the host, or allow it sudo with NOPASSWD.',
        ),
      );
    }
    if (questions === 1 && seen === 'nothing') {
      seen = 'question';
      const answer = await password();
      if (answer === undefined) {
        throw stop(
          raw,
          sshFailure(
            whom,
            'SSH-SUDO-ASKS',
            'sudo asks for a password and none is available',
            'Set LVSCTL_SUDO_PASSWORD, run lvsctl on a terminal, or allow the login user sudo with NOPASSWD.',
          ),
        );
      }
      raw.stdin.write(`${answer}\n`);
      continue;
    }
    const event = await next(raw, stderr);
    if (event === 'said') continue;
    if (event === 'ended' && stderr.bytes().includes(sudo.starts)) continue;
    throw stop(raw, refused(whom, stderr.bytes().toString('utf8').replaceAll(sudo.asks, ''), event));
  }
}

function stop(raw: Raw, error: LvsctlError): LvsctlError {
  raw.kill(error);
  return error;
}

/** Waits for more on stderr, the end of the program, or the limit; rejects when the connection is lost. */
function next(raw: Raw, stderr: Stderr): Promise<'said' | 'ended' | 'silent'> {
  return new Promise<'said' | 'ended' | 'silent'>((resolve, reject) => {
    const timer = setTimeout(() => resolve('silent'), START_LIMIT * 1000);
    const done =
      <T>(act: (value: T) => void) =>
      (value: T) => {
        clearTimeout(timer);
        stderr.watch(undefined);
        act(value);
      };
    stderr.watch(() => done(resolve)('said'));
    raw.ended.then(() => done(resolve)('ended'), done(reject));
  });
}

function refused(whom: Whom, said: string, event: 'ended' | 'silent'): LvsctlError {
  const words = printable(said);
  return sshFailure(
    whom,
    'SSH-SUDO-REFUSED',
    event === 'silent'
      ? `sudo neither started the program nor asked for a password within ${START_LIMIT} s${words ? `, it said: ${words}` : ''}`
      : `sudo did not start the program${words ? `: ${words}` : ''}`,
    'Install sudo on the host and allow the login user to run sh as root, or log in as root.',
  );
}
