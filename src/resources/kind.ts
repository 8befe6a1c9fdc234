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
  /** The state that was observed and that must still hold when the change starts: canonical JSON of the kind's state. */
  before: unknown;
  /** What must hold afterwards. */
  after: unknown;
  /** Why, where it isn't obvious (e.g. `nginx runs an older configuration`). */
  reason?: string;
}

/** A kind of resource: everything about it stands in one file of this folder. */
export interface Kind<R extends { kind: string }, S> {
  kind: R['kind'];
  /** POSIX sh: `observe_<kind>` and its `op_<kind>_<verb>` functions; joined into the fixed host program. */
  shell: string;
  /** Unique among a host's resources, readable. */
  key(resource: R): string;
  /** The record of arguments that asks the host about this resource in the observation's second half. */
  ask(resource: R): string[];
  /** The section that `observe_<kind>` printed, turned into the state of each resource asked for, by key. Pure. */
  parse(section: string, asked: readonly R[]): Map<string, S>;
  /** Desired and observed → what to do; empty where they agree. Pure. */
  diff(resource: R, state: S, facts: Facts): Change[];
}
