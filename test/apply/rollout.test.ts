import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runGraph } from '../../src/apply/graph.ts';
import { atOnce, comesAfter, paced, type Rollout, withCanary } from '../../src/apply/rollout.ts';
import { type Lane, type Loose, orderSteps, type Staged } from '../../src/plan/order.ts';
import { isDrain, type Plan, type Step } from '../../src/plan/plan.ts';

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

  test('a director that only drains is no canary', () => {
    expect(() => withCanary(drained(['a']).slice(1, -1), 'd')).toThrow(
      /--canary names d, on which this plan changes nothing/u,
    );
  });

  test('one that is not drained goes before the drains of others', async () => {
    const { done } = await go([step('c/web'), ...drained(['a', 'b'])], { canary: 'c' });
    expect(done.indexOf('c/web')).toBeLessThan(done.indexOf('d/drain/a/web'));
  });
});

/**
 * Real servers and directors, which may be real servers too, with changes at some stages: each is drained by some directors,
 * or changes while these drain no other (`alone`), or takes no part in that.
 */
describe('whatever changes, and whoever is the canary', () => {
  const DIRECTORS = ['d1', 'd2'];
  const HOSTS = [...DIRECTORS, 'w1', 'w2', 'w3'];
  type How = Record<string, 'drained' | 'alone'>;
  const worlds = fc.record({
    changed: fc.subarray(
      HOSTS.flatMap((host) =>
        ['reach', 'web', 'suppress'].flatMap((at) => [`${host}/${at}/add`, `${host}/${at}/remove`]),
      ),
      { minLength: 1 },
    ),
    how: fc.dictionary(
      fc.constantFrom(...HOSTS.flatMap((host) => DIRECTORS.map((director) => `${host} ${director}`))),
      fc.constantFrom<How[string][]>('drained', 'alone'),
    ),
    canary: fc.constantFrom(...HOSTS),
  });
  const of = (how: How, host: string, what: How[string]) => DIRECTORS.filter((name) => how[`${host} ${name}`] === what);

  function ordered(changed: readonly string[], how: How): Step[] {
    const staged = changed.map((one) => {
      const [host, stage, direction] = one.split('/');
      return { host, stage, change: { key: one, direction } } as unknown as Staged;
    });
    const around = (host: string, { stage }: Lane) =>
      (stage === 'suppress' ? [] : of(how, host, 'drained')).map((director) => {
        const loose = (at: string) =>
          ({ host: director, stage: at, changes: [], ops: [], drains: { host, text: '' } }) as unknown as Loose;
        return { before: loose('drain'), after: loose('undrain') };
      });
    const beside = (host: string, { stage }: Lane) => (stage === 'suppress' ? [] : of(how, host, 'alone'));
    return orderSteps(staged, around, beside);
  }

  /** Nothing waits for itself, a host's steps follow one another, and a director has one real server away at a time. */
  function expectOrder(steps: readonly Step[], how: How): void {
    const place = new Map(steps.map(({ id }, at) => [id, at]));
    for (const [at, { needs }] of steps.entries()) for (const need of needs) expect(place.get(need)).toBeLessThan(at);
    const before = new Map(steps.map((one) => [one.id, new Set(comesAfter(steps, one).map(({ id }) => id))]));
    const follows = (first: string, second: string) => before.get(second)?.has(first) === true;
    for (const host of HOSTS) {
      const own = steps.filter((one) => one.host === host).map(({ id }) => id);
      for (const [at, id] of own.slice(1).entries()) expect(follows(own[at] ?? '', id)).toBe(true);
    }
    for (const director of DIRECTORS) {
      const away = steps.flatMap((one) => {
        if (isDrain(one) || one.stage === 'suppress') return [];
        if (of(how, one.host, 'alone').includes(director)) return [{ begin: one.id, end: one.id }];
        if (!of(how, one.host, 'drained').includes(director)) return [];
        return [{ begin: `${director}/drain/${one.id}`, end: `${director}/undrain/${one.id}` }];
      });
      for (const [at, one] of away.entries())
        for (const other of away.slice(at + 1))
          expect([one, other], 'one after the other').toSatisfy(
            () => follows(one.end, other.begin) || follows(other.end, one.begin),
          );
    }
  }

  test('no step waits for itself, and of a director’s real servers one is away at a time', () => {
    fc.assert(
      fc.property(worlds, ({ changed, how, canary }) => {
        fc.pre(changed.some((one) => one.startsWith(`${canary}/`)));
        const steps = ordered(changed, how);
        expectOrder(steps, how);
        const rolled = withCanary(steps, canary);
        expectOrder(rolled, how);
        expect(rolled.map(({ id }) => id).toSorted()).toEqual(steps.map(({ id }) => id).toSorted());
      }),
      { numRuns: 50 },
    );
  });

  test.each<[string, string[], How, string]>([
    [
      'a director with a step of its own there',
      ['d1/reach/add', 'w1/reach/add', 'w2/reach/add'],
      { 'w1 d1': 'drained', 'w2 d1': 'drained' },
      'd1/reach d1/drain/w2/reach w2/reach d1/undrain/w2/reach d1/drain/w1/reach w1/reach d1/undrain/w1/reach',
    ],
    [
      'those that can’t be drained',
      ['w1/web/add', 'w2/web/add', 'w3/web/add'],
      { 'w1 d1': 'alone', 'w2 d1': 'alone', 'w3 d1': 'drained' },
      'w2/web w1/web d1/drain/w3/web w3/web d1/undrain/w3/web',
    ],
  ])('w2 goes first among %s', async (_, changed, how, expected) => {
    const { done } = await go(ordered(changed, how), { canary: 'w2' });
    expect(done).toEqual(expected.split(' '));
  });
});
