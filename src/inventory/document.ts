import {
  Alias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
  type Document as YamlDocument,
} from 'yaml';
import type { FilePlace, Problem } from '../errors/index.ts';
import { type Silencer, silencersOf } from './silencers.ts';
import { surprising, syntaxNext } from './yaml-surprises.ts';

/** Keys and indexes from the file's root to a value. */
export type Path = readonly (string | number)[];

/** A YAML file, or one with those that it includes, as plain data that still knows where everything stands. */
export interface SourceDocument {
  /** The file, or the one that includes the others. */
  file: string;
  /** All files that it was read from. */
  files: readonly string[];
  value: unknown;
  /** Where a value (or its key) stands; for what isn't there, where the nearest thing around it does. */
  place(path: Path, of?: 'key' | 'value'): FilePlace;
  /** Where the text of a string begins: behind its quote, or in the line below `|`. `block`: one line here is one in the text. */
  textPlace(path: Path): { file: string; line: number; column: number; block: boolean };
  /** How a value is written, where it is written without quotes, e.g. `1.10` or `no`. */
  written(path: Path): string | undefined;
  /** Comments that silence rules. */
  comments: readonly Silencer[];
  /** What is YAML, and means something else than it looks like. */
  surprises: readonly Problem[];
}

/**
 * Parses YAML 1.2. Pure.
 * @param file how the file is called in places
 * @returns the document, or every syntax error (INV-NOT-YAML) and duplicate key (INV-DUPLICATE-KEY)
 */
export function parseSource(file: string, text: string): SourceDocument | { problems: Problem[] } {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: false });
  const at = (offset: number): FilePlace => {
    const { line, col } = counter.linePos(offset);
    return { kind: 'file', file, line, column: col };
  };
  // One slip of indentation is reported again for every line after it: the first is the one to mend.
  const errors = [...document.errors, ...document.warnings];
  const first = errors.filter((error, index) => index === errors.findIndex(({ message }) => message === error.message));
  const problems = first.map(
    (error): Problem => ({
      code: 'INV-NOT-YAML',
      place: at(error.pos[0]),
      what: `this is not the YAML that an inventory is written in: ${ownWords(error.message)}`,
      next: syntaxNext(error.code, text.slice(error.pos[0])),
    }),
  );
  if (problems.length > 0) return { problems };
  const { wrong, surprises } = lookedThrough(document.contents, at);
  if (wrong.length > 0) return { problems: wrong };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const what = `its aliases can’t be followed: ${firstLine(error instanceof Error ? error.message : String(error))}`;
    return { problems: [{ code: 'INV-NOT-YAML', place: at(0), what, next: 'Write the repeated parts out.' }] };
  }
  return {
    file,
    files: [file],
    value,
    place: (path, of = 'value') => at(offsetOf(document, path, of)),
    textPlace: (path) => ({ file, ...textStart(document, counter, text, path) }),
    written: (path) => writtenAt(document, path),
    comments: silencersOf(file, text),
    surprises,
  };
}

/** Two of the parser's messages speak of its inside. */
function ownWords(message: string): string {
  if (message.startsWith('Maximum call stack')) return 'it is nested too deep';
  if (message.startsWith('Source contains multiple documents')) return 'a second document begins here (---)';
  return firstLine(message);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

/** What is wrong with keys, and what means something else than it looks like. One walk: a file may have 50,000 lines. */
function lookedThrough(root: unknown, at: (offset: number) => FilePlace): { wrong: Problem[]; surprises: Problem[] } {
  const wrong: Problem[] = [];
  const surprises: Problem[] = [];
  const walk = (node: unknown, isKey: boolean): void => {
    if (isScalar(node)) {
      const surprise = surprising(node, isKey, at);
      if (surprise !== undefined) surprises.push(surprise);
    } else if (isMap(node) || isSeq(node)) {
      if (isMap(node)) wrong.push(...wrongKeys(node, at));
      for (const item of node.items) {
        if (isPair(item)) {
          walk(item.key, true);
          walk(item.value, false);
        } else walk(item, false);
      }
    }
  };
  walk(root, false);
  return { wrong, surprises };
}

/** Keys that are no names, and names that stand there twice. */
function wrongKeys(map: YAMLMap, at: (offset: number) => FilePlace): Problem[] {
  const problems: Problem[] = [];
  const first = new Map<string, number>();
  for (const { key } of map.items) {
    if (isMap(key) || isSeq(key)) {
      problems.push({
        code: 'INV-NOT-YAML',
        place: at(key.range?.[0] ?? 0),
        what: 'a list or a map stands where a key belongs',
        next: 'Write a name there, or put a template’s braces between quotes.',
      });
    }
    if (!isScalar(key)) continue;
    if (key.value === null) {
      problems.push({
        code: 'INV-NOT-YAML',
        place: at(key.range?.[0] ?? 0),
        what: key.source
          ? `“${key.source}” is no name in YAML: it means nothing`
          : 'a name is missing before the colon',
        next: 'Write the name there, in quotes if it is meant so.',
      });
      continue;
    }
    const name = String(key.value);
    const offset = key.range?.[0] ?? 0;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, offset);
    else {
      problems.push({
        code: 'INV-DUPLICATE-KEY',
        place: at(offset),
        what: `“${name}” stands here a second time; the first is in line ${at(earlier).line}`,
        next: 'Keep one of the two, or give one another name.',
        also: [{ place: at(earlier), says: 'the first' }],
      });
    }
  }
  return problems;
}

function resolved(document: YamlDocument, node: unknown): Node | undefined {
  if (node instanceof Alias) return node.resolve(document);
  return isMap(node) || isSeq(node) || isScalar(node) ? node : undefined;
}

// Thousands of places are looked up in one map of thousands of hosts.
const pairs = new WeakMap<YAMLMap, Map<string, YAMLMap['items'][number]>>();

/** The first pair with a key. */
function pairOf(map: YAMLMap, key: string): YAMLMap['items'][number] | undefined {
  let known = pairs.get(map);
  if (known === undefined) {
    known = new Map();
    for (const pair of map.items) {
      const name = isScalar(pair.key) ? String(pair.key.value) : undefined;
      if (name !== undefined && !known.has(name)) known.set(name, pair);
    }
    pairs.set(map, known);
  }
  return known.get(key);
}

function offsetOf(document: YamlDocument, path: Path, of: 'key' | 'value'): number {
  let node = resolved(document, document.contents);
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, part] of path.entries()) {
    if (isMap(node)) {
      const pair = pairOf(node, String(part));
      if (!pair) return offset;
      const keyOffset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      node = resolved(document, pair.value);
      // A map is best pointed at by its key, and so is a value that was left empty.
      const wantKey = (of === 'key' && depth === path.length - 1) || !isScalar(node) || node.value === null;
      offset = (wantKey ? keyOffset : node?.range?.[0]) ?? offset;
    } else if (isSeq(node)) {
      node = resolved(document, node.items[Number(part)]);
      if (!node) return offset;
      offset = node.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}

function writtenAt(document: YamlDocument, path: Path): string | undefined {
  let node = resolved(document, document.contents);
  for (const part of path) {
    if (isMap(node)) node = resolved(document, pairOf(node, String(part))?.value);
    else node = isSeq(node) ? resolved(document, node.items[Number(part)]) : undefined;
  }
  return isScalar(node) && node.type === 'PLAIN' ? node.source : undefined;
}

function textStart(
  document: YamlDocument,
  counter: LineCounter,
  text: string,
  path: Path,
): { line: number; column: number; block: boolean } {
  const offset = offsetOf(document, path, 'value');
  const { line, col } = counter.linePos(offset);
  const first = text.charAt(offset);
  if (first === '|' || first === '>') {
    const below = text.split('\n').slice(line);
    const skipped = below.findIndex((content) => content.trim() !== '');
    const indent = below[Math.max(skipped, 0)]?.search(/\S/) ?? 0;
    return { line: line + 1, column: Math.max(indent, 0) + 1, block: first === '|' };
  }
  return { line, column: first === '"' || first === "'" ? col + 1 : col, block: false };
}
