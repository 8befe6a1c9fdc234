import { writeFileSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import { failure, LvsctlError } from '../errors/index.ts';
import { importHosts } from '../import/index.ts';
import type { ReadHost } from '../import/observed.ts';
import type { AroundOptions } from './around.ts';
import { EXIT, type Output } from './output.ts';

export interface ImportCommandOptions extends AroundOptions {
  out?: string;
  name: string;
  host?: string[];
}

/** `lvsctl import`: describes what hosts, or configuration files, do as an inventory; writes no file that is there. */
export async function importCommand(
  files: readonly string[],
  options: ImportCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  // What is only printed has no file: the name says so, in the folder that paths in it start from.
  const target = resolvePath(options.out ?? '(the text above)');
  const { text, gaps, mistakes } = importHosts(await readHosts(options, files, output, signal), files, {
    name: options.name,
    target,
  });
  if (options.out === undefined) output.print(text.trimEnd());
  else writeNew(options.out, text);
  output.emit('imported', { inventory: text, ...(options.out === undefined ? {} : { file: options.out }) });
  output.problems([...gaps, ...mistakes]);
  if (options.out !== undefined)
    output.print(`Written: ${options.out}. Look it through, then: lvsctl validate -i ${options.out}`);
  return gaps.length + mistakes.length > 0 ? EXIT.findings : EXIT.done;
}

/**
 * The hosts that were asked for: all of them, for what one of several doesn't tell would be missing unseen.
 * @throws CLI-USAGE where there is nothing to import, LvsctlError with everything that kept hosts from being read
 */
async function readHosts(
  options: ImportCommandOptions,
  files: readonly string[],
  output: Output,
  signal: AbortSignal,
): Promise<ReadHost[]> {
  const { host: names = [] } = options;
  if (names.length === 0 && files.length > 0) return [];
  if (names.length === 0) {
    throw failure({
      code: 'CLI-USAGE',
      place: { kind: 'none' },
      what: 'neither a file nor a host is named',
      next: 'Name files, or hosts: lvsctl import --host root@lvs1.',
    });
  }
  const { readAround } = await import('./around.ts');
  const { seen, unseen, targets } = await readAround(names, options, output, signal);
  if (unseen.length > 0) throw new LvsctlError(unseen.flatMap(({ problems }) => problems));
  return seen.map((one): ReadHost => {
    const ssh = targets.find(({ name }) => name === one.name)?.ssh;
    if (options.lab === true || options.transport === 'local' || ssh === undefined) return { seen: one };
    const { address, user, port, become } = ssh;
    return {
      seen: one,
      ssh: {
        address,
        ...(user === undefined ? {} : { user }),
        ...(port === undefined ? {} : { port }),
        ...(become === undefined ? {} : { become }),
      },
    };
  });
}

/**
 * Writes a file that isn't there yet.
 * @throws CLI-FILE-EXISTS, CLI-NOT-WRITTEN
 */
export function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const place = { kind: 'file', file } as const;
    throw failure(
      code === 'EEXIST'
        ? {
            code: 'CLI-FILE-EXISTS',
            place,
            what: 'there is such a file already',
            next: 'Give another name: nothing is overwritten.',
          }
        : { code: 'CLI-NOT-WRITTEN', place, what: `the file can’t be written: ${code}`, next: 'Check its folder.' },
      { cause: error },
    );
  }
}
