import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import type { TransportOptions } from '../../src/transport/options.ts';
import { type Fault, faulty, proxy } from './faults.ts';
import { all, codeOf, failureOf, run, sh } from './io.ts';
import { freePort, knownLine, type Sshd, startSshd } from './sshd.ts';

const phase = 'observe';
const base: TransportOptions = {
  sshConfig: 'none',
  environment: {},
  connectTimeout: 0.7,
  retry: { attempts: 3, seconds: 20 },
};
let sshd: Sshd;
let faults: Fault[] = [];
beforeAll(async () => {
  sshd = await startSshd();
});
afterEach(async () => {
  await Promise.all(faults.map((fault) => fault.stop()));
  faults = [];
});
afterAll(() => sshd.stop());

/** The host behind a faulty port, its key known there too. */
function behind(fault: Fault) {
  faults.push(fault);
  const knownHosts = join(sshd.dir, `known-${fault.port}`);
  writeFileSync(knownHosts, knownLine(sshd.dir, 'ed25519', fault.port));
  return sshd.target({ port: fault.port, knownHosts });
}

const connect = (fault: Fault, options: TransportOptions = {}) =>
  nodeSshTransport({ ...base, ...options }).connect(behind(fault), { phase });

describe('no connection', () => {
  test('nobody listens: SSH-REFUSED, at once', async () => {
    const port = await freePort();
    const error = await failureOf(nodeSshTransport(base).connect(sshd.target({ port }), { phase }));
    expect(error.problems[0]).toMatchObject({ code: 'SSH-REFUSED', place: { kind: 'host', host: 'host', phase } });
  });

  test('a name that does not exist: SSH-DNS', async () => {
    const target = sshd.target({ address: 'no-such-host.invalid' });
    expect(await codeOf(nodeSshTransport({ ...base, connectTimeout: 30 }).connect(target, { phase }))).toBe('SSH-DNS');
  });

  test('silence: SSH-TIMEOUT', async () => {
    const error = await failureOf(connect(await faulty(() => {})));
    expect(error.problems[0]?.code).toBe('SSH-TIMEOUT');
    expect(error.problems[0]?.what).toContain('greeting');
  });

  test('a server that goes silent in the key exchange: SSH-TIMEOUT', async () => {
    const fault = await proxy(sshd.port, ({ client }) => {
      let first = true;
      return {
        toClient: (chunk) => {
          if (first) client.write(chunk);
          first = false;
        },
      };
    });
    expect(await codeOf(connect(fault))).toBe('SSH-TIMEOUT');
  });

  test('interrupted: SSH-INTERRUPTED with exit code 130', async () => {
    const stop = new AbortController();
    const fault = await faulty(() => stop.abort());
    const error = await failureOf(
      nodeSshTransport({ ...base, connectTimeout: 60 }).connect(behind(fault), { phase, signal: stop.signal }),
    );
    expect(error.problems[0]?.code).toBe('SSH-INTERRUPTED');
    expect(error.exitCode).toBe(130);
  });

  test('interrupted before it began', async () => {
    expect(await codeOf(nodeSshTransport(base).connect(sshd.target(), { phase, signal: AbortSignal.abort() }))).toBe(
      'SSH-INTERRUPTED',
    );
  });
});

describe('not an SSH server', () => {
  test.each([
    ['a web server', (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'HTTP/1.1 400'],
    ['one that says something and waits', (socket: Socket) => void socket.write('220 mail ESMTP\r\n'), '220 mail'],
    ['zeros', (socket: Socket) => void socket.write(Buffer.alloc(200_000)), 'does not talk SSH'],
    ['SSH 1', (socket: Socket) => void socket.write('SSH-1.5-old\r\n'), 'identification'],
    ['noise after the greeting', (socket: Socket) => void socket.write(`SSH-2.0-x\r\n${'\xff'.repeat(5000)}`), ''],
  ])('%s: SSH-PROTOCOL', async (_, act, words) => {
    const error = await failureOf(connect(await faulty(act), { connectTimeout: 5 }));
    expect(error.problems[0]?.code).toBe('SSH-PROTOCOL');
    expect(error.problems[0]?.what).toContain(words);
  });

  test('an endless greeting is given up after 64 KiB', async () => {
    let sent = 0;
    const fault = await faulty((socket) => {
      const more = () => {
        if (socket.destroyed) return;
        sent += 1000;
        socket.write(`${'x'.repeat(998)}\r\n`, () => setImmediate(more));
      };
      more();
    });
    expect(await codeOf(connect(fault, { connectTimeout: 60 }))).toBe('SSH-PROTOCOL');
    expect(sent).toBeLessThan(20_000_000);
  });
});

describe('a start that is dropped', () => {
  test.each([
    ['closed', (socket: Socket) => void socket.end()],
    ['reset', (socket: Socket) => void socket.resetAndDestroy()],
    ['closed with OpenSSH’s words', (socket: Socket) => void socket.end('Exceeded MaxStartups\r\n')],
    ['closed after the greeting', (socket: Socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
  ])('%s every time: SSH-BUSY after as many tries as allowed', async (_, act) => {
    const fault = await faulty(act);
    const error = await failureOf(connect(fault, { connectTimeout: 30 }));
    expect(error.problems[0]?.code).toBe('SSH-BUSY');
    expect(error.problems[0]?.what).toContain('3 times');
    expect(fault.count()).toBe(3);
  });

  test('twice, then not: connected', async () => {
    const fault = await proxy(sshd.port, ({ client, number }) => {
      if (number < 3) client.resetAndDestroy();
      return undefined;
    });
    const connection = await connect(fault, { connectTimeout: 30 });
    expect((await run(connection, ['echo', 'in'])).stdout).toBe('in\n');
    expect(fault.count()).toBe(3);
    await connection.close();
  });

  test('the wait between tries can be interrupted', async () => {
    const stop = new AbortController();
    const fault = await faulty((socket, number) => {
      socket.end();
      if (number === 4) setTimeout(() => stop.abort(), 50);
    });
    const transport = nodeSshTransport({ ...base, retry: { attempts: 100, seconds: 600 } });
    expect(await codeOf(transport.connect(behind(fault), { phase, signal: stop.signal }))).toBe('SSH-INTERRUPTED');
  });
});

describe('a way that breaks up what passes', () => {
  test('into single bytes, the greeting too', async () => {
    const fault = await proxy(sshd.port, ({ client }) => {
      const queue: Buffer[] = [];
      let busy = false;
      const next = () => {
        const byte = queue.shift();
        busy = byte !== undefined;
        // One write a turn of the loop: with TCP_NODELAY each is a segment of its own.
        if (byte) client.write(byte, () => setImmediate(next));
      };
      return {
        toClient: (chunk) => {
          for (const byte of chunk) queue.push(Buffer.from([byte]));
          if (!busy) next();
        },
      };
    });
    const connection = await connect(fault, { connectTimeout: 30 });
    expect((await run(connection, ['echo', 'in'])).stdout).toBe('in\n');
    await connection.close();
  });
});

test('a way that gathers what passes: a program that has ended before it is known to have begun', async () => {
  const fault = await proxy(sshd.port, ({ client }) => {
    let held: Buffer[] = [];
    let timer: NodeJS.Timeout | undefined;
    const flush = () => {
      client.write(Buffer.concat(held));
      held = [];
    };
    return {
      toClient: (chunk) => {
        held.push(chunk);
        clearTimeout(timer);
        timer = setTimeout(flush, 250);
      },
    };
  });
  const connection = await connect(fault, { connectTimeout: 30 });
  for (let index = 0; index < 3; index++) {
    const result = await run(connection, sh('echo out; echo err >&2; exit 3'));
    expect(result).toEqual({ stdout: 'out\n', stderr: 'err\n', exit: { code: 3, signal: null } });
  }
  await connection.close();
});

describe('a connection that is lost', () => {
  /** A proxy whose connections end as told once `cut` is called. */
  async function cutting(how: 'reset' | 'close' | 'stall') {
    const pairs: { cut: () => void }[] = [];
    const fault = await proxy(sshd.port, ({ client, server }) => {
      let stalled = false;
      pairs.push({
        cut: () => {
          if (how === 'reset') client.resetAndDestroy();
          else if (how === 'close') client.end();
          else stalled = true;
          if (how !== 'stall') server.destroy();
        },
      });
      return { toClient: (chunk) => !stalled && client.write(chunk) };
    });
    return {
      fault,
      cut: () => {
        for (const pair of pairs) pair.cut();
      },
    };
  }

  test.each(['reset', 'close'] as const)(
    '%s while a program runs: its exit, output and input all say SSH-LOST',
    async (how) => {
      const { fault, cut } = await cutting(how);
      const connection = await connect(fault, { connectTimeout: 30 });
      const session = await connection.open(sh('echo begun; cat'), { phase: 'apply' });
      const output = session.stdout[Symbol.asyncIterator]();
      expect(Buffer.from((await output.next()).value ?? []).toString()).toBe('begun\n');
      cut();
      const error = await failureOf(session.exit);
      expect(error.problems[0]).toMatchObject({
        code: 'SSH-LOST',
        place: { kind: 'host', host: 'host', phase: 'apply' },
      });
      expect(await codeOf(output.next())).toBe('SSH-LOST');
      expect(await codeOf(session.write('x'))).toBe('SSH-LOST');
      expect(await codeOf(connection.open(['true'], { phase }))).toBe('SSH-LOST');
      await connection.close();
    },
  );

  test('with sessions waiting for room and unread output, none hangs', async () => {
    const { fault, cut } = await cutting('reset');
    const connection = await connect(fault, { connectTimeout: 30 });
    const sessions = await Promise.all(Array.from({ length: 10 }, () => connection.open(sh('echo x; cat'), { phase })));
    const waiting = codeOf(connection.open(['true'], { phase }));
    cut();
    expect(await Promise.all(sessions.map((session) => codeOf(session.exit)))).toEqual(Array(10).fill('SSH-LOST'));
    expect(await waiting).toBe('SSH-LOST');
  });

  test('silence is found by keepalives', async () => {
    const { fault, cut } = await cutting('stall');
    const connection = await connect(fault, { connectTimeout: 30, keepalive: { interval: 0.1, count: 2 } });
    const session = await connection.open(['cat'], { phase });
    cut();
    const error = await failureOf(session.exit);
    expect(error.problems[0]?.code).toBe('SSH-LOST');
    expect(error.problems[0]?.what).toContain('Keepalive');
  });

  test('between sessions: the process lives, and the next one says SSH-LOST', async () => {
    const { fault, cut } = await cutting('reset');
    const connection = await connect(fault, { connectTimeout: 30 });
    await run(connection, ['true']);
    cut();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await codeOf(connection.open(['true'], { phase }))).toBe('SSH-LOST');
  });

  test('a reset in the middle of much output: the reader gets an error, not a short file', async () => {
    const { fault, cut } = await cutting('reset');
    const connection = await connect(fault, { connectTimeout: 30 });
    const session = await connection.open(sh('head -c 400000000 /dev/zero'), { phase });
    setTimeout(cut, 150);
    expect(await codeOf(all(session.stdout))).toBe('SSH-LOST');
  });
});

test('a login that is cut off is SSH-LOST, and is not tried again', async () => {
  const fault = await proxy(sshd.port, ({ client, server }) => {
    let up = 0;
    // The client's third write, after its greeting with the key exchange's start and its new keys, begins the login.
    client.on('data', () => {
      if (++up === 4) {
        client.resetAndDestroy();
        server.destroy();
      }
    });
    return undefined;
  });
  expect(await codeOf(connect(fault, { connectTimeout: 30 }))).toBe('SSH-LOST');
  expect(fault.count()).toBe(1);
});
