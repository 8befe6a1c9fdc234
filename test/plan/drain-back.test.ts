import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/inventory/model.ts';
import { buildPlan, type SeenHost } from '../../src/plan/build.ts';
import { pastChanges, takenBack } from '../../src/plan/history.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { sha256 } from '../../src/resources/file.ts';
import { diffOne, keyOf, recordOf } from '../../src/resources/index.ts';
import { withKnown } from '../../src/survey/known.ts';
import { facts } from '../inventories/facts.ts';
import {
  type Case,
  described,
  director,
  expectPairDrained,
  ids,
  LIVE,
  OTHERS,
  opsOf,
  planOf,
  ROW,
  server,
  stepOf,
} from './drained.ts';

const CONFIG = '/etc/keepalived/keepalived.conf';
const STOPPED = { load: 'not-found', enabled: false, running: false, stale: false, loaded: null };

interface Back extends Case {
  /** Whether the directors' records tell what lvsctl wrote there; true unless told. */
  recorded?: boolean;
}

/** What takes back a run of `Case`, with the hosts as that run left them but for what `states` makes of the directors. */
function backOf({ recorded = true, states = () => undefined, read = ['lvs1', 'lvs2'], ...one }: Back): Plan {
  const { was: _, changing, drain = true, ...now } = one;
  const cluster = described(now);
  const run = planOf(one);
  const directors = (now.pair ? ['lvs1', 'lvs2'] : ['lvs1']).filter((name) => read.includes(name));
  const seen = [
    ...directors.map((name) => known(cluster, director(cluster, cluster, name, states), run, recorded)),
    ...Object.entries(changing).map(([name, what]) => {
      const state = { load: 'loaded', enabled: true, running: what !== 'stop', stale: false };
      const after = new Map([['service web.service', { ...state, loaded: [`${sha256('new')}  /c`] }]]);
      return { ...server(cluster, name, what), desired: takenBack(pastChanges(run, name)), states: after };
    }),
  ];
  const context = { cluster, fingerprint: 'f', engine: 'e', lab: false, created: '2026-01-01T00:00:00.000Z', of: 'a1' };
  return buildPlan({ ...context, ...(drain ? { draining: { timeout: 45 } } : {}) }, seen, [], 'rollback');
}

/** A director as a rollback reads it. */
function known(cluster: Cluster, seen: SeenHost, run: Plan, recorded: boolean): SeenHost {
  const { host, desired: wanted } = seen;
  const entries = wanted.map(({ stage, resource }) => {
    return { key: keyOf(resource), stage, resource: recordOf(resource), before: null, wrote: [] };
  });
  const own = recorded ? facts({ manifest: { version: 2, cluster: cluster.name, entries } }) : facts();
  const desired = withKnown(cluster, host, own, takenBack(pastChanges(run, host.name)));
  const states = new Map(desired.map(({ resource }) => [keyOf(resource), seen.states.get(keyOf(resource)) ?? STOPPED]));
  return { host, facts: own, desired, states };
}

const rowsOf = (plan: Plan, id: string) => opsOf(stepOf(plan, id)).filter((op) => op.startsWith('ipvs'));

describe('a rollback of a change that cuts requests', () => {
  test('is made while the director gives the real server none, though the run changed nothing there', () => {
    const plan = backOf({ changing: { web1: 'restart' } });
    expect(ids(plan)).toEqual(['lvs1/drain/web1/web/remove', 'web1/web/remove', 'lvs1/undrain/web1/web/remove']);
    expect(stepOf(plan, 'web1/web/remove').needs).toContain('lvs1/drain/web1/web/remove');
    expect(opsOf(stepOf(plan, 'lvs1/drain/web1/web/remove'))).toEqual([
      OTHERS,
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 0`,
      'ipvs_answering 10.0.0.21 80',
      `ipvs_drained 45 10.0.0.100 10.0.0.21:80 ${ROW}`,
    ]);
    expect(opsOf(stepOf(plan, 'lvs1/undrain/web1/web/remove'))).toEqual([
      'ipvs_answers 30',
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 1`,
    ]);
    const records = plan.steps.filter(({ stage }) => stage === 'record');
    expect([...new Set(records.map(({ host }) => host))]).toEqual(['web1']);
    const revert = plan.hosts.find(({ name }) => name === 'lvs1')?.revert?.ops;
    expect(revert?.map(({ name, args }) => [name, ...args].join(' '))).toEqual([
      `ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 1`,
    ]);
    expect(plan.warnings).toEqual([]);
  });

  test('of a pair with keepalived, on both directors, in its configuration too', () => {
    const plan = backOf({ pair: true, changing: { web1: 'restart' } });
    expectPairDrained(plan);
  });

  test('leaves the directors as they were found, whatever the inventory says of them', () => {
    const found: Map<string, unknown>[] = [];
    const states = (all: Map<string, unknown>) => {
      const row = all.get('ipvs tcp 10.0.0.100:80') as { destinations: { weight: number }[] };
      all.set('ipvs tcp 10.0.0.100:80', {
        ...row,
        destinations: row.destinations.map((each) => ({ ...each, weight: 7 })),
      });
      found.push(all);
    };
    const plan = backOf({ pair: true, changing: { web1: 'restart' }, states });
    const changes = plan.steps.filter(({ host }) => host === 'lvs1').flatMap((step) => step.changes);
    expect(opsOf(stepOf(plan, 'lvs1/undrain/web1/web/remove'))).toContain(
      `keepalived_repair -e ${ROW} -r 10.0.0.21:80 -g -w 7`,
    );
    expect([...new Set(changes.map(({ key }) => key))]).toHaveLength(3);
    for (const { resource, key } of changes) expect(diffOne(resource, found[0]?.get(key), facts()), key).toEqual([]);
  });

  test('of a run that changed the director too: by the table that comes back', () => {
    const plan = backOf({ was: { servers: { web1: { weight: 3 }, web2: {} } }, changing: { web1: 'restart' } });
    const around = ['lvs1/drain/web1/web/remove', 'web1/web/remove', 'lvs1/undrain/web1/web/remove'];
    expect(ids(plan)).toEqual(['lvs1/rules/remove', ...around]);
    expect(rowsOf(plan, 'lvs1/rules/remove')).toEqual([`ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 3`]);
    expect(opsOf(stepOf(plan, 'lvs1/undrain/web1/web/remove')).at(-1)).toBe(`ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 3`);
    const records = plan.steps.filter(({ stage }) => stage === 'record');
    expect([...new Set(records.map(({ host }) => host))]).toEqual(['lvs1', 'web1']);
  });

  test('where somebody changed the director’s row since, by that', () => {
    const states = (all: Map<string, unknown>) => {
      const row = all.get('ipvs tcp 10.0.0.100:80') as { destinations: object[] };
      all.set('ipvs tcp 10.0.0.100:80', {
        ...row,
        destinations: row.destinations.map((one) => ({ ...one, weight: 9 })),
      });
    };
    const was = { servers: { web1: { weight: 3 }, web2: {} } };
    const plan = backOf({ was, changing: { web1: 'restart' }, states });
    expect(opsOf(stepOf(plan, 'lvs1/undrain/web1/web/remove')).at(-1)).toBe(`ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 9`);
    expect(plan.warnings.map(({ text }) => text)).toEqual([expect.stringContaining('changed since')]);
  });

  const hidden = (states: Map<string, unknown>) => {
    const state = states.get(`file ${CONFIG}`) as { content: string };
    states.set(`file ${CONFIG}`, { ...state, content: `auth_pass <hidden>\n${state.content}` });
  };
  test.each<[string, Partial<Back>]>([
    ['the record doesn’t tell what in keepalived’s configuration is secret', { recorded: false }],
    ['a line of it is hidden', { states: hidden }],
    ['it comes back too', { was: { servers: { web1: {}, web2: { weight: 2 } } } }],
  ])('where %s, in the live table alone', (_, more) => {
    const plan = backOf({ pair: true, changing: { web1: 'restart' }, ...more });
    const drain = opsOf(stepOf(plan, 'lvs1/drain/web1/web/remove'));
    expect(drain.map((op) => op.replace(/ .*/, ''))).toEqual(['ipvs_others', 'ipvs', 'ipvs_answering', 'ipvs_drained']);
    expect(opsOf(stepOf(plan, 'lvs1/undrain/web1/web/remove'))).toEqual(['ipvs_answers 30', LIVE, 'ipvs_again 30']);
  });

  test('without drains it is made as it is', () => {
    const plan = backOf({ changing: { web1: 'restart' }, drain: false });
    expect([ids(plan), plan.warnings]).toEqual([['web1/web/remove'], []]);
    expect(plan.hosts.map(({ name }) => name)).toEqual(['web1']);
  });

  test('of a reload: no director takes part', () => {
    const plan = backOf({ changing: { web1: 'reload' } });
    expect([ids(plan), plan.hosts.map(({ name }) => name)]).toEqual([['web1/web/remove'], ['web1']]);
  });

  test.each<[string, Partial<Back>, string]>([
    [
      'the only real server',
      { servers: { web1: {} } },
      'requests of service web are lost while this changes: no other real server could take them',
    ],
    [
      'a director that was not read',
      { read: [] },
      'lvs1 was not read: it may go on sending requests there, which are lost while this changes',
    ],
  ])('%s: a warning in place of a drain', (_, more, text) => {
    const plan = backOf({ changing: { web1: 'restart' }, ...more });
    expect([ids(plan), plan.hosts.map(({ name }) => name)]).toEqual([['web1/web/remove'], ['web1']]);
    expect(plan.warnings).toEqual([{ host: 'web1', key: 'service web.service', text }]);
  });
});

describe('a real server that a rollback takes out', () => {
  const run = { was: { servers: { web2: {} } }, changing: {} };
  const ends = [`ipvs -e ${ROW} -r 10.0.0.21:80 -g -w 0`, `ipvs -d ${ROW} -r 10.0.0.21:80`];
  const drained = `ipvs_drained 45 10.0.0.100 10.0.0.21:80 ${ROW}`;

  test('goes when what it serves has ended', () => {
    expect(rowsOf(backOf(run), 'lvs1/rules/remove')).toEqual([ends[0], drained, ends[1]]);
  });

  test.each<[string, Partial<Back>]>([
    ['without drains', { drain: false }],
    ['where its clients would be refused', { scheduler: 'sh' }],
  ])('%s at once', (_, more) => {
    expect(rowsOf(backOf({ ...run, ...more }), 'lvs1/rules/remove')).toEqual(ends);
  });
});
