import { failure } from '../errors/index.ts';
import { isDrain, isTaken, type Plan, type Step } from '../plan/plan.ts';
import { sorted } from './rollout.ts';

/** A host and one that is on the way to it, both changed by a plan. */
interface Way {
  host: string;
  jump: string;
}

/**
 * A host and the way to it must not be in the hands of their guards at the same time: when the way goes back, the host's
 * guard sees no confirmation. So the hosts behind come first, all of their steps, and then the jump host, whose guard may
 * cut off whom it likes; or where their steps need one of its own, it comes first. Pure.
 * @param steps the plan's, in the order of the rollout
 * @throws APPLY-JUMP-HOST where neither is possible
 */
export function withJumps(plan: Plan, steps: readonly Step[]): Step[] {
  let ordered = [...steps];
  const stuck: Way[] = [];
  for (const way of waysOf(plan)) {
    const after = apart(ordered, way.host, way.jump);
    const before = apart(ordered, way.jump, way.host);
    const found = isGraph(after) ? after : isGraph(before) ? before : undefined;
    if (found === undefined) stuck.push(way);
    else ordered = found;
  }
  if (stuck.length === 0) return sorted(ordered);
  const jumps = [...new Set(stuck.map(({ jump }) => jump))].join(',');
  throw failure({
    code: 'APPLY-JUMP-HOST',
    place: { kind: 'none' },
    what: `${jumps} is the way to ${stuck.map(({ host }) => host).join(', ')}, and their changes need each other's: while a host may take its changes back, the way to it has to stand`,
    next: `Nothing was changed. Apply to it first (--limit ${jumps}), then to the others; where only its drains are in the way: --no-drain.`,
  });
}

/** All that the first host is changed by, its record too, before the transaction of the second one begins. */
function apart(steps: readonly Step[], first: string, second: string): Step[] {
  const before = steps.filter(({ host }) => host === first).map(({ id }) => id);
  return steps.map((step) =>
    step.host === second && changes(step) ? { ...step, needs: [...step.needs, ...before] } : step,
  );
}

/** A drain changes nothing of a way. */
function changes(step: Step): boolean {
  return isTaken(step) && !isDrain(step);
}

/** Whether no step needs itself. */
function isGraph(steps: readonly Step[]): boolean {
  const left = new Map(steps.map((step) => [step.id, new Set(step.needs)]));
  for (const needs of left.values()) for (const id of needs) if (!left.has(id)) needs.delete(id);
  for (let free = true; free; ) {
    free = false;
    for (const [id, needs] of left) {
      if ([...needs].some((need) => left.has(need))) continue;
      left.delete(id);
      free = true;
    }
  }
  return left.size === 0;
}

function waysOf(plan: Plan): Way[] {
  const changed = new Set(plan.steps.filter(changes).map(({ host }) => host));
  const hosts = plan.hosts.filter(({ name }) => changed.has(name));
  const names = new Map(hosts.flatMap(({ name, ssh }) => [[name, name] as const, [ssh.address, name] as const]));
  return hosts.flatMap(({ name, ssh }) => {
    const hops = (ssh.jump ?? '').split(',').map((hop) => hop.trim().replace(/^.*@/u, '').replace(/:\d+$/u, ''));
    return hops.flatMap((hop) => {
      const jump = names.get(hop);
      return jump === undefined || jump === name ? [] : [{ host: name, jump }];
    });
  });
}
