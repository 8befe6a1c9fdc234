import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Connection, Exit, Session } from '../../src/transport/types.ts';

/** The shells that the host program must run under, as commands in place of `sh`. */
export const SHELLS: Record<string, string[]> = {
  dash: ['dash'],
  busybox: ['busybox', 'sh'],
  bash: ['bash', '--posix'],
};

export interface LocalOptions {
  shell?: string[];
  env?: Record<string, string>;
}

/** A connection to this machine under a shell of one's choice. */
export function localShell({ shell = ['dash'], env = {} }: LocalOptions = {}): Connection {
  return {
    host: 'here',
    async open(argv): Promise<Session> {
      const [command = 'sh', ...words] = [...shell, ...argv.slice(1)];
      const child = spawn(command, words, { env: { ...process.env, ...env }, stdio: 'pipe' });
      const errors: string[] = [];
      child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
      child.stdin.on('error', () => undefined);
      const exit = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }));
      return {
        write: (chunk) =>
          new Promise((resolve, reject) => child.stdin.write(chunk, (error) => (error ? reject(error) : resolve()))),
        end: () => child.stdin.end(),
        stdout: child.stdout,
        stderr: () => errors.join(''),
        exit,
        kill: () => {
          child.kill('SIGKILL');
        },
      };
    },
    async close() {},
  };
}
