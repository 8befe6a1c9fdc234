import { Lexer } from 'yaml';

/** A comment `# lvsctl-ignore CODE: reason`: it silences that rule in one line. */
export interface Silencer {
  file: string;
  /** Where the comment stands, from 1. */
  line: number;
  column: number;
  /** The line that it is about: its own, or the next one that says something. */
  about: number;
  codes: string[];
  reason: string;
}

const WORD = 'lvsctl-ignore';

/** The silencers of a file's text; what stands in strings is none. Pure. */
export function silencersOf(file: string, text: string): Silencer[] {
  if (!text.includes(WORD)) return [];
  const lines = text.split('\n');
  return [...commentsOf(text)].flatMap(({ line, column, comment }) => {
    const [, said] = new RegExp(`^#+\\s*${WORD}(?![\\w-])(.*)$`, 'su').exec(comment) ?? [];
    if (said === undefined) return [];
    const [, codes = '', reason = ''] = /^([^:]*):?(.*)$/su.exec(said) ?? [];
    const alone = lines[line - 1]?.slice(0, column - 1).trim() === '';
    const next = lines.findIndex((content, index) => index >= line && !/^\s*(#.*)?$/u.test(content));
    return {
      file,
      line,
      column,
      about: alone && next >= 0 ? next + 1 : line,
      codes: codes.split(/[\s,]+/u).filter((code) => code !== ''),
      reason: reason.trim(),
    };
  });
}

/** Comments as the lexer of YAML sees them: its tokens, put together, are the text. */
function* commentsOf(text: string): Generator<{ line: number; column: number; comment: string }> {
  let line = 1;
  let column = 1;
  let scalar = false;
  for (const token of new Lexer().lex(text)) {
    // Marks that the lexer puts in: a document, the end of a flow collection, a scalar that follows.
    if (token === '\u0002' || token === '\u0018' || token === '\u001f') {
      scalar = token === '\u001f';
      continue;
    }
    if (token.startsWith('#') && !scalar) yield { line, column, comment: token };
    scalar = false;
    const breaks = token.split('\n');
    line += breaks.length - 1;
    column = (breaks.length > 1 ? 1 : column) + (breaks.at(-1)?.length ?? 0);
  }
}
