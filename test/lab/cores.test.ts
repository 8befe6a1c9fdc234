import { expect, test } from 'vitest';
import { coreFor, coresOf, ownCores } from '../../src/lab/cores.ts';
import type { LabHost } from '../../src/lab/layout.ts';
import { powerOn } from '../../src/lab/machine.ts';

test.each([
  ['0', [0]],
  ['0-3', [0, 1, 2, 3]],
  ['1,4-5', [1, 4, 5]],
  ['', []],
])('the cores of %j', (list, cores) => {
  expect(coresOf(list)).toEqual(cores);
});

test('a process may use some core', () => {
  expect(ownCores().length).toBeGreaterThan(0);
});

test('hosts go round the cores, from another one in each lab', () => {
  const around = (lab: string) => [0, 1, 2, 3].map((index) => coreFor(index, lab, [0, 2, 3]));
  expect(around('a')).toEqual([2, 3, 0, 2]);
  expect(around('b')).toEqual([3, 0, 2, 3]);
});

test('where no core is known, no host is bound to one', () => {
  expect(coreFor(0, 'a', [])).toBeUndefined();
});

test.each([
  [undefined, ['linux.uml', 'umid=web1']],
  [3, ['taskset', '--cpu-list', '3', 'linux.uml', 'umid=web1']],
])('a kernel on core %s', (core, words) => {
  const host = {
    name: 'web1',
    memory: 256,
    nics: [],
    management: { raw: 'm', mac: '02:00:00:00:00:01' },
  } as unknown as LabHost;
  const disks = { cow: 'a', base: 'b', packages: 'c', config: 'd', run: 'e' };
  expect(powerOn({ host, linux: 'linux.uml', disks, core }).slice(3, 3 + words.length)).toEqual(words);
});
