import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyPlan } from '../../src/apply/apply.ts';
import { reachAnew, secondsOf, spansOf } from '../../src/apply/transaction.ts';
import { failure } from '../../src/errors/index.ts';
import { makeVeil } from '../../src/host/veil.ts';
import type { Plan, Step } from '../../src/plan/plan.ts';
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

const REFUSED = {
  code: 'SSH-AUTH',
  place: { kind: 'host', host: 'a', phase: 'confirm' },
  what: 'refused',
  next: 'look',
} as const;

/** A way to the host whose new logins end so while its changes are open, one after the other; the last one waits. */
function whileOpen(...logins: (() => Connection)[]): Transport {
  const changed = () => existsSync(join(sandbox.folder, 'a/etc/one'));
  const connect = async (): Promise<Connection> => {
    if (!changed()) return sandbox.connect('a');
    const login = logins.shift();
    if (login !== undefined) return login();
    while (changed()) await sleep(50);
    return sandbox.connect('a');
  };
  return { connect, close: async () => undefined };
}

test.each<[string, string, () => Connection]>([
  [
    'no new login works',
    'SSH-AUTH',
    () => {
      throw failure(REFUSED);
    },
  ],
  [
    'a new login starts nothing',
    'HOST-LOST',
    () => {
      const connection = sandbox.connect('a');
      return { ...connection, open: (_, how) => connection.open(['sh', '-c', 'exit 1'], how) };
    },
  ],
])('where %s until the host has taken its changes back, that is the reason', async (_, code, login) => {
  const made = await sandbox.plan({ a: [file('/etc/one', 'new\n')] });
  const result = await applyPlan(made, { ...LIMITS, confirmTimeout: 5, transport: whileOpen(login) });
  expect(result.hosts).toMatchObject([{ host: 'a', status: 'reverted' }]);
  const problems = result.hosts[0]?.problems ?? [];
  expect(problems.map((one) => one.code)).toEqual([code, 'APPLY-REVERTED']);
  expect(problems[1]?.what).toContain(code);
});

test('what a new login failed with is told, though the last one did not come to an end', async () => {
  const logins = [() => Promise.reject(failure(REFUSED)), () => new Promise<Connection>(() => undefined)];
  const connect = () => logins.shift()?.() ?? new Promise<Connection>(() => undefined);
  await expect(reachAnew('a', { connect, patience: 1.5 })).rejects.toThrow(/SSH-AUTH/u);
});

/** `d` drains `w`, whose file changes. */
async function drained(): Promise<Plan> {
  const made = await sandbox.plan({ w: [file('/etc/one', 'new\n')], d: [file('/etc/weight', '0\n')] });
  const drains = { host: 'w', text: '' };
  const [before, after] = ['d/drain/w/web', 'd/undrain/w/web'];
  const steps = made.steps.flatMap((step): Step[] => {
    if (step.id === 'w/web') return [{ ...step, needs: [...step.needs, before] }];
    if (step.id !== 'd/web') return [step];
    return [
      { ...step, id: before, stage: 'drain', drains },
      { ...step, id: after, stage: 'undrain', drains, needs: ['w/web'], changes: [], ops: [] },
    ];
  });
  return { ...made, steps };
}

test('a run that is stopped takes a real server back before the director that drained it', async () => {
  sandbox.end();
  sandbox = makeSandbox(['d', 'w']);
  const stop = new AbortController();
  const told: string[] = [];
  const result = await applyPlan(await drained(), {
    ...LIMITS,
    transport: sandbox.transport,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.type === 'op-done' && event.step === 'w/web') stop.abort();
      if (event.type === 'reverting' || event.type === 'settled') told.push(`${event.type} ${event.host}`);
    },
  });
  expect(result.hosts.map(({ status }) => status)).toEqual(['reverted', 'reverted']);
  expect(told).toEqual(['reverting w', 'settled w', 'reverting d', 'settled d']);
});

test('where nobody is left, a director waits longer than the real server that it drained', async () => {
  sandbox.end();
  sandbox = makeSandbox(['d', 'w']);
  const spans = spansOf(await drained());
  expect([secondsOf(spans, 'w', 60), secondsOf(spans, 'd', 60)]).toEqual([60, 70]);
});
