import { readFileSync } from 'node:fs';
import { basename, dirname, resolve as resolvePath } from 'node:path';
import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import type { Script } from './model.ts';

/** The absolute path of something that the inventory names by its place beside itself. */
export function besides(said: string, findings: Findings): string {
  return resolvePath(dirname(findings.document.file), said);
}

/** Reads a script that lands on hosts. */
export function readScript(said: string, path: Path, findings: Findings): Script | undefined {
  const content = readBeside(said, path, findings);
  return content === undefined ? undefined : { name: basename(said), content };
}

/** Reads a text file beside the inventory, or tells why it can't be. */
export function readBeside(said: string, path: Path, findings: Findings): string | undefined {
  const source = besides(said, findings);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(source));
  } catch (error) {
    const why =
      error instanceof TypeError
        ? 'it is not UTF-8 text'
        : error instanceof Error && 'code' in error
          ? String(error.code)
          : String(error);
    findings.add(
      path,
      'INV-FILE-SOURCE',
      `the file ${source} can’t be read: ${why}`,
      'Correct the path (it is looked up beside the inventory) or the file.',
    );
    return undefined;
  }
}
