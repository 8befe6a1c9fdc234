import { writeFileSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import { failure } from '../errors/index.ts';
import { importFiles } from '../import/index.ts';
import { EXIT, type Output } from './output.ts';

export interface ImportCommandOptions {
  out?: string;
  name: string;
}

/** `lvsctl import`: describes what configuration files do as an inventory; writes no file that is there. */
export function importCommand(files: readonly string[], options: ImportCommandOptions, output: Output): number {
  const target = resolvePath(options.out ?? 'lvs.yaml');
  const { text, gaps, mistakes } = importFiles(files, { name: options.name, target });
  if (options.out === undefined) output.print(text.trimEnd());
  else writeNew(options.out, text);
  output.emit('imported', { inventory: text, ...(options.out === undefined ? {} : { file: options.out }) });
  output.problems([...gaps, ...mistakes]);
  if (options.out !== undefined)
    output.print(`Written: ${options.out}. Look it through, then: lvsctl validate -i ${options.out}`);
  return gaps.length + mistakes.length > 0 ? EXIT.findings : EXIT.done;
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
