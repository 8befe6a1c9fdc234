import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type ApplyEvent, applyPlan } from '../../src/apply/apply.ts';
import { withJumps } from '../../src/apply/jumps.ts';
import { withCanary } from '../../src/apply/rollout.ts';
import { LvsctlError } from '../../src/errors/index.ts';
import { isTaken, type Plan, type Step } from '../../src/plan/plan.ts';
import { file, makeSandbox, type Sandbox } from './sandbox.ts';

function step(id: string, needs: string[] = []): Step {
  const [host = '', stage = 'web', direction = 'add'] = id.split('/');
  return { id, host, stage, direction, needs, changes: [], ops: [] } as unknown as Step;
}

function planOf(steps: Step[], jumps: Record<string, string>): Plan {
  const names = [...new Set(steps.map(({ host }) => host))];
  const hosts = names.map((name) => ({ name, ssh: { address: `10.0.0.${name.charCodeAt(0)}`, jump: jumps[name] } }));
  return { hosts, steps } as unknown as Plan;
}

const ordered = (steps: Step[], jumps: Record<string, string>) => withJumps(planOf(steps, jumps), steps);

/** Which hosts have their transaction open together with another, each going as slow as it can. */
function together(steps: readonly Step[]): string[] {
  const needs = new Map(steps.map((one) => [one.id, new Set<string>()]));
  for (const one of steps)
    for (const id of one.needs) for (const each of [id, ...(needs.get(id) ?? [])]) needs.get(one.id)?.add(each);
  const taken = (host: string) => steps.filter((one) => one.host === host && isTaken(one));
  const hosts = [...new Set(steps.filter(isTaken).map(({ host }) => host))];
  const before = (one: string, other: string) =>
    taken(other).every(({ id }) => taken(one).every((each) => needs.get(id)?.has(each.id)));
  return hosts.flatMap((one) =>
    hosts.filter((other) => one < other && !before(one, other) && !before(other, one)).map((other) => `${one}${other}`),
  );
}

const WEB = ['a', 'b', 'c'].map((host) => step(`${host}/web`));

describe('a jump host and the hosts behind it', () => {
  test.each<[string, Record<string, string>, string[]]>([
    ['by its name', { a: 'b' }, ['b/web needs a/web']],
    ['with a user and a port, among others', { a: 'x,root@b:2222' }, ['b/web needs a/web']],
    ['by its address', { a: '10.0.0.98' }, ['b/web needs a/web']],
    ['of several', { a: 'c', b: 'c' }, ['c/web needs a/web', 'c/web needs b/web']],
    ['behind another', { a: 'b', b: 'c' }, ['b/web needs a/web', 'c/web needs b/web']],
    ['that the plan does not change', { a: 'bastion' }, []],
    ['none', {}, []],
  ])('%s', (_, jumps, needs) => {
    const found = ordered(WEB, jumps).flatMap((one) => one.needs.map((need) => `${one.id} needs ${need}`));
    expect(found.toSorted()).toEqual(needs);
  });

  test('the jump host comes first where the others need it', () => {
    const steps = [step('j/reach'), step('a/web', ['j/reach']), step('b/web', ['j/reach'])];
    expect(together(ordered(steps, { a: 'j', b: 'j' }))).toEqual(['ab']);
  });

  test('refused where each needs the other', () => {
    const steps = [step('j/reach'), step('a/web', ['j/reach']), step('j/rules', ['j/reach', 'a/web'])];
    expect(() => ordered(steps, { a: 'j' })).toThrow(/APPLY-JUMP-HOST: j is the way to a/u);
  });

  test('a canary that is the jump host comes first', () => {
    const steps = withCanary(WEB, 'b');
    expect(together(withJumps(planOf(steps, { a: 'b' }), steps))).toEqual(['ac']);
  });

  test('whatever the graph: never open together, or refused; and each step after what it needs', () => {
    const hosts = ['a', 'b', 'c'];
    const stages = ['reach', 'web', 'real-vip', 'rules'];
    const graph = fc.array(
      fc.record({
        host: fc.constantFrom(...hosts),
        stage: fc.constantFrom(...stages),
        needs: fc.array(fc.nat(15), { minLength: 1, maxLength: 3 }),
      }),
      { minLength: 8, maxLength: 16 },
    );
    const jumps = fc.dictionary(fc.constantFrom(...hosts), fc.constantFrom(...hosts));
    let [put, refused] = [0, 0];
    fc.assert(
      fc.property(graph, jumps, (drawn, ways) => {
        const steps: Step[] = [];
        for (const { host, stage, needs } of drawn) {
          const id = `${host}/${stage}`;
          if (steps.some((one) => one.id === id)) continue;
          const own = steps.findLast((one) => one.host === host);
          steps.push(step(id, [...needs.flatMap((at) => steps[at]?.id ?? []), ...(own === undefined ? [] : [own.id])]));
        }
        try {
          const found = ordered(steps, ways);
          put += 1;
          const pairs = Object.entries(ways)
            .filter(([host, jump]) => host !== jump)
            .map(([host, jump]) => [host, jump].toSorted().join(''));
          expect(together(found).filter((pair) => pairs.includes(pair))).toEqual([]);
          for (const [index, one] of found.entries())
            for (const need of one.needs) expect(found.findIndex(({ id }) => id === need)).toBeLessThan(index);
        } catch (error) {
          if (!(error instanceof LvsctlError)) throw error;
          refused += 1;
        }
      }),
      { numRuns: 500 },
    );
    expect(Math.min(put, refused)).toBeGreaterThan(20);
  });
});

describe('an apply', () => {
  let box: Sandbox;
  afterEach(() => box.end());

  test('opens the jump host’s transaction when the others’ are confirmed', async () => {
    box = makeSandbox(['a', 'b', 'j']);
    const one = [file('/etc/one', 'new\n'), file('/etc/two', 'new\n', 'suppress')];
    const made = await box.plan({ j: one.slice(0, 1), a: one.slice(0, 1), b: one.slice(0, 1) });
    const hosts = made.hosts.map((host) => (host.name === 'j' ? host : { ...host, ssh: { ...host.ssh, jump: 'j' } }));
    const events: string[] = [];
    const onEvent = (event: ApplyEvent) => {
      if (event.type === 'settled') events.push(`${event.host} ${event.settled.state}`);
      if (event.type === 'step-started' && event.step === 'j/web') events.push('j begins');
    };
    const limits = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 30 };
    const result = await applyPlan({ ...made, hosts }, { ...limits, transport: box.transport, onEvent });
    expect(result.hosts.map(({ status }) => status)).toEqual(['done', 'done', 'done']);
    expect(events.toSpliced(0, 2)).toEqual(['j begins', 'j confirmed']);
  });
});

describe('a director that is the way to its real servers', () => {
  const drain = [step('d/drain/a/web'), step('a/web', ['d/drain/a/web']), step('d/undrain/a/web', ['a/web'])];

  test('drains them as they change: that changes nothing of the way', () => {
    expect(ordered(drain, { a: 'd' })).toEqual(drain);
  });

  test('changes itself when they are confirmed', () => {
    const steps = [...drain, step('d/rules', ['d/undrain/a/web']), step('a/record/remove', ['a/web'])];
    const own = ordered(steps, { a: 'd' }).find(({ id }) => id === 'd/rules');
    expect(own?.needs).toEqual(expect.arrayContaining(['d/undrain/a/web', 'a/web', 'a/record/remove']));
  });
});
