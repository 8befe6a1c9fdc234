import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { execute } from '../host/client.ts';
import { isDrain, isTaken, type Plan, type Step } from '../plan/plan.ts';
import type { Op } from '../resources/kind.ts';
import type { Connection } from '../transport/types.ts';

/** What became of a host's transaction, as the host tells. */
export type Settled =
  | { state: 'confirmed' }
  /** It never began: nothing was changed. */
  | { state: 'unopened' }
  /** Everything is as before; `log` is what the host noted while it took the changes back. */
  | { state: 'reverted'; reason: string; log: string }
  /** The host was not reached again. */
  | { state: 'unknown'; problems: readonly Problem[] };

/** The steps that open and close each host's transaction. */
export interface Spans {
  first: ReadonlyMap<string, string>;
  last: ReadonlyMap<string, string>;
  /** Directors that drain real servers meanwhile. */
  drains: ReadonlySet<string>;
}

/** Which step of each host opens its transaction, and after which one it is confirmed. Pure. */
export function spansOf(plan: Plan): Spans {
  const taken = plan.steps.filter(isTaken);
  return {
    first: new Map(taken.toReversed().map((step) => [step.host, step.id])),
    last: new Map(taken.map((step) => [step.host, step.id])),
    drains: new Set(taken.filter(isDrain).map(({ host }) => host)),
  };
}

/** Seconds by which a director waits longer than the real servers that it drained: where nobody is left, they go back first. */
const LATER = 10;

/** Seconds after which a host takes its changes back. Pure. */
export function secondsOf({ drains }: Spans, host: string, seconds: number): number {
  return drains.has(host) ? seconds + LATER : seconds;
}

/** What opens a host's transaction, before the operations of its first step. */
export function openOp(plan: Plan, host: string, id: string, seconds: number): Op {
  const revert = plan.hosts.find(({ name }) => name === host)?.revert ?? { ops: [], paths: [] };
  return {
    name: 'tx_open',
    args: [id, String(seconds), ...revert.paths],
    input: `${INPUT_END}\n${revert.ops.map(wire).join('')}`,
  };
}

/** What each step's operations begin with: none is done once this run doesn't hold the host any more. */
export function leaseOp(id: string): Op {
  return { name: 'lease_enter', args: [id] };
}

/** What a later step's operations begin with: none is done once the host takes its changes back. */
export function enterOp(id: string): Op {
  return { name: 'tx_enter', args: [id] };
}

/** Stands after the input of an operation that is kept on the host, as a session's nonce does in a session. */
const INPUT_END = 'end';

function wire({ name, args, input }: Op): string {
  const bytes = input === undefined ? 0 : Buffer.byteLength(input);
  const head = `op ${name} ${args.length} ${bytes}\n${args.map((arg) => `${arg}\n`).join('')}`;
  return input === undefined ? head : `${head}${input}${INPUT_END}\n`;
}

/** Whether a step may have changed the way by which the host is reached. */
export function mayLockOut(step: Step): boolean {
  return step.changes.some(({ kind }) => ['connection', 'firewall', 'tunnel', 'sysctl', 'arptables'].includes(kind));
}

export interface Reaching {
  /** Connects anew: never by a connection that was there before the change. */
  connect: () => Promise<Connection>;
  /** Seconds to try. */
  patience: number;
  /** Told of each attempt that failed. */
  onFailed?: (error: LvsctlError) => void;
}

/** A new connection, tried for again until the time is over; then the last error that says why. */
export async function reachAnew(host: string, { connect, patience, onFailed }: Reaching): Promise<Connection> {
  const end = performance.now() + patience * 1000;
  let why: LvsctlError | undefined;
  for (;;) {
    const late = Math.max(1000, end - performance.now());
    const connecting = connect();
    try {
      return await Promise.race([connecting, refusedAfter(late)]);
    } catch (error) {
      // One that comes after all is not needed any more.
      connecting.then(
        (connection) => connection.close(),
        () => undefined,
      );
      if (error instanceof LvsctlError) {
        why = error;
        onFailed?.(error);
      } else if (!(error instanceof TooLate)) throw error;
      if (performance.now() >= end) throw why ?? tooLate(host);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

class TooLate extends Error {}

function tooLate(host: string): LvsctlError {
  return failure({
    code: 'APPLY-NOT-REACHED',
    place: { kind: 'host', host, phase: 'confirm' },
    what: 'no new connection came about in time',
    next: 'The host takes its changes back by itself when nobody confirms them.',
  });
}

function refusedAfter(milliseconds: number): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new TooLate()), milliseconds).unref());
}

/** Seconds that a host waits for another process of ours that has the token (`tx_wait`). */
const HOST_WAITS = 300;

/**
 * Confirms, or hears what became of it: a second time over another connection, where the first answer was lost.
 * @param seconds to confirm in; a host that takes its changes back is waited for
 */
export async function confirmTransaction(connection: Connection, id: string, seconds = 60): Promise<Settled> {
  const settled = await settledBy(connection, { name: 'tx_confirm', args: [id] }, seconds);
  return settled.state === 'unknown' ? revertTransaction(connection, id, 'it was not confirmed', seconds) : settled;
}

/**
 * Takes a host's changes back now, or hears what became of them.
 * @param seconds that it had to confirm in
 */
export async function revertTransaction(
  connection: Connection,
  id: string,
  reason: string,
  seconds = 60,
): Promise<Settled> {
  const op = { name: 'tx_revert', args: [id, reason.replace(/\s+/gu, ' ')] };
  return settledBy(connection, op, HOST_WAITS + seconds);
}

/**
 * Ends what an earlier run left open on a host that this one holds.
 * @throws APPLY-UNSETTLED
 */
export async function settleLeft(connection: Connection): Promise<void> {
  const [result] = await execute(connection, [{ name: 'tx_settle', args: [] }], {
    phase: 'settle',
    timeout: HOST_WAITS + 100,
  });
  if (result?.status !== 'done') throw new LvsctlError([unsettled(connection.host, result?.output ?? '')]);
}

function unsettled(host: string, output: string): Problem {
  return {
    code: 'APPLY-UNSETTLED',
    place: { kind: 'host', host, phase: 'settle' },
    what: `its changes are neither confirmed nor taken back: ${output.trim() || 'it said nothing'}`,
    next: 'Run lvsctl apply again: it ends what is open first.',
  };
}

/** It takes its changes back, or can't: files that don't come back are told. */
function goingOn(host: string, why: string): Problem {
  if (why.trim() === '') return unsettled(host, 'it takes them back and has not come to the end');
  return {
    ...unsettled(host, ''),
    what: `its changes are not all taken back: ${why.trim()}`,
    next: 'Mend what it tells. The host tries again by itself every ten seconds, and the next lvsctl apply does first of all.',
  };
}

async function settledBy(connection: Connection, op: Op, timeout: number): Promise<Settled> {
  const [result] = await execute(connection, [op], { phase: 'settle', timeout });
  if (op.name === 'tx_confirm' && result?.status === 'done') return { state: 'confirmed' };
  const [word = '', reason = '', ...log] = (result?.output ?? '').split('\n');
  if (word === 'reverted') return { state: 'reverted', reason, log: log.join('\n').trim() };
  if (word === 'confirmed') return { state: 'confirmed' };
  if (word === 'closed') return { state: 'unopened' };
  if (word === 'reverting')
    return { state: 'unknown', problems: [goingOn(connection.host, [reason, ...log].join('\n'))] };
  return { state: 'unknown', problems: [unsettled(connection.host, result?.output ?? '')] };
}
