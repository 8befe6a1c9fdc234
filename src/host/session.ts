import { randomBytes } from 'node:crypto';
import { failure, LvsctlError } from '../errors/index.ts';
import { printable } from '../transport/failures.ts';
import { NO_POSIX_SHELL } from '../transport/quote.ts';
import type { Connection, Session } from '../transport/types.ts';
import { type Frame, frameParser } from './frames.ts';
import { ENGINE_VERSION, type HostMode, PROGRAMS } from './program.ts';

/** Most that one session may answer, in bytes. */
const TOTAL_LIMIT = 64 * 1024 * 1024;

/** Seconds in which a program says its first word: a login that hangs is no step that takes long. */
const GREETING_SECONDS = 60;

/** A running host program, as a sequence of frames. */
export interface Talk {
  nonce: string;
  /** Sends in the order of the calls, without waiting: a program that ended early would never take it all. */
  send(text: string | Uint8Array): void;
  /**
   * Sends like `send`, and is done when there is room for more: for what is too long to be held in memory.
   * @throws the transport's error where the program takes no more
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Closes its input after what was sent. */
  end(): void;
  /**
   * The next frame that is complete; `undefined` after the last.
   * @param limit seconds to wait for it, where the session itself has no time limit
   * @throws HOST-LOST when the answer stops short, HOST-PROTOCOL when it isn't one of this program's, HOST-SHELL where
   *   the login shell can't start it, HOST-SILENT when nothing comes in time
   */
  next(limit?: number): Promise<Frame | undefined>;
  /** The error for an answer that is none of this program's. */
  broken(what: string): LvsctlError;
  /** Ends the program at once. */
  kill(): void;
}

export interface TalkOptions {
  phase: string;
  /** Seconds. */
  timeout?: number | undefined;
  /** Seconds in which it says its first word; 60 unless told. */
  greeting?: number;
  /** Sent with the opening lines, in one packet. */
  first?: string;
  /** Bytes of one frame that are kept; all unless told. */
  keep?: number;
  /** Aborting ends the program at once and makes `next` throw INTERRUPTED. */
  signal?: AbortSignal | undefined;
}

/** Starts the host program in one of its modes and sends the opening lines. */
export async function talk(connection: Connection, mode: HostMode, options: TalkOptions): Promise<Talk> {
  const { phase, timeout, signal, greeting = GREETING_SECONDS } = options;
  const place = { kind: 'host', host: connection.host, phase } as const;
  if (signal?.aborted) throw interrupted(place);
  const session = await connection.open(['sh', '-c', PROGRAMS[mode], 'lvsctl', mode], {
    phase,
    ...(timeout === undefined ? {} : { timeout }),
  });
  session.exit.catch(() => undefined);
  const opened = performance.now();
  const nonce = randomBytes(16).toString('hex');
  const parser = frameParser(nonce, options.keep);
  const chunks = session.stdout[Symbol.asyncIterator]();
  const ready: Frame[] = [];
  let onAbort = () => {};
  const stopped = new Promise<never>((_, reject) => {
    onAbort = () => {
      session.kill();
      reject(interrupted(place));
    };
  });
  stopped.catch(() => undefined);
  signal?.addEventListener('abort', onAbort, { once: true });
  const settle = () => signal?.removeEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  let finished = false;
  let greeted = false;

  const protocol = (what: string): LvsctlError =>
    failure({
      code: 'HOST-PROTOCOL',
      place,
      what,
      next: 'Look what the login shell of this user prints or runs, and whether the disk or the network is failing.',
    });

  const check = (frame: Frame): boolean => {
    const [word, detail] = frame.words;
    if (word === 'refused') throw protocol(`the host program refused a request (${detail})`);
    if (greeted && word === 'hello') throw protocol('the host program’s answer came twice');
    if (greeted) return true;
    if (word !== 'hello' || detail !== ENGINE_VERSION) throw protocol('the host program answered in an unknown way');
    greeted = true;
    return false;
  };

  /** What comes before the time is over; else the program is ended, and the error says so. */
  const before = async <T>(what: Promise<T>, seconds: number, error: () => LvsctlError): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(error());
        session.kill();
      }, seconds * 1000);
    });
    try {
      return await Promise.race([what, late]);
    } finally {
      clearTimeout(timer);
    }
  };

  const nextIn = (limit: number): Promise<Frame | undefined> => before(next(), limit, () => silent(place, limit));

  const next = async (): Promise<Frame | undefined> => {
    for (;;) {
      const frame = ready.shift();
      if (frame !== undefined) {
        if (check(frame)) return frame;
        continue;
      }
      if (parser.ended()) {
        settle();
        return undefined;
      }
      if (finished) throw await lost(session, place, greeted ? undefined : parser.greeting());
      const coming = Promise.race([chunks.next(), stopped]);
      const left = greeting - (performance.now() - opened) / 1000;
      const chunk = await (greeted ? coming : before(coming, left, () => hanging(place, greeting)));
      if (chunk.done) {
        finished = true;
        continue;
      }
      ready.push(...parser.push(chunk.value));
      if (parser.total() > TOTAL_LIMIT) {
        session.kill();
        throw protocol('the host answered more than 64 MiB');
      }
      if (parser.endless()) {
        session.kill();
        throw protocol('the host’s answer has no end of a line');
      }
    }
  };

  // A program that ended while it was being written to says why in its answer, or by having none: `next` tells.
  let sent = Promise.resolve();
  const after = (act: () => Promise<void> | void) => {
    sent = sent.then(act).catch(() => undefined);
  };
  const talking: Talk = {
    nonce,
    send: (text) => after(() => session.write(text)),
    write: async (chunk) => {
      await sent;
      await session.write(chunk);
    },
    end: () => after(() => session.end()),
    next: (limit) => (limit === undefined ? next() : nextIn(limit)),
    broken: protocol,
    kill: () => {
      settle();
      session.kill();
    },
  };
  talking.send(`\nlvsctl-engine\n${nonce}\n${options.first ?? ''}`);
  return talking;
}

interface HostPlace {
  kind: 'host';
  host: string;
  phase: string;
}

function interrupted(place: HostPlace): LvsctlError {
  const problem = { code: 'INTERRUPTED', place, what: 'stopped on request', next: 'Run the same command again.' };
  return failure(problem, { exitCode: 130 });
}

/** @param greeting what came in place of the program's first words; undefined: it had begun */
async function lost(session: Session, place: HostPlace, greeting: string | undefined): Promise<LvsctlError> {
  const exit = await session.exit.catch((error: unknown) => error);
  if (exit instanceof LvsctlError) return exit;
  const started = greeting === undefined;
  if (!started && codeOf(exit) === NO_POSIX_SHELL) {
    return failure({
      code: 'HOST-SHELL',
      place,
      what: 'the login shell of this user is csh or one like it, which can’t be handed the host program',
      next: 'Log in as a user whose shell is sh, bash, dash, ksh, zsh or fish (ssh.user), or give this one such a shell: chsh -s /bin/sh.',
    });
  }
  const said = [printable(session.stderr(), 1000), printable(greeting ?? '')].filter((text) => text !== '').join('; ');
  return failure({
    code: 'HOST-LOST',
    place,
    what: `the host program ${started ? 'stopped in the middle of its answer' : 'did not start'} (${howEnded(exit)})${said === '' ? '' : `: ${said}`}`,
    next: 'Check that the user may run sh there (login shell, ForceCommand), and the connection; then run the same command again.',
  });
}

function silent(place: HostPlace, seconds: number): LvsctlError {
  return failure({
    code: 'HOST-SILENT',
    place,
    what: `the host program said nothing for ${seconds} s`,
    next: 'See what keeps the host busy (its load, its disks), then run the same command again.',
  });
}

function hanging(place: HostPlace, seconds: number): LvsctlError {
  return failure({
    code: 'HOST-SILENT',
    place,
    what: `the host program did not start in ${seconds} s, though the host let this user in`,
    next: 'Look what this user’s shell runs at a login (profile, rc files, ForceCommand), and what keeps the host busy; then run the same command again.',
  });
}

function codeOf(exit: unknown): unknown {
  return typeof exit === 'object' && exit !== null && 'code' in exit ? exit.code : undefined;
}

function howEnded(exit: unknown): string {
  if (typeof exit !== 'object' || exit === null || !('code' in exit) || !('signal' in exit)) return 'connection lost';
  return exit.code === null ? `signal ${exit.signal ?? 'unknown'}` : `exit code ${exit.code}`;
}
