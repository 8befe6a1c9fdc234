import { describe, expect, test } from 'vitest';
import { runGraph } from '../../src/apply/graph.ts';
import { atOnce, paced, type Rollout, withCanary } from '../../src/apply/rollout.ts';
import type { Plan, Step } from '../../src/plan/plan.ts';

function step(id: string, needs: string[] = []): Step {
  const [host = '', stage = 'web', direction = 'add'] = id.split('/');
  return { id, host, stage, direction, needs, changes: [], ops: [] } as unknown as Step;
}

const WEB = ['a', 'b', 'c', 'd'].map((host) => step(`${host}/web`));
const VIP = ['a', 'b', 'c', 'd'].map((host) =>
  step(
    `${host}/real-vip`,
    WEB.map(({ id }) => id),
  ),
);

function planOf(steps: Step[]): Plan {
  const names = [...new Set(steps.map(({ host }) => host))];
  const hosts = names.map((name) => ({ name, ssh: { address: name } }));
  return { hosts, steps } as unknown as Plan;
}

/** The steps that were done, and the most that ran at once. */
async function go(steps: Step[], rollout: Rollout, failing: string[] = [], armed = true) {
  const done: string[] = [];
  let [running, most] = [0, 0];
  const act = paced(planOf(steps), rollout, armed, async ({ id }) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
    done.push(id);
    return failing.includes(id) ? 'failed' : 'done';
  });
  const outcomes = await runGraph(withCanary(steps, rollout.canary), act);
  return { done, most, outcomes: Object.fromEntries(outcomes) };
}

describe('a rollout', () => {
  test.each<[Rollout, number]>([
    [{}, 4],
    [{ serial: { hosts: 1 } }, 1],
    [{ serial: { hosts: 3 } }, 3],
    [{ serial: { percent: 50 } }, 2],
  ])('%j changes at most %i hosts at once, and all of them', async (rollout, most) => {
    const result = await go([...WEB, ...VIP], rollout);
    expect(result.most).toBe(most);
    expect(result.done).toHaveLength(8);
  });

  test('a share is rounded down, and never to none', () => {
    expect([1, 4, 7, 100].map((hosts) => atOnce({ percent: 25 }, hosts))).toEqual([1, 1, 1, 25]);
  });

  test('a group begins when all of the one before it has ended', async () => {
    const order: string[] = [];
    const act = paced(planOf(WEB), { serial: { hosts: 2 } }, true, async ({ host }) => {
      order.push(host);
      await new Promise((resolve) => setTimeout(resolve, host === 'b' ? 50 : 5));
      order.push(`${host} ended`);
      return 'done';
    });
    await runGraph(WEB, act);
    expect(order).toEqual(['a', 'b', 'a ended', 'b ended', 'c', 'd', 'c ended', 'd ended']);
  });

  test('the canary goes first at every stage where the others have to come before its next one', async () => {
    const { done } = await go([...WEB, ...VIP], { canary: 'c' });
    expect([done[0], done[4]]).toEqual(['c/web', 'c/real-vip']);
    expect(done).toHaveLength(8);
  });

  test('the canary is done before all others where nothing is in the way', async () => {
    const own = ['a', 'b', 'c'].flatMap((host) => [step(`${host}/web`), step(`${host}/real-vip`, [`${host}/web`])]);
    const { done } = await go(own, { canary: 'c' });
    expect(done.slice(0, 2)).toEqual(['c/web', 'c/real-vip']);
    expect(done).toHaveLength(6);
    const failed = await go(own, { canary: 'c' }, ['c/real-vip']);
    expect(failed.done).toEqual(['c/web', 'c/real-vip']);
  });

  test('a canary that fails keeps the others as they are', async () => {
    const { done, outcomes } = await go([...WEB, ...VIP], { canary: 'c' }, ['c/web']);
    expect(done).toEqual(['c/web']);
    expect(new Set(Object.values(outcomes))).toEqual(new Set(['failed', 'skipped']));
  });

  test('a canary that the plan does not change is an error', () => {
    expect(() => withCanary(WEB, 'x')).toThrow(/CLI-UNKNOWN-HOST.*--canary names x/u);
  });

  test.each<[number | undefined, string[]]>([
    [undefined, ['a/web']],
    [0, ['a/web']],
    [9, ['a/web', 'b/web', 'c/web', 'd/web']],
    [1, ['a/web', 'b/web']],
  ])('with --max-fail %s, of hosts that all fail these are begun: %j', async (maxFail, begun) => {
    const rollout = { serial: { hosts: 1 }, ...(maxFail === undefined ? {} : { maxFail }) };
    const { done, outcomes } = await go(
      WEB,
      rollout,
      WEB.map(({ id }) => id),
    );
    expect(done).toEqual(begun);
    const others = WEB.map(({ id }) => id).filter((id) => !begun.includes(id));
    expect(others.map((id) => outcomes[id])).toEqual(others.map(() => 'stopped'));
  });

  test.each([
    ['armed, a host in the middle is stopped, and goes back', true, ['a/web', 'b/web', 'a/real-vip']],
    ['not armed, it is brought to its end', false, ['a/web', 'b/web', 'a/real-vip', 'b/real-vip']],
  ])('%s', async (_, armed, expected) => {
    const two = ['a', 'b'];
    const steps = [
      ...two.map((host) => step(`${host}/web`)),
      ...two.map((host) =>
        step(
          `${host}/real-vip`,
          two.map((each) => `${each}/web`),
        ),
      ),
    ];
    const { done } = await go(steps, { serial: { hosts: 1 } }, ['a/real-vip'], armed);
    expect(done).toEqual(expected);
  });
});

describe('a canary among real servers that are drained', () => {
  /** Drains of these hosts by a director, one after the other, between two steps of its own. */
  function drained(hosts: string[]): Step[] {
    let last = 'd/suppress';
    const around = hosts.flatMap((host) => {
      const [before, after] = [`d/drain/${host}/web`, `d/undrain/${host}/web`];
      const steps = [
        { ...step(before, [last]), drains: { host, text: '' } },
        step(`${host}/web`, [before]),
        { ...step(after, [`${host}/web`, before]), drains: { host, text: '' } },
      ].map((one) => ({ ...one, direction: 'add' as const }));
      last = after;
      return steps;
    });
    return [step('d/suppress'), ...around, step('d/rules', [last])];
  }

  test.each([['a'], ['b'], ['c']])('%s is drained and changed before the others', async (canary) => {
    const { done, outcomes } = await go(drained(['a', 'b', 'c']), { canary });
    expect(Object.values(outcomes)).toEqual(Array(11).fill('done'));
    expect(done.slice(0, 4)).toEqual([
      'd/suppress',
      `d/drain/${canary}/web`,
      `${canary}/web`,
      `d/undrain/${canary}/web`,
    ]);
    expect(done.at(-1)).toBe('d/rules');
    const others = ['a', 'b', 'c'].filter((host) => host !== canary).map((host) => `${host}/web`);
    expect(done.filter((id) => others.includes(id))).toEqual(others);
  });

  test('where it fails, nobody else is drained', async () => {
    const { done } = await go(drained(['a', 'b']), { canary: 'b' }, ['b/web']);
    expect(done).toEqual(['d/suppress', 'd/drain/b/web', 'b/web']);
  });

  test('one that is not drained goes before the drains of others', async () => {
    const { done } = await go([step('c/web'), ...drained(['a', 'b'])], { canary: 'c' });
    expect(done.indexOf('c/web')).toBeLessThan(done.indexOf('d/drain/a/web'));
  });
});
