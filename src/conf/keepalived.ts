/**
 * keepalived.conf as a tree of statements that know where they stand. Syntax: keepalived.conf(5) of 2.2.7, "Advanced
 * configuration" among it; tried with `keepalived -t`: unquoted braces part words, also in the middle of a line.
 */
import type { Place, Problem } from '../errors/index.ts';
import { type LogicalLine, logicalLines, type Token, tokens, type Word } from './lines.ts';

type FilePlace = Extract<Place, { kind: 'file' }>;

/** `keyword words… { body }`, or without a body. */
export interface Statement {
  words: Word[];
  place: FilePlace;
  /** undefined: it has none. */
  body?: Statement[];
}

export interface KeepalivedConf {
  /** All files that it was read from, the first one first. */
  files: string[];
  statements: Statement[];
  /** What is no keepalived.conf, or is in it and was not followed. */
  problems: Problem[];
}

export interface ParseOptions {
  /**
   * Which host's it is, for lines that begin with `@ID` (keepalived's `-i`, the host's name where it isn't given).
   * undefined: such lines are reported and left out.
   */
  configId?: string;
  /** The files that an `include` names, seen from the file that says so; their texts, or why there are none. */
  include: (pattern: string, from: string) => Included;
}

export type Included = { files: { file: string; text: string }[] } | { why: string };

/** As many files as one configuration may be put together from, and so deep. */
const MOST_FILES = 1000;
const DEEPEST = 16;

interface Reading {
  options: ParseOptions;
  conf: KeepalivedConf;
  /** Definitions (`$NAME=value`). */
  names: Map<string, string>;
  /** Bodies that are open, innermost last; the first is the file's. */
  open: { body: Statement[]; by?: Statement }[];
  /** The statement that words are being added to. */
  current: Statement | undefined;
  includes: string[];
}

/** Parses a configuration with all that it includes. Never throws. Pure but for `include`. */
export function parseKeepalived(file: string, text: string, options: ParseOptions): KeepalivedConf {
  const conf: KeepalivedConf = { files: [], statements: [], problems: [] };
  const reading: Reading = {
    options,
    conf,
    names: new Map(),
    open: [{ body: conf.statements }],
    current: undefined,
    includes: [],
  };
  readFile(reading, file, text);
  for (const { by } of reading.open) {
    if (by === undefined) continue;
    trouble(reading, by.place, `the block of “${heading(by)}” is never closed`, 'Add the missing }.');
  }
  return conf;
}

/** A statement as it is read, without its body. */
export function heading({ words }: Statement): string {
  return words.map(({ text }) => text).join(' ');
}

function readFile(reading: Reading, file: string, text: string): void {
  reading.conf.files.push(file);
  const lines = logicalLines(text);
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    if (line !== undefined) readLine(reading, file, line);
  }
  reading.current = undefined;
}

function readLine(reading: Reading, file: string, { text, line }: LogicalLine): void {
  const [first = ''] = text.trimStart().split(/\s/, 1);
  const place: FilePlace = { kind: 'file', file, line, column: text.search(/\S/) + 1 };
  const include = /^include[rmwba]?$/.test(first) ? text.trim().slice(first.length).trim() : undefined;
  if (include !== undefined) {
    follow(reading, include.replace(/^"(.*)"$/, '$1'), place);
    return;
  }
  const definition = /^\s*\$([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
  if (definition !== null) {
    reading.names.set(definition[1] ?? '', (definition[2] ?? '').trim());
    return;
  }
  const flat = text.replaceAll('\n', ' ');
  const wanted = conditional(reading, flat, place);
  if (wanted === undefined) return;
  if (/^\s*~(SEQx?|LST)\(/.test(wanted)) {
    trouble(reading, place, `lvsctl does not unfold ${wanted.trim().split('(', 1)[0]}`, 'Write its lines out.');
    return;
  }
  const substituted = replaced(reading, wanted, place, 0);
  // Behind a replacement, and on a line that was joined, columns are no longer the file's.
  const exact = substituted === wanted && flat === text;
  for (const part of substituted.split('\n')) readWords(reading, part, place, exact);
}

/** The line without its condition; undefined where it doesn't count here. */
function conditional(reading: Reading, text: string, place: FilePlace): string | undefined {
  const match = /^(\s*)@(\^?)(\S+)(.*)$/s.exec(text);
  if (match === null) return text;
  const [whole, space = '', not, id = '', rest = ''] = match;
  const { configId } = reading.options;
  if (configId === undefined) {
    const what = `this line counts ${not === '^' ? 'everywhere but' : 'only'} on the host “${id}”, and whose file it is isn’t said`;
    trouble(reading, place, what, 'Say it: NAME=FILE.');
    return undefined;
  }
  const same = configId === id;
  if (same === (not === '^')) return undefined;
  return space + ' '.repeat(whole.length - space.length - rest.length) + rest;
}

function replaced(reading: Reading, text: string, place: FilePlace, depth: number): string {
  if (!text.includes('$')) return text;
  let known = true;
  const after = text.replace(
    /\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)(?=\s|$)/g,
    (whole, braced, bare) => {
      const value = reading.names.get(braced ?? bare);
      if (value === undefined) {
        known = false;
        return whole;
      }
      return value;
    },
  );
  if (!known) trouble(reading, place, 'a $NAME here is defined nowhere above', 'Define it, or write its value.');
  if (after === text) return text;
  // Sixteen definitions that double each other are a bomb.
  if (depth >= DEEPEST || after.length > 65536) {
    trouble(reading, place, 'definitions that contain each other have no end', 'Write the value.');
    return '';
  }
  return replaced(reading, after, place, depth + 1);
}

function follow(reading: Reading, pattern: string, place: FilePlace): void {
  if (pattern === '') return;
  reading.current = undefined;
  if (reading.includes.length >= DEEPEST || reading.conf.files.length >= MOST_FILES) {
    trouble(reading, place, 'files include each other without end', 'Leave the include out.');
    return;
  }
  const included = reading.options.include(pattern, place.file);
  if ('why' in included) {
    trouble(reading, place, `the included ${pattern} can’t be read: ${included.why}`, 'Bring the file here too.');
    return;
  }
  reading.includes.push(pattern);
  for (const { file, text } of included.files) {
    if (reading.conf.files.length < MOST_FILES) readFile(reading, file, text);
  }
  reading.includes.pop();
}

function readWords(reading: Reading, text: string, place: FilePlace, exact: boolean): void {
  const read = tokens(text);
  const at = (column: number): FilePlace => (exact ? { ...place, column } : place);
  if (read.openQuote !== undefined)
    trouble(reading, at(read.openQuote), 'this quote is never closed', 'Close it on the same line.');
  let statement: Statement | undefined;
  for (const token of read.tokens) statement = readToken(reading, statement, token, at(token.column));
  reading.current = statement ?? reading.current;
}

/** Adds one word or brace; the statement that further words of the line belong to. */
function readToken(
  reading: Reading,
  statement: Statement | undefined,
  token: Token,
  place: FilePlace,
): Statement | undefined {
  const inner = reading.open.at(-1);
  if (inner === undefined) return undefined;
  switch (token.kind) {
    case 'word': {
      const { kind: _kind, ...word } = token;
      if (statement !== undefined) {
        statement.words.push(word);
        return statement;
      }
      const begun: Statement = { words: [word], place };
      inner.body.push(begun);
      return begun;
    }
    case '{': {
      // A brace may stand on a line of its own behind its keyword.
      const owner = statement ?? reading.current;
      if (owner === undefined || owner.body !== undefined || !inner.body.includes(owner)) {
        trouble(reading, place, 'a { that belongs to no keyword', 'Remove it, or write the keyword.');
        const nobody: Statement = { words: [], place, body: [] };
        reading.open.push({ body: nobody.body ?? [], by: nobody });
        return undefined;
      }
      owner.body = [];
      reading.open.push({ body: owner.body, by: owner });
      reading.current = undefined;
      return undefined;
    }
    case '}':
      if (reading.open.length === 1) trouble(reading, place, 'a } that closes nothing', 'Remove it.');
      else reading.open.pop();
      reading.current = undefined;
      return undefined;
  }
}

function trouble(reading: Reading, place: FilePlace, what: string, next: string): void {
  reading.conf.problems.push({ code: 'CONF-SYNTAX', place, what, next });
}
