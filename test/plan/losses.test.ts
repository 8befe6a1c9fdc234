import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/inventory/model.ts';
import type { SeenHost } from '../../src/plan/build.ts';
import { handedOver, losses } from '../../src/plan/losses.ts';
import type { Staged } from '../../src/plan/order.ts';
import type { PlannedChange } from '../../src/plan/plan.ts';
import type { Resource } from '../../src/resources/index.ts';
import { facts } from '../inventories/facts.ts';
import { cluster as clusterOf, host } from '../lab/hosts.ts';

function staged(at: string, change: Partial<PlannedChange>, stage: Staged['stage'] = 'rules'): Staged {
  const resource = { kind: 'connection', device: 'e0' } as unknown as Resource;
  const empty = { key: 'k', kind: 'ipvs', direction: 'change' as const, shown: [], ops: [], before: null, after: null };
  return { host: at, stage, change: { ...empty, resource, ...change } };
}

function row(scheduler: string, method: string, address = '10.0.0.21') {
  return { scheduler, flags: [], destinations: [{ address, port: 80, method, weight: 1, upper: 0, lower: 0 }] };
}

const HOSTS = ['lvs1', 'lvs2', 'app1', 'app2'].map((name) => host(name, []));
const SEEN = HOSTS.map((one): SeenHost => ({ host: one, facts: facts(), desired: [], states: new Map() }));
const PAIR = {
  name: 'edge',
  nodes: [
    { host: 'lvs1', priority: 100 },
    { host: 'lvs2', priority: 90 },
  ],
};
const VIPS = { name: 'web', vips: [{ address: '10.0.0.100', family: 4 }] };

function told(changes: Staged[], more: object = {}): string[] {
  const cluster: Cluster = { ...clusterOf('/c.yaml', HOSTS), ...more };
  return losses(cluster, SEEN, changes).map((one) => `${one.host}: ${one.text}`);
}

describe('what a plan cannot do without losing requests is said', () => {
  test.each<[string, object, object, string | undefined]>([
    [
      'NAT to direct routing',
      row('rr', 'masq'),
      row('rr', 'gate'),
      'NAT becomes direct routing: open connections are lost, and requests fail until real servers and director agree, and 10 s more',
    ],
    ['direct routing to NAT', row('rr', 'gate'), row('rr', 'masq'), 'requests fail until'],
    ['another server', row('rr', 'gate'), row('rr', 'masq', '10.0.0.22'), undefined],
    ['a scheduler', row('rr', 'gate'), row('wlc', 'gate'), undefined],
    ['a scheduler that looks at addresses', row('rr', 'gate'), row('mh', 'gate'), 'clients come to other real servers'],
    ['one that did', row('sh', 'gate'), row('rr', 'gate'), 'clients come to other real servers'],
  ])('%s', (_, before, after, text) => {
    expect(told([staged('lvs1', { before, after })])).toEqual(
      text === undefined ? [] : [expect.stringContaining(text)],
    );
  });

  test.each<[string, object, string]>([
    [
      'a pair',
      { vrrp: [PAIR] },
      'lvs1: keepalived ends: if it is master then, nobody answers for 0.6 s until its peer does, and open connections are cut',
    ],
    [
      'a pair that synchronises',
      { vrrp: [PAIR], ipvs: { sync: {} } },
      'lvs1: keepalived ends: if it is master then, nobody answers for 0.6 s until its peer does',
    ],
    ['a single director', {}, 'lvs1: keepalived ends: what it held up is gone until it runs again'],
  ])('keepalived that ends on %s', (_, more, text) => {
    const ends = (name: string) =>
      staged('lvs1', { key: 'service keepalived.service', kind: 'service', ops: [{ name, args: [] }] });
    expect(told([ends('service_stop')], more)).toEqual([text]);
    expect(told([ends('service_reload')], more)).toEqual([]);
  });

  test.each<[string, string[], string[]]>([
    [
      'one node of a pair: how long nobody has the VIP',
      ['lvs1'],
      [
        'lvs1: keepalived ends: if it is master then, nobody answers for 0.6 s until its peer does, and open connections are cut',
      ],
    ],
    ['all of it: nothing', ['lvs1', 'lvs2'], []],
  ])('a destroy of %s', (_, given, texts) => {
    const cluster = { ...clusterOf('/c.yaml', HOSTS), vrrp: [PAIR] } as unknown as Cluster;
    const seen = SEEN.filter((one) => given.includes(one.host.name));
    const stop = [{ name: 'service_stop', args: [] }];
    const ends = given.map((at) =>
      staged(at, { key: 'service keepalived.service', kind: 'service', direction: 'remove', ops: stop }),
    );
    expect(handedOver(cluster, seen, ends).map((one) => `${one.host}: ${one.text}`)).toEqual(texts);
  });

  test('an application behind proxies', () => {
    const change = { key: 'service tomcat', kind: 'service', ops: [{ name: 'service_restart', args: [] }] };
    const proxies = (hosts: string[]) => ({
      proxies: [{ name: 'front', upstream: { servers: hosts.map((one) => ({ host: one })) } }],
    });
    expect(told([staged('app1', change, 'application')], proxies(['app1', 'app2']))).toEqual([
      'app1: requests that it is serving then are lost; the proxy front passes new ones to the others',
    ]);
    expect(told([staged('app1', change, 'application')], proxies(['app1']))).toEqual([
      'app1: requests that it is serving then are lost; new ones fail until it answers again',
    ]);
    expect(told([staged('app1', change, 'application')])).toEqual([]);
  });

  test('a VIP that moves without VRRP', () => {
    const goes = staged('lvs1', {
      before: { surplus: ['10.0.0.100/32'], missing: [] },
      after: { surplus: [], missing: [] },
    });
    const comes = staged('lvs2', {
      before: { surplus: [], missing: ['10.0.0.100/32'] },
      after: { surplus: [], missing: [] },
    });
    expect(told([goes, comes], { services: [VIPS] })).toEqual([
      'lvs1: 10.0.0.100 moves to lvs2: both have it for a moment, and open connections are cut',
    ]);
    expect(told([goes], { services: [VIPS] })).toEqual([]);
    expect(told([goes, comes])).toEqual([]);
  });
});
