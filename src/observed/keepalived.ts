/** A host's keepalived.conf, with what it includes, out of the files that were read there. */
import { dirname, isAbsolute, join } from 'node:path/posix';
import { fitsPattern, isPattern } from '../conf/files.ts';
import { type Included, type KeepalivedConf, parseKeepalived } from '../conf/keepalived.ts';
import type { Observed } from './observed.ts';

/** How a file of a host is named in findings: as scp(1) does. */
export function fileOf(host: string, path: string): string {
  return `${host}:${path}`;
}

/** Reads it; its places are `HOST:PATH`. undefined: there is none, or it can't be read. Pure. */
export function keepalivedOf(seen: Observed): KeepalivedConf | undefined {
  const text = seen.files.get(seen.keepalived.file);
  if (text === undefined) return undefined;
  return parseKeepalived(fileOf(seen.name, seen.keepalived.file), text, {
    configId: configIdOf(seen),
    include: includedOf(seen),
  });
}

/** What keepalived takes for lines that begin with `@ID`: the host's name without its domain (keepalived(8), `-i`). */
export function configIdOf({ facts }: Observed): string {
  return facts.hostname.split('.')[0] ?? '';
}

/** Finds included files among those that were read. */
export function includedOf({ name, files, unread }: Observed): (pattern: string, from: string) => Included {
  const head = fileOf(name, '');
  return (pattern, from) => {
    const full = isAbsolute(pattern) ? join(pattern) : join(dirname(from.slice(head.length)), pattern);
    const fits = (path: string) => (isPattern(full) ? fitsPattern(full, path) : path === full);
    if (unread.some(fits)) return { why: 'it can’t be read there without root' };
    const found = [...files].filter(([path]) => fits(path)).sort(([a], [b]) => (a < b ? -1 : 1));
    if (found.length === 0 && !isPattern(full)) return { why: 'there is none' };
    return { files: found.map(([path, text]) => ({ file: fileOf(name, path), text })) };
  };
}
