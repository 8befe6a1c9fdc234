import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createTransport } from '../../src/transport/index.ts';
import { type Answer, ask, type Question } from '../../src/verify/probe.ts';

let server: Server | undefined;
afterEach(() => void server?.close());

/** Asks a web server on loopback from this machine. */
async function asked(
  count: number,
  answer: (request: number) => string | null,
  how: Question['how'] = 'http',
): Promise<Answer[]> {
  let requests = 0;
  const made = createServer((_request, response) => {
    requests += 1;
    const body = answer(requests);
    if (body === null) response.destroy();
    else response.end(body);
  });
  server = made;
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', () => resolve()));
  const { port } = made.address() as AddressInfo;
  const transport = await createTransport('local');
  const connection = await transport.connect({ name: 'here', ssh: { address: '127.0.0.1' } }, { phase: 'verify' });
  try {
    return await ask(connection, { address: '127.0.0.1', port, count, timeout: 5, how });
  } finally {
    await connection.close();
    await transport.close();
  }
}

describe('ask', () => {
  it('gives each answer as it came', async () => {
    const answers = await asked(3, (n) => `page ${n}\nwith two lines\n`);
    expect(answers).toEqual([1, 2, 3].map((n) => ({ ok: true, text: `page ${n}\nwith two lines` })));
  });

  it('tells failures with the words of the asking tool', async () => {
    const answers = await asked(2, (n) => (n === 1 ? null : 'x'));
    expect(answers.map((answer) => answer.ok)).toEqual([false, true]);
    expect(answers[0]?.text).not.toBe('');
  });

  it('connects where a page is too much to ask for', async () => {
    expect(await asked(2, () => null, 'connect')).toEqual([
      { ok: true, text: '' },
      { ok: true, text: '' },
    ]);
  });

  it('tells when nobody listens', async () => {
    const transport = await createTransport('local');
    const connection = await transport.connect({ name: 'here', ssh: { address: '127.0.0.1' } }, { phase: 'verify' });
    const question = { address: '127.0.0.1', port: 1, count: 1, timeout: 5, how: 'connect' } as const;
    const [answer] = await ask(connection, question);
    expect(answer).toMatchObject({ ok: false, text: expect.stringContaining('refused') });
    await connection.close();
    await transport.close();
  });

  it('stops asking after five failures', async () => {
    expect(await asked(40, (n) => (n % 2 === 0 ? 'x' : null))).toHaveLength(9);
  });
});
