import { STAGES, type Stage } from '../resources/kind.ts';
import type { PlannedChange, Step } from './plan.ts';

/** A change with its place in the order, before steps are made of it. */
export interface Staged {
  host: string;
  stage: Stage;
  change: PlannedChange;
  /** It belongs to the subtractive half though it takes nothing away: it replaces what something may still need. */
  late?: boolean;
}

/**
 * Turns changes into the graph of steps. Make comes before break: additive steps run in the order of `STAGES`
 * (real servers suppress ARP, then take the VIP; directors get their rules, then the VIP), subtractive ones run
 * after all of them and the other way round (a director gives the VIP up before its rules; a real server loses
 * the VIP before suppression goes). A step waits for the host's own previous step and for every step of the
 * nearest earlier stage; installing packages is inert and holds up only its own host.
 */
export function orderSteps(staged: readonly Staged[]): Step[] {
  const lanes: { stage: Stage; direction: 'add' | 'remove' }[] = [
    ...STAGES.map((stage) => ({ stage, direction: 'add' as const })),
    ...STAGES.toReversed().map((stage) => ({ stage, direction: 'remove' as const })),
  ];
  const steps: Step[] = [];
  const lastOfHost = new Map<string, string>();
  let barrier: string[] = [];
  for (const lane of lanes) {
    const here = staged.filter((item) => item.stage === lane.stage && laneOf(item) === lane.direction);
    const made: string[] = [];
    for (const host of new Set(here.map((item) => item.host))) {
      const id = lane.direction === 'add' ? `${host}/${lane.stage}` : `${host}/${lane.stage}/remove`;
      const own = lastOfHost.get(host);
      const needs = new Set(barrier);
      if (own !== undefined) needs.add(own);
      const changes = here.filter((item) => item.host === host).map((item) => item.change);
      steps.push({ id, host, stage: lane.stage, direction: lane.direction, needs: [...needs], changes, ops: [] });
      made.push(id);
    }
    for (const id of made) lastOfHost.set(id.slice(0, id.indexOf('/')), id);
    if (made.length > 0 && lane.stage !== 'packages') barrier = made;
  }
  return steps;
}

function laneOf({ change, late }: Staged): 'add' | 'remove' {
  return change.direction === 'remove' || late ? 'remove' : 'add';
}
