import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import { halfMoves } from '../../src/plan/partial.ts';
import type { PlannedChange } from '../../src/plan/plan.ts';
import type { Resource } from '../../src/resources/index.ts';

const cluster = loadCluster([join(import.meta.dirname, '../../inventories/dr-wrr.yaml')]);

function staged(host: string, resource: Resource, before: unknown) {
  const change: PlannedChange = {
    key: `${resource.kind} of ${host}`,
    kind: resource.kind,
    direction: 'change',
    shown: [],
    ops: [],
    before,
    after: null,
    resource,
  };
  return { host, stage: 'rules' as const, change };
}

const lo = staged(
  'rs2',
  {
    kind: 'connection',
    device: 'lo',
    type: 'loopback',
    profile: { name: 'lo', uuid: '', file: '', content: '' },
    addresses: ['127.0.0.1/8'],
    routes: [],
  },
  { surplus: ['20.20.20.20/32'] },
);
const server = (address: string, weight: number) =>
  ({ address, port: 80, weight, method: 'gate', upper: 0, lower: 0 }) as const;
const rules = (before: unknown, weight = 1) =>
  staged(
    'director',
    {
      kind: 'ipvs',
      state: 'present',
      protocol: 'tcp',
      address: '20.20.20.20',
      port: 80,
      scheduler: 'wrr',
      flags: [],
      destinations: [server('30.30.30.30', 1), server('30.30.30.40', weight)],
    },
    before,
  );

const old = { destinations: [server('30.30.30.30', 3)] };

describe('halfMoves', () => {
  it.each([
    ['a VIP that goes, with its director', ['rs2', 'director'], [lo], []],
    [
      'a VIP that goes without its director',
      ['rs2'],
      [lo],
      ['rs2: the VIP goes, and director takes no part: it may go on sending requests of web'],
    ],
    ['a real server more, with it', ['director', 'rs2'], [rules(old)], []],
    [
      'a real server more, without it',
      ['director'],
      [rules(old)],
      ['director: rs2 takes no part: requests will be sent to it whether or not it serves them'],
    ],
    ['one that gets no requests', ['director'], [rules(old, 0)], []],
    ['none more', ['director'], [rules({ destinations: [...old.destinations, server('30.30.30.40', 1)] })], []],
    [
      'a whole service, without its real servers',
      ['director'],
      [rules(null)],
      [
        'director: rs1 takes no part: requests will be sent to it whether or not it serves them',
        'director: rs2 takes no part: requests will be sent to it whether or not it serves them',
      ],
    ],
  ])('%s', (_, read, changes, warnings) => {
    const found = halfMoves(cluster, new Set(read), changes);
    expect(found.map(({ host, text }) => `${host}: ${text}`)).toEqual(warnings);
  });
});
