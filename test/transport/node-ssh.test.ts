import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import type { Connection, Transport } from '../../src/transport/types.ts';
import { failureOf, run, sh } from './io.ts';
import { sessionCases } from './sessions.ts';
import { type Sshd, startSshd } from './sshd.ts';

const options = { sshConfig: 'none', environment: {} };
let sshd: Sshd;
let transport: Transport;
let connection: Connection;
beforeAll(async () => {
  sshd = await startSshd();
  transport = nodeSshTransport(options);
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

  test('a signal that ends the program is told as one', async () => {
    const result = await run(connection, sh('kill -KILL $$'));
    expect(result.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('a closed connection opens nothing any more', async () => {
    const other = await transport.connect(sshd.target(), { phase: 'test' });
    await other.close();
    const error = await failureOf(other.open(['true'], { phase: 'observe' }));
    expect(error.problems[0]).toMatchObject({
      code: 'SSH-LOST',
      place: { kind: 'host', host: 'host', phase: 'observe' },
    });
  });
});

test('a connection goes straight to the key: no other login is tried', () => {
  expect(sshd.log()).toContain('Accepted publickey');
  expect(sshd.log()).not.toMatch(/Failed none|Failed password/);
});
