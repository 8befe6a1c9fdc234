import type { Problem } from '../errors/index.ts';
import type { Ssh } from '../inventory/model.ts';
import type { Resource } from '../resources/index.ts';
import type { Change, Op, Stage } from '../resources/kind.ts';
import type { Health } from './health.ts';

/** Version of the plan's JSON; a plan of another version is refused. */
export const PLAN_VERSION = 6;

/** One change of one resource, with the resource it brings about, so that apply can observe it again. */
export interface PlannedChange extends Change {
  resource: Resource;
}

/** All that happens on one host at one stage: the node of the plan's graph. */
export interface Step {
  /**
   * `HOST/STAGE`, or `HOST/STAGE/remove` for what goes away. Unique in a plan. `HOST/record` comes before a host's
   * changes, `HOST/record/remove` after them; `DIRECTOR/drain/STEP` and `DIRECTOR/undrain/STEP` stand around a step.
   */
  id: string;
  host: string;
  stage: Stage | 'record' | 'drain' | 'undrain';
  direction: 'add' | 'remove';
  /** Ids of the steps that must be done first. */
  needs: string[];
  changes: PlannedChange[];
  /** Operations after those of the changes, without a state that is compared (the record of what lvsctl manages). */
  ops: Op[];
  /** A drain: the real server, and in words what happens to it. Its changes are gone when the plan has been run. */
  drains?: { host: string; text: string };
  /** Steps (ids) of which those on nodes that have the address, when it comes to them, wait for all others. */
  turn?: { among: string[]; address: string };
}

/** What is known of a host when the plan is made. */
export interface PlannedHost {
  name: string;
  ssh: Ssh;
  platform: string;
  /** What takes all its changes back, packages aside, from wherever they were stopped; absent where nothing would. */
  revert?: { ops: Op[]; paths: string[] };
}

/** Whether a step belongs to its host's transaction: packages only go forward, and a record tells more than is there. */
export function isTaken({ stage }: Pick<Step, 'stage'>): boolean {
  return stage !== 'record' && stage !== 'packages';
}

/** Whether a step only takes requests from a real server for a while, or gives them back. */
export function isDrain({ stage }: Pick<Step, 'stage'>): boolean {
  return stage === 'drain' || stage === 'undrain';
}

/** The id of the step that a drain, or its end, stands around: `web1/reach` of `lvs1/drain/web1/reach`. */
export function aroundWhat({ id }: Pick<Step, 'id'>): string {
  return id.split('/').slice(2).join('/');
}

/** Something the operator should know that isn't a change, e.g. a later file that overrides a sysctl. */
export interface Warning {
  host: string;
  key: string;
  text: string;
}

/** A plan: a value that holds everything that apply does. */
export interface Plan {
  format: 'lvsctl-plan';
  version: typeof PLAN_VERSION;
  /** Version of the host program the operations are written for. */
  engine: string;
  /** Tells it from others: a plan is run once. */
  id: string;
  /** ISO 8601, UTC. */
  created: string;
  cluster: string;
  /**
   * `apply`: to bring about what the inventory describes. `destroy`: to give back what was there before lvsctl.
   * `rollback`: to take back what one run changed.
   */
  purpose: 'apply' | 'destroy' | 'rollback';
  /** A rollback: the run that it takes back. */
  of?: string;
  /** `commit`: where the inventory is in a git work tree, and whether its files differ from that. */
  inventory: { file: string; fingerprint: string; commit?: { id: string; dirty: boolean } };
  /** Whether it is aimed at the inventory's lab in place of its real hosts. */
  lab: boolean;
  hosts: PlannedHost[];
  /** Hosts that could not be read, with the reason; they take no part. */
  unseen: { host: string; problems: readonly Problem[] }[];
  steps: Step[];
  warnings: Warning[];
  /** The secrets that its files name, each with a digest that tells nothing without the operator's key. */
  secrets?: { name: string; digest: string }[];
  /** What hosts and services are asked for as the hosts' changes are made: none where nothing is to answer. */
  health?: Health;
  /** Programs run where lvsctl runs, before and after each step: absolute paths, and SHA-256 (hex) of the files. */
  hooks?: { beforeChange?: { file: string; sha256: string }; afterChange?: { file: string; sha256: string } };
}

/** Whether the plan changes nothing on any host that was read. */
export function isEmpty(plan: Plan): boolean {
  return plan.steps.length === 0;
}

/** The number of changed resources, all hosts together; drains aside. */
export function countChanges(plan: Plan): number {
  return plan.steps.filter((step) => !isDrain(step)).reduce((sum, step) => sum + step.changes.length, 0);
}
