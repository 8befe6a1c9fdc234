import type { Facts } from '../platform/facts.ts';
import { isRecord } from './holds.ts';
import { backOf, diffOne, kinds, type Resource } from './index.ts';
import type { Change, Op, Taken } from './kind.ts';

/**
 * What takes a change back, from wherever it was stopped: unlike `undo`, which gives back what was there before lvsctl,
 * it goes back one step. Pure.
 * @param state the resource's whole state as it was observed
 */
export function revertOf(change: Change, resource: Resource, state: unknown, facts: Facts): Taken {
  const { revert } = kinds[resource.kind];
  if (revert !== undefined) return revert(change, resource, state);
  const undo = backOf({ resource, before: change.was ?? change.before, wrote: [change.after] });
  if (undo === undefined || !('kind' in undo)) return { ops: [] };
  const changed = isRecord(state) && isRecord(change.after) ? { ...state, ...change.after } : change.after;
  return { ops: diffOne(undo, changed, facts).flatMap(({ ops }): Op[] => ops) };
}
