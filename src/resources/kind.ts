import type { Problem } from '../errors/index.ts';
import type { Facts } from '../platform/facts.ts';

/**
 * When a change may happen, cluster-wide. Additive changes run in this order, subtractive ones in the
 * reverse: make comes before break (ARCHITECTURE.md, "Order").
 */
export const STAGES = [
  'packages',
  'reach',
  'application',
  'web',
  'suppress',
  'real-vip',
  'rules',
  'vip',
  'router',
] as const;
export type Stage = (typeof STAGES)[number];

/** One thing the fixed program on the host can do: the function `op_<name>`, its arguments, and bytes for its stdin. */
export interface Op {
  name: string;
  /** No NUL and no newline in any of them; the wire format refuses them. */
  args: string[];
  /** Bytes for the operation (a file's content), as text. */
  input?: string;
  /** In its place, a file where lvsctl runs, whose bytes are sent as they are: absolute path. */
  inputFile?: string;
}

export type Shown =
  | { as: 'text'; path: string; before: string | null; after: string | null }
  | { as: 'value'; name: string; before: string | null; after: string | null }
  | { as: 'rules'; before: string[]; after: string[] }
  | { as: 'action'; text: string };

/** What has to be done to one resource, as data: shown to the operator, saved in the plan, run by apply. */
export interface Change {
  /** The resource's key, e.g. `sysctl net.ipv4.ip_forward`. */
  key: string;
  kind: string;
  direction: 'add' | 'change' | 'remove';
  shown: Shown[];
  ops: Op[];
  /**
   * What was observed and must still hold when the change starts, to be compared by `holds`: the part of the
   * kind's state that the change is about.
   */
  before: unknown;
  /** What must hold afterwards, compared in the same way. */
  after: unknown;
  /** What is recorded as the state before, where giving it back takes more than `before`. */
  was?: unknown;
  /** Why, where it isn't obvious (e.g. `nginx runs an older configuration`). */
  reason?: string;
  /** The host may refuse without an error, e.g. to unload a module that something else uses: it stays, and is reported. */
  mayStay?: true;
}

/** What a host's manifest tells of a resource that lvsctl manages: enough to give back what was there before. */
export interface Recorded<R> {
  /** As `record` made it: without contents. */
  resource: R;
  /** `before` of the first change, as JSON brings it back; undefined where lvsctl never had to change anything. */
  before: unknown;
  /** `after` of the changes that may be in force: what lvsctl wrote. */
  wrote: readonly unknown[];
}

/** Why something is given back: it left the inventory, or `lvsctl destroy` gives the whole host back. */
export type Undoing = 'left' | 'destroy';

/** What takes a change back. */
export interface Taken {
  /** Done one after the other; those of a later change come before those of an earlier one. */
  ops: Op[];
  /** After all others, in their order: programs take up their earlier files. */
  late?: Op[];
  /** Files that the host keeps as they are before the change, for these operations and for the next boot. */
  paths?: string[];
}

/** Bytes that the host keeps a copy of before lvsctl changes them: `/var/lib/lvsctl/before/<sha256>`. */
export interface Kept {
  path: string;
  sha256: string;
}

/** What a host has at a path. */
export type FileState =
  | { type: 'absent' }
  /** `content` is there only where the hash isn't the wanted one, and null where it can't be shown as text. */
  | { type: 'file'; sha256: string; owner: string; group: string; mode: string; content?: string | null }
  | { type: 'other'; what: 'directory' | 'symlink' | 'special'; target?: string };

/** A file to look at: its content is sent only where its hash differs. */
export interface FileWant {
  path: string;
  /** Hex; `-` where no content is wanted back. */
  sha256: string;
}

/** What an observation brought for one kind. */
export interface Section {
  /** What `observe_<kind>` printed. */
  text: string;
  facts: Facts;
  /** Every file that was asked about, by whatever kind. */
  files: ReadonlyMap<string, FileState>;
}

/** Why a host can't have what is asked of it: its place is the host. */
export type Refusal = Omit<Problem, 'place'>;

/** A kind of resource: everything about it stands in one file of this folder. */
export interface Kind<R extends { kind: string }, S> {
  kind: R['kind'];
  /**
   * POSIX sh: `observe_<kind>`, which reads its records (one field a line) from `$asked`, and the functions
   * `op_<name>`. Joined into the fixed host program; nothing is ever spliced into it.
   */
  shell: string;
  /** Names of its operations, each a function `op_<name>` in `shell`. */
  ops: readonly string[];
  /** The record that asks the host about this resource, no field empty; none where facts and files tell all. */
  ask(resource: R, facts: Facts): string[];
  /** The files that it must look at. */
  files?(resource: R, facts: Facts): FileWant[];
  /** What the host answered, turned into the state of each resource asked for, by key. Pure. */
  parse(section: Section, asked: readonly R[]): Map<string, S>;
  /** Desired and observed → what to do; empty where they agree. Pure. */
  diff(resource: R, state: S, facts: Facts): Change[];
  /**
   * The resource, of the same kind and key, that gives back what was there before lvsctl changed it: observed,
   * compared and brought about like any other, in the subtractive half of the order. `left`: it can't be given back,
   * for the reason that the operator is told. undefined: nothing is to be given back. Pure.
   */
  undo(entry: Recorded<R>, why: Undoing): R | { left: string } | undefined;
  /**
   * The resource that brings back what one change found, whether or not that was lvsctl's: a rollback. What `undo` says
   * for one that left the inventory, unless told. Pure.
   */
  back?(entry: Recorded<R>): R | { left: string } | undefined;
  /**
   * Whether somebody else changed it since lvsctl wrote it, in words for the operator: then it is left as it is. Where
   * states can be compared as they are, `changedSince` does. Absent: nothing can be taken for somebody else's. Pure.
   */
  theirs?(entry: Recorded<R>, state: S): string | undefined;
  /** The resource as the manifest holds it: without a file's content. As it is unless told. Pure. */
  record?(resource: R): R;
  /** What takes one change back, from wherever it was stopped, where that is more than `undo`. Pure. */
  revert?(change: Change, resource: R, state: S | undefined): Taken;
  /** Operations that take back what stands on disk, besides files: they alone run at boot. */
  boots?: readonly string[];
  /** What has to be kept on the host before its first change, from that change's `before`. Pure. */
  keep?(resource: R, before: unknown): Kept[];
  /** The state from before, out of those of two changes, where each tells only a part; the first one's unless told. Pure. */
  earliest?(first: unknown, later: unknown): unknown;
  /** Whether a resource made by `undo` comes after files were given back (a service that takes up its old files). Pure. */
  late?(resource: R): boolean;
  /** The stage of a change, where that isn't its resource's own. Pure. */
  stage?(change: Pick<Change, 'direction'>): Stage | undefined;
  /** Whether what a host serves may be cut or refused while this change is made. Absent: never. Pure. */
  disturbs?(change: Change, resource: R): boolean;
  /** Two operations that follow one another, as one; undefined where they can't be. Pure. */
  merge?(first: Op, second: Op): Op | undefined;
  /** What the operator should know and no change mends. Pure. */
  warn?(resource: R, state: S): string[];
  /** Why this host can't have the resource, found out before anything is changed on any host. Pure. */
  refuse?(resource: R, state: S): Refusal[];
}
