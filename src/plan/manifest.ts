import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../resources/holds.ts';
import { earliestOf, isLate, keptOf, keyOf, kinds, type Resource, recordOf, undoOf } from '../resources/index.ts';
import {
  type Change,
  type Kept,
  type Recorded,
  type Shown,
  STAGES,
  type Stage,
  type Undoing,
} from '../resources/kind.ts';

/** A resource with the stage at which it is brought about. */
export interface StagedResource {
  stage: Stage;
  resource: Resource;
  /** It left the inventory: the resource brings back what was there before, in the subtractive half of the order. */
  leaving?: boolean;
  /** Needed, and not lvsctl's matter there: looked at, warned of, never changed nor recorded. */
  foreign?: boolean;
  /** What a director's table is made of, where a rollback drains real servers by it: looked at, neither changed nor recorded. */
  known?: boolean;
  /** It takes back one change of an earlier run. */
  undoes?: Recorded<Resource> & { shown: Shown[]; half: 'add' | 'remove' | 'both' };
  /** Nothing of the cluster needs it as it shall be; something may still need it as it was, until it is let go. */
  idle?: boolean;
}

/** What lvsctl recorded of one resource that it manages on a host. */
export interface ManifestEntry extends Recorded<Resource> {
  key: string;
  stage: Stage;
}

/** The record on each host of what lvsctl manages there. A cache of intent: what is true is read from the host. */
export interface Manifest {
  version: 2;
  cluster: string;
  entries: ManifestEntry[];
}

/** Reads a manifest as found on a host; anything that isn't one counts as none (it is never needed for "no changes"). */
export function parseManifest(value: unknown): Manifest | undefined {
  if (!isRecord(value) || typeof value.cluster !== 'string' || !Array.isArray(value.entries)) return undefined;
  if (value.version !== 1 && value.version !== 2) return undefined;
  const read = value.version === 1 ? olderEntry : entryOf;
  const entries = value.entries.map(read);
  if (!entries.every((entry) => entry !== undefined)) return undefined;
  return { version: 2, cluster: value.cluster, entries };
}

function entryOf(value: unknown): ManifestEntry | undefined {
  if (!isRecord(value) || typeof value.key !== 'string' || !isRecord(value.resource)) return undefined;
  const stage = STAGES.find((each) => each === value.stage);
  const { key, before, wrote, resource } = value;
  if (stage === undefined || typeof resource.kind !== 'string' || !(resource.kind in kinds)) return undefined;
  if (wrote !== undefined && !Array.isArray(wrote)) return undefined;
  return { key, stage, resource: resource as unknown as Resource, before, wrote: wrote ?? [] };
}

/** Version 1 held the hash of a file that lvsctl wrote, and kept no copy of what it replaced: that stays as it is. */
function olderEntry(value: unknown): ManifestEntry | undefined {
  const entry = entryOf(value);
  if (entry === undefined || !isRecord(value)) return undefined;
  const { resource } = entry;
  if (resource.kind === 'sysctl') return { ...entry, wrote: [{ value: resource.value }] };
  if (resource.kind !== 'file' && resource.kind !== 'connection') return entry;
  const wasAbsent = resource.kind === 'file' && isRecord(entry.before) && entry.before.type === 'absent';
  return { ...entry, before: wasAbsent ? entry.before : undefined, wrote: [{ type: 'file', sha256: value.sha256 }] };
}

/** What a plan does to the manifest of a host. */
export interface Records {
  /** Written before anything is changed: all that lvsctl is about to manage, and all that it still manages. */
  first: Manifest;
  /** Copies that are made before anything is changed. */
  keep: Kept[];
  /** Written after the last change: without what was given back. Absent where `first` says it already. */
  last?: Manifest;
}

/**
 * The records of a host whose resources are about to change.
 * @param desired everything that the host is to have, and what leaves it
 * @param changes what is planned, by key, in the order in which it happens
 */
export function makeRecords(
  cluster: string,
  desired: readonly StagedResource[],
  previous: Manifest | undefined,
  changes: ReadonlyMap<string, readonly Change[]>,
): Records {
  const earlier = new Map(previous?.entries.map((entry) => [entry.key, entry]));
  const keep = copiesOf(desired, changes);
  const wanted = desired.filter(({ leaving, foreign }) => leaving !== true && foreign !== true);
  const entries = wanted.map(({ stage, resource }): ManifestEntry => {
    const key = keyOf(resource);
    const known = earlier.get(key);
    const planned = changes.get(key) ?? [];
    const seen = planned[0]?.was ?? planned[0]?.before;
    const recorded = recordOf(resource);
    // It was found as it shall be when it was first managed: what somebody made of it since is not what was there before.
    const found = known !== undefined && known.before === undefined && isDeepStrictEqual(known.resource, recorded);
    const before = found ? undefined : earliestOf(resource, known?.before, seen);
    const wrote = planned.reduce((all, { after }) => including(all, after), known?.wrote ?? []);
    return { key, stage, resource: recorded, before, wrote };
  });
  const keys = new Set(entries.map(({ key }) => key));
  const others = [...earlier.values()].filter(({ key }) => !keys.has(key));
  const settled = entries.map((each): ManifestEntry => {
    const change = changes.get(each.key)?.at(-1);
    return change === undefined ? each : { ...each, wrote: [change.after] };
  });
  const first: Manifest = { version: 2, cluster, entries: [...entries, ...others] };
  const last: Manifest = { version: 2, cluster, entries: [...settled, ...others.filter(isParked)] };
  return isDeepStrictEqual(first, last) ? { first, keep } : { first, keep, last };
}

/** What is about to be replaced: the history can bring it back. */
function copiesOf(desired: readonly StagedResource[], changes: ReadonlyMap<string, readonly Change[]>): Kept[] {
  return desired.flatMap(({ resource }) => {
    const [first] = changes.get(keyOf(resource)) ?? [];
    return first === undefined ? [] : keptOf(resource, first.was ?? first.before);
  });
}

/**
 * The records of a host where a run's changes are taken back: what goes back to what was there before lvsctl is managed
 * no more, what comes again is managed again, and nothing is said of the rest.
 * @param back what takes the changes back
 * @param changes what is planned, by key
 */
export function rollbackRecords(
  cluster: string,
  back: readonly StagedResource[],
  previous: Manifest | undefined,
  changes: ReadonlyMap<string, readonly Change[]>,
): Records {
  const entries = new Map(previous?.entries.map((entry) => [entry.key, entry]));
  const last = new Map(entries);
  for (const { stage, resource, undoes } of back) {
    const key = keyOf(resource);
    const planned = changes.get(key);
    if (planned === undefined) continue;
    const known = entries.get(key);
    const seen = planned[0]?.was ?? planned[0]?.before;
    const before = earliestOf(resource, known?.before, seen);
    const wrote = planned.reduce((all, { after }) => including(all, after), known?.wrote ?? []);
    const entry: ManifestEntry = { key, stage, resource: known?.resource ?? recordOf(resource), before, wrote };
    entries.set(key, entry);
    if (isDeepStrictEqual(known?.before, undoes?.before) && !isParked(entry)) last.delete(key);
    else last.set(key, { ...entry, wrote: [planned.at(-1)?.after] });
  }
  return {
    first: { version: 2, cluster, entries: [...entries.values()] },
    keep: copiesOf(back, changes),
    last: { version: 2, cluster, entries: [...last.values()] },
  };
}

function including(wrote: readonly unknown[], after: unknown): readonly unknown[] {
  return wrote.some((each) => isDeepStrictEqual(each, after)) ? wrote : [...wrote, after];
}

/** Not given back when it leaves the inventory, but with the whole host (a package). */
function isParked(each: ManifestEntry): boolean {
  return undoOf(each, 'left') === undefined && undoOf(each, 'destroy') !== undefined;
}

/** The copies that a manifest may still need, by SHA-256. */
export function neededCopies(manifest: Manifest): string[] {
  const kept = manifest.entries.flatMap(({ resource, before }) =>
    before === undefined ? [] : keptOf(resource, before),
  );
  return [...new Set(kept.map(({ sha256 }) => sha256))].sort();
}

/**
 * What lvsctl managed on a host and nobody asks for any more, as resources that give back what was there before, in
 * the order in which a host gives things back: what stands on others before them.
 */
export function removals(
  manifest: Manifest | undefined,
  desired: readonly Pick<StagedResource, 'resource'>[],
  why: Undoing = 'left',
): StagedResource[] {
  const given = leftBy(manifest, desired).flatMap((each): StagedResource[] => {
    const undo = undoOf(each, why);
    return undo === undefined || !('kind' in undo) ? [] : [{ stage: each.stage, resource: undo, leaving: true }];
  });
  const order = Object.keys(kinds).reverse();
  const rank = ({ resource }: StagedResource): number =>
    isLate(resource) ? order.length : order.indexOf(resource.kind);
  return given.sort((a, b) => rank(a) - rank(b));
}

/** What leaves and can't be given back, with the reason. */
export function notGivenBack(
  manifest: Manifest | undefined,
  desired: readonly Pick<StagedResource, 'resource'>[],
  why: Undoing,
): { key: string; text: string }[] {
  return leftBy(manifest, desired).flatMap((each) => {
    const undo = undoOf(each, why);
    return undo !== undefined && 'left' in undo ? [{ key: each.key, text: undo.left }] : [];
  });
}

function leftBy(
  manifest: Manifest | undefined,
  desired: readonly Pick<StagedResource, 'resource'>[],
): readonly ManifestEntry[] {
  const wanted = new Set(desired.map(({ resource }) => keyOf(resource)));
  return manifest?.entries.filter(({ key }) => !wanted.has(key)) ?? [];
}
