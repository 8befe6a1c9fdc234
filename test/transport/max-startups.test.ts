import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import { opensshTransport } from '../../src/transport/openssh.ts';
import { backoff } from '../../src/transport/retry.ts';
import { run } from './io.ts';
import { type Sshd, startSshd } from './sshd.ts';

let sshd: Sshd;
beforeAll(async () => {
  // OpenSSH's own default, said aloud; with as many hosts at once it drops a good part of them.
  sshd = await startSshd({ config: ['MaxStartups 10:30:100', 'PerSourceMaxStartups none'] });
});
afterAll(() => sshd.stop());

test('fifty connections at once to one sshd with the default MaxStartups: all fifty get through', async () => {
  const transport = nodeSshTransport({ sshConfig: 'none', environment: {} });
  const targets = Array.from({ length: 50 }, (_, index) => sshd.target({}, `h${index}`));
  const results = await Promise.all(
    targets.map(async (target) => {
      const connection = await transport.connect(target, { phase: 'observe' });
      const { stdout } = await run(connection, ['echo', target.name]);
      await connection.close();
      return stdout.trim();
    }),
  );
  expect(results).toEqual(targets.map((target) => target.name));
  await transport.close();
  // Or the test has shown nothing.
  expect(sshd.log()).toMatch(/drop connection|beginning MaxStartups throttling/);
});

test('the same by the system’s ssh', async () => {
  const transport = opensshTransport({ sshConfig: 'none' });
  const targets = Array.from({ length: 15 }, (_, index) => sshd.target({}, `h${index}`));
  const connections = await Promise.all(targets.map((target) => transport.connect(target, { phase: 'observe' })));
  expect(connections).toHaveLength(15);
  await transport.close();
});

test('the wait grows, is never the same for all, and stays within bounds', () => {
  for (let n = 1; n < 40; n++) {
    const low = backoff(n, 0);
    const high = backoff(n, 1);
    expect(low).toBeGreaterThan(0);
    expect(high).toBeGreaterThan(low);
    expect(high).toBeLessThanOrEqual(4000);
    expect(backoff(n + 1, 0.5)).toBeGreaterThanOrEqual(backoff(n, 0.5));
  }
});
