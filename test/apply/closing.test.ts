import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyPlan } from '../../src/apply/apply.ts';
import { makeVeil } from '../../src/host/veil.ts';
import type { Connection, Transport } from '../../src/transport/types.ts';
import { file, makeSandbox, type Sandbox } from './sandbox.ts';

const LIMITS = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 60 };

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = makeSandbox(['a']);
});
afterEach(() => sandbox.end());

test('a secret that an operation prints while a host takes its changes back is told to nobody', async () => {
  const made = await sandbox.plan({ a: [file('/etc/one', 'new\n')] });
  // The host says the name of an operation that it doesn't know.
  const hosts = made.hosts.map(({ revert, ...host }) => ({
    ...host,
    revert: { paths: revert?.paths ?? [], ops: [{ name: 's3cret-1', args: [] }, ...(revert?.ops ?? [])] },
  }));
  const stop = new AbortController();
  const events: unknown[] = [];
  const result = await applyPlan(
    { ...made, hosts },
    {
      ...LIMITS,
      transport: sandbox.transport,
      veil: makeVeil(new Map([['vrrp.edge.auth_pass', 's3cret-1']]), () => Buffer.from('k')),
      signal: stop.signal,
      onEvent: (event) => {
        events.push(event);
        if (event.type === 'op-done' && event.op === 'file_put') stop.abort();
      },
    },
  );
  const told = JSON.stringify([result.hosts, events]);
  expect(result.hosts).toMatchObject([{ status: 'reverted', problems: [{ code: 'APPLY-REVERTED' }] }]);
  expect(told).toContain('this host program has no operation <secret vrrp.edge.auth_pass>');
  expect(told).not.toContain('s3cret-1');
});

test('a host that lets in but starts nothing until it has taken its changes back: waited for, and told', async () => {
  const made = await sandbox.plan({ a: [file('/etc/one', 'new\n')] });
  const connect = (name: string): Connection => {
    const connection = sandbox.connect(name);
    // The lease is held by a session that was there before.
    const starts = (argv: readonly string[]) =>
      sandbox.read('a', '/etc/one') === null ? argv : ['sh', '-c', 'exit 1'];
    return { ...connection, open: (argv, how) => connection.open(starts(argv), how) };
  };
  const transport: Transport = { connect: async ({ name }) => connect(name), close: async () => undefined };
  const result = await applyPlan(made, { ...LIMITS, confirmTimeout: 5, transport });
  expect(result.hosts).toMatchObject([{ host: 'a', status: 'reverted' }]);
  expect(result.hosts[0]?.problems.map(({ code }) => code)).toEqual(['HOST-LOST', 'APPLY-REVERTED']);
  expect(sandbox.read('a', '/etc/one')).toBeNull();
});
