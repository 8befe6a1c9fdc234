import { type Paint, printable } from './paint.ts';

/** Gives the lines of a text file; undefined where it can't be read. */
export type Source = (file: string) => readonly string[] | undefined;

/** Columns of a screen that holds nothing wider. */
const WIDTH = 80;
const INDENT = 4;
const CUT = '…';
/** Characters on each side of a place that are looked at. */
const FAR = 400;

/**
 * The line of a place with a marker beneath what stands there, as compilers show it; nothing where the line isn't known.
 * Lines that are too long are cut around the marker. Pure.
 */
export function excerpt(
  lines: readonly string[] | undefined,
  place: { line?: number; column?: number },
  paint: Paint,
): string[] {
  const text = place.line === undefined ? undefined : lines?.[place.line - 1];
  if (text === undefined || text.trim() === '' || place.line === undefined) return [];
  const number = String(place.line).padStart(INDENT);
  const start = Math.min(Math.max((place.column ?? 1) - 1, 0), text.length);
  const { before, marked, after } = around(veiled(text), start, WIDTH - INDENT - 3);
  const marker = `${' '.repeat(columns(before))}${'^'.repeat(Math.max(columns(marked), 1))}`;
  return [
    `${paint.faint(`${number} |`)} ${before}${marked}${after}`.trimEnd(),
    `${paint.faint(`${' '.repeat(INDENT)} |`)} ${paint.removed(marker)}`,
  ];
}

/**
 * A key that passwords stand behind, also one that is mistyped, and all that follows in its line. Of a map, which says
 * where to find one, only what stands behind other keys than these.
 */
const SECRET =
  /([\w-]*(?:pas{1,2}|secret|token|psk|private[-_]?key|api[-_]?key)[\w-]*["']?(?:\s*[:=]\s*|\s+)|\bauth["']?\s*[:=]\s*)([^\s{},].*)$/iu;
const WITHIN =
  /([\w-]*(?:pas{1,2}|secret|token|psk)[\w-]*["']?\s*:\s*\{.*?\b(?!env|file|command)\w+\s*:\s*)([^\s{},][^,}]*)/iu;

/** A line without what stands where passwords do: reports end in the logs of others. Columns stay. Pure. */
function veiled(text: string): string {
  const hide = (_: string, key: string, value: string) => key + value.replace(/\S/gu, '•');
  return text.replace(SECRET, hide).replace(WITHIN, hide);
}

/** What stands at an index of a line (a word, a quoted text, a whole list or map), and what around it has room. */
function around(text: string, start: number, room: number): { before: string; marked: string; after: string } {
  const shown = (part: string): string => printable(part.replaceAll('\t', ' '));
  // No more of an endless line than can be shown.
  const ahead = text.slice(start, start + FAR);
  const length = lengthAt(ahead);
  const before = shown(text.slice(Math.max(start - FAR, 0), start));
  const marked = shown(ahead.slice(0, length));
  const after = shown(ahead.slice(length));
  if (columns(before + marked + after) <= room) return { before, marked, after };
  const most = fitted(marked, room - 1 - CUT.length, 'end');
  const free = Math.max(room - columns(most) - 2, 0);
  const kept = fitted(before, marked === most ? Math.max(Math.ceil(free / 2), free - columns(after)) : free, 'start');
  const rest = room - columns(kept) - columns(most);
  return { before: kept, marked: most, after: marked === most ? fitted(after, rest, 'end') : '' };
}

/** As much of a text as fits, cut at one side. */
function fitted(text: string, room: number, cut: 'start' | 'end'): string {
  if (columns(text) <= room) return text;
  const letters = [...text];
  while (letters.length > 0 && columns(letters.join('')) > room - 1) {
    if (cut === 'start') letters.shift();
    else letters.pop();
  }
  return cut === 'start' ? CUT + letters.join('') : letters.join('') + CUT;
}

/** How many characters belong to the value or key that a text begins with. */
function lengthAt(text: string): number {
  const quoted = /^"(?:[^"\\]|\\.)*"|^'(?:[^']|'')*'/u.exec(text);
  if (quoted !== null) return quoted[0].length;
  if (/^[[{]/u.test(text)) return bracketed(text);
  const comment = /^#.*/u.exec(text);
  if (comment !== null) return comment[0].trimEnd().length;
  // A plain word ends at a colon before a space, at a comment, and at what ends a list or map.
  const plain = /^(?:(?!: |:$| #)[^,\]}])+/u.exec(text);
  return plain === null ? Math.min(text.length, 1) : plain[0].trimEnd().length;
}

function bracketed(text: string): number {
  let depth = 0;
  for (const [index, char] of [...text].entries()) {
    if (char === '[' || char === '{') depth += 1;
    if (char === ']' || char === '}') depth -= 1;
    if (depth === 0) return index + 1;
  }
  return text.trimEnd().length;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Columns that a text takes on a terminal: East Asian letters two, marks on other letters none. Pure. */
export function columns(text: string): number {
  let sum = 0;
  for (const char of text) sum += /[\p{Mn}\p{Me}\p{Cf}]/u.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return sum;
}

/** Text in lines of at most so many columns; words that are longer stay whole. Pure. */
export function wrapped(text: string, room: number): string[] {
  return text.split('\n').flatMap((line) => {
    const done: string[] = [];
    let open = '';
    for (const word of line.split(' ')) {
      if (open !== '' && columns(`${open} ${word}`) > room) {
        done.push(open);
        open = word;
      } else open = open === '' ? word : `${open} ${word}`;
    }
    return [...done, open];
  });
}
