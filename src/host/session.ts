import { randomBytes } from 'node:crypto';
import { failure, LvsctlError } from '../errors/index.ts';
import type { Connection, Session } from '../transport/types.ts';
import { type Frame, frameParser } from './frames.ts';
import { ENGINE_VERSION, PROGRAM } from './program.ts';

/** Most that one session may answer, in bytes. */
const TOTAL_LIMIT = 64 * 1024 * 1024;

/** A running host program, as a sequence of frames. */
export interface Talk {
  nonce: string;
  send(text: string | Uint8Array): Promise<void>;
  /** Closes its input. */
  end(): void;
  /**
   * The next frame that is complete; `undefined` after the last.
   * @throws HOST-LOST when the answer stops short, HOST-PROTOCOL when it isn't one of this program's
   */
  next(): Promise<Frame | undefined>;
  /** Ends the program at once. */
  kill(): void;
}

/** Starts the host program in one of its modes and sends the opening lines. */
export async function talk(
  connection: Connection,
  mode: 'observe' | 'apply',
  options: { phase: string; timeout?: number | undefined; keep?: number },
): Promise<Talk> {
  const { phase, timeout } = options;
  const place = { kind: 'host', host: connection.host, phase } as const;
  const session = await connection.open(['sh', '-c', PROGRAM, 'lvsctl', mode], {
    phase,
    ...(timeout === undefined ? {} : { timeout }),
  });
  session.exit.catch(() => undefined);
  const nonce = randomBytes(16).toString('hex');
  const parser = frameParser(nonce, options.keep);
  const chunks = session.stdout[Symbol.asyncIterator]();
  const ready: Frame[] = [];
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
    if (greeted) return true;
    if (word !== 'hello' || detail !== ENGINE_VERSION) throw protocol('the host program answered in an unknown way');
    greeted = true;
    return false;
  };

  const next = async (): Promise<Frame | undefined> => {
    for (;;) {
      const frame = ready.shift();
      if (frame !== undefined) {
        if (check(frame)) return frame;
        continue;
      }
      if (parser.ended()) return undefined;
      if (finished) throw await lost(session, place);
      const chunk = await chunks.next();
      if (chunk.done) {
        finished = true;
        continue;
      }
      ready.push(...parser.push(chunk.value));
      if (parser.total() > TOTAL_LIMIT) {
        session.kill();
        throw protocol('the host answered more than 64 MiB');
      }
    }
  };

  const talking: Talk = {
    nonce,
    // A program that ended while it was being written to says why in its answer, or by having none: `next` tells.
    send: (text) => session.write(text).catch(() => undefined),
    end: () => session.end(),
    next,
    kill: () => session.kill(),
  };
  await talking.send(`\nlvsctl-engine\n${nonce}\n`);
  return talking;
}

async function lost(session: Session, place: { kind: 'host'; host: string; phase: string }): Promise<LvsctlError> {
  const exit = await session.exit.catch((error: unknown) => error);
  if (exit instanceof LvsctlError) return exit;
  const said = session.stderr().trim();
  return failure({
    code: 'HOST-LOST',
    place,
    what: `the host program stopped in the middle of its answer (${howEnded(exit)})${said === '' ? '' : `: ${said}`}`,
    next: 'Check that the user may run sh there, and the connection; then run the same command again.',
  });
}

function howEnded(exit: unknown): string {
  if (typeof exit !== 'object' || exit === null || !('code' in exit) || !('signal' in exit)) return 'connection lost';
  return exit.code === null ? `signal ${exit.signal ?? 'unknown'}` : `exit code ${exit.code}`;
}
