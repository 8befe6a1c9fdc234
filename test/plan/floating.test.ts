import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import { buildPlan, type SeenHost } from '../../src/plan/build.ts';
import { sha256 } from '../../src/resources/file.ts';
import { keyOf, type Resource } from '../../src/resources/index.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { folder } from '../inventory/files.ts';

const place = folder({});

interface Described {
  vips?: Record<string, string[]>;
  group?: object;
  instances?: object;
  priorities?: Record<string, number>;
  interval?: number;
  /** What the directors have besides. */
  files?: object;
}

const TWO = { lvs1: 100, lvs2: 90 };

/** A pair with addresses outside and inside, and a third director beside it. */
function described({ vips, group, instances, priorities = TWO, interval = 6, files = {} }: Described): Cluster {
  const host = (last: number) => ({
    ...{ interfaces: { e0: { addresses: [`10.0.0.${last}/24`, `2001:db8::${last}/64`] } }, files },
  });
  const nodes = Object.fromEntries(Object.entries(priorities).map(([name, priority]) => [name, { priority }]));
  const named = vips ?? { shop: ['10.0.0.100'] };
  const text = JSON.stringify({
    ...{ version: 1, name: 'floating' },
    hosts: { lvs1: host(11), lvs2: host(12), lvs3: host(13), web1: host(21) },
    vrrp: {
      edge: {
        ...{ nodes, preempt: false, ...group },
        instances: { outside: { virtual_router_id: 51, interface: 'e0' }, ...instances },
      },
    },
    vips: Object.fromEntries(
      Object.entries(named).map(([name, addresses]) => [
        name,
        { addresses, vrrp: name.startsWith('in') ? 'edge.other' : 'edge.outside' },
      ]),
    ),
    services: Object.fromEntries(
      Object.keys(named).map((vip) => [
        `to-${vip}`,
        {
          ...{ mode: 'dr', vip, port: 80, real_servers: { web1: {} } },
          health_check: { tcp_check: {}, interval, timeout: 3, retries: 1, retry_interval: 1 },
        },
      ]),
    ),
  });
  writeFileSync(join(place, 'c.yaml'), text);
  return loadCluster([join(place, 'c.yaml')]);
}

/** A director as an earlier cluster described it, of which another one is asked. */
function director(now: Cluster, was: Cluster, name: string, old: (text: string) => string): SeenHost {
  const host = now.hosts.find((one) => one.name === name);
  if (host === undefined) throw new Error(name);
  const asked = (cluster: Cluster) =>
    desire(cluster, name, facts()).filter(
      ({ resource }) =>
        (resource.kind === 'file' && /^\/etc\/(keepalived\/|motd)/.test(resource.path)) || isKeepalived(resource),
    );
  const desired = asked(now);
  const earlier = asked(was).map(({ resource }) => resource);
  const conf = earlier.find((one) => one.kind === 'file' && one.path.endsWith('keepalived.conf'));
  const content = conf?.kind === 'file' && conf.state === 'present' ? old(conf.content) : undefined;
  const states = new Map(
    desired.map(({ resource }): [string, unknown] => {
      const one = earlier.find((each) => keyOf(each) === keyOf(resource));
      if (isKeepalived(resource)) {
        const loaded = content === undefined ? null : [`${sha256(content)}  /etc/keepalived/keepalived.conf`];
        return [
          keyOf(resource),
          { load: 'loaded', enabled: content !== undefined, running: content !== undefined, stale: false, loaded },
        ];
      }
      if (one?.kind !== 'file' || one.state !== 'present') return [keyOf(resource), { type: 'absent' }];
      const { owner, group, mode } = one;
      const text = one === conf ? (content ?? '') : one.content;
      return [keyOf(resource), { type: 'file', sha256: sha256(text), content: text, owner, group, mode }];
    }),
  );
  return { host, facts: facts(), desired, states };
}

function isKeepalived(resource: Resource): boolean {
  return resource.kind === 'service' && resource.unit === 'keepalived.service';
}

/** The plan by which one description becomes another. */
function planned(was: Described, now: Described, { read = ['lvs1', 'lvs2'], old = (text: string) => text } = {}) {
  const earlier = described(was);
  const cluster = described(now);
  const seen = read.map((name) => director(cluster, earlier, name, old));
  const context = { cluster, fingerprint: 'f', engine: 'e', lab: false, created: '2026-01-01T00:00:00.000Z' };
  return buildPlan(context, seen, []);
}

/** What is asked of the nodes, in short. */
function asked(...of: Parameters<typeof planned>) {
  return (planned(...of).health?.floating ?? []).map(({ instance, address, nodes, election, agreed }) =>
    [instance, address, nodes.map(({ host, device }) => `${host}:${device}`).join(), election, agreed].join(' '),
  );
}

const NODES = 'lvs1:e0,lvs2:e0';

describe('what is asked of the nodes', () => {
  test.each<[string, Described, Described, string[]]>([
    ['nothing changes', {}, {}, []],
    ['a check', {}, { interval: 3 }, [`edge.outside 10.0.0.100 ${NODES} 4 true`]],
    [
      'something that is not keepalived’s',
      {},
      { files: { '/etc/motd': { content: 'x' } } },
      [`edge.outside 10.0.0.100 ${NODES} 4 true`],
    ],
    ['a priority', {}, { priorities: { lvs1: 90, lvs2: 100 } }, [`edge.outside 10.0.0.100 ${NODES} 4 true`]],
    [
      'an address more, which nobody had',
      {},
      { vips: { shop: ['10.0.0.100'], more: ['10.0.0.101'] } },
      [`edge.outside 10.0.0.100 ${NODES} 4 true`],
    ],
    ['the address of the adverts', {}, { vips: { shop: ['10.0.0.99'] } }, [`edge.outside 10.0.0.99 ${NODES} 4 false`]],
    ['the time between adverts', {}, { group: { advert_interval: 3 } }, [`edge.outside 10.0.0.100 ${NODES} 12 false`]],
    [
      'both families',
      { vips: { shop: ['10.0.0.100', '2001:db8::100'] } },
      { vips: { shop: ['10.0.0.100', '2001:db8::100'] }, interval: 3 },
      [`edge.outside 10.0.0.100 ${NODES} 4 true`, `edge.outside 2001:db8::100 ${NODES} 4 true`],
    ],
    [
      'a family more',
      {},
      { vips: { shop: ['10.0.0.100', '2001:db8::100'] } },
      [`edge.outside 10.0.0.100 ${NODES} 4 true`],
    ],
    [
      'an instance more',
      {},
      {
        vips: { shop: ['10.0.0.100'], inner: ['10.0.0.110'] },
        instances: { other: { virtual_router_id: 52, interface: 'e0' } },
      },
      [`edge.outside 10.0.0.100 ${NODES} 4 false`, `edge.other 10.0.0.110 ${NODES} 4 false`],
    ],
    ['a node more', {}, { priorities: { ...TWO, lvs3: 80 } }, [`edge.outside 10.0.0.100 ${NODES},lvs3:e0 4 false`]],
  ])('%s', (_, was, now, expected) => {
    const read = Object.keys(now.priorities ?? TWO);
    expect(asked(was, now, { read })).toEqual(expected);
  });

  test('a configuration that can’t be read to its end may say anything', () => {
    const old = (text: string) => text.replace('priority', '# <hidden>\n    priority');
    expect(asked({}, { interval: 3 }, { old })).toEqual([`edge.outside 10.0.0.100 ${NODES} 4 false`]);
  });

  test('a node that is left out is asked too', () => {
    expect(asked({}, { interval: 3 }, { read: ['lvs2'] })).toEqual([`edge.outside 10.0.0.100 ${NODES} 4 true`]);
  });
});

describe('settings that all nodes must share', () => {
  const said = (now: Described, read: string[]) =>
    planned({}, now, { read })
      .warnings.filter(({ key }) => key === 'vrrp edge')
      .map(({ host, text }) => `${host}: ${text}`);

  test.each<[string, Described, string[], string[]]>([
    ['a check', { interval: 3 }, ['lvs2'], []],
    ['an address more', { vips: { shop: ['10.0.0.100'], more: ['10.0.0.101'] } }, ['lvs2'], []],
    [
      'the time between adverts, of one node alone',
      { group: { advert_interval: 3 } },
      ['lvs2'],
      [
        'lvs2: settings of edge_outside change that all nodes must share, and lvs1 takes no part: more than one would be master, and have its addresses',
      ],
    ],
    [
      'the time between adverts, of both',
      { group: { advert_interval: 3 } },
      ['lvs1', 'lvs2'],
      ['lvs1', 'lvs2'].map(
        (host) =>
          `${host}: settings of edge_outside change that all nodes must share: until the last one has taken them up, more than one may be master`,
      ),
    ],
  ])('%s', (_, now, read, expected) => expect(said(now, read)).toEqual(expected));
});
