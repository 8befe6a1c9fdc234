import { readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { opensshTransport } from '../../src/transport/openssh.ts';
import { opensshArguments } from '../../src/transport/openssh-arguments.ts';
import { judgeMaster } from '../../src/transport/openssh-errors.ts';
import type { TransportOptions } from '../../src/transport/options.ts';
import type { Connection, Transport } from '../../src/transport/types.ts';
import { faulty, proxy } from './faults.ts';
import { codeOf, failureOf, run, sh } from './io.ts';
import { sessionCases } from './sessions.ts';
import { freePort, keygen, knownLine, type Sshd, startSshd, tempDir } from './sshd.ts';

const phase = 'observe';
const options: TransportOptions = { sshConfig: 'none', connectTimeout: 5, retry: { attempts: 2, seconds: 5 } };
let sshd: Sshd;
let transport: Transport;
let connection: Connection;
beforeAll(async () => {
  sshd = await startSshd({ hostKeys: ['ed25519', 'ecdsa'] });
  transport = opensshTransport(options);
  connection = await transport.connect(sshd.target(), { phase: 'test' });
});
afterAll(async () => {
  await connection.close();
  await transport.close();
  await sshd.stop();
});

describe('sessions', () => {
  sessionCases(() => connection);

  test('a signal that comes after the connection was made leaves it alone', async () => {
    const stop = new AbortController();
    const other = await transport.connect(sshd.target(), { phase: 'test', signal: stop.signal });
    stop.abort();
    expect((await run(other, ['echo', 'still here'])).stdout).toBe('still here\n');
    await other.close();
  });
});

let files = 0;
const knownHosts = (text: string) => {
  const file = join(sshd.dir, `known-${files++}`);
  writeFileSync(file, text);
  return file;
};
const fails = async (ssh: Parameters<Sshd['target']>[0], more: TransportOptions = {}) => {
  const own = opensshTransport({ ...options, ...more });
  try {
    return (await failureOf(own.connect(sshd.target(ssh), { phase }))).problems[0];
  } finally {
    await own.close();
  }
};
const folders = () => readdirSync(tmpdir()).filter((name) => /^lvsctl-[A-Za-z0-9]{6}$/.test(name));

describe('errors', () => {
  test('the host key is unknown, changed or revoked', async () => {
    const key = knownLine(sshd.dir, 'ed25519', sshd.port);
    const dir = tempDir();
    keygen(join(dir, 'host_ed25519'));
    const other = knownLine(dir, 'ed25519', sshd.port);
    expect(await fails({ knownHosts: knownHosts('') })).toMatchObject({
      code: 'SSH-HOST-KEY-UNKNOWN',
      place: { kind: 'host', host: 'host', phase },
    });
    expect((await fails({ knownHosts: knownHosts(other) }, { acceptNewHostKeys: true }))?.code).toBe(
      'SSH-HOST-KEY-CHANGED',
    );
    const revoked = `${key}@revoked * ${key.split(' ').slice(1).join(' ')}`;
    expect((await fails({ knownHosts: knownHosts(revoked) }))?.code).toBe('SSH-HOST-KEY-REVOKED');
  });

  test('a new key is accepted where that was asked for', async () => {
    const own = opensshTransport({ ...options, acceptNewHostKeys: true });
    const target = sshd.target({ knownHosts: join(sshd.dir, 'accepted') });
    const accepted = await own.connect(target, { phase });
    expect((await run(accepted, ['echo', 'in'])).stdout).toBe('in\n');
    await own.close();
  });

  test('no login, no listener, no name, no SSH', async () => {
    keygen(join(sshd.dir, 'stranger'));
    expect((await fails({ identityFile: join(sshd.dir, 'stranger') }))?.code).toBe('SSH-AUTH');
    expect((await fails({ port: await freePort() }))?.code).toBe('SSH-REFUSED');
    expect((await fails({ address: 'no-such-host.invalid' }))?.code).toBe('SSH-DNS');
    const web = await faulty((socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n\0\0\r\n'));
    expect((await fails({ port: web.port }))?.code).toMatch(/^SSH-(PROTOCOL|TIMEOUT)$/);
    await web.stop();
    const silent = await faulty(() => {});
    expect((await fails({ port: silent.port }, { connectTimeout: 1 }))?.code).toBe('SSH-TIMEOUT');
    await silent.stop();
  });

  test('a start that is dropped each time: SSH-BUSY after as many tries as allowed', async () => {
    const full = await faulty((socket) => void socket.end('Exceeded MaxStartups\r\n'));
    expect((await fails({ port: full.port }))?.code).toBe('SSH-BUSY');
    expect(full.count()).toBe(2);
    await full.stop();
  });

  test('interrupted', async () => {
    const silent = await faulty(() => setTimeout(() => stop.abort(), 50));
    const stop = new AbortController();
    const own = opensshTransport({ ...options, connectTimeout: 30 });
    const error = await failureOf(own.connect(sshd.target({ port: silent.port }), { phase, signal: stop.signal }));
    expect(error.problems[0]?.code).toBe('SSH-INTERRUPTED');
    await silent.stop();
  });

  test('a connection that is lost: exit, output and the next session say SSH-LOST', async () => {
    let cut = () => {};
    const way = await proxy(sshd.port, ({ client }) => {
      cut = () => client.resetAndDestroy();
      return undefined;
    });
    const own = opensshTransport(options);
    const target = sshd.target({ port: way.port, knownHosts: knownHosts(knownLine(sshd.dir, 'ed25519', way.port)) });
    const lossy = await own.connect(target, { phase });
    const session = await lossy.open(sh('echo begun; cat'), { phase: 'apply' });
    const output = session.stdout[Symbol.asyncIterator]();
    expect(Buffer.from((await output.next()).value ?? []).toString()).toBe('begun\n');
    cut();
    expect(await codeOf(session.exit)).toBe('SSH-LOST');
    expect(await codeOf(output.next())).toBe('SSH-LOST');
    expect(await codeOf(lossy.open(['true'], { phase }))).toBe('SSH-LOST');
    await own.close();
    await way.stop();
  });

  test('nothing is left of any of them', async () => {
    const own = opensshTransport(options);
    const before = folders().length;
    await own.connect(sshd.target(), { phase });
    expect(folders().length).toBe(before + 1);
    await own.close();
    expect(folders().length).toBe(before);
    await fails({ port: await freePort() });
    expect(folders().length).toBe(before);
  });

  test('words that say nothing known are shown as they are', () => {
    const whom = { host: 'h', phase };
    expect(() => judgeMaster({ exitCode: 255, stderr: 'first\nsomething odd\n' }, whom, 'h')).toThrow(/something odd/);
    expect(() => judgeMaster({ exitCode: undefined, stderr: '', code: 'ENOENT' }, whom, 'h')).toThrow(/no ssh program/);
  });
});

describe('what ssh is told', () => {
  const target = {
    name: 'h',
    ssh: {
      address: '10.0.0.1',
      user: 'me',
      port: 2222,
      identityFile: '/k e y',
      knownHosts: '/my hosts',
      jump: 'bastion,x',
    },
  };

  test('the inventory’s words', () => {
    const { options: args, host } = opensshArguments(target, {
      inventoryHost: (name) =>
        name === 'bastion' ? { name, ssh: { address: '2001:db8::1', user: 'op', port: 22 } } : undefined,
    });
    expect(host).toBe('10.0.0.1');
    expect(args.join('|')).toBe(
      [
        '-o|ProxyJump=op@[2001:db8::1]:22,x|-o|User=me|-o|Port=2222|-i|/k e y|-o|IdentitiesOnly=yes',
        '-o|UserKnownHostsFile="/my hosts"|-o|GlobalKnownHostsFile=none|-o|StrictHostKeyChecking=yes|-o|BatchMode=yes',
        '-o|ConnectTimeout=10|-o|ServerAliveInterval=15|-o|ServerAliveCountMax=3',
      ].join('|'),
    );
  });

  test('a ProxyCommand for the lab keeps the operator’s ssh_config out', async () => {
    const way = await proxy(sshd.port, () => undefined);
    const relay = `${process.execPath} -e "const s=require('net').connect(${way.port},'127.0.0.1');process.stdin.pipe(s).pipe(process.stdout)"`;
    const own = opensshTransport({ ...options, sshConfig: '/nonexistent', proxyCommand: () => relay });
    const file = knownHosts(
      knownLine(sshd.dir, 'ed25519', 22, '30.30.30.20').replace('[30.30.30.20]:22', '30.30.30.20'),
    );
    const { port: _, ...ssh } = sshd.target({ address: '30.30.30.20', knownHosts: file }).ssh;
    const inside = await own.connect({ name: 'director', ssh }, { phase });
    expect((await run(inside, ['echo', 'in'])).stdout).toBe('in\n');
    await own.close();
    await way.stop();
  });
});
