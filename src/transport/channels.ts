import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Client, ClientChannel } from 'ssh2';
import type { LvsctlError } from '../errors/index.ts';
import { lostFailure, printable, sshFailure, type Whom } from './failures.ts';
import type { Raw } from './session.ts';
import type { Exit } from './types.ts';

/** sshd's default MaxSessions: more sessions at once on one connection would be refused. */
const MAX_SESSIONS = 10;
/** Tries at a session, and milliseconds between them, where sshd says that it has none free although none of ours runs. */
const FREE_TRIES = 8;
const FREE_PAUSE = 25;

/** An SSH connection after the login, with the one fact ssh2 doesn't keep: whether it was lost. */
export interface Link {
  exec(command: string, whom: Whom): Promise<Raw>;
  /** A stream from the far end to another host's port; rejects with ssh2's error. */
  forward(host: string, port: number): Promise<Duplex>;
  alive(): boolean;
  close(): void;
}

/**
 * Wraps a client that is ready. `stream` is what it runs over.
 * @param limit seconds that the server may take to start a program
 */
export function linkOf(client: Client, stream: Duplex, limit: number): Link {
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

  const lossOf = (whom: Whom) => (ended ? lost(whom, 'while the program ran') : undefined);

  const start = (command: string, whom: Whom): Promise<Started> =>
    new Promise((resolve, reject) => {
      if (ended) return reject(lost(whom, 'before the program was started'));
      // A server may answer keepalives and nothing else.
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        reject(silentFailure(whom, limit));
      }, limit * 1000);
      try {
        client.exec(command, (error, channel) => {
          clearTimeout(timer);
          if (late) return channel?.close();
          // Here and not a tick later: all of a short program, its end too, may come in the packet that says it was started.
          if (!error) return resolve({ kind: 'started', raw: rawOf(channel, () => lossOf(whom), whom) });
          if (ended) return reject(lost(whom, 'while the program was being started'));
          if ('reason' in error) return resolve({ kind: 'full', why: error.message });
          reject(startFailure(whom, error.message));
        });
      } catch (error) {
        clearTimeout(timer);
        ended ??= { cause: error };
        reject(lost(whom, 'before the program was started'));
      }
    });

  /** Sessions that run, by their end. */
  const running = new Set<Promise<unknown>>();

  /**
   * Starts a session, or waits where sshd has no more: it may allow fewer than its default, and it frees a session a
   * moment after its end was told. With none of ours running it gets a few more chances.
   */
  const startWhenFree = async (command: string, whom: Whom): Promise<Raw> => {
    for (let alone = 0; ; ) {
      const started = await start(command, whom);
      if (started.kind === 'started') return started.raw;
      if (running.size === 0 && ++alone > FREE_TRIES) throw sessionsFailure(whom, started.why);
      if (running.size > 0) await Promise.race(running);
      await sleep(FREE_PAUSE * Math.max(alone, 1));
    }
  };

  return {
    exec(command, whom) {
      return new Promise<Raw>((resolve, reject) => {
        // The slot is held until the session has ended.
        slots(async () => {
          const raw = await startWhenFree(command, whom);
          const over = raw.ended.then(
            () => {},
            () => {},
          );
          running.add(over);
          resolve(raw);
          await over;
          running.delete(over);
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

type Started = { kind: 'started'; raw: Raw } | { kind: 'full'; why: string };

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
    kill(reason) {
      if (lost()) return;
      // sshd heeds the signal except for root's own logins (session.c: it takes privilege separation); closing its pipes is
      // all that is left there. It keeps the session until the program has ended, and so does our count of them.
      channel.signal('TERM');
      channel.close();
      Duplex.prototype.destroy.call(channel, reason);
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

function silentFailure(whom: Whom, seconds: number): LvsctlError {
  return sshFailure(
    whom,
    'SSH-TIMEOUT',
    `the server neither started the program nor refused to within ${seconds} s`,
    'See what keeps the host busy: its load, its disks, what its login (PAM) waits for.',
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
