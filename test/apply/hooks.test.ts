import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApplyEvent, applyPlan } from '../../src/apply/apply.ts';
import { bindHooks, refuseOtherHooks } from '../../src/apply/hooks.ts';
import { ENGINE_VERSION } from '../../src/host/index.ts';
import { makeVeil } from '../../src/host/veil.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { buildPlan } from '../../src/plan/build.ts';
import { readPlan, writePlan } from '../../src/plan/file.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { makePaint } from '../../src/report/paint.ts';
import { planText } from '../../src/report/plan-text.ts';
import { survey } from '../../src/survey/survey.ts';
import { localTransport } from '../../src/transport/local.ts';

/** Real scripts around real operations on this machine, in a folder of the test's own. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-hooks-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

// Both hosts are this machine, with one folder of lvsctl's own: they take turns.
const limits = { parallel: 1, timeout: 60, stepTimeout: 60, confirmTimeout: null, lockWait: 60 };
const at = (name: string) => join(folder, name);

function script(name: string, text: string): void {
  writeFileSync(at(name), text);
  chmodSync(at(name), 0o755);
}

/** A line for each run: what it was given. */
const NOTES = `echo "$LVSCTL_EVENT $1 $2 $LVSCTL_STAGE $LVSCTL_DIRECTION \${LVSCTL_OUTCOME-none}" >>notes`;

/** A plan with a file for each of two hosts (both are this machine); nothing is recorded outside of the folder. */
async function planOf(hooks: object, hosts: Record<string, object> = { a: {}, b: {} }): Promise<Plan> {
  const owner = userInfo().username;
  const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
  const described = Object.fromEntries(
    Object.entries(hosts).map(([name, more]) => [
      name,
      { files: { [at(name)]: { content: `${name}\n`, owner, group } }, ...more },
    ]),
  );
  writeFileSync(at('lvs.yaml'), JSON.stringify({ version: 1, name: 'test', hosts: described, hooks }));
  const cluster = loadCluster([at('lvs.yaml')]);
  const read = await survey(cluster, cluster.hosts, { ...limits, transport: localTransport(), keep: false });
  const context = { cluster, fingerprint: '', engine: ENGINE_VERSION, lab: false, created: '' };
  const plan = buildPlan({ ...context, ...bindHooks(cluster.hooks) }, read.seen, read.unseen);
  return { ...plan, steps: plan.steps.filter((step) => step.stage !== 'record') };
}

function run(plan: Plan, more: Partial<Parameters<typeof applyPlan>[1]> = {}) {
  return applyPlan(plan, {
    ...limits,
    rollout: { serial: { hosts: 1 }, maxFail: 9 },
    transport: localTransport(),
    ...more,
  });
}

const notes = () => (existsSync(at('notes')) ? readFileSync(at('notes'), 'utf8').trim().split('\n').sort() : []);

describe('hooks', () => {
  it('run around each step, with its host and name, in the inventory’s folder', async () => {
    script('before.sh', `#!/bin/sh\n[ -e "$1" ] && echo "too late" >>notes\n${NOTES}\n`);
    script('after.sh', `#!/bin/sh\n[ -e "$1" ] || echo "too early" >>notes\n${NOTES}\n`);
    const plan = await planOf({ before_change: './before.sh', after_change: './after.sh' });
    const events: ApplyEvent['type'][] = [];
    const result = await run(plan, { onEvent: ({ type }) => events.push(type) });
    const stage = plan.steps[0]?.stage;
    expect(result.hosts).toMatchObject([
      { host: 'a', status: 'done', problems: [] },
      { host: 'b', status: 'done', problems: [] },
    ]);
    expect(notes()).toEqual([
      `after_change a a/${stage} ${stage} add done`,
      `after_change b b/${stage} ${stage} add done`,
      `before_change a a/${stage} ${stage} add none`,
      `before_change b b/${stage} ${stage} add none`,
    ]);
    expect(events.filter((type) => type === 'hook-started')).toHaveLength(4);
  });

  it('before_change that fails: nothing of its host changes, the others go on, its words are shown', async () => {
    script('before.sh', '#!/bin/sh\n[ "$LVSCTL_HOST" = b ] || { echo "pager is down" >&2; exit 3; }\n');
    script('after.sh', `#!/bin/sh\n${NOTES}\n`);
    const plan = await planOf({ before_change: './before.sh', after_change: './after.sh' });
    const result = await run(plan);
    expect([existsSync(at('a')), existsSync(at('b'))]).toEqual([false, true]);
    expect(result.hosts).toMatchObject([
      {
        host: 'a',
        status: 'unchanged',
        done: [],
        missing: [`file ${at('a')}`],
        problems: [
          {
            code: 'APPLY-HOOK-FAILED',
            place: { kind: 'host', host: 'a', phase: `before_change of ${plan.steps[0]?.id}` },
            what: `${at('before.sh')} failed (exit code 3): pager is down`,
          },
        ],
      },
      { host: 'b', status: 'done', problems: [] },
    ]);
    // What was not begun is not followed by anything either.
    expect(notes().map((line) => line.split(' ')[1])).toEqual(['b']);
  });

  it('after_change that fails: the host is as it is, and the problem is told', async () => {
    script('after.sh', '#!/bin/sh\necho "pager is down"; exit 1\n');
    const result = await run(await planOf({ after_change: './after.sh' }, { a: {} }));
    expect(readFileSync(at('a'), 'utf8')).toBe('a\n');
    expect(result.hosts).toMatchObject([
      { status: 'done', done: [`file ${at('a')}`], problems: [{ code: 'APPLY-HOOK-FAILED' }] },
    ]);
  });

  it('after_change runs after a step that failed, too', async () => {
    script('after.sh', `#!/bin/sh\n${NOTES}\n`);
    const plan = await planOf({ after_change: './after.sh' }, { a: {} });
    const [step] = plan.steps;
    if (step === undefined) throw new Error('the plan has no step');
    const broken = { ...step, changes: [], ops: [{ name: 'file_check', args: ['unknown'] }] };
    await run({ ...plan, steps: [broken] });
    expect(notes()).toEqual([`after_change a ${step.id} ${step.stage} add failed`]);
  });

  it('an interruption during before_change: the step is not begun, after_change runs all the same', async () => {
    script('before.sh', `#!/bin/sh\n${NOTES}\n`);
    script('after.sh', `#!/bin/sh\n${NOTES}\n`);
    const plan = await planOf({ before_change: './before.sh', after_change: './after.sh' }, { a: {} });
    const stop = new AbortController();
    const onEvent = ({ type }: ApplyEvent) => {
      if (type === 'hook-started') stop.abort();
    };
    const result = await run(plan, { signal: stop.signal, onEvent });
    expect(existsSync(at('a'))).toBe(false);
    expect(result).toMatchObject({ interrupted: true, hosts: [{ status: 'unchanged' }] });
    expect(notes().map((line) => line.split(' ').at(-1))).toEqual(['stopped', 'none']);
  });

  it.each([
    ['takes too long, with what it started', '#!/bin/sh\nsleep 600\n', 1, 'not ended after 1 s'],
    [
      'takes too long and won’t be told',
      '#!/bin/sh\ntrap "" TERM\necho no\nsleep 600\nsleep 600\n',
      1,
      'not ended after 1 s): no',
    ],
    ['can’t be started', '#!/nonexistent/shell\n', 60, 'it could not be started: '],
    ['ends by a signal', '#!/bin/sh\nkill -9 $$\n', 60, '(signal SIGKILL): it said nothing'],
  ])('before_change that %s', async (_name, text, stepTimeout, what) => {
    script('before.sh', text);
    const result = await run(await planOf({ before_change: './before.sh' }, { a: {} }), { stepTimeout });
    expect(result.hosts[0]?.problems).toMatchObject([
      { code: 'APPLY-HOOK-FAILED', what: expect.stringContaining(what) },
    ]);
    expect(existsSync(at('a'))).toBe(false);
  });

  it('one that leaves something in the background has ended all the same', async () => {
    script('before.sh', '#!/bin/sh\nsleep 600 & echo $! >left\n');
    const result = await run(await planOf({ before_change: './before.sh' }, { a: {} }));
    process.kill(Number(readFileSync(at('left'), 'utf8')));
    expect(result.hosts).toMatchObject([{ status: 'done', problems: [] }]);
  });

  it('shows no secret that a hook prints', async () => {
    script('before.sh', '#!/bin/sh\necho "told: hunter2"; exit 1\n');
    const veil = makeVeil(new Map([['vrrp.edge.auth_pass', 'hunter2']]), () => new Uint8Array(32));
    const result = await run(await planOf({ before_change: './before.sh' }, { a: {} }), { veil });
    expect(result.hosts[0]?.problems[0]?.what).toContain('told: <secret vrrp.edge.auth_pass>');
  });
});

describe('hooks and saved plans', () => {
  it('the plan names them, keeps them, and refuses others before anything is changed', async () => {
    script('before.sh', '#!/bin/sh\n');
    const plan = await planOf({ before_change: './before.sh' }, { a: {} });
    expect(planText(plan, makePaint(false))).toContain(`Before each step  ${at('before.sh')}`);
    writePlan(at('plan'), plan);
    const saved = readPlan(at('plan'), ENGINE_VERSION);
    expect(() => refuseOtherHooks(saved, { beforeChange: at('before.sh') })).not.toThrow();
    script('other.sh', '#!/bin/sh\n');
    const others = [
      {},
      { beforeChange: at('other.sh') },
      { beforeChange: at('before.sh'), afterChange: at('other.sh') },
    ];
    for (const now of others) expect(() => refuseOtherHooks(saved, now)).toThrow('HOOK-CHANGED');
    script('before.sh', '#!/bin/sh\ntouch run\n');
    await expect(run(saved)).rejects.toMatchObject({ problems: [{ code: 'HOOK-CHANGED' }] });
    rmSync(at('before.sh'));
    await expect(run(saved)).rejects.toMatchObject({ problems: [{ code: 'HOOK-UNREADABLE' }] });
    expect([existsSync(at('a')), existsSync(at('run'))]).toEqual([false, false]);
  });
});
