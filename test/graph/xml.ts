/** What a document says. */
export interface Xml {
  /** Names of elements, as they open. */
  elements: string[];
  /** Texts that aren't empty, with references resolved. */
  texts: string[];
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Characters that XML 1.0 allows (section 2.2). */
const CHAR = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;

/**
 * Reads XML as strictly as a drawing needs it: elements with quoted attributes, text, the five named and the numeric
 * references; no comments, declarations or sections.
 * @throws Error where it isn't well-formed
 */
export function readXml(document: string): Xml {
  if (!CHAR.test(document)) throw new Error('a character that XML does not allow');
  const found: Xml = { elements: [], texts: [] };
  const open: string[] = [];
  let at = 0;
  while (at < document.length) {
    const rest = document.slice(at, document.indexOf('>', at) + 1);
    const tag = /^<(\/?)([a-z]+)((?: [A-Za-z:-]+="[^"<]*")*)(\/?)>/u.exec(rest);
    if (document[at] === '<') {
      if (tag === null) throw new Error(`no tag: ${document.slice(at, at + 60)}`);
      const [whole, closing, name = '', attributes = '', single] = tag;
      resolved(attributes);
      if (closing === '/') {
        if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      } else {
        if (open.length === 0 && found.elements.length > 0) throw new Error('a second root');
        found.elements.push(name);
        if (single === '') open.push(name);
      }
      at += whole.length;
      continue;
    }
    const next = document.indexOf('<', at);
    const text = document.slice(at, next === -1 ? document.length : next);
    if (text.includes(']]>')) throw new Error('the end of a section in text');
    if (open.length === 0 && text.trim() !== '') throw new Error('text outside the root');
    // Between elements there are only line ends.
    if (text !== '\n') found.texts.push(resolved(text));
    at += text.length;
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`);
  return found;
}

function resolved(text: string): string {
  return text.replace(/&([^;]*;)?/gu, (_, reference: string | undefined) => {
    const [, number, name = ''] = /^(?:#(\d+)|([a-z]+));$/u.exec(reference ?? '') ?? [];
    const char = number === undefined ? NAMED[name] : String.fromCodePoint(Number(number));
    if (char === undefined || !CHAR.test(char)) throw new Error(`no reference: &${reference}`);
    return char;
  });
}
