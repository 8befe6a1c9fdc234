import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { observe } from '../../src/host/client.ts';
import { execute } from '../../src/host/execute.ts';
import type { FirewallPlace, FirewallResource } from '../../src/resources/firewall.ts';
import { bootParts } from '../../src/resources/firewall-boot.ts';
import type { FirewallRule } from '../../src/resources/firewall-rules.ts';
import { diffOne, keyOf } from '../../src/resources/index.ts';
import { makeRenderer } from '../../src/templates/render.ts';
import { type Namespace, namespace } from './namespaces.ts';

let host: Namespace;
beforeEach(async () => {
  host = await namespace();
});
afterEach(() => host.end());

const port = (first: number, last = first) => ({ first, last });

const TRAFFIC: FirewallRule[] = [
  { rule: 'mark', family: 4, address: '20.20.20.20', protocol: 'tcp', ports: [port(20, 21), port(80)], mark: 5 },
  { rule: 'mark', family: 6, address: '2001:db8::20', protocol: 'udp', ports: [port(53)], mark: 6 },
  { rule: 'masquerade', family: 4, address: '10.0.0.11', protocol: 'tcp', ports: [port(80)] },
  { rule: 'masquerade', family: 6, address: '2001:db8::11', protocol: 'sctp', ports: [port(5000, 5010)] },
  { rule: 'clamp', family: 4, address: '20.20.20.20', ports: [port(80)], mss: 1440 },
  { rule: 'clamp', family: 6, address: '2001:db8::20', ports: [port(80)], mss: 1400 },
  { rule: 'untracked', family: 4, address: '20.20.20.20', protocol: 'tcp', ports: [port(80)] },
];
const ACCEPTS: FirewallRule[] = [
  { rule: 'accept', protocol: 'vrrp', from: ['10.0.0.3', '2001:db8::3'] },
  { rule: 'accept', protocol: 'vrrp', family: 4 },
  { rule: 'accept', protocol: 'tcp', ports: [port(80), port(8000, 8010)] },
  { rule: 'accept', protocol: 'udp', ports: [port(8848)], from: ['10.0.0.3/32'] },
  { rule: 'accept', protocol: 'sctp', family: 6, ports: [port(80)] },
  { rule: 'accept', protocol: 'tcp' },
  { rule: 'accept', protocol: 'any', from: ['10.0.0.0/8', '2001:db8::/64'] },
  { rule: 'accept', protocol: 'icmp' },
  { rule: 'accept', protocol: 'ipip' },
  { rule: 'accept', protocol: 'ah', family: 4 },
  { rule: 'accept', protocol: 'gre', from: ['10.0.0.4'] },
];

const NFT: FirewallPlace = { backend: 'nftables', into: [] };
const PLACES: Record<string, FirewallPlace> = {
  nftables: NFT,
  'iptables over its own tables': { backend: 'iptables', variant: 'legacy', families: [4, 6] },
  'iptables over nftables': { backend: 'iptables', variant: 'nft', families: [4, 6] },
};

const traffic = (place: FirewallPlace, rules = TRAFFIC): FirewallResource => ({
  kind: 'firewall',
  purpose: 'traffic',
  place,
  rules,
  closed: null,
});
const filter = (
  place: FirewallPlace,
  rules = ACCEPTS,
  closed: FirewallResource['closed'] = null,
): FirewallResource => ({
  kind: 'firewall',
  purpose: 'filter',
  place,
  rules,
  closed,
});

async function changes(resource: FirewallResource) {
  const { states, facts } = await observe(host.connection, { facts: ['firewall'], desire: () => [resource] });
  return diffOne(resource, states.get(keyOf(resource)), facts);
}

async function apply(resource: FirewallResource) {
  const done = await changes(resource);
  const results = await execute(
    host.connection,
    done.flatMap(({ ops }) => ops),
  );
  expect(results.filter(({ status }) => status !== 'done').map(({ output }) => output)).toEqual([]);
  expect(await changes(resource)).toEqual([]);
  return done;
}

describe.each(Object.entries(PLACES))('%s', (_, place) => {
  test.each([
    ['traffic', traffic(place)],
    ['an open filter', filter(place)],
    ['a closed filter', filter(place, ACCEPTS, { ssh: [22, 2222] })],
  ])('%s: what is put in is read back the same, and goes again', async (_name, resource) => {
    if (place.backend === 'nftables' && resource.purpose === 'filter' && resource.closed === null) {
      host.run(
        'nft add table inet filter; nft add chain inet filter input "{ type filter hook input priority 0; policy drop; }"',
      );
      resource = { ...resource, place: { ...place, into: [{ family: 'inet', table: 'filter', chain: 'input' }] } };
    }
    const before = host.run('nft list ruleset');
    expect((await apply(resource)).map(({ direction }) => direction)).toEqual(['add']);
    expect((await apply({ ...resource, rules: [], closed: null })).map(({ direction }) => direction)).toEqual([
      'remove',
    ]);
    if (place.backend === 'nftables') expect(host.run('nft list ruleset')).toBe(before);
  });

  test('what is loaded at boot is what is live, also where it is loaded twice', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lvsctl-boot-'));
    const open = filter(place);
    if (place.backend === 'nftables') {
      host.run('nft add table ip mine; nft add chain ip mine in "{ type filter hook input priority 0; policy drop; }"');
      open.place = { ...place, into: [{ family: 'ip', table: 'mine', chain: 'in' }] };
    }
    const both = [open, traffic(place)];
    const parts = both.map((resource) => bootParts(resource, folder));
    for (const { path, content } of parts.flatMap(({ files }) => files)) writeFileSync(path, content);
    const script = makeRenderer(folder)('firewall/load.sh', {
      nft: parts.flatMap(({ nft }) => nft),
      nft_jumps: parts.flatMap(({ nftJumps }) => nftJumps),
      iptables: parts.flatMap(({ iptables }) => iptables),
    });
    for (const _time of ['first', 'second']) {
      host.run(script);
      for (const resource of both) expect(await changes(resource)).toEqual([]);
    }
    rmSync(folder, { recursive: true });
  });
});
