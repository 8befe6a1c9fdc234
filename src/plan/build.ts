import type { Problem } from '../errors/index.ts';
import type { Cluster, Host } from '../inventory/model.ts';
import type { Facts } from '../platform/facts.ts';
import { sha256 } from '../resources/file.ts';
import { diffOne, isLate, keyOf, noticesOf, type Resource, stageOf, theirsOf } from '../resources/index.ts';
import { type Change, type Op, STAGES, type Stage } from '../resources/kind.ts';
import { revertOf } from '../resources/revert.ts';
import { directorBack } from './directors.ts';
import { type Draining, drains } from './drain.ts';
import { healthOf } from './health.ts';
import { notTakenBack, parseChanges, shownBack } from './history.ts';
import { handedOver, losses } from './losses.ts';
import {
  type Manifest,
  makeRecords,
  neededCopies,
  notGivenBack,
  parseManifest,
  type Records,
  rollbackRecords,
  type StagedResource,
} from './manifest.ts';
import { orderSteps, type Staged } from './order.ts';
import { halfMoves } from './partial.ts';
import { changesInTwo, partingInOne, partings } from './parting.ts';
import {
  isDrain,
  isTaken,
  PLAN_VERSION,
  type Plan,
  type PlannedChange,
  type PlannedHost,
  type Step,
  type Warning,
} from './plan.ts';
import { withTurns } from './turns.ts';

/** A host that was read: what it is, what it shall have, what it has. */
export interface SeenHost {
  host: Host;
  facts: Facts;
  desired: readonly StagedResource[];
  /** The observed state of each resource, by key. */
  states: ReadonlyMap<string, unknown>;
}

/** A host that could not be read. */
export interface UnseenHost {
  host: Host;
  problems: readonly Problem[];
}

/** What a plan is made of besides the hosts. */
export interface PlanContext {
  cluster: Cluster;
  fingerprint: string;
  engine: string;
  lab: boolean;
  /** ISO 8601, UTC. */
  created: string;
  commit?: NonNullable<Plan['inventory']['commit']>;
  /** A rollback: the run that it takes back. */
  of?: string;
  secrets?: NonNullable<Plan['secrets']>;
  hooks?: NonNullable<Plan['hooks']>;
  /** Real servers are drained before what would cut their requests; absent: they aren't. */
  draining?: Draining;
}

/**
 * Compares what is with what shall be and orders the difference. Pure.
 * @param purpose `destroy`: what is desired of each host is all that gives it back, and its record goes in the end
 */
export function buildPlan(
  context: PlanContext,
  seen: readonly SeenHost[],
  unseen: readonly UnseenHost[],
  purpose: Plan['purpose'] = 'apply',
): Plan {
  const staged: Staged[] = [];
  const warnings: Warning[] = [];
  const books = new Map<string, Book>();
  for (const one of seen) {
    const changes = changesOf(context, one, purpose, warnings);
    staged.push(...changes);
    if (purpose !== 'destroy' && changes.length > 0)
      books.set(one.host.name, bookOf(context.cluster.name, one, changes, purpose));
    if (purpose === 'destroy' && one.facts.manifest !== undefined) {
      books.set(one.host.name, { before: [], after: [{ name: 'manifest_forget', args: [] }] });
    }
  }
  const own = seen.filter((one) => !isBeside(one));
  warnings.push(...halfMoves(context.cluster, new Set(own.map(({ host }) => host.name)), staged));
  const held = purpose === 'rollback' ? seen.map((one) => directorBack(one, staged)) : seen;
  const drained =
    purpose === 'destroy' ? undefined : drains(context.cluster, { seen: held, unseen }, staged, context.draining);
  if (drained !== undefined && context.draining !== undefined) warnings.push(...drained.warnings);
  const { steps, warnings: together } = withTurns(
    context.cluster,
    held,
    orderSteps(staged, drained?.around, drained?.beside),
  );
  const costs = purpose === 'destroy' ? handedOver : losses;
  warnings.push(...together, ...costs(context.cluster, seen, staged));
  // What is given back or taken back is not what the inventory describes.
  const health = purpose === 'apply' ? healthOf(context.cluster, seen, steps) : undefined;
  const part = seen.filter((one) => !isBeside(one) || steps.some(({ host }) => host === one.host.name));
  return {
    format: 'lvsctl-plan',
    version: PLAN_VERSION,
    engine: context.engine,
    id: idOf(context, steps),
    created: context.created,
    cluster: context.cluster.name,
    purpose,
    ...(context.of === undefined ? {} : { of: context.of }),
    inventory: {
      file: context.cluster.file,
      fingerprint: context.fingerprint,
      ...(context.commit === undefined ? {} : { commit: context.commit }),
    },
    lab: context.lab,
    hosts: part.map((one) => hostOf(one, steps)),
    unseen: unseen.map(({ host, problems }) => ({ host: host.name, problems })),
    steps: withChecks(withRecords(steps, books)),
    warnings: [...part.flatMap(openOn), ...warnings],
    ...(health === undefined ? {} : { health }),
    ...(context.secrets === undefined || context.secrets.length === 0 ? {} : { secrets: context.secrets }),
    ...(context.hooks === undefined ? {} : { hooks: context.hooks }),
  };
}

/** A director that is only looked at: without drains it takes no part. */
function isBeside({ desired }: SeenHost): boolean {
  return desired.length > 0 && desired.every(({ known }) => known === true);
}

function hostOf(seen: SeenHost, steps: readonly Step[]): PlannedHost {
  const { name, ssh } = seen.host;
  const revert = revertOfHost(seen, steps);
  return { name, ssh, platform: seen.facts.platform, ...(revert === undefined ? {} : { revert }) };
}

function openOn({ host, facts }: SeenHost): Warning[] {
  if (facts.transaction === undefined) return [];
  const text = 'another run’s changes are open there: soon they are confirmed or taken back, and this plan is stale';
  return [{ host: host.name, key: 'transaction', text }];
}

/** Two plans of the same moment that change the same are one. */
function idOf({ created, fingerprint, of }: PlanContext, steps: readonly Step[]): string {
  const changed = steps.map(({ id, changes }) => [id, ...changes.map(({ key }) => key)]);
  return sha256(JSON.stringify([created, fingerprint, of, changed])).slice(0, 16);
}

function changesOf(context: PlanContext, seen: SeenHost, purpose: Plan['purpose'], warnings: Warning[]): Staged[] {
  const host = seen.host.name;
  const manifest = parseManifest(seen.facts.manifest);
  const written = new Map(manifest?.entries.map((entry) => [entry.key, entry]));
  const staged: Staged[] = [];
  const parting: Staged[] = [];
  const wanted = seen.desired.filter(({ leaving }) => leaving !== true);
  const stays =
    purpose === 'rollback'
      ? notTakenBack(seen.facts.run === undefined ? [] : parseChanges(seen.facts.run))
      : notGivenBack(manifest, wanted, purpose === 'destroy' ? 'destroy' : 'left');
  for (const left of stays) warnings.push({ host, ...left });
  // Within a step what leaves goes before what others that stay give up: a real server before its masquerade.
  const parted = partings(context.cluster, seen, purpose === 'apply' ? context.draining : undefined);
  const leaves = ({ leaving }: StagedResource) => leaving === true;
  const changing = seen.desired.filter(({ known }) => known !== true);
  const inOrder = [...changing.filter(leaves), ...changing.filter((one) => !leaves(one))];
  const returning = new Map(
    seen.desired.flatMap((one) =>
      leaves(one) && one.resource.kind === 'file' ? [[one.resource.path, one.stage]] : [],
    ),
  );
  for (const { stage, resource, leaving, foreign, idle, undoes } of inOrder) {
    const key = keyOf(resource);
    const state = seen.states.get(key);
    const inTwo = parted.get(key);
    const { first: changes, later } =
      inTwo === undefined
        ? { first: diffOne(resource, state, seen.facts), later: [] }
        : changesInTwo(resource, state, seen, inTwo);
    if (foreign) {
      if (changes.length > 0) warnings.push({ host, key, text: unmet(changes) });
      continue;
    }
    const entry = written.get(key);
    const given = undoes ?? (leaving ? entry : undefined);
    const theirs = given !== undefined && changes.length > 0 ? theirsOf(given, state, undoes !== undefined) : undefined;
    if (theirs !== undefined) {
      warnings.push({ host, key, text: purpose === 'apply' ? `no longer asked for, but ${theirs}` : theirs });
      continue;
    }
    for (const text of noticesOf(resource, state)) warnings.push({ host, key, text });
    for (const found of changes) {
      const change =
        undoes === undefined ? found : partingInOne(context.cluster, resource, state, found, context.draining);
      const direction = directionOf(change, { leaving, undoes });
      // What goes away does so at the stage at which it came: a VIP, though its interface stays, before the rules.
      const own = direction === 'remove' && undoes === undefined ? (entry?.stage ?? stage) : stage;
      const at = undoes === undefined ? stageOf(resource, { direction }, own) : stage;
      const waits = given === undefined ? undefined : lastOf(filesOf(resource, given.resource), returning);
      const late = waits !== undefined || (idle === true && entry !== undefined);
      const shown = undoes === undefined ? change.shown : shownBack(undoes.shown, change.shown);
      const there = waits === undefined || STAGES.indexOf(at) < STAGES.indexOf(waits) ? at : waits;
      staged.push({ host, stage: there, change: { ...change, shown, direction, resource }, ...(late ? { late } : {}) });
    }
    for (const change of later) parting.push({ host, stage: 'rules', change: { ...change, resource }, late: true });
  }
  // Before the ways that parting servers need.
  return [...parting, ...staged];
}

/** The files that a program takes up again when it is given back. */
function filesOf(resource: Resource, was: Resource): string[] {
  if (!isLate(resource)) return [];
  return [resource, was].flatMap((one) => (one.kind === 'service' ? one.config.map(({ path }) => path) : []));
}

/** The stage at which the last of these files is there again, in the subtractive half; undefined where none comes. */
function lastOf(paths: readonly string[], returning: ReadonlyMap<string, Stage>): Stage | undefined {
  const stages = new Set(paths.flatMap((path) => returning.get(path) ?? []));
  return STAGES.find((stage) => stages.has(stage));
}

/** What brings back something that was taken away is additive, whatever its kind says of giving back. */
function directionOf(
  { direction }: Change,
  { leaving, undoes }: { [K in 'leaving' | 'undoes']: StagedResource[K] | undefined },
) {
  if (leaving) return 'remove';
  return undoes?.half === 'remove' && direction === 'remove' ? 'change' : direction;
}

/** A host's changes taken back: the last one first; programs take up their earlier files when all of them are there. */
function revertOfHost({ host, states, facts }: SeenHost, steps: readonly Step[]): PlannedHost['revert'] {
  const own = steps.filter((step) => step.host === host.name && isTaken(step) && step.stage !== 'undrain');
  const taken = own.flatMap((step) =>
    step.changes.map((change) => {
      const back = revertOf(change, change.resource, states.get(change.key), facts);
      return isDrain(step) ? { ...back, ops: back.ops.map(repairing(change)) } : back;
    }),
  );
  if (taken.length === 0) return undefined;
  return {
    ops: [...taken.toReversed().flatMap(({ ops }) => ops), ...taken.flatMap(({ late }) => late ?? [])],
    paths: [...new Set(taken.flatMap(({ paths }) => paths ?? []))],
  };
}

/** A drained server that its checks took out meanwhile is not put back by what takes the drain back. */
function repairing({ resource }: PlannedChange) {
  const checked = resource.kind === 'ipvs' && resource.state === 'present' && resource.checker !== undefined;
  return (op: Op): Op => (checked && op.args[0] === '-e' ? { ...op, name: 'keepalived_repair' } : op);
}

/** What somebody else should see to on a host. */
function unmet(changes: readonly Change[]): string {
  const values = changes.flatMap(({ shown }) => shown).flatMap((one) => (one.as === 'value' ? [one] : []));
  const differences = values.map(({ before, after }) => `it has ${before ?? 'none'}, not ${after ?? 'none'}`);
  return `is needed, and not lvsctl’s here (manage): ${differences.join('; ') || 'the host does not have it so'}`;
}

/** What is recorded on a host before its changes and after them. */
interface Book {
  before: Op[];
  after: Op[];
}

function bookOf(cluster: string, seen: SeenHost, staged: readonly Staged[], purpose: Plan['purpose']): Book {
  const changes = new Map<string, Change[]>();
  const inOrder = [...staged.filter(({ late }) => late !== true), ...staged.filter(({ late }) => late === true)];
  for (const { change } of inOrder) changes.set(change.key, [...(changes.get(change.key) ?? []), change]);
  const make = purpose === 'rollback' ? rollbackRecords : makeRecords;
  const records = make(cluster, seen.desired, parseManifest(seen.facts.manifest), changes);
  return { before: opsBefore(records), after: records.last === undefined ? [] : opsAfter(records.last) };
}

function opsBefore({ keep, first }: Records): Op[] {
  return [...keep.map(({ path, sha256 }): Op => ({ name: 'before_keep', args: [path, sha256] })), writeOp(first)];
}

function opsAfter(manifest: Manifest): Op[] {
  return [writeOp(manifest), { name: 'before_prune', args: neededCopies(manifest) }];
}

function writeOp(manifest: Manifest): Op {
  return { name: 'manifest_write', args: [], input: `${JSON.stringify(manifest)}\n` };
}

/**
 * Each changed host begins with a step that records what lvsctl is about to manage there and what was there before: an
 * apply that stops anywhere can be taken back. Where something was given back, a last step takes that from the record.
 * Neither holds up another host.
 */
function withRecords(steps: readonly Step[], books: ReadonlyMap<string, Book>): Step[] {
  const last = new Map(steps.map((step) => [step.host, step.id]));
  const record = (host: string, direction: Step['direction'], needs: string[], ops: Op[]): Step[] => {
    const id = direction === 'add' ? `${host}/record` : `${host}/record/remove`;
    return ops.length === 0 ? [] : [{ id, host, stage: 'record', direction, needs, changes: [], ops }];
  };
  const opened = new Set([...books].flatMap(([host, { before }]) => (before.length > 0 ? [host] : [])));
  const started = new Set<string>();
  const between = steps.map((step): Step => {
    if (!opened.has(step.host) || started.has(step.host)) return step;
    started.add(step.host);
    return { ...step, needs: [`${step.host}/record`, ...step.needs] };
  });
  return [
    ...[...books].flatMap(([host, { before }]) => record(host, 'add', [], before)),
    ...between,
    ...[...books].flatMap(([host, { after }]) => record(host, 'remove', [last.get(host) ?? ''].filter(Boolean), after)),
  ];
}

/**
 * Before anything but packages is changed on a host, programs check their new configuration there: what they refuse
 * leaves the host as it was.
 */
function withChecks(steps: readonly Step[]): Step[] {
  const checks = new Map<string, Op[]>();
  for (const host of new Set(steps.map((step) => step.host))) {
    const own = steps.filter((step) => step.host === host && !isDrain(step)).flatMap((step) => step.changes);
    // What comes in two steps is checked as it is in the end.
    const ops = checkOps([...new Map(own.map((change) => [change.key, change])).values()]);
    if (ops.length > 0) checks.set(host, ops);
  }
  const packages = new Set(steps.filter(installs).map((step) => step.host));
  const given = new Set<string>();
  return steps.map((step) => {
    const ops = checks.get(step.host);
    const here = packages.has(step.host) ? installs(step) : step.stage === 'record';
    if (ops === undefined || !here || given.has(step.host)) return step;
    given.add(step.host);
    return { ...step, ops: step.stage === 'record' ? [...ops, ...step.ops] : [...step.ops, ...ops] };
  });
}

function installs(step: Step): boolean {
  return step.stage === 'packages' && step.direction === 'add';
}

function checkOps(changes: readonly PlannedChange[]): Op[] {
  const files = changes.flatMap(({ resource, direction }) =>
    resource.kind === 'file' &&
    resource.state === 'present' &&
    resource.validate !== undefined &&
    direction !== 'remove'
      ? [{ ...resource, validate: resource.validate }]
      : [],
  );
  return [...new Set(files.map(({ validate }) => validate))].flatMap((validator) => [
    ...files
      .filter(({ validate }) => validate === validator)
      .map(({ path, owner, group, mode, content }): Op => {
        return { name: 'file_try', args: [path, owner, group, mode], input: content };
      }),
    { name: 'file_check', args: [validator] },
  ]);
}
