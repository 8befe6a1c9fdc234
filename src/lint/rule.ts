import type { Severity } from '../errors/index.ts';
import type { Path, SourceDocument } from '../inventory/document.ts';
import type { Also } from '../inventory/findings.ts';
import type { Cluster } from '../inventory/model.ts';
import type { Inventory } from '../inventory/schema.ts';

/** What can be said of every code that an inventory can be met with. */
export interface Entry {
  /** Stable: area and number (`LVS-DR-007`), or a word (`INV-UNKNOWN-KEY`); never reused for another meaning. */
  code: string;
  severity: Severity;
  /** What is wrong, in a few words. */
  title: string;
  /** Why it can't work, or not well. */
  why: string;
  /** What to write instead. */
  remedy: string;
  /** Where the fact is from: a man page, a kernel document. */
  source?: string;
  /** A whole inventory, as small as possible, that is met with it. */
  bad?: string;
  /** The same one without it. */
  good?: string;
}

/** A rule: what is legal in an inventory, and can't carry traffic or not well. A new one is one object in a file of its topic. */
export interface Rule extends Entry {
  source: string;
  bad: string;
  good: string;
  /** Each place where it is broken; what is done about it is the rule's remedy unless `next` says better. Pure. */
  check(question: Question): Iterable<Found>;
}

/** What rules look at. */
export interface Question {
  cluster: Cluster;
  /** The inventory as it was written, valid by its schema. */
  said: Inventory;
  document: SourceDocument;
}

/** One place where a rule is broken. */
export interface Found {
  path: Path;
  of?: 'key' | 'value';
  what: string;
  next?: string;
  also?: Also;
}
