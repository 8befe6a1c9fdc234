import { expect, test } from 'vitest';
import type { Cluster, Host } from '../../src/inventory/model.ts';
import type { SeenHost } from '../../src/plan/build.ts';
import { judgePairs, masterOf } from '../../src/verify/pairs.ts';
import { host, cluster as small } from '../lab/hosts.ts';
import { DEBIAN } from '../resources/facts.ts';

const hosts: Host[] = ['lvs1', 'lvs2'].map((name) => host(name, []));
const cluster: Cluster = small('x.yaml', hosts, {
  vrrp: [
    {
      name: 'edge',
      nodes: [
        { host: 'lvs1', priority: 100 },
        { host: 'lvs2', priority: 90 },
      ],
      preempt: false,
      unicast: true,
      advertInterval: 1,
      version: 2,
      trackScripts: [],
      notify: {},
      instances: [
        {
          name: 'outside',
          virtualRouterId: 51,
          nodes: [],
          addresses: [{ address: '192.0.2.1', prefix: 32, family: 4 }],
          trackInterfaces: [],
        },
      ],
    },
  ],
});

/** A host on which keepalived says this of the instance; `undefined`: the host couldn't be read. */
function seen(words: (string | undefined)[]): SeenHost[] {
  return hosts.flatMap((one, index): SeenHost[] => {
    const word = words[index];
    if (word === undefined) return [];
    const states = new Map([['keepalived', { vrrp: word === '' ? {} : { edge_outside: word } }]]);
    return [{ host: one, facts: DEBIAN, desired: [], states }];
  });
}

test.each<[string, (string | undefined)[], string, string]>([
  ['one master', ['MASTER', 'BACKUP'], 'ok', 'lvs1 is master, lvs2 is backup'],
  ['the other one', ['BACKUP', 'MASTER'], 'ok', 'lvs1 is backup, lvs2 is master'],
  ['two', ['MASTER', 'MASTER'], 'failed', 'lvs1 is master, lvs2 is master: both answer for its addresses'],
  ['none', ['BACKUP', 'BACKUP'], 'failed', 'lvs1 is backup, lvs2 is backup: nobody is'],
  ['a fault', ['FAULT', 'MASTER'], 'failed', 'lvs1 is fault, lvs2 is master'],
  ['one unseen', ['MASTER', undefined], 'unknown', 'lvs1 is master, lvs2 could not be asked'],
  ['the master unseen', [undefined, 'BACKUP'], 'unknown', 'lvs1 could not be asked, lvs2 is backup'],
  ['keepalived down', ['', 'MASTER'], 'unknown', 'lvs1 could not be asked, lvs2 is master'],
])('%s', (_, words, status, detail) => {
  expect(judgePairs(cluster, seen(words))).toEqual([{ hop: 'edge.outside: who is master', status, detail }]);
});

test('who is master of a VIP', () => {
  const vrrp = { group: 'edge', instance: 'outside' };
  expect(masterOf(cluster, seen(['BACKUP', 'MASTER']), vrrp)).toBe('lvs2');
  expect(masterOf(cluster, seen(['BACKUP', 'BACKUP']), vrrp)).toBeUndefined();
});
