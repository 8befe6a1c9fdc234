import { describe, expect, it } from 'vitest';
import {
  isTakeable,
  notTakenBack,
  type PastChange,
  parseChanges,
  parseRun,
  partOf,
  pastChanges,
  type RunHead,
  runNote,
  takenBack,
} from '../../src/plan/history.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { PastRun } from '../../src/platform/facts.ts';
import { historyText } from '../../src/report/history-text.ts';
import { makePaint } from '../../src/report/paint.ts';
import { sha256 } from '../../src/resources/file.ts';
import { isRecord } from '../../src/resources/holds.ts';
import { diffOne, holds, keyOf, type Resource } from '../../src/resources/index.ts';
import { DEBIAN } from '../resources/facts.ts';

const HEAD: RunHead = {
  plan: 'p1',
  who: 'me@here',
  when: '2026-01-01T10:11:12.000Z',
  cluster: 'c',
  purpose: 'apply',
  changes: 1,
};

/** A plan of one step on one host, as far as the history looks at it. */
function planOf(resource: Resource, state: unknown): Plan {
  const changes = diffOne(resource, state, DEBIAN).map((change) => ({ ...change, resource }));
  return {
    steps: [{ id: 'h/web', host: 'h', stage: 'web', direction: 'add', needs: [], changes, ops: [] }],
  } as unknown as Plan;
}

/** What a host brings back of a run: through JSON and lines of text. */
function kept(plan: Plan): PastChange[] {
  const [id = '', head = '', changes = ''] = runNote('a1', HEAD, pastChanges(plan, 'h')).split('\n');
  return parseChanges({ id, result: 'confirmed', head: JSON.parse(head), changes: JSON.parse(changes) });
}

function afterwards(plan: Plan, state: unknown): unknown {
  let now = state;
  for (const { kind, after } of plan.steps.flatMap(({ changes }) => changes)) {
    now = kind !== 'file' && isRecord(now) && isRecord(after) ? { ...now, ...after } : after;
  }
  return now;
}

const FILE = { type: 'file', sha256: sha256('old'), owner: 'root', group: 'root', mode: '0644' };
const file = {
  kind: 'file',
  path: '/etc/x',
  state: 'present',
  content: 'new',
  owner: 'root',
  group: 'root',
  mode: '0600',
} as const;
const service = { kind: 'service', unit: 'nginx.service', enabled: true, running: true, activate: 'reload' } as const;
const config = (content: string) => [{ path: '/etc/x', sha256: sha256(content) }];
const loaded = (content: string) => [`${sha256(content)}  /etc/x`];
const unit = { load: 'loaded', enabled: true, running: true, stale: false, loaded: loaded('old') };
const destination = { method: 'gate', address: '10.0.0.2', port: 80, weight: 1, upper: 0, lower: 0 } as const;
const table = { scheduler: 'rr', flags: [], destinations: [destination] };
const ipvs = { kind: 'ipvs', protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const rules = { kind: 'arptables', address: '10.0.0.1', source: '10.0.0.2' } as const;

/** A resource, and the state in which it is found: there and back, and there again. */
const cases: [string, Resource, unknown][] = [
  ['a new file', file, { type: 'absent' }],
  ['another file', file, FILE],
  ['a file in the place of a link', file, { type: 'other', what: 'symlink', target: 'y' }],
  ['a file that goes', { kind: 'file', path: '/etc/x', state: 'absent' }, FILE],
  [
    'a parameter',
    { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: 'f' },
    { value: '0', overriddenBy: null },
  ],
  ['a module', { kind: 'module', name: 'ip_vs' }, { loaded: false, available: true }],
  ['a module that goes', { kind: 'module', name: 'ip_vs', state: 'unloaded' }, { loaded: true, available: true }],
  ['an account', { kind: 'account', name: 'tomcat', state: 'present' } as Resource, { present: false }],
  ['an account that goes', { kind: 'account', name: 'tomcat', state: 'absent' } as Resource, { present: true }],
  ['a service of IPVS', { ...ipvs, state: 'present', ...table } as Resource, null],
  [
    'another weight',
    { ...ipvs, state: 'present', ...table, destinations: [{ ...destination, weight: 3 }] } as Resource,
    table,
  ],
  ['a service of IPVS that goes', { ...ipvs, state: 'absent' }, table],
  ['timeouts', { kind: 'ipvs_timeouts', tcp: 1, tcpFin: 2, udp: 3 }, { tcp: 900, tcpFin: 120, udp: 300 }],
  ['rules of arptables', { ...rules, state: 'present' } as Resource, { rules: [] }],
  [
    'a neighbour',
    { kind: 'neighbour', device: 'e0', address: '10.0.0.1', mac: '02:00:00:00:00:01', state: 'present' },
    { mac: null },
  ],
  [
    'a neighbour that goes',
    { kind: 'neighbour', device: 'e0', address: '10.0.0.1', mac: '02:00:00:00:00:01', state: 'absent' },
    { mac: '02:00:00:00:00:01' },
  ],
  ['a tunnel', { kind: 'tunnel', type: 'gue', port: 6080, family: 4, state: 'up' }, { state: 'absent' }],
  ['a tunnel that goes', { kind: 'tunnel', type: 'gue', port: 6080, family: 4, state: 'absent' }, { state: 'up' }],
  [
    'a unit that starts',
    { ...service, config: config('new') },
    { ...unit, enabled: false, running: false, loaded: null },
  ],
  ['a unit that takes up another configuration', { ...service, config: config('new') }, unit],
  ['a unit that stops', { ...service, enabled: false, running: false, config: [] }, unit],
];

describe('a change that is taken back', () => {
  it.each(cases)('%s', (_, resource, state) => {
    const plan = planOf(resource, state);
    const [back, ...more] = takenBack(kept(plan));
    if (back === undefined) throw new Error('nothing takes it back');
    expect([keyOf(back.resource), more]).toEqual([keyOf(resource), []]);
    expect(notTakenBack(kept(plan))).toEqual([]);
    const changed = afterwards(plan, state);
    const second = planOf(back.resource, changed);
    const change = second.steps[0]?.changes.at(-1);
    expect(change?.ops.length).toBeGreaterThan(0);
    const again = afterwards(second, changed);
    // What a unit loaded is known again once it has taken it up.
    const first = plan.steps[0]?.changes[0]?.before;
    if (resource.kind === 'service')
      expect(again).toMatchObject({ enabled: unitOf(state).enabled, running: unitOf(state).running });
    else expect(holds(first, again)).toBe(true);
    expect(diffOne(back.resource, again, DEBIAN)).toEqual([]);
    // And there again.
    const [forth] = takenBack(kept(second));
    if (forth === undefined) throw new Error('nothing takes that back');
    const third = planOf(forth.resource, again);
    expect(third.steps[0]?.changes.length).toBeGreaterThan(0);
    const wanted = afterwards(third, again);
    if (resource.kind === 'service')
      expect(wanted).toMatchObject({ enabled: resource.enabled, running: resource.running });
    else expect(holds(plan.steps[0]?.changes.at(-1)?.after, wanted)).toBe(true);
  });

  const unitOf = (state: unknown) => state as typeof unit;

  it.each([
    ['a package', { kind: 'package', name: 'nginx' }, { installed: false, brought: [] }, 'packages stay'],
    ['a folder', file, { type: 'other', what: 'directory' }, 'neither a file nor a link'],
  ] as [string, Resource, unknown, string][])('%s stays, and that is told', (_, resource, state, text) => {
    const past = kept(planOf(resource, state));
    expect(takenBack(past)).toEqual([]);
    expect(notTakenBack(past)).toEqual([{ key: keyOf(resource), text: expect.stringContaining(text) }]);
  });

  it('brings services up again after their files, and what was taken away last comes first', () => {
    const changes = [
      { ...kept(planOf(file, FILE))[0], half: 'remove' },
      { ...kept(planOf({ ...ipvs, state: 'absent' }, table))[0], half: 'remove' },
      { ...kept(planOf({ ...service, config: config('new') }, unit))[0], half: 'add' },
      { ...kept(planOf({ ...file, path: '/etc/y' }, FILE))[0], half: 'add' },
    ] as PastChange[];
    expect(takenBack(changes).map(({ resource, leaving }) => [keyOf(resource), leaving === true])).toEqual([
      ['file /etc/y', true],
      ['ipvs tcp 10.0.0.1:80', false],
      ['file /etc/x', false],
      ['service nginx.service', true],
    ]);
  });

  it('keeps what was shown as far as there is room, and everything that takes it back', () => {
    const long = { ...file, content: 'x\n'.repeat(40_000) };
    const [past] = kept(planOf(long, FILE));
    expect(past).toMatchObject({ key: 'file /etc/x', shown: [], before: FILE, resource: { content: '' } });
  });
});

describe('a run in a host’s history', () => {
  const past = (head: unknown, result = 'confirmed'): PastRun => ({ id: 'a1', result, head });
  it.each([
    ['confirmed', { state: 'confirmed' }, true],
    ['done', { state: 'done' }, true],
    ['open', { state: 'open' }, true],
    ['reverted rs1/web: APPLY-OP-FAILED', { state: 'reverted', reason: 'rs1/web: APPLY-OP-FAILED' }, false],
    ['failed its end was not told', { state: 'failed', reason: 'its end was not told' }, true],
    ['what a later lvsctl says', { state: 'open' }, true],
  ])('that ended as %s', (result, end, takeable) => {
    const run = parseRun(past(HEAD, result));
    expect(run).toEqual({ ...HEAD, id: 'a1', end });
    expect(run && isTakeable(run)).toBe(takeable);
    expect(run && isTakeable({ ...run, purpose: 'destroy' })).toBe(false);
  });

  it('knows the hosts that the run was to change', () => {
    const web = ['h', 'i'].map((host) => ({ host, stage: 'web', changes: [{}] }));
    const drain = { host: 'd', stage: 'drain', changes: [{}] };
    const part = partOf({ steps: [drain, ...web, ...web] } as unknown as Plan, 'h');
    expect(part).toEqual({ host: 'h', among: ['h', 'i'] });
    expect(parseRun(past({ ...HEAD, part }))?.part).toEqual(part);
    expect(parseRun(past({ ...HEAD, part: { host: 'h', among: [1, 'i'] } }))?.part?.among).toEqual(['i']);
    expect(parseRun(past({ ...HEAD, part: 'x' }))?.part).toBeUndefined();
  });

  it.each([null, 'x', [], {}, { ...HEAD, plan: 1 }, { ...HEAD, purpose: 'x' }])('is none where it reads %j', (head) => {
    expect(parseRun(past(head))).toBeUndefined();
  });

  it('leaves out changes that are none', () => {
    expect(parseChanges({ ...past(HEAD), changes: [null, {}, { key: 'x', resource: { kind: 'nonsense' } }] })).toEqual(
      [],
    );
    expect(parseChanges({ ...past(HEAD), changes: 'x' })).toEqual([]);
  });

  it('is a line of at most 80 columns', () => {
    const end = { state: 'confirmed' } as const;
    const hosts = Array.from({ length: 12 }, (_, n) => ({ host: `h${n}`, end, changes: 11 }));
    const long = {
      ...HEAD,
      id: 'a1b2c3d4e5f60718',
      end,
      who: 'somebody.with.a.name@a.machine.with.a.long.name',
      hosts,
    };
    const mixed = [
      { host: 'a', end, changes: 1 },
      { host: 'b', end: { state: 'reverted', reason: 'x' } as const, changes: 2 },
    ];
    const commit = { id: '0123456789abcdef', dirty: true };
    const text = historyText(
      [
        { ...long, commit },
        { ...long, purpose: 'rollback', hosts: mixed },
      ],
      makePaint(false),
    );
    expect(text.split('\n')).toEqual([
      'run       when (UTC)        what      commit    changes    result     who',
      'a1b2c3d4  2026-01-01 10:11  apply     0123456+  132 on 12  confirmed  somebody.…',
      'a1b2c3d4  2026-01-01 10:11  rollback  -         3 on 2     mixed      somebody.…',
    ]);
    expect(historyText([], makePaint(false))).toBe('No host tells of a run.');
  });

  it('says what was taken back on some of its hosts alone', () => {
    const end = { state: 'confirmed' } as const;
    const row = (id: string, hosts: string[], of?: string) => {
      const more = of === undefined ? {} : { of, purpose: 'rollback' as const };
      return { ...HEAD, ...more, id, end, hosts: hosts.map((host) => ({ host, end, changes: host === 'd' ? 0 : 1 })) };
    };
    const first = (...rows: ReturnType<typeof row>[]) => historyText(rows, makePaint(false)).split('\n').at(-1);
    // d only drained, and has nothing to take back.
    const run = row('a', ['a', 'b', 'd']);
    expect(first(row('b', ['a'], 'a'), run)).toContain('partly taken back');
    expect(first(row('c', ['b'], 'a'), row('b', ['a'], 'a'), run)).toMatch(/ {2}taken back/);
    expect(first(row('c', ['a'], 'b'), row('b', ['a', 'b'], 'a'), run)).toContain('partly taken back');
    expect(first(row('c', ['a'], 'b'), row('b', ['a'], 'a'), run)).toContain('confirmed');
  });

  it('says what was taken back, and no more once that was taken back itself', () => {
    const row = (id: string, of?: string, state: 'confirmed' | 'open' = 'confirmed') => ({
      ...HEAD,
      id,
      ...(of === undefined ? {} : { of, purpose: 'rollback' as const }),
      end: { state } as const,
      hosts: [{ host: 'a', end: { state } as const, changes: 1 }],
    });
    const results = (...rows: ReturnType<typeof row>[]) =>
      historyText(rows, makePaint(false))
        .split('\n')
        .slice(1)
        .map((line) => /taken back|confirmed|open/u.exec(line)?.[0]);
    expect(results(row('b', 'a'), row('a'))).toEqual(['confirmed', 'taken back']);
    expect(results(row('c', 'b'), row('b', 'a'), row('a'))).toEqual(['confirmed', 'taken back', 'confirmed']);
    expect(results(row('b', 'a', 'open'), row('a'))).toEqual(['open', 'confirmed']);
  });
});
