import { createInterface } from 'node:readline/promises';
import { failure } from '../errors/index.ts';
import type { Read } from '../init/answers.ts';

/** Asks on a terminal, again until the answer can be read. */
export interface Asker {
  /**
   * @param flag by which it can be said without being asked
   * @throws CLI-MISSING where nobody can be asked, CLI-NO-ANSWER where the answers end
   */
  ask<T>(flag: string, question: string, read: (text: string) => Read<T>, usual?: string): Promise<T>;
  /** One more of a list; undefined: no more. */
  more<T>(question: string, read: (text: string) => Read<T>): Promise<T | undefined>;
  close(): void;
}

/** @param interactive whether there is somebody to ask */
export function openAsker(interactive: boolean): Asker {
  const reader = interactive ? createInterface({ input: process.stdin, output: process.stderr }) : undefined;
  // readline leaves a question open for ever when the input ends.
  const closed = new Promise<undefined>((resolve) => reader?.once('close', () => resolve(undefined)));
  // A terminal that readline reads gives it Ctrl-C as a key.
  reader?.on('SIGINT', () => {
    process.emit('SIGINT');
    reader.close();
  });
  const line = async (flag: string, question: string): Promise<string> => {
    if (reader === undefined) throw missing(flag);
    const answer = await Promise.race([closed, reader.question(question).catch(() => undefined)]);
    if (answer === undefined) throw noAnswer();
    return answer.trim();
  };
  return {
    async ask(flag, question, read, usual) {
      for (;;) {
        const said = await line(flag, `${question}${usual === undefined ? '' : ` [${usual}]`}: `);
        const found = read(said === '' && usual !== undefined ? usual : said);
        if ('value' in found) return found.value;
        process.stderr.write(`  ${found.wrong}\n`);
      }
    },
    async more(question, read) {
      for (;;) {
        const said = await line('', `${question}: `);
        if (said === '') return undefined;
        const found = read(said);
        if ('value' in found) return found.value;
        process.stderr.write(`  ${found.wrong}\n`);
      }
    },
    close: () => reader?.close(),
  };
}

function missing(flag: string): Error {
  return failure({
    code: 'CLI-MISSING',
    place: { kind: 'none' },
    what: `${flag} is not given, and there is no terminal to ask on`,
    next: 'Give it, or take an example: --from NAME. lvsctl init --help lists all that there is.',
  });
}

function noAnswer(): Error {
  return failure({
    code: 'CLI-NO-ANSWER',
    place: { kind: 'none' },
    what: 'the answers ended before all was asked',
    next: 'Nothing was written. Begin again, or give what you know by flags.',
  });
}
