/** Text that is drawn: what is safe to show, how wide it is, how it breaks, how many names are said in few words. */

/**
 * What may not stand in XML, or would change how the rest reads (controls, marks that turn the direction, halves of
 * characters), shown as an escape. Pure.
 */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Columns of a font in which all characters are as wide; beyond ASCII two are taken, to be on the safe side. Pure. */
export function columns(text: string): number {
  let count = 0;
  for (const char of text) count += char >= ' ' && char <= '~' ? 1 : 2;
  return count;
}

/**
 * Lines of at most so many columns, broken at spaces, and within a word where it alone is too long; the first keeps the
 * spaces that it begins with. Pure.
 */
export function wrapped(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  let line = /^ */u.exec(text)?.[0] ?? '';
  const end = (): void => {
    lines.push(line);
    line = indent;
  };
  for (const word of text.trimStart().split(' ')) {
    const empty = line.trim() === '';
    if (!empty && columns(line) + 1 + columns(word) > width) end();
    if (line.trim() !== '') line += ' ';
    for (const char of word) {
      if (columns(line) + columns(char) > width && line.trim() !== '') end();
      line += char;
    }
  }
  return [...lines, line];
}

/** `a, b and 3 more`: the first of a list that is too long to be said. Pure. */
export function some(items: readonly string[], most: number): string[] {
  return items.length <= most ? [...items] : [...items.slice(0, most - 1), `and ${items.length - most + 1} more`];
}

/** Names with a number in them as ranges: `web02 web03 web04 db` → `web[02-04] db`; as inventories write them, and two as they are. Pure. */
export function ranges(names: readonly string[]): string[] {
  const found: { before: string; first: string; last: string; after: string; text: string }[] = [];
  for (const name of names) {
    const [, before = '', number = '', after = ''] = /^(.*?)(\d{1,9})(\D*)$/su.exec(name) ?? [];
    const open = found.at(-1);
    const follows =
      open !== undefined &&
      number !== '' &&
      open.before === before &&
      open.after === after &&
      open.last.length === number.length &&
      Number(open.last) + 1 === Number(number);
    if (follows) open.last = number;
    else found.push({ before, first: number, last: number, after, text: name });
  }
  return found.flatMap(({ before, first, last, after, text }) => {
    if (first === last) return [text];
    if (Number(first) + 1 === Number(last)) return [text, `${before}${last}${after}`];
    return [`${before}[${first}-${last}]${after}`];
  });
}
