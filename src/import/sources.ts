/** Which files are imported, whose they are and what kind. */
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { textOf } from '../conf/files.ts';
import type { ParseOptions } from '../conf/keepalived.ts';
import { LvsctlError, type Problem } from '../errors/index.ts';
import type { Gaps } from './gaps.ts';
import { isTable } from './ipvsadm.ts';
import { isKeyfile } from './keyfile.ts';
import { isLdirectord } from './ldirectord.ts';

export type Kind = 'keepalived' | 'ipvsadm' | 'keyfile' | 'ldirectord';

export interface Source {
  /** Whose it is, where that was said: NAME=FILE. */
  host?: string;
  file: string;
  text: string;
  kind: Kind;
  /** Where files that it includes are found; absent: here. */
  include?: ParseOptions['include'];
  /** Whose lines count that begin with `@ID`; absent: `host`'s. */
  configId?: string;
}

const NAMED = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)=(.+)$/s;

/**
 * Reads what the arguments name: `FILE`, `NAME=FILE`, or a folder with files of known names in it. What can't be read
 * in a folder is a gap.
 * @throws LvsctlError with every file that is named and is none: CONF-NO-FILE, IMPORT-UNKNOWN-FILE, IMPORT-NO-FILES
 */
export function readSources(args: readonly string[], gaps: Gaps): Source[] {
  const problems: Problem[] = [];
  const sources = args.flatMap((arg) => {
    const match = isThere(arg) ? null : NAMED.exec(arg);
    const [, host, path = arg] = match ?? [];
    const read = isFolder(path) ? inFolder(path, gaps) : one(path);
    if ('problems' in read) {
      problems.push(...read.problems);
      return [];
    }
    return read.files.map((file): Source => ({ ...(host === undefined ? {} : { host }), ...file }));
  });
  if (problems.length > 0) throw new LvsctlError(problems);
  return sources;
}

type File = Pick<Source, 'file' | 'text' | 'kind'>;
type Read = { files: File[] } | { problems: Problem[] };

function one(file: string): Read {
  const read = textOf(file);
  if ('problem' in read) return { problems: [read.problem] };
  const kind = kindOf(read.text);
  return kind === undefined ? { problems: [unknownFile(file)] } : { files: [{ file, text: read.text, kind }] };
}

function inFolder(folder: string, gaps: Gaps): Read {
  const files: File[] = [];
  const unread: Problem[] = [];
  for (const file of filesIn(folder, 0)) {
    const read = textOf(file);
    const kind = 'text' in read ? kindOf(read.text) : undefined;
    if ('problem' in read) unread.push(read.problem);
    else if (kind !== undefined) files.push({ file, text: read.text, kind });
  }
  if (files.length === 0) return { problems: [...unread, noFiles(folder)] };
  for (const { what, next, place } of unread)
    if (place.kind === 'file') gaps.add(place, `${what}; it was left out`, next);
  return { files };
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Folders in folders are gone through so far: /etc/NetworkManager/system-connections and the like. */
const DEEPEST = 8;

/** Files that a host has under these names; what a keepalived.conf includes is read by way of it. */
function filesIn(folder: string, depth: number): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return depth < DEEPEST ? filesIn(path, depth + 1) : [];
      const known = /^(keepalived\.conf|ldirectord\.cf|ipvsadm(\.rules|\.txt)?|.*\.nmconnection)$/;
      return entry.isFile() && known.test(basename(path)) ? [path] : [];
    });
}

const KEEPALIVED =
  /^\s*(?:@\S+\s+)?(?:global_defs|net_namespace|vrrp_instance|vrrp_sync_group|vrrp_script|virtual_server|virtual_server_group|bfd_instance|static_\w+|track_file|include[rmwba]?)\b/m;

/** What a file is, by what stands in it. Pure. */
export function kindOf(text: string): Kind | undefined {
  if (isKeyfile(text)) return 'keyfile';
  if (isTable(text)) return 'ipvsadm';
  if (isLdirectord(text)) return 'ldirectord';
  return KEEPALIVED.test(text) ? 'keepalived' : undefined;
}

function unknownFile(file: string): Problem {
  return {
    code: 'IMPORT-UNKNOWN-FILE',
    place: { kind: 'file', file },
    what: 'the file is none that can be imported',
    next: 'Give a keepalived.conf, what ipvsadm -Sn prints, a NetworkManager keyfile or an ldirectord.cf.',
  };
}

function noFiles(folder: string): Problem {
  return {
    code: 'IMPORT-NO-FILES',
    place: { kind: 'file', file: folder },
    what: 'there is nothing in this folder that can be imported',
    next: 'Name the files themselves: NAME=FILE.',
  };
}
