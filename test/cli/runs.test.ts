import { expect, test } from 'vitest';
import { leftOut, newestFirst, type Run } from '../../src/cli/runs.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import type { HostRun } from '../../src/plan/history.ts';

function runOf(id: string, when: string, hosts: string[]): [string, Run] {
  const one: HostRun = {
    ...{ id, when, plan: id, who: 'me@here', cluster: 'c', purpose: 'apply', changes: 1 },
    end: { state: 'confirmed' },
  };
  return [id, { id, hosts: new Map(hosts.map((host) => [host, one])) }];
}

const CASES: [string, [string, Run][], string[][], string[]][] = [
  [
    'by the clocks of who ran them, where no host tells more',
    [runOf('1', '2026-01-01', ['a']), runOf('2', '2026-01-02', ['b'])],
    [['1'], ['2']],
    ['2', '1'],
  ],
  [
    'a clock that was years ahead',
    [runOf('1', '2036-01-01', ['a', 'b']), runOf('2', '2026-01-01', ['b'])],
    [['1'], ['1', '2']],
    ['2', '1'],
  ],
  [
    'through another host',
    [runOf('1', '2036-01-01', ['a']), runOf('2', '2026-01-01', ['a', 'b']), runOf('3', '2016-01-01', ['b'])],
    [
      ['1', '2'],
      ['2', '3'],
    ],
    ['3', '2', '1'],
  ],
  [
    'hosts that contradict one another',
    [runOf('1', '2026-01-01', ['a', 'b']), runOf('2', '2026-01-02', ['a', 'b'])],
    [
      ['1', '2'],
      ['2', '1'],
    ],
    ['2', '1'],
  ],
];

test.each(CASES)('runs, newest first: %s', (_, runs, orders, found) => {
  expect(newestFirst(new Map(runs), orders).map(({ id }) => id)).toEqual(found);
});

const PART = ['a', 'b', 'c', 'd', 'e'];
/** `a` has another name now, `b` is gone, `c` could not be read, `d` has nothing to tell, and nobody manages `e` any more. */
const NOW = {
  hosts: ['a2', 'c', 'd', 'e'].map((name) => ({ name, managed: name !== 'e' })),
} as unknown as Cluster;

test.each<[string, string[] | undefined, string[]]>([
  [
    'that tells of its hosts',
    PART,
    [
      'b: the inventory has no such host any more: what the run changed there stays',
      'c: it could not be read: what the run changed there stays',
      'e: the inventory has no such host any more: what the run changed there stays',
    ],
  ],
  ['of an earlier version', undefined, ['c: it could not be read: what the run changed there stays']],
])('hosts of which nobody tells, of a run %s', (_, among, found) => {
  const [, run] = runOf('0123456789abcdef', '2026-01-01', ['a2']);
  const hosts = new Map(
    [...run.hosts].map(([name, one]) => [
      name,
      { ...one, ...(among === undefined ? {} : { part: { host: 'a', among } }) },
    ]),
  );
  const warnings = leftOut({ ...run, hosts }, NOW, ['c']);
  expect(warnings.map(({ host, text }) => `${host}: ${text}`)).toEqual(found);
  expect(new Set(warnings.map(({ key }) => key))).toEqual(new Set(['run 01234567']));
});
