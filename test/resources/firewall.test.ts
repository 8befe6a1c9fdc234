import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FirewallFacts } from '../../src/platform/facts.ts';
import { type FirewallPlace, type FirewallResource, linesOf } from '../../src/resources/firewall.ts';
import { bootParts } from '../../src/resources/firewall-boot.ts';
import { filtersOf, iptablesInUse } from '../../src/resources/firewall-filters.ts';
import type { FirewallRule } from '../../src/resources/firewall-rules.ts';
import { diffOne, keyOf, kinds } from '../../src/resources/index.ts';
import type { Change } from '../../src/resources/kind.ts';
import { DEBIAN } from './facts.ts';

const LEGACY: FirewallPlace = { backend: 'iptables', variant: 'legacy', families: [4, 6] };
const NFT: FirewallPlace = { backend: 'nftables', into: [] };
const FIREWALLD: FirewallPlace = { backend: 'firewalld', zones: ['public'] };

const port = (first: number, last = first) => [{ first, last }];
const mark = (to: number, ports = port(80)): FirewallRule => ({
  rule: 'mark',
  family: 4,
  address: '20.20.20.20',
  protocol: 'tcp',
  ports,
  mark: to,
});
const accept = (number: number): FirewallRule => ({ rule: 'accept', protocol: 'tcp', ports: port(number) });
const resource = (
  purpose: FirewallResource['purpose'],
  place: FirewallPlace,
  rules: FirewallRule[],
  closed: FirewallResource['closed'] = null,
): FirewallResource => ({ kind: 'firewall', purpose, place, rules, closed });

const between = (from: FirewallResource, to: FirewallResource): Change[] =>
  diffOne(to, { rules: linesOf(from), jumps: [] }, DEBIAN);

describe('what is new comes before what goes', () => {
  test('of two marks the old one holds until the second change', () => {
    const changes = between(resource('traffic', LEGACY, [mark(1)]), resource('traffic', LEGACY, [mark(2)]));
    expect(changes.map(({ direction, after }) => [direction, after])).toEqual([
      [
        'change',
        {
          rules: [
            'iptables -t mangle -A LVSCTL-MARK -d 20.20.20.20/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x2/0xffffffff',
            'iptables -t mangle -A LVSCTL-MARK -d 20.20.20.20/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x1/0xffffffff',
            'iptables -t mangle -I PREROUTING -j LVSCTL-MARK',
          ],
        },
      ],
      [
        'remove',
        {
          rules: [
            'iptables -t mangle -A LVSCTL-MARK -d 20.20.20.20/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x2/0xffffffff',
            'iptables -t mangle -I PREROUTING -j LVSCTL-MARK',
          ],
        },
      ],
    ]);
    expect(changes.map(({ before }) => before)).toEqual([changes[0]?.before, changes[0]?.before]);
  });

  test('a closed filter’s drop stays the last rule meanwhile', () => {
    const closed = { ssh: [22] };
    const [together] = between(
      resource('filter', NFT, [accept(80)], closed),
      resource('filter', NFT, [accept(81)], closed),
    );
    const rules = linesOf(resource('filter', NFT, [accept(80), accept(81)], closed));
    expect(together?.direction).toBe('change');
    const meanwhile = (together?.after as { rules: string[] } | undefined)?.rules;
    expect(meanwhile?.toSorted()).toEqual(rules.toSorted());
    expect(meanwhile?.at(-1)).toBe('add rule inet lvsctl_filter input drop');
  });

  const RULES = [mark(1), mark(2), mark(3, port(20, 21)), accept(80), accept(81), accept(443)];
  test.each([LEGACY, NFT, FIREWALLD])(
    'through the changes one gets from any rules to any others: $backend',
    (place) => {
      const some = fc.tuple(
        fc.subarray(RULES),
        fc.subarray(RULES),
        fc.constantFrom('traffic' as const, 'filter' as const),
        fc.boolean(),
      );
      fc.assert(
        fc.property(some, ([old, wanted, purpose, drops]) => {
          const closed = purpose === 'filter' && drops && place.backend !== 'firewalld' ? { ssh: [22] } : null;
          if (closed === null && purpose === 'filter' && place.backend === 'nftables') return;
          const from = resource(purpose, place, old, closed);
          const to = resource(purpose, place, wanted, closed);
          const changes = between(from, to);
          const last = changes.at(-1)?.after as { rules: string[] } | undefined;
          expect(last?.rules ?? linesOf(from)).toEqual(linesOf(to));
          const first = changes[0]?.after as { rules: string[] } | undefined;
          // Whatever both want is there all the time, and whatever is new before anything is gone.
          const kept = linesOf(from).filter((line) => linesOf(to).includes(line));
          expect(kept.every((line) => (first?.rules ?? kept).includes(line))).toBe(true);
          if (changes.length === 2) expect(linesOf(to).every((line) => first?.rules.includes(line))).toBe(true);
          expect(diffOne(to, { rules: last?.rules ?? linesOf(from), jumps: [] }, DEBIAN)).toEqual([]);
        }),
      );
    },
  );
});

describe('what the host is told', () => {
  const inputs = (changes: readonly Change[]) => changes.flatMap(({ ops }) => ops.map(({ input }) => input));

  test('nftables: our table is made anew in one transaction', () => {
    expect(inputs(between(resource('traffic', NFT, []), resource('traffic', NFT, [mark(5)])))).toEqual([
      `add table inet lvsctl
delete table inet lvsctl
add table inet lvsctl
add chain inet lvsctl marks { type filter hook prerouting priority -150; policy accept; }
add rule inet lvsctl marks ip daddr 20.20.20.20 tcp dport 80 meta mark set 5
`,
    ]);
  });

  test('nftables, in a table of the host’s: a chain of ours, jumped to once', () => {
    const place: FirewallPlace = { backend: 'nftables', into: [{ family: 'inet', table: 'filter', chain: 'input' }] };
    const wanted = resource('filter', place, [accept(80)]);
    expect(inputs(between(resource('filter', place, []), wanted))).toEqual([
      `add chain inet filter lvsctl_input
flush chain inet filter lvsctl_input
add rule inet filter lvsctl_input tcp dport 80 accept
insert rule inet filter input jump lvsctl_input
`,
    ]);
    expect(inputs(between(wanted, resource('filter', place, [accept(80), accept(81)])))).toEqual([
      `add chain inet filter lvsctl_input
flush chain inet filter lvsctl_input
add rule inet filter lvsctl_input tcp dport 80 accept
add rule inet filter lvsctl_input tcp dport 81 accept
`,
    ]);
    const jumps = [{ family: 'inet', table: 'filter', chain: 'input', handle: 7 }];
    expect(inputs(diffOne({ ...wanted, rules: [] }, { rules: linesOf(wanted), jumps }, DEBIAN))).toEqual([
      `delete rule inet filter input handle 7
flush chain inet filter lvsctl_input
delete chain inet filter lvsctl_input
`,
      // firewall_modules, which takes none.
      undefined,
    ]);
  });

  test('iptables: each table in one piece; a jump only where it is missing', () => {
    const old = resource('traffic', LEGACY, [mark(5)]);
    expect(inputs(between(resource('traffic', LEGACY, []), old))).toEqual([
      `*mangle
:LVSCTL-MARK - [0:0]
-A LVSCTL-MARK -d 20.20.20.20/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x5/0xffffffff
-I PREROUTING -j LVSCTL-MARK
COMMIT
`,
    ]);
    expect(inputs(between(old, resource('traffic', LEGACY, [mark(5), mark(6, port(53))])))).toEqual([
      `*mangle
:LVSCTL-MARK - [0:0]
-A LVSCTL-MARK -d 20.20.20.20/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x5/0xffffffff
-A LVSCTL-MARK -d 20.20.20.20/32 -p tcp -m tcp --dport 53 -j MARK --set-xmark 0x6/0xffffffff
COMMIT
`,
    ]);
    expect(inputs(between(old, resource('traffic', LEGACY, [])))).toEqual([
      `*mangle
:LVSCTL-MARK - [0:0]
-D PREROUTING -j LVSCTL-MARK
-X LVSCTL-MARK
COMMIT
`,
      undefined,
    ]);
  });

  test('firewalld: rich rules known by their priority, live and permanent', () => {
    const [change] = between(resource('filter', FIREWALLD, []), resource('filter', FIREWALLD, [accept(80)]));
    expect(change?.ops.map(({ args }) => args)).toEqual([
      ['add', 'runtime', 'rich', 'public', 'rule priority="-8848" port port="80" protocol="tcp" accept'],
      ['add', 'permanent', 'rich', 'public', 'rule priority="-8848" port port="80" protocol="tcp" accept'],
    ]);
    expect(change?.shown).toEqual([
      {
        as: 'rules',
        before: [],
        after: [
          `firewall-cmd --zone=public --add-rich-rule='rule priority="-8848" port port="80" protocol="tcp" accept'`,
          `firewall-cmd --permanent --zone=public --add-rich-rule='rule priority="-8848" port port="80" protocol="tcp" accept'`,
        ],
      },
    ]);
  });

  test('at boot: files without jumps, which the script puts in once', () => {
    expect(bootParts(resource('traffic', LEGACY, [mark(5)]), '/etc/lvsctl')).toEqual({
      files: [
        {
          path: '/etc/lvsctl/firewall-traffic.iptables',
          content: `# lvsctl manages this file: change the inventory, not this.
*mangle
:LVSCTL-MARK - [0:0]
-A LVSCTL-MARK -d 20.20.20.20/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x5/0xffffffff
COMMIT
`,
        },
      ],
      nft: [],
      nftJumps: [],
      iptables: [
        {
          program: 'iptables',
          variant: 'legacy',
          path: '/etc/lvsctl/firewall-traffic.iptables',
          jumps: [{ table: 'mangle', from: 'PREROUTING', chain: 'LVSCTL-MARK' }],
        },
      ],
    });
    expect(bootParts(resource('filter', FIREWALLD, [accept(80)]), '/etc/lvsctl').files).toEqual([]);
  });
});

test('the same rules in two programs are two resources: one goes where the other comes', () => {
  expect([LEGACY, NFT, FIREWALLD].map((place) => keyOf(resource('filter', place, [])))).toEqual([
    'firewall iptables filter',
    'firewall nftables filter',
    'firewall firewalld filter',
  ]);
});

test('undone, nothing of ours is left', () => {
  const one = resource('filter', LEGACY, [accept(80)], { ssh: [22] });
  const undone = kinds.firewall.undo({ resource: one, before: undefined, wrote: [] }, 'left') as FirewallResource;
  expect(keyOf(undone)).toBe(keyOf(one));
  expect(linesOf(undone)).toEqual([]);
});

const facts = (more: Partial<FirewallFacts>): FirewallFacts => ({
  nft: true,
  ruleset: [],
  iptables: [],
  ipv6: true,
  ...more,
});
const saved = (...v4: string[]): FirewallFacts =>
  facts({ iptables: [{ variant: 'legacy', v4: ['*filter', ...v4], v6: [] }] });

describe('what a host filters', () => {
  test.each<[string, FirewallFacts, (4 | 6)[]]>([
    ['no rule at all', saved(':INPUT ACCEPT [0:0]'), []],
    ['its policy', saved(':INPUT DROP [0:0]'), [4]],
    [
      'a rule at the end',
      saved(':INPUT ACCEPT [0:0]', '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT', '-A INPUT -j REJECT'),
      [4],
    ],
    [
      'a chain that it jumps to',
      saved(':INPUT ACCEPT [0:0]', '-A INPUT -j mine', '-A mine -g deep', '-A deep -j DROP'),
      [4],
    ],
    ['a chain that nothing jumps to', saved(':INPUT ACCEPT [0:0]', '-A mine -j DROP'), []],
    ['banned sources', saved(':INPUT ACCEPT [0:0]', '-A INPUT -j f2b', '-A f2b -s 1.2.3.4/32 -j REJECT'), []],
    ['strays', saved(':INPUT ACCEPT [0:0]', '-A INPUT -m conntrack --ctstate INVALID -j DROP'), []],
    ['what is forwarded', saved(':INPUT ACCEPT [0:0]', ':FORWARD DROP [0:0]', '-A FORWARD -j DROP'), []],
    ['ours', saved(':INPUT ACCEPT [0:0]', '-A INPUT -j LVSCTL-INPUT', '-A LVSCTL-INPUT -j DROP'), []],
  ])('iptables: %s', (_, given, families) => {
    expect(filtersOf(given).iptables?.families ?? []).toEqual(families);
  });

  const chain = (
    name: string,
    more: object = { type: 'filter', hook: 'input', prio: 0, policy: 'accept' },
    table = 'filter',
  ) => ({
    chain: { family: 'inet', table, name, handle: 1, ...more },
  });
  const rule = (name: string, expr: object[], table = 'filter') => ({
    rule: { family: 'inet', table, chain: name, handle: 2, expr },
  });
  const from = { match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '1.2.3.4' } };
  const dropped = { type: 'filter', hook: 'input', prio: 0, policy: 'drop' };
  test.each<[string, Record<string, unknown>[], string[]]>([
    ['nothing', [chain('input')], []],
    ['its policy', [chain('input', dropped)], ['filter input']],
    ['a rule', [chain('in'), rule('in', [{ reject: null }])], ['filter in']],
    [
      'a chain that it jumps to',
      [chain('in'), rule('in', [{ jump: { target: 'x' } }]), rule('x', [{ drop: null }])],
      ['filter in'],
    ],
    ['banned sources', [chain('in'), rule('in', [from, { drop: null }])], []],
    ['what is forwarded', [chain('forward', { ...dropped, hook: 'forward' })], []],
    ['ours', [chain('input', dropped, 'lvsctl_filter')], []],
  ])('nftables: %s', (_, ruleset, expected) => {
    expect(filtersOf(facts({ ruleset })).nft.map(({ table, chain }) => `${table} ${chain}`)).toEqual(expected);
  });

  test('a chain that iptables made is iptables’', () => {
    const given = facts({
      ruleset: [{ chain: { family: 'ip', table: 'filter', name: 'INPUT', ...dropped } }],
      iptables: [{ variant: 'nft', v4: ['*filter', ':INPUT DROP [0:0]'], v6: [] }],
    });
    expect(filtersOf(given)).toEqual({ nft: [], iptables: { variant: 'nft', families: [4] } });
  });

  test.each<[string, FirewallFacts, string | null]>([
    ['built-in chains alone', saved(':INPUT ACCEPT [0:0]'), null],
    ['ours alone', saved(':LVSCTL-MARK - [0:0]', '-A PREROUTING -j LVSCTL-MARK', '-A LVSCTL-MARK -j MARK'), null],
    ['a rule of anybody’s', saved('-A FORWARD -j DOCKER'), 'legacy'],
    ['a policy', saved(':FORWARD DROP [0:0]'), 'legacy'],
  ])('iptables in use: %s', (_, given, expected) => expect(iptablesInUse(given)).toBe(expected));
});
