import { describe, expect, it } from 'vitest';
import { runGraph, type StepOutcome } from '../../src/apply/graph.ts';
import type { Step } from '../../src/plan/plan.ts';

function step(id: string, ...needs: string[]): Step {
  return { id, host: id, stage: 'web', direction: 'add', needs, changes: [], ops: [] };
}

async function run(steps: Step[], outcome: (id: string) => StepOutcome, signal?: AbortSignal) {
  const order: string[] = [];
  const ended = await runGraph(
    steps,
    async (each) => {
      order.push(each.id);
      await Promise.resolve();
      return outcome(each.id);
    },
    signal,
  );
  return { order, ended: Object.fromEntries(ended) };
}

describe('runGraph', () => {
  it('runs what depends on others after them', async () => {
    const { order, ended } = await run([step('a'), step('b', 'a'), step('c', 'a', 'b')], () => 'done');
    expect(order).toEqual(['a', 'b', 'c']);
    expect(ended).toEqual({ a: 'done', b: 'done', c: 'done' });
  });

  it('lets a failure hold up what depends on it, through others too, and nothing else', async () => {
    const steps = [step('a'), step('b', 'a'), step('c', 'b'), step('x'), step('y', 'x')];
    const { order, ended } = await run(steps, (id) => (id === 'a' ? 'failed' : 'done'));
    expect(ended).toEqual({ a: 'failed', b: 'skipped', c: 'skipped', x: 'done', y: 'done' });
    expect(order.toSorted()).toEqual(['a', 'x', 'y']);
  });

  it('starts no step after an interruption, and lets the running one end', async () => {
    const controller = new AbortController();
    const { ended, order } = await run(
      [step('a'), step('b', 'a')],
      () => {
        controller.abort();
        return 'done';
      },
      controller.signal,
    );
    expect(order).toEqual(['a']);
    expect(ended).toEqual({ a: 'done', b: 'stopped' });
  });

  it('begins with no record when the run is stopped, and ends with that of a host that is done', async () => {
    const controller = new AbortController();
    const { ended } = await run(
      [
        step('a'),
        { ...step('a/record/remove', 'a'), stage: 'record', direction: 'remove' },
        { ...step('b/record', 'a'), stage: 'record' },
        step('b', 'b/record'),
        { ...step('b/record/remove', 'b'), stage: 'record', direction: 'remove' },
      ],
      () => {
        controller.abort();
        return 'done';
      },
      controller.signal,
    );
    expect(ended).toEqual({
      a: 'done',
      'a/record/remove': 'done',
      'b/record': 'stopped',
      b: 'stopped',
      'b/record/remove': 'stopped',
    });
  });

  it('runs independent steps at once', async () => {
    let running = 0;
    let most = 0;
    await runGraph([step('a'), step('b'), step('c')], async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return 'done';
    });
    expect(most).toBe(3);
  });
});

describe('what comes before a step besides', () => {
  it.each<[string, 'done' | 'failed', string[], StepOutcome]>([
    ['goes first', 'done', ['r', 'standby', 'master'], 'done'],
    ['holds it up where it fails', 'failed', ['r', 'standby'], 'skipped'],
  ])('%s', async (_, outcome, done, ended) => {
    const order: string[] = [];
    const found = await runGraph(
      [step('r'), step('master', 'r'), step('standby', 'r')],
      async ({ id }) => {
        order.push(id);
        return id === 'standby' ? outcome : 'done';
      },
      undefined,
      // Asked only when all that the plan says has been done.
      async ({ id }) => (order.includes('r') && id === 'master' ? ['standby'] : []),
    );
    expect(order).toEqual(done);
    expect(found.get('master')).toBe(ended);
  });
});
