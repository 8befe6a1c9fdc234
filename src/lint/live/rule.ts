/** Rules about hosts as they are: what was read of them, without an inventory. */
import type { FilePlace, Place } from '../../errors/index.ts';
import type { Entry } from '../rule.ts';
import type { View } from './view.ts';

/** One place where a rule is broken: a host, or a line of one of its files. */
export interface LiveFound {
  place: Place;
  what: string;
  next?: string;
  also?: { place: FilePlace; says: string };
}

/** A rule about one host, or about all that were read together. A new one is one object in a file of its topic. */
export interface LiveRule extends Entry {
  source: string;
  /** What the host program answers of a host that has it (`examples.ts`), as far as it matters. */
  bad: string;
  good: string;
  /** Each place where it is broken. What isn't known is no fault. Pure. */
  check(hosts: readonly View[]): Iterable<LiveFound>;
}
