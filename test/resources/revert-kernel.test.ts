import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openOp, revertTransaction } from '../../src/apply/transaction.ts';
import { execute, observe } from '../../src/host/client.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { FirewallPlace } from '../../src/resources/firewall.ts';
import type { FirewallRule } from '../../src/resources/firewall-rules.ts';
import { diffOne, keyOf, type Resource } from '../../src/resources/index.ts';
import { revertOf } from '../../src/resources/revert.ts';
import { type Namespace, namespace, withFirewalld } from './namespaces.ts';

/** A real kernel's state comes back after each operation of a change, as a host's transaction brings it back. */

let host: Namespace;
beforeEach(async () => {
  host = await namespace();
});
afterEach(() => host.end());

async function changesOf(resource: Resource) {
  const { states, facts } = await observe(host.connection, { facts: ['firewall'], desire: () => [resource] });
  const state = states.get(keyOf(resource));
  return { state, facts, changes: diffOne(resource, state, facts) };
}

async function bring(resource: Resource): Promise<void> {
  const { changes } = await changesOf(resource);
  const results = await execute(
    host.connection,
    changes.flatMap(({ ops }) => ops),
  );
  expect(results.filter(({ status }) => status !== 'done').map(({ output }) => output)).toEqual([]);
}

/** Stops the change to `resource` after each of its operations, and takes it back. */
async function everywhere(resource: Resource, look: () => string): Promise<void> {
  const before = look();
  const of = (await changesOf(resource)).changes.flatMap((change) => change.ops).length;
  expect(of).toBeGreaterThan(0);
  for (let done = 0; done <= of; done += 1) {
    const { state, facts, changes } = await changesOf(resource);
    const ops = changes.flatMap((change) => change.ops);
    const id = `run${done}`;
    const taken = changes.map((change) => revertOf(change, resource, state, facts));
    const revert = {
      ops: taken.toReversed().flatMap((each) => each.ops),
      paths: taken.flatMap((each) => each.paths ?? []),
    };
    const plan = { hosts: [{ name: 'here', revert }] } as unknown as Plan;
    const results = await execute(host.connection, [openOp(plan, 'here', id, 60), ...ops.slice(0, done)]);
    expect(results.filter(({ status }) => status !== 'done').map(({ output }) => output)).toEqual([]);
    if (done === ops.length) expect(look()).not.toBe(before);
    const settled = await revertTransaction(host.connection, id, 'a test');
    expect([done, settled]).toEqual([done, { state: 'reverted', reason: 'a test', log: '' }]);
    expect(look(), `after ${done} of ${ops.length}`).toBe(before);
  }
}

const port = (first: number) => ({ first, last: first });
const mark = (address: string, value: number): FirewallRule => ({
  rule: 'mark',
  family: 4,
  address,
  protocol: 'tcp',
  ports: [port(80)],
  mark: value,
});
const accept = (one: number): FirewallRule => ({ rule: 'accept', protocol: 'tcp', ports: [port(one)] });
const SIX: FirewallRule = {
  rule: 'masquerade',
  family: 6,
  address: '2001:db8::11',
  protocol: 'tcp',
  ports: [port(80)],
};
/** Rules before and after. */
const PAIRS: Record<string, [FirewallRule[], FirewallRule[]]> = {
  'none to some': [[], [mark('20.0.0.1', 1), SIX]],
  'some to none': [[mark('20.0.0.1', 1), SIX], []],
  'some to others': [[mark('20.0.0.1', 1)], [mark('20.0.0.1', 2), SIX]],
};
const PLACES: Record<string, FirewallPlace> = {
  nftables: { backend: 'nftables', into: [] },
  'iptables over its own tables': { backend: 'iptables', variant: 'legacy', families: [4, 6] },
  'iptables over nftables': { backend: 'iptables', variant: 'nft', families: [4, 6] },
};

function rules(): string {
  const others = ['iptables-legacy-save', 'ip6tables-legacy-save', 'iptables-nft-save', 'ip6tables-nft-save'];
  // In which order chains stand says nothing; that of a chain's rules does.
  const saved = others.map((program) => {
    const lines = host.run(`${program} 2>/dev/null || true`).split('\n');
    const chain = (line: string) => line.split(' ').slice(0, 2).join(' ');
    return lines
      .filter((line) => /^(-A|:)/u.test(line))
      .map((line) => line.replace(/\[\d+:\d+\]/u, ''))
      .toSorted((a, b) => (chain(a) < chain(b) ? -1 : chain(a) > chain(b) ? 1 : 0))
      .join('\n');
  });
  const own = ['inet lvsctl', 'ip mine'].map((table) => host.run(`nft list table ${table} 2>/dev/null || true`));
  return [...own, ...saved].join('\n');
}

describe.each(Object.entries(PLACES))('firewall, %s', (_, place) => {
  test.each(Object.entries(PAIRS))('what services need: %s', async (_name, [from, to]) => {
    const resource = (of: FirewallRule[]): Resource => {
      return { kind: 'firewall', purpose: 'traffic', place, rules: of, closed: null };
    };
    // What tables exist at all is left as it comes.
    await bring(resource([mark('20.0.0.9', 9), SIX]));
    await bring(resource(from));
    await everywhere(resource(to), rules);
  });

  test.each<[string, FirewallRule[], FirewallRule[]]>([
    ['none to some', [], [accept(80)]],
    ['some to none', [accept(80)], []],
    ['some to others', [accept(80), accept(81)], [accept(81), accept(82)]],
  ])('what is let in among rules of others: %s', async (_name, from, to) => {
    if (place.backend === 'nftables') {
      host.run('nft "add table ip mine; add chain ip mine in { type filter hook input priority 0; policy drop; }"');
      place = { ...place, into: [{ family: 'ip', table: 'mine', chain: 'in' }] };
    }
    const resource = (of: FirewallRule[]): Resource => {
      return { kind: 'firewall', purpose: 'filter', place, rules: of, closed: null };
    };
    await bring(resource([accept(99)]));
    await bring(resource(from));
    await everywhere(resource(to), rules);
  });
});

describe('neighbours', () => {
  const entry = (mac: string, state: 'present' | 'absent' = 'present'): Resource => {
    return { kind: 'neighbour', device: 'd0', address: '10.0.0.9', mac, state };
  };
  test.each<[string, Resource | undefined, Resource]>([
    ['one comes', undefined, entry('02:00:00:00:00:01')],
    ['one goes', entry('02:00:00:00:00:01'), entry('02:00:00:00:00:01', 'absent')],
    ['one is another', entry('02:00:00:00:00:01'), entry('02:00:00:00:00:02')],
  ])('%s', async (_, from, to) => {
    host.run('ip link add d0 type veth peer name d1 && ip link set d0 up');
    if (from !== undefined) await bring(from);
    await everywhere(to, () => host.run('ip neigh show nud permanent'));
  });
});

describe('firewalld', () => {
  beforeEach(async () => {
    host.end();
    host = await withFirewalld('nftables');
  }, 120_000);

  const CALL = 'busctl --json=short -- call org.fedoraproject.FirewallD1';
  const TOP = '/org/fedoraproject/FirewallD1 org.fedoraproject.FirewallD1';
  /** All that is live, and all files of the permanent configuration. */
  const everything = () =>
    [
      `${CALL} ${TOP}.zone getRichRules s public`,
      `${CALL} ${TOP}.direct getAllRules`,
      'cd /etc/firewalld; grep -r --exclude=log "" . | sort',
    ]
      .map((command) => host.run(command))
      .join('\n');

  test.each<[string, FirewallRule[], FirewallRule[]]>([
    ['none to some', [], [accept(80)]],
    ['some to none', [accept(80)], []],
    ['some to others', [accept(80), accept(81)], [accept(81), accept(82)]],
  ])('what is let in, live and in its own files: %s', { timeout: 120_000 }, async (_, from, to) => {
    const resource = (rules: FirewallRule[]): Resource => {
      return {
        ...{ kind: 'firewall', purpose: 'filter', closed: null, rules },
        place: { backend: 'firewalld', zones: ['public'] },
      };
    };
    if (from.length > 0) await bring(resource(from));
    await everywhere(resource(to), everything);
    const before = everything();
    host.run(`${CALL} ${TOP} reload`);
    expect(everything()).toBe(before);
  });
});
