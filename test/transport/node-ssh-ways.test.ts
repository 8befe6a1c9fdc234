import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as tcp } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import type { TransportOptions } from '../../src/transport/options.ts';
import type { Target, Transport } from '../../src/transport/types.ts';
import { proxy } from './faults.ts';
import { codeOf, failureOf, run } from './io.ts';
import { freePort, knownLine, type Sshd, startSshd } from './sshd.ts';

const phase = 'observe';
const base: TransportOptions = {
  sshConfig: 'none',
  environment: {},
  connectTimeout: 20,
  retry: { attempts: 2, seconds: 5 },
};
let first: Sshd;
let second: Sshd;
let last: Sshd;
let transport: Transport;
beforeAll(async () => {
  // More than ten at once would be turned away at random.
  const open = () => startSshd({ config: ['MaxStartups 100'] });
  [first, second, last] = await Promise.all([open(), open(), open()]);
});
afterEach(() => transport.close());
afterAll(() => Promise.all([first.stop(), second.stop(), last.stop()]));

const hosts = (): Record<string, Target> => ({
  bastion: first.target({}, 'bastion'),
  inner: second.target({ jump: 'bastion' }, 'inner'),
});
const make = (options: TransportOptions = {}) => {
  transport = nodeSshTransport({ ...base, inventoryHost: (name) => hosts()[name], ...options });
  return transport;
};
const logins = (sshd: Sshd) => sshd.log().split('Accepted publickey').length - 1;
const reach = async (target: Target, options: TransportOptions = {}) => {
  const connection = await make(options).connect(target, { phase });
  const { stdout } = await run(connection, ['printenv', 'SSH_CONNECTION']);
  await connection.close();
  // `client port server port`
  return Number(stdout.trim().split(' ')[3]);
};

describe('jump hosts', () => {
  test('one, of the inventory', async () => {
    const before = logins(first);
    expect(await reach(last.target({ jump: 'bastion' }))).toBe(last.port);
    expect(logins(first)).toBe(before + 1);
  });

  test('several hops: each by its own name, each through the one before', async () => {
    const before = [logins(first), logins(second)];
    expect(await reach(last.target({ jump: 'bastion,inner' }))).toBe(last.port);
    expect([logins(first), logins(second)]).toEqual([(before[0] ?? 0) + 1, (before[1] ?? 0) + 1]);
  });

  test("a jump host's own jump host", async () => {
    const before = logins(first);
    expect(await reach(last.target({ jump: 'inner' }))).toBe(last.port);
    expect(logins(first)).toBe(before + 1);
  });

  test('an ssh destination in ssh_config, with its own words there', async () => {
    const config = join(first.dir, 'config');
    writeFileSync(
      config,
      [
        `Host first\n HostName 127.0.0.1\n Port ${first.port}\n IdentityFile ${first.identityFile}\n UserKnownHostsFile ${first.knownHosts}`,
        `Host last\n HostName 127.0.0.1\n Port ${last.port}\n IdentityFile ${last.identityFile}\n UserKnownHostsFile ${last.knownHosts}\n ProxyJump first`,
      ].join('\n'),
    );
    expect(await reach({ name: 'last', ssh: { address: 'last' } }, { sshConfig: config })).toBe(last.port);
  });

  test('its connection is shared, also by those that come at once', async () => {
    const before = logins(first);
    make();
    const targets = Array.from({ length: 12 }, (_, index) => last.target({ jump: 'bastion' }, `h${index}`));
    const connections = await Promise.all(targets.map((target) => transport.connect(target, { phase })));
    expect(logins(first)).toBe(before + 1);
    await Promise.all(connections.map((connection) => connection.close()));
  });

  test('every hop is verified', async () => {
    const empty = join(first.dir, 'empty');
    writeFileSync(empty, '');
    make({
      inventoryHost: (name) => (name === 'bastion' ? first.target({ knownHosts: empty }, 'bastion') : undefined),
    });
    const error = await failureOf(transport.connect(last.target({ jump: 'bastion' }), { phase }));
    expect(error.problems[0]).toMatchObject({
      code: 'SSH-HOST-KEY-UNKNOWN',
      place: { kind: 'host', host: 'host', phase },
    });
    expect(error.problems[0]?.what).toContain('jump host bastion: ');
    make();
    expect(await codeOf(transport.connect(last.target({ jump: 'bastion', knownHosts: empty }), { phase }))).toBe(
      'SSH-HOST-KEY-UNKNOWN',
    );
  });

  test('a bastion that is down is told for each host behind it', async () => {
    const port = await freePort();
    make({ inventoryHost: () => first.target({ port }, 'bastion') });
    const errors = await Promise.all(
      ['a', 'b'].map((name) => failureOf(transport.connect(last.target({ jump: 'bastion' }, name), { phase }))),
    );
    expect(errors.map((error) => error.problems[0])).toMatchObject([
      { code: 'SSH-REFUSED', place: { host: 'a' } },
      { code: 'SSH-REFUSED', place: { host: 'b' } },
    ]);
  });

  test('the host behind it refuses: SSH-JUMP, naming it', async () => {
    const port = await freePort();
    make();
    const error = await failureOf(transport.connect(last.target({ jump: 'bastion', port }), { phase }));
    expect(error.problems[0]?.code).toBe('SSH-JUMP');
    expect(error.problems[0]?.what).toContain(`${port}`);
  });

  test('a bastion that forbids forwarding: SSH-JUMP', async () => {
    const strict = await startSshd({ config: ['AllowTcpForwarding no'] });
    make({ inventoryHost: () => strict.target({}, 'bastion') });
    expect(await codeOf(transport.connect(last.target({ jump: 'bastion' }), { phase }))).toBe('SSH-JUMP');
    await strict.stop();
  });

  test('a bastion that dies: what ran behind it is lost; one that is back is used again', async () => {
    let cut = () => {};
    const way = await proxy(first.port, ({ client }) => {
      cut = () => client.resetAndDestroy();
      return undefined;
    });
    const knownHosts = join(first.dir, 'cut');
    writeFileSync(knownHosts, knownLine(first.dir, 'ed25519', way.port));
    make({ inventoryHost: () => first.target({ port: way.port, knownHosts }, 'bastion') });
    const connection = await transport.connect(last.target({ jump: 'bastion' }), { phase });
    const session = await connection.open(['cat'], { phase });
    cut();
    expect(await codeOf(session.exit)).toBe('SSH-LOST');
    const again = await transport.connect(last.target({ jump: 'bastion' }), { phase });
    expect((await run(again, ['echo', 'in'])).stdout).toBe('in\n');
    expect(way.count()).toBe(2);
    await again.close();
    await transport.close();
    await way.stop();
  });

  test.each([
    ['itself', { bastion: 'bastion' }],
    ['each other', { bastion: 'inner', inner: 'bastion' }],
  ] as [string, Record<string, string>][])(
    'jump hosts that go through %s: SSH-JUMP, not for ever',
    async (_, jumps) => {
      make({
        inventoryHost: (name) =>
          (name === 'bastion' ? first : second).target(jumps[name] === undefined ? {} : { jump: jumps[name] }, name),
      });
      expect(await codeOf(transport.connect(last.target({ jump: 'bastion' }), { phase }))).toBe('SSH-JUMP');
    },
  );
});

describe('other ways', () => {
  test('a ProxyCommand of ssh_config', async () => {
    const config = join(first.dir, 'proxied');
    const relay = `${process.execPath} -e "const s=require('net').connect(process.argv[1],'127.0.0.1');process.stdin.pipe(s).pipe(process.stdout)" %p`;
    writeFileSync(config, `ProxyCommand ${relay}\n`);
    expect(
      await reach(last.target({ address: 'unreachable.invalid', knownHosts: known('unreachable.invalid') }), {
        sshConfig: config,
      }),
    ).toBe(last.port);
  });

  test('a ProxyCommand that fails: what it said is in the error', async () => {
    const config = join(first.dir, 'failing');
    writeFileSync(config, 'ProxyCommand sh -c "echo no way >&2; exit 3"\n');
    const error = await failureOf(make({ sshConfig: config }).connect(last.target(), { phase }));
    expect(error.problems[0]?.code).toBe('SSH-BUSY');
    expect(error.problems[0]?.what).toContain('no way');
  });

  const known = (host: string) => {
    const file = join(last.dir, `known-${host}`);
    writeFileSync(file, knownLine(last.dir, 'ed25519', last.port, host));
    return file;
  };

  test("a stream of the caller's own, for an address that exists in its network only", async () => {
    const asked: string[] = [];
    const target = last.target({ address: '30.30.30.20', knownHosts: known('30.30.30.20') }, 'director');
    const port = await reach(target, {
      sshConfig: '/nonexistent/config',
      socket: async ({ name }) => {
        asked.push(name);
        const socket = tcp({ port: last.port, host: '127.0.0.1' });
        await once(socket, 'connect');
        return socket;
      },
    });
    expect(port).toBe(last.port);
    expect(asked).toEqual(['director']);
  });

  test('a stream that cannot be had is an error with the host, one that never comes a timeout', async () => {
    make({ socket: () => Promise.reject(new Error('the lab is down')) });
    const error = await failureOf(transport.connect(last.target(), { phase }));
    expect(error.problems[0]).toMatchObject({ place: { kind: 'host', host: 'host' } });
    expect(error.problems[0]?.what).toContain('the lab is down');
    make({ socket: () => new Promise(() => {}), connectTimeout: 0.2 });
    expect(await codeOf(transport.connect(last.target(), { phase }))).toBe('SSH-TIMEOUT');
  });
});
