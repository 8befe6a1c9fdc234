import type { Readable, Writable } from 'node:stream';
import type { LvsctlError } from '../errors/index.ts';
import { sshFailure, type Whom } from './failures.ts';
import type { Exit, Session } from './types.ts';

/** A program that runs somewhere, as each transport starts it. */
export interface Raw {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** The program's own end; rejects with a LvsctlError where the connection ended first. */
  ended: Promise<Exit>;
  /** What cut stdout short, asked when it has ended; undefined: nothing did. */
  cut(): Promise<LvsctlError | undefined>;
  /** Ends the program as well as can be, and its stdout at once, with this error. */
  kill(reason: Error): void;
}

/** Bytes of stderr that are kept. */
const STDERR_LIMIT = 64 * 1024;

/** What a program says on stderr: kept up to a limit, decoded only when somebody asks. */
export interface Stderr {
  bytes(): Buffer;
  /** Forgets the first `count` bytes. */
  drop(count: number): void;
  /** Calls back after each chunk; undefined: no longer. */
  watch(changed: (() => void) | undefined): void;
}

/** Reads the stream to its end, whether anybody looks or not: an unread stderr would stall the program. */
export function collectStderr(stream: Readable): Stderr {
  const chunks: Buffer[] = [];
  let size = 0;
  let changed: (() => void) | undefined;
  stream.on('data', (chunk: Buffer) => {
    if (size < STDERR_LIMIT) {
      chunks.push(size + chunk.length > STDERR_LIMIT ? chunk.subarray(0, STDERR_LIMIT - size) : chunk);
      size += chunk.length;
    }
    changed?.();
  });
  stream.on('error', () => {});
  return {
    bytes: () => Buffer.concat(chunks),
    drop(count) {
      const rest = Buffer.concat(chunks).subarray(count);
      chunks.splice(0, chunks.length, rest);
      size = rest.length;
    },
    watch(callback) {
      changed = callback;
    },
  };
}

/** Makes the one Session all transports give out: limits, backpressure and errors are the same in each. */
export function sessionOf(raw: Raw, stderr: Stderr, whom: Whom, timeout: number | undefined): Session {
  /** Set when the program has ended, or was ended: nothing can be written after that. */
  let over: LvsctlError | undefined;
  /** Set when it was ended before its time: its output is not whole. */
  let broken: LvsctlError | undefined;
  let timer: NodeJS.Timeout | undefined;
  let waiting: { resolve: () => void; reject: (error: LvsctlError) => void }[] = [];
  const release = (act: (one: (typeof waiting)[number]) => void) => {
    const all = waiting;
    waiting = [];
    all.forEach(act);
  };
  const finish = (error: LvsctlError) => {
    over ??= error;
    clearTimeout(timer);
    release((one) => one.reject(error));
  };
  const { promise: stopped, reject: stop } = withReject<never>();
  const abort = (error: LvsctlError) => {
    if (over) return;
    broken = error;
    finish(error);
    stop(error);
    raw.kill(error);
  };

  const exit = Promise.race([raw.ended, stopped]);
  exit.then(
    () => finish(endedFailure(whom)),
    (error: LvsctlError) => {
      broken ??= error;
      finish(error);
    },
  );
  if (timeout !== undefined) timer = setTimeout(() => abort(timeoutOf(whom, timeout)), timeout * 1000);

  raw.stdin.on('drain', () => release((one) => one.resolve()));
  // A program that closes its input early is no failure of the session; its exit code tells.
  raw.stdin.on('error', () => finish(endedFailure(whom)));

  async function* stdout(): AsyncGenerator<Uint8Array, void> {
    try {
      for await (const chunk of raw.stdout) yield chunk;
    } catch (error) {
      throw broken ?? (await raw.cut()) ?? error;
    }
    const error = broken ?? (await raw.cut());
    if (error) throw error;
  }

  return {
    write(chunk) {
      if (over) return Promise.reject(over);
      if (raw.stdin.write(chunk)) return Promise.resolve();
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    end() {
      if (!over) raw.stdin.end();
    },
    stdout: stdout(),
    stderr: () => stderr.bytes().toString('utf8'),
    exit,
    kill: () => abort(sshFailure(whom, 'SSH-KILLED', 'the session was ended by lvsctl', 'Run lvsctl again.')),
  };
}

function endedFailure(whom: Whom): LvsctlError {
  return sshFailure(
    whom,
    'SSH-ENDED',
    'the program on the host ended before it had read all its input',
    'Its exit code and what it wrote to stderr say why.',
  );
}

function timeoutOf(whom: Whom, seconds: number): LvsctlError {
  return sshFailure(
    whom,
    'SSH-COMMAND-TIMEOUT',
    `the program on the host did not end within ${seconds} s and was ended`,
    'See what keeps the host busy; a slow one needs a longer time limit.',
  );
}

function withReject<T>(): { promise: Promise<T>; reject: (error: LvsctlError) => void } {
  let reject: (error: LvsctlError) => void = () => {};
  const promise = new Promise<T>((_resolve, rejected) => {
    reject = rejected;
  });
  return { promise, reject };
}
