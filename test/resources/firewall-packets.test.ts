import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { observe } from '../../src/host/client.ts';
import { execute } from '../../src/host/execute.ts';
import type { FirewallPlace, FirewallResource } from '../../src/resources/firewall.ts';
import type { FirewallRule } from '../../src/resources/firewall-rules.ts';
import { diffOne, keyOf } from '../../src/resources/index.ts';
import { type Namespace, namespace } from './namespaces.ts';

/** client 10.1.0.2 – 10.1.0.1 router 10.2.0.1 – 10.2.0.2 server, and the same with IPv6, each a network stack of its own. */
let client: Namespace;
let router: Namespace;
let server: Namespace;
const started: ChildProcess[] = [];

beforeEach(async () => {
  router = await namespace();
  client = await namespace(router);
  server = await namespace(router);
  // Addresses are of use at once, not after a second of looking for twins.
  for (const one of [router, client, server]) one.run('echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad');
  for (const [index, one] of [client, server].entries()) {
    const net = index + 1;
    router.run(`ip link add to${net} type veth peer name out netns /proc/${one.pid}/ns/net`);
    router.run(
      `ip addr add 10.${net}.0.1/24 dev to${net}; ip addr add fd00:${net}::1/64 dev to${net} nodad; ip link set to${net} up`,
    );
    one.run(`ip addr add 10.${net}.0.2/24 dev out; ip addr add fd00:${net}::2/64 dev out nodad; ip link set out up`);
    one.run(`ip route add default via 10.${net}.0.1; ip -6 route add default via fd00:${net}::1`);
  }
  router.run('echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  for (const one of [client, server, router]) one.end();
});

/** Answers each connection with the address that it came from. */
async function serve(where: Namespace, port: number): Promise<void> {
  const program = `require('node:net').createServer((s) => s.end(s.remoteAddress)).listen(${port}, '::', () => console.log('ready'))`;
  await ready(where, [process.execPath, '-e', program]);
}

/** Prints a line for each packet of a protocol that comes in. */
async function receive(where: Namespace, protocol: number): Promise<() => number> {
  const program = `use Socket; socket(S, AF_INET, SOCK_RAW, ${protocol}) or die; $| = 1; print "ready\\n"; while (recv(S, my $p, 2000, 0)) { print "packet\\n" }`;
  const said = await ready(where, ['perl', '-e', program]);
  return () => said().split('packet').length - 1;
}

async function ready(where: Namespace, command: readonly string[]): Promise<() => string> {
  const child = spawn('nsenter', [...where.enter.slice(1), ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  let said = '';
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      resolve(undefined);
    });
    child.once('exit', () => reject(new Error(`${command[0]} ended`)));
  });
  return () => said;
}

/** What a connection brings; null where none comes about: `seconds` are what a drop is waited for. */
function ask(from: Namespace, address: string, port: number, seconds = 10): string | null {
  try {
    return from.run(`timeout ${seconds} bash -c 'exec 3<>/dev/tcp/${address}/${port}; cat <&3'`).replace('::ffff:', '');
  } catch {
    return null;
  }
}

function send(from: Namespace, to: string, protocol: number): void {
  from.run(
    `perl -e 'use Socket; socket(S, AF_INET, SOCK_RAW, ${protocol}) or die; send(S, "x" x 20, 0, pack_sockaddr_in(0, inet_aton("${to}"))) or die'`,
  );
}

async function apply(where: Namespace, resource: FirewallResource): Promise<void> {
  const { states, facts } = await observe(where.connection, { facts: ['firewall'], desire: () => [resource] });
  const changes = diffOne(resource, states.get(keyOf(resource)), facts);
  const results = await execute(
    where.connection,
    changes.flatMap(({ ops }) => ops),
  );
  expect(results.filter(({ status }) => status !== 'done').map(({ output }) => output)).toEqual([]);
}

const port = (number: number) => [{ first: number, last: number }];
const traffic = (place: FirewallPlace, ...rules: FirewallRule[]): FirewallResource => ({
  kind: 'firewall',
  purpose: 'traffic',
  place,
  rules,
  closed: null,
});

const NFT: FirewallPlace = { backend: 'nftables', into: [] };
const PLACES: [string, FirewallPlace][] = [
  ['nftables', NFT],
  ['iptables over its own tables', { backend: 'iptables', variant: 'legacy', families: [4, 6] }],
  ['iptables over nftables', { backend: 'iptables', variant: 'nft', families: [4, 6] }],
];

describe.each(PLACES)('%s', (_, place) => {
  test('masquerade: the server sees the router on the port asked for, the client on others', async () => {
    await serve(server, 80);
    await serve(server, 81);
    expect(ask(client, '10.2.0.2', 80)).toBe('10.1.0.2');
    await apply(
      router,
      traffic(
        place,
        { rule: 'masquerade', family: 4, address: '10.2.0.2', protocol: 'tcp', ports: port(80) },
        { rule: 'masquerade', family: 6, address: 'fd00:2::2', protocol: 'tcp', ports: port(80) },
      ),
    );
    expect(ask(client, '10.2.0.2', 80)).toBe('10.2.0.1');
    expect(ask(client, 'fd00:2::2', 80)).toBe('fd00:2::1');
    expect(ask(client, '10.2.0.2', 81)).toBe('10.1.0.2');
  });

  test('mark: packets for the address and ports carry it, others do not', async () => {
    router.run('nft add table inet seen; nft add chain inet seen in "{ type filter hook input priority 10; }"');
    router.run('nft add rule inet seen in meta mark 77 tcp flags syn counter');
    const marked = () => Number(/packets (\d+)/.exec(router.run('nft list chain inet seen in'))?.[1]);
    ask(client, '10.1.0.1', 21);
    expect(marked()).toBe(0);
    await apply(
      router,
      traffic(
        place,
        { rule: 'mark', family: 4, address: '10.1.0.1', protocol: 'tcp', ports: [{ first: 20, last: 22 }], mark: 77 },
        { rule: 'mark', family: 6, address: 'fd00:1::1', protocol: 'tcp', ports: port(21), mark: 77 },
      ),
    );
    ask(client, '10.1.0.1', 21);
    expect(marked()).toBe(1);
    ask(client, 'fd00:1::1', 21);
    expect(marked()).toBe(2);
    ask(client, '10.1.0.1', 23);
    expect(marked()).toBe(2);
  });

  test('clamp: the SYN-ACK names the segment size asked for', async () => {
    await serve(server, 80);
    client.run('nft add table inet seen; nft add chain inet seen in "{ type filter hook input priority 10; }"');
    client.run('nft add rule inet seen in tcp flags syn,ack / syn,ack tcp option maxseg size 1380 counter');
    const seen = () => Number(/packets (\d+)/.exec(client.run('nft list chain inet seen in'))?.[1]);
    ask(client, '10.2.0.2', 80);
    expect(seen()).toBe(0);
    await apply(
      server,
      traffic(
        place,
        { rule: 'clamp', family: 4, address: '10.2.0.2', ports: port(80), mss: 1380 },
        { rule: 'clamp', family: 6, address: 'fd00:2::2', ports: port(80), mss: 1380 },
      ),
    );
    expect(ask(client, '10.2.0.2', 80)).toBe('10.1.0.2');
    expect(seen()).toBe(1);
    expect(ask(client, 'fd00:2::2', 80)).toBe('fd00:1::2');
    expect(seen()).toBe(2);
  });

  test('untracked: no connection is followed', async () => {
    await serve(server, 80);
    server.run('nft add table inet seen; nft add chain inet seen in "{ type filter hook input priority 10; }"');
    server.run('nft add rule inet seen in ct state untracked counter');
    const seen = () => Number(/packets (\d+)/.exec(server.run('nft list chain inet seen in'))?.[1]);
    ask(client, '10.2.0.2', 80);
    expect(seen()).toBe(0);
    await apply(
      server,
      traffic(place, { rule: 'untracked', family: 4, address: '10.2.0.2', protocol: 'tcp', ports: port(80) }),
    );
    expect(ask(client, '10.2.0.2', 80)).toBe('10.1.0.2');
    expect(seen()).toBeGreaterThan(1);
  });

  test('a closed filter lets in what was asked for, answers, and SSH; nothing else', async () => {
    for (const number of [22, 80, 81]) await serve(server, number);
    const heard = await receive(server, 112);
    await apply(server, {
      kind: 'firewall',
      purpose: 'filter',
      place,
      rules: [
        { rule: 'accept', protocol: 'tcp', ports: port(80) },
        { rule: 'accept', protocol: 'any', from: ['10.2.0.0/24'] },
      ],
      closed: { ssh: [22] },
    });
    expect([22, 80].map((number) => ask(client, '10.2.0.2', number))).toEqual(['10.1.0.2', '10.1.0.2']);
    expect(ask(client, '10.2.0.2', 81, 1)).toBeNull();
    expect([22, 80].map((number) => ask(client, 'fd00:2::2', number))).toEqual(['fd00:1::2', 'fd00:1::2']);
    expect(ask(client, 'fd00:2::2', 81, 1)).toBeNull();
    expect(ask(router, '10.2.0.2', 81)).toBe('10.2.0.1');
    await serve(client, 9999);
    expect(ask(server, '10.1.0.2', 9999)).toBe('10.2.0.2');
    expect(ask(server, '127.0.0.1', 81)).toBe('127.0.0.1');
    send(client, '10.2.0.2', 112);
    send(router, '10.2.0.2', 112);
    await expect.poll(heard).toBe(1);
  });

  test('VRRP is dropped by the host’s own filter before, and comes in after, from the peer alone', async () => {
    const into = theirs(place);
    const heard = await receive(server, 112);
    const second = await receive(server, 51);
    send(router, '10.2.0.2', 112);
    const vrrp: FirewallRule = { rule: 'accept', protocol: 'vrrp', from: ['10.2.0.1'] };
    await apply(server, {
      kind: 'firewall',
      purpose: 'filter',
      place: into,
      rules: [vrrp, { rule: 'accept', protocol: 'ah' }],
      closed: null,
    });
    send(client, '10.2.0.2', 112);
    send(client, '10.2.0.2', 51);
    await expect.poll(second).toBe(1);
    expect(heard()).toBe(0);
    send(router, '10.2.0.2', 112);
    await expect.poll(heard).toBe(1);
    expect(ask(client, '10.2.0.2', 22, 1)).toBeNull();
  });
});

/** A filter as an administrator makes one, that lets in nothing but answers. */
function theirs(place: FirewallPlace): FirewallPlace {
  if (place.backend === 'iptables') {
    const program = `iptables-${place.variant}`;
    server.run(`${program} -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; ${program} -A INPUT -j REJECT`);
    return { ...place, families: [4] };
  }
  server.run(
    'nft -f -',
    'table ip mine { chain in { type filter hook input priority 0; policy drop; ct state established accept; }; }',
  );
  return { backend: 'nftables', into: [{ family: 'ip', table: 'mine', chain: 'in' }] };
}
