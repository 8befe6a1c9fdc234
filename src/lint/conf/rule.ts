/** Rules about bare keepalived.conf files: what keepalived takes, and does otherwise than was meant. */
import type { KeepalivedConf, Statement } from '../../conf/keepalived.ts';
import type { FilePlace } from '../../errors/index.ts';
import type { Entry } from '../rule.ts';

/** One place where a rule is broken. */
export interface ConfFound {
  place: FilePlace;
  what: string;
  next?: string;
  /** Another place that belongs to it. */
  also?: { place: FilePlace; says: string };
}

/** A rule about one file, or about the files of all nodes together. A new one is one object in a file of its topic. */
export interface ConfRule extends Entry {
  source: string;
  /** A keepalived.conf; of two nodes where `SECOND_FILE` parts them. */
  bad: string;
  good: string;
  /** Each place where it is broken. Pure. */
  check(confs: readonly KeepalivedConf[]): Iterable<ConfFound>;
}

/** Parts the files of two nodes in an example. */
export const SECOND_FILE = '# ---- the other node’s file\n';

/** All statements with a keyword at the top of a file. */
export function top({ statements }: KeepalivedConf, keyword: string): Statement[] {
  return statements.filter(({ words }) => words[0]?.text === keyword);
}

/** All statements with one of these keywords in a block. */
export function within(statement: Statement | undefined, ...keywords: string[]): Statement[] {
  return (statement?.body ?? []).filter(({ words }) => keywords.includes(words[0]?.text ?? ''));
}

/** The one that counts in keepalived: the last. */
export function last(statement: Statement | undefined, ...keywords: string[]): Statement | undefined {
  return within(statement, ...keywords).at(-1);
}

/** The word behind the keyword. */
export function value(statement: Statement | undefined, at = 1): string | undefined {
  return statement?.words[at]?.text;
}

/** A setting of `global_defs`. */
export function globally(conf: KeepalivedConf, keyword: string): Statement | undefined {
  return top(conf, 'global_defs')
    .flatMap((one) => within(one, keyword))
    .at(-1);
}
