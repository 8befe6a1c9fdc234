import { afterAll, beforeAll, describe } from 'vitest';
import { opensshTransport } from '../../src/transport/openssh.ts';
import type { Connection, Transport } from '../../src/transport/types.ts';
import { sessionCases } from './sessions.ts';
import { type Sshd, startSshd } from './sshd.ts';

const options = { sshConfig: 'none' };
let sshd: Sshd;
let transport: Transport;
let connection: Connection;
beforeAll(async () => {
  sshd = await startSshd();
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
});
