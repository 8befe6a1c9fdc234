import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderSteps, type Staged } from '../../src/plan/order.ts';
import type { PlannedChange } from '../../src/plan/plan.ts';
import { STAGES, type Stage } from '../../src/resources/kind.ts';

function staged(
  host: string,
  stage: Stage,
  direction: PlannedChange['direction'] = 'add',
  key = `${host} ${stage}`,
): Staged {
  const change: PlannedChange = {
    key,
    kind: 'package',
    direction,
    shown: [],
    ops: [],
    before: null,
    after: null,
    resource: { kind: 'package', name: 'x' },
  };
  return { host, stage, change };
}

/** Everything that a step waits for, directly or through others. */
function ancestors(steps: ReturnType<typeof orderSteps>, id: string): Set<string> {
  const step = steps.find((each) => each.id === id);
  const direct = step?.needs ?? [];
  return new Set([...direct, ...direct.flatMap((need) => [...ancestors(steps, need)])]);
}

describe('orderSteps', () => {
  it('lets a real server suppress ARP before it takes the VIP, and the director its rules before its VIP', () => {
    const steps = orderSteps([
      staged('director', 'vip'),
      staged('director', 'rules'),
      staged('rs1', 'real-vip'),
      staged('rs1', 'suppress'),
      staged('route', 'reach'),
    ]);
    expect(steps.map((step) => step.id)).toEqual([
      'route/reach',
      'rs1/suppress',
      'rs1/real-vip',
      'director/rules',
      'director/vip',
    ]);
    expect(ancestors(steps, 'director/vip')).toEqual(
      new Set(['route/reach', 'rs1/suppress', 'rs1/real-vip', 'director/rules']),
    );
  });

  it('takes away in the reverse order, after everything that is added', () => {
    const steps = orderSteps([
      staged('rs1', 'suppress', 'remove'),
      staged('rs1', 'real-vip', 'remove'),
      staged('director', 'rules', 'remove'),
      staged('director', 'vip', 'remove'),
      staged('rs2', 'real-vip', 'add'),
    ]);
    expect(steps.map((step) => step.id)).toEqual([
      'rs2/real-vip',
      'director/vip/remove',
      'director/rules/remove',
      'rs1/real-vip/remove',
      'rs1/suppress/remove',
    ]);
    expect(ancestors(steps, 'rs1/suppress/remove').has('rs2/real-vip')).toBe(true);
  });

  it('lets packages of one host hold up that host alone', () => {
    const steps = orderSteps([staged('a', 'packages'), staged('b', 'reach'), staged('a', 'web')]);
    expect(steps.find((step) => step.id === 'b/reach')?.needs).toEqual([]);
    expect(ancestors(steps, 'a/web')).toEqual(new Set(['a/packages', 'b/reach']));
  });

  it('makes one step a host, stage and direction, keeps every change once, and is acyclic', () => {
    const item = fc.record({
      host: fc.constantFrom('a', 'b', 'c', 'd'),
      stage: fc.constantFrom(...STAGES),
      direction: fc.constantFrom('add', 'change', 'remove'),
      n: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 40 }), (items) => {
        const input = items.map(({ host, stage, direction, n }) => staged(host, stage, direction as 'add', `${n}`));
        const steps = orderSteps(input);
        expect(new Set(steps.map((step) => step.id)).size).toBe(steps.length);
        expect(steps.flatMap((step) => step.changes).length).toBe(input.length);
        const before = new Set<string>();
        for (const step of steps) {
          expect(step.needs.every((need) => before.has(need))).toBe(true);
          before.add(step.id);
        }
        // Steps of one host are never at work at the same time.
        for (const step of steps) {
          const earlier = steps.slice(0, steps.indexOf(step)).filter((each) => each.host === step.host);
          const all = ancestors(steps, step.id);
          expect(earlier.every((each) => all.has(each.id))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});
