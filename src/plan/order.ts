import { STAGES, type Stage } from '../resources/kind.ts';
import type { PlannedChange, Step } from './plan.ts';

/** One stage in one half of the order. */
export interface Lane {
  stage: Stage;
  direction: 'add' | 'remove';
}

/** All of them, in their order. */
export const LANES: readonly Lane[] = [
  ...STAGES.map((stage) => ({ stage, direction: 'add' as const })),
  ...STAGES.toReversed().map((stage) => ({ stage, direction: 'remove' as const })),
];

/** A step without its place in the graph. */
export type Loose = Omit<Step, 'id' | 'needs' | 'direction'>;

/** What happens on other hosts around a step, e.g. on the directors of a real server: for each of them, before and after. */
export type Around = (host: string, lane: Lane) => readonly { before: Loose; after: Loose }[];

/** The directors that send a host requests and can't drain it while it changes. */
export type Beside = (host: string, lane: Lane) => readonly string[];

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
 *
 * A step with something around it begins after that on all those hosts and ends before they go on. Each host's steps
 * follow one another: what two real servers need of one director happens to one after the other. One that its director
 * can't drain changes when it drains no other.
 */
export function orderSteps(staged: readonly Staged[], around: Around = () => [], beside: Beside = () => []): Step[] {
  const steps: Step[] = [];
  const lastOfHost = new Map<string, string>();
  /** By director the end of the last change of one of its real servers. */
  const lastOfServers = new Map<string, string>();
  const ended = (directors: readonly string[]) => directors.flatMap((name) => lastOfServers.get(name) ?? []);
  const add = (id: string, step: Loose & Pick<Step, 'direction'>, more: readonly string[]): string => {
    const own = lastOfHost.get(step.host);
    steps.push({ id, ...step, needs: [...new Set([...more, ...(own === undefined ? [] : [own])])] });
    lastOfHost.set(step.host, id);
    return id;
  };
  let barrier: string[] = [];
  for (const lane of LANES) {
    const { stage, direction } = lane;
    const here = staged.filter((item) => item.stage === stage && laneOf(item) === direction);
    const hosts = [...new Set(here.map(({ host }) => host))].map((host) => {
      return { host, others: around(host, lane), alone: beside(host, lane) };
    });
    const made: string[] = [];
    for (const { host, others, alone } of [
      ...hosts.filter((each) => each.others.length === 0),
      ...hosts.filter((each) => each.others.length > 0),
    ]) {
      const name = direction === 'add' ? `${host}/${stage}` : `${host}/${stage}/remove`;
      const own = lastOfHost.get(host);
      const ready = [...barrier, ...(own === undefined ? [] : [own])];
      const id = (other: Loose) => `${other.host}/${other.stage}/${name}`;
      const begun = others.map(({ before }) =>
        add(id(before), { ...before, direction }, [...ready, ...ended([before.host])]),
      );
      const changes = here.filter((item) => item.host === host).map((item) => item.change);
      made.push(add(name, { host, stage, direction, changes, ops: [] }, [...barrier, ...begun, ...ended(alone)]));
      for (const director of alone) lastOfServers.set(director, name);
      for (const { after } of others) lastOfServers.set(after.host, add(id(after), { ...after, direction }, [name]));
    }
    if (made.length > 0 && stage !== 'packages') barrier = made;
  }
  return steps;
}

function laneOf({ change, late }: Staged): 'add' | 'remove' {
  return change.direction === 'remove' || late ? 'remove' : 'add';
}
