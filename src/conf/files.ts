/** Reads configuration files where lvsctl runs, with what they include. */
import { readdirSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { failure, type Problem } from '../errors/index.ts';
import { readText, TooLarge } from '../inventory/read-file.ts';
import type { Included } from './keepalived.ts';

/** Bytes of one file. */
const SIZE_LIMIT = 4 * 1024 * 1024;

/** A file's text, or why there is none. */
export function textOf(file: string): { text: string } | { problem: Problem } {
  try {
    return { text: readText(file, SIZE_LIMIT) };
  } catch (error) {
    return { problem: unreadable(file, error) };
  }
}

/**
 * A file's text.
 * @throws CONF-NO-FILE
 */
export function readConf(file: string): string {
  const read = textOf(file);
  if ('problem' in read) throw failure(read.problem);
  return read.text;
}

function unreadable(file: string, error: unknown): Problem {
  const { why, next } = reasonOf(error);
  return { code: 'CONF-NO-FILE', place: { kind: 'file', file }, what: `the file can’t be read: ${why}`, next };
}

/** Why a file has no text, and what to do about it. */
function reasonOf(error: unknown): { why: string; next: string } {
  if (error instanceof TypeError)
    return {
      why: 'it is not UTF-8 text',
      next: 'Name the configuration itself: what else is there is told by file(1).',
    };
  if (error instanceof TooLarge)
    return {
      why: 'it is larger than 4 MiB',
      next: 'Check that it is the one you meant: no configuration is as large.',
    };
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  if (code === 'ENOENT') return { why: 'there is none', next: 'Check its name.' };
  if (code === 'EISDIR') return { why: 'it is a folder', next: 'Name the files in it.' };
  return { why: code, next: 'Check whether you may read it.' };
}

/**
 * The files that an `include` names, sorted by name as keepalived's glob(3) does. A pattern that fits nothing is no
 * fault; a plain name that isn't there is.
 */
export function includeFiles(pattern: string, from: string): Included {
  const full = isAbsolute(pattern) ? pattern : join(dirname(from), pattern);
  const wild = isPattern(full);
  const paths = wild ? globbed(full) : [full];
  const files: { file: string; text: string }[] = [];
  for (const file of paths) {
    try {
      files.push({ file, text: readText(file, SIZE_LIMIT) });
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EISDIR') continue;
      return { why: reasonOf(error).why };
    }
  }
  return { files };
}

/** Whether a name holds what glob(7) takes for a pattern. */
export function isPattern(path: string): boolean {
  return /[*?[{]/.test(path);
}

/** Whether a path fits a pattern, part by part. Pure. */
export function fitsPattern(pattern: string, path: string): boolean {
  const [parts, names] = [pattern.split('/'), path.split('/')];
  return (
    parts.length === names.length &&
    parts.every((part, at) => {
      const name = names[at] ?? '';
      if (!isPattern(part)) return part === name;
      return expression(part).test(name) && (part.startsWith('.') || !name.startsWith('.'));
    })
  );
}

/** Files that fit a pattern of csh's kind (glob(7) with braces), sorted. */
function globbed(pattern: string): string[] {
  let found = [isAbsolute(pattern) ? '/' : '.'];
  for (const part of pattern.split('/').filter((each) => each !== '')) {
    const fits = isPattern(part) ? expression(part) : undefined;
    found = found.flatMap((folder) => {
      if (fits === undefined) return [join(folder, part)];
      return namesIn(folder)
        .filter((name) => fits.test(name) && (part.startsWith('.') || !name.startsWith('.')))
        .sort()
        .map((name) => join(folder, name));
    });
  }
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function expression(part: string): RegExp {
  let text = '';
  let braces = 0;
  for (let at = 0; at < part.length; at += 1) {
    const char = part[at] ?? '';
    const set = char === '[' ? /^\[(!|\^)?\]?[^\]]*\]/.exec(part.slice(at)) : null;
    if (char === '*') text += '[^/]*';
    else if (char === '?') text += '[^/]';
    else if (set !== null) {
      text += set[0].replace(/^\[[!^]/, '[^').replaceAll('\\', '\\\\');
      at += set[0].length - 1;
    } else if (char === '{') {
      braces += 1;
      text += '(?:';
    } else if (char === '}' && braces > 0) {
      braces -= 1;
      text += ')';
    } else if (char === ',' && braces > 0) text += '|';
    else text += char.replace(/[\\^$.|+()[\]{}]/, '\\$&');
  }
  try {
    return new RegExp(`^${text}${')'.repeat(braces)}$`);
  } catch {
    return /^$/;
  }
}
