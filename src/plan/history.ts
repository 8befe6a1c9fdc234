import type { PastRun } from '../platform/facts.ts';
import { isRecord } from '../resources/holds.ts';
import { backOf, isLate, kinds, type Resource, recordOf } from '../resources/index.ts';
import { type Recorded, type Shown, STAGES, type Stage } from '../resources/kind.ts';
import type { StagedResource } from './manifest.ts';
import { isDrain, type Plan, type PlannedChange } from './plan.ts';

/** What a host's history tells of a run. */
export interface RunHead {
  /** The plan that it ran: a plan is run once. */
  plan: string;
  /** `user@machine`. */
  who: string;
  /** ISO 8601, UTC, by the clock of who ran it. */
  when: string;
  cluster: string;
  purpose: Plan['purpose'];
  /** Where the inventory is in a git work tree: its commit, and whether its files differed from that. */
  commit?: { id: string; dirty: boolean };
  /** A rollback: the run that it takes back. */
  of?: string;
  /** The host's name in the inventory then, and those of all that the run was to change (the first ones of many). */
  part?: { host: string; among: string[] };
  /** The number of resources changed on this host. */
  changes: number;
}

/** How a run ended on a host. `done`: without a transaction. `open`: it goes on, or nobody told its end. */
export type RunEnd = { state: 'confirmed' | 'done' | 'open' } | { state: 'reverted' | 'failed'; reason: string };

/** A run in a host's history. */
export interface HostRun extends RunHead {
  id: string;
  end: RunEnd;
}

/** What a run did to one resource; `before` is what its first change found, `wrote` what its changes left. */
export interface PastChange extends Recorded<Resource> {
  key: string;
  stage: Stage;
  direction: PlannedChange['direction'];
  /** The half of the order in which it happened; `both`: it came in one and let go in the other. */
  half: 'add' | 'remove' | 'both';
  /** For people; without what is too long to be kept. */
  shown: Shown[];
}

/** What changes in two steps where real servers part (parting.ts). */
const PARTED = ['ipvs', 'file', 'service'];

/** Bytes of a host's shown changes that one run keeps. */
const SHOWN_KEPT = 32 * 1024;

/** A host's part of a plan, each resource once, as its history keeps it. Pure. */
export function pastChanges(plan: Plan, host: string): PastChange[] {
  const past = new Map<string, PastChange>();
  let room = SHOWN_KEPT;
  for (const step of plan.steps) {
    if (step.host !== host || step.stage === 'record' || step.stage === 'drain' || step.stage === 'undrain') continue;
    for (const change of step.changes) {
      const size = JSON.stringify(change.shown).length;
      const shown = size <= room ? change.shown : [];
      room -= shown.length > 0 ? size : 0;
      const first = past.get(change.key);
      if (first === undefined) {
        past.set(change.key, {
          key: change.key,
          stage: step.stage,
          direction: change.direction,
          half: step.direction,
          resource: recordOf(change.resource),
          before: change.was ?? change.before,
          wrote: [change.after],
          shown,
        });
      } else {
        past.set(change.key, {
          ...first,
          // Real servers that part go in two steps, and come back in one.
          half: first.half === step.direction || PARTED.includes(change.kind) ? first.half : 'both',
          wrote: [...first.wrote, change.after],
          shown: [...first.shown, ...shown],
        });
      }
    }
  }
  return [...past.values()];
}

/** Names that a host keeps of those that a run was to change. */
const NAMES_KEPT = 100;

/** What a host notes of a run's other hosts, so that none of them is forgotten when it is taken back. Pure. */
export function partOf({ steps }: Plan, host: string): NonNullable<RunHead['part']> {
  const changed = steps.filter((step) => step.changes.length > 0 && !isDrain(step)).map((step) => step.host);
  return { host, among: [...new Set(changed)].slice(0, NAMES_KEPT) };
}

/** The text of an entry that hasn't ended: lines with the run, its head and its changes (src/host/history.ts). Pure. */
export function runNote(id: string, head: RunHead, changes: readonly PastChange[]): string {
  return `${id}\n${JSON.stringify(head)}\n${JSON.stringify(changes)}\n`;
}

/** Reads a run's head as found on a host; anything that isn't one counts as none. Pure. */
export function parseRun({ id, result, head }: PastRun): HostRun | undefined {
  if (!isRecord(head) || !/^[0-9a-f]+$/.test(id)) return undefined;
  const { plan, who, when, cluster, purpose, changes, of, commit, part } = head;
  if (typeof plan !== 'string' || typeof who !== 'string' || typeof when !== 'string') return undefined;
  if (typeof cluster !== 'string' || typeof changes !== 'number') return undefined;
  if (purpose !== 'apply' && purpose !== 'destroy' && purpose !== 'rollback') return undefined;
  return {
    ...{ id, plan, who, when, cluster, purpose, changes, end: endOf(result) },
    ...(typeof of === 'string' ? { of } : {}),
    ...(isRecord(part) && typeof part.host === 'string' && Array.isArray(part.among)
      ? { part: { host: part.host, among: part.among.filter((name) => typeof name === 'string') } }
      : {}),
    ...(isRecord(commit) && typeof commit.id === 'string'
      ? { commit: { id: commit.id, dirty: commit.dirty === true } }
      : {}),
  };
}

function endOf(result: string): RunEnd {
  const [word = '', ...reason] = result.split(' ');
  if (word === 'reverted' || word === 'failed') return { state: word, reason: reason.join(' ') };
  return { state: word === 'confirmed' || word === 'done' ? word : 'open' };
}

/** Reads what a run changed; what isn't a change of a known kind is left out. Pure. */
export function parseChanges({ changes }: PastRun): PastChange[] {
  return Array.isArray(changes) ? changes.flatMap((each) => changeOf(each) ?? []) : [];
}

function changeOf(value: unknown): PastChange | undefined {
  if (!isRecord(value) || typeof value.key !== 'string' || !isRecord(value.resource)) return undefined;
  const { key, direction, before, wrote, shown, resource } = value;
  const stage = STAGES.find((each) => each === value.stage);
  if (stage === undefined || typeof resource.kind !== 'string' || !(resource.kind in kinds)) return undefined;
  if (direction !== 'add' && direction !== 'change' && direction !== 'remove') return undefined;
  return {
    ...{ key, stage, direction, before, half: value.half === 'remove' || value.half === 'both' ? value.half : 'add' },
    resource: resource as unknown as Resource,
    wrote: Array.isArray(wrote) ? wrote : [],
    shown: Array.isArray(shown) ? (shown as Shown[]) : [],
  };
}

/** Whether a run left something that can be taken back. */
export function isTakeable({ end, purpose }: HostRun): boolean {
  return purpose !== 'destroy' && end.state !== 'reverted';
}

/**
 * What takes a run's changes back, the other way round: what it took away comes again in the additive half of the
 * order, what it brought or changed goes back in the subtractive half, the last one first. Pure.
 */
export function takenBack(changes: readonly PastChange[]): StagedResource[] {
  const given = changes.flatMap((undoes): StagedResource[] => {
    const resource = backOf(undoes);
    if (resource === undefined || !('kind' in resource)) return [];
    return [{ stage: undoes.stage, resource, undoes, ...(undoes.half === 'add' ? { leaving: true } : {}) }];
  });
  // Programs take up their earlier files when these are there.
  const late = ({ resource }: StagedResource) => isLate(resource);
  // What comes in one half and lets go in the other comes first, for what stands on it.
  const both = ({ undoes }: StagedResource) => undoes?.half === 'both';
  const early = given.toReversed().filter((one) => !late(one));
  return [...early.filter(both), ...early.filter((one) => !both(one)), ...given.filter(late)];
}

/** What a run changed and no rollback takes back, with the reason. Pure. */
export function notTakenBack(changes: readonly PastChange[]): { key: string; text: string }[] {
  return changes.flatMap((change) => {
    const back = backOf(change);
    if (back !== undefined && 'left' in back) return [{ key: change.key, text: back.left }];
    if (back === undefined && change.resource.kind === 'package') {
      return [{ key: change.key, text: 'packages stay: destroy removes those that lvsctl installed' }];
    }
    return [];
  });
}

/** A file's diff read the other way round: what a rollback of it shows. Pure. */
export function shownBack(shown: readonly Shown[], own: Shown[]): Shown[] {
  const swapped = shown.flatMap((one) =>
    one.as === 'text' || one.as === 'value' ? [{ ...one, before: one.after, after: one.before }] : [],
  );
  return swapped.length > 0 && swapped.length === shown.length ? swapped : own;
}
