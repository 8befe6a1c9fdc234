import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import type { Session } from '../../src/transport/types.ts';
import { all, sh } from './io.ts';
import { type Sshd, startSshd } from './sshd.ts';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.stop());

const options = { sshConfig: 'none', environment: {} };

describe('a session over a real sshd', () => {
  test('runs a program: stdin, stdout, stderr and exit code', async () => {
    const transport = nodeSshTransport(options);
    const connection = await transport.connect(sshd.target(), { phase: 'observe' });
    const session: Session = await connection.open(sh('cat; echo oops >&2; exit 7'), { phase: 'observe' });
    await session.write('hello\n');
    session.end();
    expect((await all(session.stdout)).toString()).toBe('hello\n');
    expect(await session.exit).toEqual({ code: 7, signal: null });
    expect(session.stderr()).toBe('oops\n');
    await connection.close();
    await transport.close();
  });
});
