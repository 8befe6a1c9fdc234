import { describe, expect, test } from 'vitest';
import type { StagedResource } from '../../src/plan/manifest.ts';
import { keyOf, type Resource } from '../../src/resources/index.ts';
import { withKnown } from '../../src/survey/known.ts';
import { facts } from '../inventories/facts.ts';
import { described } from '../plan/drained.ts';

const ROW = 'ipvs tcp 10.0.0.100:80';
const OTHER = 'ipvs tcp 10.0.0.200:80';
const UNIT = 'service keepalived.service';
const CONF = 'file /etc/keepalived/keepalived.conf';

const row = (address: string): Resource => ({
  ...{ kind: 'ipvs', protocol: 'tcp', address, port: 80, state: 'present' },
  ...{ scheduler: 'rr', flags: [], destinations: [] },
});
const conf: Resource = {
  ...{ kind: 'file', path: '/etc/keepalived/keepalived.conf', state: 'present', content: '' },
  ...{ owner: 'root', group: 'root', mode: '0600', secrets: ['auth_pass'] },
};

/** What is read of a host of two directors' cluster, besides what takes changes back. */
function knownOf(name: string, recorded: Resource[], back: StagedResource[] = []) {
  const cluster = described({ pair: true });
  const host = cluster.hosts.find((one) => one.name === name);
  if (host === undefined) throw new Error(name);
  const entries = recorded.map((resource) => ({ key: keyOf(resource), stage: 'rules', resource, before: null }));
  const manifest = { version: 2, cluster: cluster.name, entries };
  return withKnown(cluster, host, facts({ manifest }), back);
}

const keys = (all: readonly StagedResource[]) => all.map(({ resource }) => keyOf(resource));

describe('what a rollback reads of a director’s table', () => {
  test.each<[string, string, Resource[], string[]]>([
    ['rows that the inventory describes, and whether keepalived runs', 'lvs1', [], [ROW, UNIT]],
    ['and its configuration where the record tells what is secret in it', 'lvs2', [conf], [ROW, CONF, UNIT]],
    ['and rows that lvsctl has there', 'lvs1', [row('10.0.0.200')], [ROW, OTHER, UNIT]],
    ['of a host without rows nothing', 'web1', [conf], []],
    ['of one that the inventory doesn’t make a director any more', 'web1', [row('10.0.0.200')], [OTHER, UNIT]],
  ])('%s', (_, name, recorded, expected) => {
    const found = knownOf(name, recorded);
    expect([keys(found), found.every(({ known }) => known === true)]).toEqual([expected, true]);
  });

  test('what takes a change back stands for what is known', () => {
    const back: StagedResource = { stage: 'rules', resource: row('10.0.0.100'), leaving: true };
    const [first, ...others] = knownOf('lvs1', [], [back]);
    expect([first, keys(others)]).toEqual([back, [UNIT]]);
  });

  test('the record tells best who checks the servers', () => {
    const recorded = { ...row('10.0.0.100'), checker: { inhibit: true, dynamic: false } } as Resource;
    expect(knownOf('lvs1', [recorded])[0]?.resource).toEqual(recorded);
  });

  test('its lines with secrets are hidden by what the record says', () => {
    expect(knownOf('lvs1', [conf])[1]?.resource).toMatchObject({ secrets: ['auth_pass'], content: '' });
  });
});
