import { expect, test } from 'vitest';
import { newestFirst, type Run } from '../../src/cli/runs.ts';
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
