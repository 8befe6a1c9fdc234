import { createHash } from 'node:crypto';
import { kinds } from '../resources/index.ts';
import { CORE_FACTS, CORE_HEAD, CORE_MAIN } from './core.ts';
import { CORE_HISTORY, CORE_HISTORY_FACTS } from './history.ts';
import { CORE_LOOK } from './look.ts';
import { CORE_LEASE, CORE_TRANSACTION } from './transaction.ts';

/** Changes whenever the meaning of a request or an answer changes. */
const PROTOCOL = '2';

/** Operations of the core: the record of what lvsctl manages, copies of what was there before, transaction and lease. */
const CORE_OPS = [
  'manifest_write',
  'manifest_forget',
  'before_keep',
  'before_prune',
  'tx_open',
  'tx_enter',
  'tx_file',
  'tx_confirm',
  'tx_revert',
  'tx_settle',
  'tx_status',
  'lease_enter',
  'lease_show',
  'lease_break',
  'run_note',
  'run_close',
];

const list = Object.values(kinds);

const PARTS: Record<string, string> = {
  '@ASKED@': list.map(({ kind }) => `asked_${kind}=`).join('\n'),
  '@ASK_CASES@': list.map(({ kind }) => `${kind}) asked_${kind}=$asked_${kind}$record ;;`).join('\n'),
  '@OBSERVE_CALLS@': list
    .map(({ kind }) => `asked=$asked_${kind}; if [ -n "$asked" ]; then frame kind ${kind}; observe_${kind}; fi`)
    .join('\n'),
  '@BOOT_OPS@': list.flatMap(({ boots }) => boots ?? []).join(' | '),
  '@OP_CASES@': [...CORE_OPS, ...list.flatMap((kind) => kind.ops)].map((op) => `${op}) op_${op} "$@" ;;`).join('\n'),
};

/** The whole text with its comments, as shellcheck reads it; `engine` is set before it. */
export const SOURCE = [
  CORE_HEAD,
  CORE_FACTS,
  CORE_HISTORY_FACTS,
  ...list.map((kind) => kind.shell),
  CORE_LOOK,
  ...[CORE_HISTORY, CORE_TRANSACTION, CORE_LEASE, CORE_MAIN].map((part) =>
    part.replace(/@[A-Z_]+@/g, (name) => PARTS[name] ?? ''),
  ),
].join('');

/** What the program is started for. */
export type HostMode = 'observe' | 'apply' | 'hold' | 'look';

/** What a text is started as: that of `apply` stays on the host for its guard, and for the next boot. */
const ENTRIES: Readonly<Record<HostMode, readonly string[]>> = {
  observe: ['observe'],
  apply: ['apply', 'guard', 'settle'],
  hold: ['hold'],
  look: ['look'],
};

/** For each mode the functions that it comes to, and no others: what isn't called needn't travel. */
const BODIES = {
  observe: bodyOf('observe'),
  apply: bodyOf('apply'),
  hold: bodyOf('hold'),
  look: bodyOf('look'),
};

/**
 * Identifies the program by its content: a saved plan holds operations that only this one is known to understand. What
 * only looks has no part in that.
 */
export const ENGINE_VERSION = `${PROTOCOL}-${createHash('sha256').update(BODIES.observe).update(BODIES.apply).update(BODIES.hold).digest('hex').slice(0, 12)}`;

/** The program as it is sent, the argument of `sh -c`. Fixed: nothing about a host or a cluster is ever joined in. */
export const PROGRAMS: Readonly<Record<HostMode, string>> = {
  observe: `engine=${ENGINE_VERSION}\n${BODIES.observe}`,
  apply: `engine=${ENGINE_VERSION}\n${BODIES.apply}`,
  hold: `engine=${ENGINE_VERSION}\n${BODIES.hold}`,
  look: `engine=${ENGINE_VERSION}\n${BODIES.look}`,
};

/** The source's statements and those functions that `main_<mode>` calls, itself or through others. */
function bodyOf(mode: HostMode): string {
  const others = Object.values(ENTRIES)
    .flat()
    .filter((entry) => !ENTRIES[mode].includes(entry));
  const lines = SOURCE.split('\n').filter((line) => !others.some((other) => line.endsWith(`) main_${other} ;;`)));
  const functions = new Map<string, string[]>();
  const blocks: { name?: string; lines: string[] }[] = [];
  for (const line of lines) {
    const name = /^(\w+)\(\) [{(]/.exec(line)?.[1];
    const open = blocks.at(-1);
    if (name !== undefined) {
      const block = { name, lines: [line] };
      blocks.push(block);
      functions.set(name, block.lines);
      if (line.endsWith('}')) blocks.push({ lines: [] });
    } else if (open === undefined) blocks.push({ lines: [line] });
    else {
      open.lines.push(line);
      if (open.name !== undefined && (line === '}' || line === ')')) blocks.push({ lines: [] });
    }
  }
  const wanted = new Set<string>();
  const visit = (text: readonly string[]) => {
    for (const word of withoutComments(text.join('\n')).match(/\w+/g) ?? []) {
      const found = functions.get(word);
      if (found === undefined || wanted.has(word)) continue;
      wanted.add(word);
      visit(found);
    }
  };
  for (const { name, lines: text } of blocks) if (name === undefined) visit(text);
  const kept = blocks.filter(({ name }) => name === undefined || wanted.has(name));
  return withoutComments(kept.flatMap(({ lines: text }) => text).join('\n'));
}

/** Drops indentation and lines that are only a comment: no fragment has a here-document or an indented string. */
function withoutComments(source: string): string {
  return source
    .split('\n')
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .join('\n');
}
