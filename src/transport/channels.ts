import type { Duplex } from 'node:stream';
import pLimit from 'p-limit';
import type { Client, ClientChannel } from 'ssh2';
import type { LvsctlError } from '../errors/index.ts';
import { lostFailure, printable, sshFailure, type Whom } from './failures.ts';
import type { Raw } from './session.ts';
import type { Exit } from './types.ts';

/** sshd's default MaxSessions: more sessions at once on one connection would be refused. */
const MAX_SESSIONS = 10;

/** An SSH connection after the login, with the one fact ssh2 doesn't keep: whether it was lost. */
export interface Link {
  exec(command: string, whom: Whom): Promise<Raw>;
  /** A stream from the far end to another host's port; undefined error: the way was dropped and may be tried again. */
  forward(host: string, port: number): Promise<Duplex>;
  alive(): boolean;
  close(): void;
}

/** Wraps a client that is ready. `stream` is what it runs over. `whom` is for losses while nothing in particular runs. */
export function linkOf(client: Client, stream: Duplex): Link {
  let ended: { cause?: unknown } | undefined;
  let closing = false;
  const slots = pLimit(MAX_SESSIONS);
  // For good: without a listener a reset after the login would end the process.
  client.on('error', (cause) => {
    ended ??= { cause };
  });
  client.on('end', () => {
    ended ??= {};
    stream.destroy();
  });
  client.on('close', () => {
    ended ??= {};
  });
  const lost = (whom: Whom, when: string) => lostFailure(whom, closing ? 'by being closed here' : when, ended?.cause);

  const start = (command: string, whom: Whom): Promise<Started> =>
    new Promise((resolve, reject) => {
      if (ended) return reject(lost(whom, 'before the program was started'));
      try {
        client.exec(command, (error, channel) => {
          if (!error) return resolve({ kind: 'started', channel });
          if (ended) return reject(lost(whom, 'while the program was being started'));
          if ('reason' in error) return resolve({ kind: 'full', why: error.message });
          reject(startFailure(whom, error.message));
        });
      } catch (error) {
        ended ??= { cause: error };
        reject(lost(whom, 'before the program was started'));
      }
    });

  return {
    exec(command, whom) {
      return new Promise<Raw>((resolve, reject) => {
        // The slot is held until the session has ended.
        slots(async () => {
          const started = await start(command, whom);
          if (started.kind === 'full') throw sessionsFailure(whom, started.why);
          const raw = rawOf(started.channel, () => (ended ? lost(whom, 'while the program ran') : undefined), whom);
          resolve(raw);
          await raw.ended.catch(() => {});
        }).catch(reject);
      });
    },
    forward(host, port) {
      return new Promise((resolve, reject) => {
        if (ended) return reject(ended.cause ?? new Error('the connection to the jump host is lost'));
        try {
          client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
            if (error) return reject(error);
            channel.on('error', () => {});
            resolve(channel);
          });
        } catch (error) {
          reject(error);
        }
      });
    },
    alive: () => !ended && !closing,
    close() {
      closing = true;
      client.end();
      // Not waiting for the server's own goodbye: hundreds of hosts' sockets are to be free at once.
      if ('destroySoon' in stream && typeof stream.destroySoon === 'function') stream.destroySoon();
      else stream.end();
    },
  };
}

type Started = { kind: 'started'; channel: ClientChannel } | { kind: 'full'; why: string };

function rawOf(channel: ClientChannel, lost: () => LvsctlError | undefined, whom: Whom): Raw {
  let exit: Exit | undefined;
  channel.on('exit', (code: number | null, signal?: string) => {
    exit = { code, signal: signal ?? null };
  });
  channel.on('error', () => {});
  const ended = new Promise<Exit>((resolve, reject) => {
    // stderr's end is the protocol's: the channel's own waits until somebody has read stdout. All of stderr is in by then.
    channel.stderr.once('close', () => {
      if (exit) resolve(exit);
      else reject(lost() ?? noStatusFailure(whom));
    });
  });
  ended.catch(() => {});
  return {
    stdin: channel,
    stdout: channel,
    stderr: channel.stderr,
    ended,
    cut: () => Promise.resolve(exit ? undefined : lost()),
    kill() {
      if (lost()) return;
      channel.signal('TERM');
      channel.close();
      channel.resume();
    },
  };
}

function startFailure(whom: Whom, why: string): LvsctlError {
  return sshFailure(
    whom,
    'SSH-PROTOCOL',
    `the server did not start the program: ${printable(why)}`,
    'Check the login shell of the user and ForceCommand in the sshd_config of the host.',
  );
}

function sessionsFailure(whom: Whom, why: string): LvsctlError {
  return sshFailure(
    whom,
    'SSH-BUSY',
    `the server opened no session: ${printable(why)}`,
    'Check MaxSessions in the sshd_config of the host; lvsctl needs at least 1.',
  );
}

function noStatusFailure(whom: Whom): LvsctlError {
  return sshFailure(
    whom,
    'SSH-PROTOCOL',
    'the server closed the session without saying how the program ended',
    'Look into the log of sshd on the host.',
  );
}
