import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { observe } from '../../src/host/client.ts';
import { execute } from '../../src/host/execute.ts';
import type { FirewallResource } from '../../src/resources/firewall.ts';
import type { FirewallRule } from '../../src/resources/firewall-rules.ts';
import { diffOne, keyOf } from '../../src/resources/index.ts';
import { type Namespace, namespace, withFirewalld } from './namespaces.ts';

const CALL = 'busctl --json=short -- call org.fedoraproject.FirewallD1';
const TOP = '/org/fedoraproject/FirewallD1 org.fedoraproject.FirewallD1';

describe.each(['nftables', 'iptables'] as const)('firewalld over %s', (backend) => {
  let host: Namespace;
  let peer: Namespace;

  beforeEach(async () => {
    host = await withFirewalld(backend);
    peer = await namespace(host);
    host.run(`ip link add eth0 type veth peer name eth0 netns /proc/${peer.pid}/ns/net`);
    host.run('ip addr add 10.1.0.1/24 dev eth0; ip link set eth0 up');
    peer.run('ip addr add 10.1.0.2/24 dev eth0; ip addr add 10.1.0.3/24 dev eth0; ip link set eth0 up');
  }, 120_000);
  afterEach(() => {
    peer.end();
    host.end();
  });

  const read = (...resources: FirewallResource[]) =>
    observe(host.connection, { facts: ['firewall'], desire: () => resources });
  async function changes(resource: FirewallResource) {
    const { states, facts } = await read(resource);
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
    return done.map(({ direction }) => direction);
  }
  const filter = (rules: FirewallRule[]): FirewallResource => ({
    kind: 'firewall',
    purpose: 'filter',
    place: { backend: 'firewalld', zones: ['public'] },
    rules,
    closed: null,
  });
  const traffic = (rules: FirewallRule[]): FirewallResource => ({ ...filter(rules), purpose: 'traffic' });
  const port = (first: number, last = first) => [{ first, last }];
  const vrrp = (from: string[]): FirewallRule => ({ rule: 'accept', protocol: 'vrrp', from });
  /** All that is live, and all files of the permanent configuration. */
  const everything = () =>
    [
      `${CALL} ${TOP}.zone getRichRules s public`,
      `${CALL} ${TOP}.direct getAllRules`,
      'cd /etc/firewalld; grep -r --exclude=log "" . | sort',
    ]
      .map((command) => host.run(command))
      .join('\n');

  /** How many packets of a protocol from an address reach whoever listens behind the filter. */
  async function arriving(protocol: number, from: string, send: () => void = () => undefined): Promise<number> {
    host.run(
      'nft add table inet seen; nft add chain inet seen in "{ type filter hook input priority 300; }"; nft flush chain inet seen in',
    );
    host.run(`nft add rule inet seen in ip protocol ${protocol} counter`);
    send();
    peer.run(
      `perl -e 'use Socket; socket(S, AF_INET, SOCK_RAW, ${protocol}) or die; bind(S, pack_sockaddr_in(0, inet_aton("${from}"))); send(S, "x" x 20, 0, pack_sockaddr_in(0, inet_aton("10.1.0.1"))) or die'`,
    );
    return Number(/packets (\d+)/.exec(host.run('nft list chain inet seen in'))?.[1]);
  }

  test('it is found, with its zone', async () => {
    const { facts } = await read(filter([vrrp(['10.1.0.2'])]));
    expect(facts.firewall?.firewalld).toEqual({ zones: ['public'] });
  });

  test('VRRP is rejected before, and comes in after, from the peer alone, also after a reload', async () => {
    expect(await arriving(112, '10.1.0.2')).toBe(0);
    expect(await apply(filter([vrrp(['10.1.0.2']), { rule: 'accept', protocol: 'tcp', ports: port(80, 81) }]))).toEqual(
      ['add'],
    );
    expect(await arriving(112, '10.1.0.2')).toBe(1);
    expect(await arriving(112, '10.1.0.3')).toBe(0);
    host.run(`${CALL} ${TOP} reload`);
    expect(
      await changes(filter([vrrp(['10.1.0.2']), { rule: 'accept', protocol: 'tcp', ports: port(80, 81) }])),
    ).toEqual([]);
    expect(await arriving(112, '10.1.0.2')).toBe(1);
  }, 120_000);

  test('rules of every form, live and permanent, and not one left behind; rules of others stay', async () => {
    host.run(`${CALL} ${TOP}.zone addRichRule ssi public 'rule priority="-5" protocol value="ah" accept' 0`);
    host.run(`${CALL} ${TOP}.direct addRule sssias ipv4 filter INPUT 0 4 -s 10.9.9.9 -j DROP`);
    const before = everything();
    const accepts: FirewallRule[] = [
      vrrp(['10.1.0.2', 'fd00::2']),
      { rule: 'accept', protocol: 'vrrp', family: 4 },
      { rule: 'accept', protocol: 'tcp', ports: [...port(80), ...port(8000, 8010)] },
      { rule: 'accept', protocol: 'udp', ports: port(8848), from: ['10.1.0.2/32'] },
      { rule: 'accept', protocol: 'sctp' },
      { rule: 'accept', protocol: 'any', from: ['10.0.0.0/8', 'fd00::/64'] },
      { rule: 'accept', protocol: 'icmp' },
      { rule: 'accept', protocol: 'ipip' },
    ];
    const services: FirewallRule[] = [
      { rule: 'mark', family: 4, address: '10.1.0.1', protocol: 'tcp', ports: [...port(20, 21), ...port(80)], mark: 5 },
      { rule: 'mark', family: 6, address: 'fd00::1', protocol: 'udp', ports: port(53), mark: 6 },
      { rule: 'masquerade', family: 4, address: '10.1.0.2', protocol: 'tcp', ports: port(80) },
      { rule: 'clamp', family: 4, address: '10.1.0.1', ports: port(80), mss: 1400 },
      { rule: 'untracked', family: 4, address: '10.1.0.1', protocol: 'tcp', ports: port(80) },
    ];
    expect(await apply(filter(accepts))).toEqual(['add']);
    expect(await apply(traffic(services))).toEqual(['add']);
    host.run(`${CALL} ${TOP} reload`);
    // What was live only is gone with a reload: what the administrator had is put back.
    host.run(`${CALL} ${TOP}.zone addRichRule ssi public 'rule priority="-5" protocol value="ah" accept' 0`);
    host.run(`${CALL} ${TOP}.direct addRule sssias ipv4 filter INPUT 0 4 -s 10.9.9.9 -j DROP`);
    expect([await changes(filter(accepts)), await changes(traffic(services))]).toEqual([[], []]);
    expect(await apply(filter([vrrp(['10.1.0.3']), ...accepts.slice(1)]))).toEqual(['change', 'remove']);
    expect(await apply(filter([]))).toEqual(['remove']);
    expect(await apply(traffic([]))).toEqual(['remove']);
    expect(everything()).toBe(before);
    // Nor is anything of it in firewalld's memory: it takes the same again.
    expect(await apply(filter(accepts))).toEqual(['add']);
    expect(await apply(traffic(services))).toEqual(['add']);
  }, 120_000);

  test('a mark is set, and gone with its rule', async () => {
    const marked = () => {
      peer.run("timeout 1 bash -c 'exec 3<>/dev/tcp/10.1.0.1/80' 2>/dev/null; true");
      return Number(/packets (\d+)/.exec(host.run('nft list chain inet seen in'))?.[1]);
    };
    host.run('nft add table inet seen; nft add chain inet seen in "{ type filter hook input priority -100; }"');
    host.run('nft add rule inet seen in meta mark 77 counter');
    expect(marked()).toBe(0);
    await apply(
      traffic([{ rule: 'mark', family: 4, address: '10.1.0.1', protocol: 'tcp', ports: port(80), mark: 77 }]),
    );
    const first = marked();
    expect(first).toBeGreaterThan(0);
    await apply(traffic([]));
    expect(marked()).toBe(first);
  }, 120_000);
});
