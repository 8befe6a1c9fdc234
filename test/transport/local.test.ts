import { beforeAll, describe, expect, test } from 'vitest';
import { localTransport } from '../../src/transport/local.ts';
import type { Connection } from '../../src/transport/types.ts';
import { run, sh } from './io.ts';
import { sessionCases } from './sessions.ts';

let connection: Connection;
beforeAll(async () => {
  connection = await localTransport().connect({ name: 'here', ssh: { address: 'localhost' } }, { phase: 'test' });
});

describe('sessions', () => {
  sessionCases(() => connection);

  test('a signal that ends the program is told as one', async () => {
    expect((await run(connection, sh('kill -KILL $$'))).exit).toEqual({ code: null, signal: 'SIGKILL' });
  });
});
