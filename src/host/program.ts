import { createHash } from 'node:crypto';
import { kinds } from '../resources/index.ts';
import { CORE_FACTS, CORE_HEAD, CORE_MAIN } from './core.ts';

/** Changes whenever the meaning of a request or an answer changes. */
const PROTOCOL = '1';

/** Operations of the core: the record of what lvsctl manages, and the copies of what was there before. */
const CORE_OPS = ['manifest_write', 'manifest_forget', 'before_keep', 'before_prune'];

const list = Object.values(kinds);

const PARTS: Record<string, string> = {
  '@ASKED@': list.map(({ kind }) => `asked_${kind}=`).join('\n'),
  '@ASK_CASES@': list.map(({ kind }) => `${kind}) asked_${kind}=$asked_${kind}$record ;;`).join('\n'),
  '@OBSERVE_CALLS@': list
    .map(({ kind }) => `asked=$asked_${kind}; if [ -n "$asked" ]; then frame kind ${kind}; observe_${kind}; fi`)
    .join('\n'),
  '@OP_CASES@': [...CORE_OPS, ...list.flatMap((kind) => kind.ops)].map((op) => `${op}) op_${op} "$@" ;;`).join('\n'),
};

/** The whole text with its comments, as shellcheck reads it; `engine` is set before it. */
export const SOURCE = [
  CORE_HEAD,
  CORE_FACTS,
  ...list.map((kind) => kind.shell),
  CORE_MAIN.replace(/@[A-Z_]+@/g, (name) => PARTS[name] ?? ''),
].join('');

const body = withoutComments(SOURCE);

/** Identifies the program by its content: a saved plan holds operations that only this one is known to understand. */
export const ENGINE_VERSION = `${PROTOCOL}-${createHash('sha256').update(body).digest('hex').slice(0, 12)}`;

/** The program as it is sent, the argument of `sh -c`. Fixed: nothing about a host or a cluster is ever joined in. */
export const PROGRAM = `engine=${ENGINE_VERSION}\n${body}`;

/** Drops indentation and lines that are only a comment: no fragment has a here-document or an indented string. */
function withoutComments(source: string): string {
  return source
    .split('\n')
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .join('\n');
}
