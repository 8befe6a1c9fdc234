/** keepalived.conf's lines: comments, quotes, continuations, words and braces, each with its column. */

/** A word as keepalived reads it: without its quotes. */
export interface Word {
  text: string;
  quoted: boolean;
  /** From 1. */
  column: number;
}

/** A word, or a brace outside quotes. */
export type Token = ({ kind: 'word' } & Word) | { kind: '{' | '}'; column: number };

/** One line of the file, or several that a backslash at the end joins. */
export interface LogicalLine {
  text: string;
  /** Its first line, from 1. */
  line: number;
}

/**
 * The file's lines without comments: `#` and `!` outside quotes begin one, a backslash before them doesn't let them
 * (keepalived's parser.c, decomment), and at the end of a line it joins the next one. Pure.
 */
export function logicalLines(text: string): LogicalLine[] {
  const found: LogicalLine[] = [];
  let open: LogicalLine | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const { code, joined } = uncommented(raw.replace(/\r$/, ''));
    const own: LogicalLine = open ?? { text: '', line: index + 1 };
    own.text += open === undefined ? code : `\n${code}`;
    if (joined) open = own;
    else {
      open = undefined;
      if (own.text.trim() !== '') found.push(own);
    }
  }
  if (open !== undefined && open.text.trim() !== '') found.push(open);
  return found;
}

function uncommented(line: string): { code: string; joined: boolean } {
  let quoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at];
    if (char === '"') quoted = !quoted;
    else if (char === '\\') {
      if (at === line.length - 1) return { code: line.slice(0, at), joined: true };
      at += 1;
    } else if (!quoted && (char === '#' || char === '!')) return { code: line.slice(0, at), joined: false };
  }
  return { code: line, joined: false };
}

/** The words and braces of a line, and whether a quote stays open. `${NAME}` is no brace. Pure. */
export function tokens(text: string): { tokens: Token[]; openQuote?: number } {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (/\s/.test(char)) at += 1;
    else if (char === '{' || char === '}') {
      found.push({ kind: char, column: at + 1 });
      at += 1;
    } else {
      const word = wordAt(text, at);
      found.push({ kind: 'word', text: word.text, quoted: word.quoted, column: at + 1 });
      if (word.openQuote !== undefined) return { tokens: found, openQuote: word.openQuote };
      at = word.end;
    }
  }
  return { tokens: found };
}

function wordAt(text: string, start: number): { text: string; quoted: boolean; end: number; openQuote?: number } {
  let word = '';
  let at = start;
  let quoted = false;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '"') {
      quoted = true;
      const open = at + 1;
      at += 1;
      while (at < text.length && text[at] !== '"') {
        if (text[at] === '\\' && text[at + 1] === '"') at += 1;
        word += text[at] ?? '';
        at += 1;
      }
      if (at >= text.length) return { text: word, quoted, end: at, openQuote: open };
      at += 1;
    } else if (char === '\\' && /[#!"\\]/.test(text[at + 1] ?? '')) {
      word += text[at + 1];
      at += 2;
    } else if (text.startsWith('${', at) && text.includes('}', at)) {
      const end = text.indexOf('}', at) + 1;
      word += text.slice(at, end);
      at = end;
    } else if (/[\s{}]/.test(char)) break;
    else {
      word += char;
      at += 1;
    }
  }
  return { text: word, quoted, end: at };
}
