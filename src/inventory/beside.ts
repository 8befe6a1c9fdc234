import { basename, dirname, resolve as resolvePath } from 'node:path';
import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import type { Script } from './model.ts';
import { readText, TooLarge } from './read-file.ts';

/** Bytes of one file that an inventory names: as much as can be compared with what a host has. */
const SIZE_LIMIT = 1024 * 1024;

/** The absolute path of something that the inventory names by its place beside the file that says so. */
export function besides(said: string, path: Path, findings: Findings): string {
  return resolvePath(dirname(findings.document.place(path).file), said);
}

/** Reads a script that lands on hosts. */
export function readScript(said: string, path: Path, findings: Findings): Script | undefined {
  const content = readBeside(said, path, findings);
  return content === undefined ? undefined : { name: basename(said), content };
}

/** Reads a text file beside the inventory, or tells why it can't be. */
export function readBeside(said: string, path: Path, findings: Findings): string | undefined {
  const source = besides(said, path, findings);
  try {
    return readText(source, SIZE_LIMIT, { ignoreBOM: true });
  } catch (error) {
    findings.add(
      path,
      'INV-FILE-SOURCE',
      `the file ${source} can’t be read: ${whyUnread(error)}`,
      'Correct the path (it is looked up beside the inventory) or the file.',
    );
    return undefined;
  }
}

function whyUnread(error: unknown): string {
  if (error instanceof TypeError) return 'it is not UTF-8 text';
  if (error instanceof TooLarge) return 'it is larger than 1 MiB';
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
