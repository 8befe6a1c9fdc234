import { spawn } from 'node:child_process';
import { userInfo } from 'node:os';
import { connectionOf, type Exec } from './connection.ts';
import { printable, sshFailure, type Whom } from './failures.ts';
import type { TransportOptions } from './options.ts';
import { secretsOf } from './secrets.ts';
import type { Raw } from './session.ts';
import type { Exit, Transport } from './types.ts';

/** This machine itself: programs start under `/bin/sh`, which stands in for a login shell. */
export function localTransport(options: TransportOptions = {}): Transport {
  const environment = options.environment ?? process.env;
  const secrets = secretsOf(environment, options.prompt);
  return {
    async connect(target) {
      return connectionOf(target, userInfo().username, { exec: localExec(environment), close() {} }, secrets);
    },
    async close() {},
  };
}

/** Starts command lines with this environment, without lvsctl's own secrets. */
export function localExec(environment: NodeJS.ProcessEnv): Exec {
  const env = Object.fromEntries(Object.entries(environment).filter(([name]) => !SECRETS.test(name)));
  return async (command, whom) => start(command, env, whom);
}

const SECRETS = /^LVSCTL_.*(PASSWORD|PASSPHRASE)$/;

/** In a process group of its own, so that `kill` reaches what the program started too. */
function start(command: string, env: NodeJS.ProcessEnv, whom: Whom): Raw {
  const child = spawn('/bin/sh', ['-c', command], { stdio: 'pipe', detached: true, env });
  const ended = new Promise<Exit>((resolve, reject) => {
    child.once('error', (error) => {
      const what = `the program can't be started here: ${printable(error.message)}`;
      reject(sshFailure(whom, 'SSH-LOST', what, 'Check the limits on processes of this machine.', error));
    });
    // All of stderr is in when its stream has closed; `exit` alone may come before that.
    let exit: Exit | undefined;
    const settle = () => {
      if (exit && child.stderr.closed) resolve(exit);
    };
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      settle();
    });
    child.stderr.once('close', settle);
  });
  ended.catch(() => {});
  child.stdin.on('error', () => {});
  child.stdout.on('error', () => {});
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended,
    cut: async () => undefined,
    kill(reason) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      try {
        process.kill(-child.pid, 'SIGTERM');
      } catch {
        // Already gone.
      }
      child.stdout.destroy(reason);
    },
  };
}
