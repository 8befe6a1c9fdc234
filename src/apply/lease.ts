import { hostname, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { execute } from '../host/client.ts';
import { type Talk, talk } from '../host/session.ts';
import type { Connection } from '../transport/types.ts';
import { lost } from './problems.ts';

/** Seconds after which a host is free again, when nobody renews. */
const LEASE = 30;
/** Seconds that a lease lasts beyond the deadline of a transaction: the host has taken its changes back by then. */
const AFTER = 15;
/** Seconds that a host may take to say whether it is free, and to say that it is released. */
const ANSWER = 30;
const GOODBYE = 10;
/** Seconds to hear whether a host is still this run's. */
const ASKED = 5;
/** Seconds between two renewals. */
const BEAT = 2;

/** Who holds a host, as its lease tells. */
export interface Holder {
  id: string;
  /** `user@machine`. */
  owner: string;
  reason: string;
  /** ISO 8601, UTC, by the owner's clock. */
  since: string;
  /** Seconds until the lease ends unless it is renewed. */
  left: number;
}

/** A host that this run holds. */
export interface Lease {
  /** Seconds that an open transaction may stay unconfirmed from each beat on; 0: its deadline stays where it is. */
  confirm: number;
  /** When the host answered a beat last: `performance.now()`. */
  kept: number;
  /** Asks the host now whether it is this run's: done when it has answered, or doesn't. */
  ask(): Promise<void>;
  release(): Promise<void>;
}

export interface LeaseOptions {
  id: string;
  /** What for, in words. */
  reason: string;
  signal?: AbortSignal | undefined;
  /** Told once, when the host is not this run's any more: somebody broke the lease, or another run has the host. */
  onLost?: (host: string, problem: Problem) => void;
}

/**
 * Takes a host for this run, or says who has it. It is renewed until it is released, and ends by itself when this
 * process, or its connection, is gone.
 */
export async function takeLease(connection: Connection, { id, reason, onLost }: LeaseOptions): Promise<Lease | Holder> {
  const told = [owner(), reason, new Date().toISOString()].map(oneLine);
  const first = `lease ${id} ${LEASE} ${told.length}\n${told.map((line) => `${line}\n`).join('')}`;
  const host = await talk(connection, 'hold', { phase: 'lease', first });
  const next = () =>
    host.next(ANSWER).catch((error: unknown) => {
      host.kill();
      throw error;
    });
  const taking = await next();
  const answer = taking?.words[0] === 'taking' ? await next() : undefined;
  if (answer?.words[0] !== 'lease') {
    host.kill();
    throw host.broken('the host program ended without an answer about its lease');
  }
  if (answer.words[1] === 'failed') {
    host.kill();
    throw failure(notNoted(connection.host, new TextDecoder().decode(taking?.content)));
  }
  if (answer.words[1] === 'held') {
    host.kill();
    return holderOf(new TextDecoder().decode(answer.content));
  }
  return keep(host, (mark) => onLost?.(connection.host, lost(connection.host, mark)));
}

/** Who runs this: `user@machine`. */
export function owner(): string {
  return oneLine(`${userInfo().username}@${hostname()}`);
}

function keep(host: Talk, onLost: (mark: string) => void): Lease {
  let sent = 0;
  let answers = 0;
  const asking = new Set<{ beat: number; resolve: () => void }>();
  const beat = () => {
    sent += 1;
    host.send(`beat ${Math.max(LEASE, lease.confirm + AFTER)} ${lease.confirm}\n`);
  };
  const timer = setInterval(beat, BEAT * 1000);
  timer.unref();
  const lease: Lease = {
    confirm: 0,
    kept: performance.now(),
    ask: async () => {
      beat();
      const answered = new Promise<void>((resolve) => asking.add({ beat: sent, resolve }));
      const stop = new AbortController();
      const late = sleep(ASKED * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
      await Promise.race([answered, heard, late]);
      stop.abort();
    },
    release: async () => {
      clearInterval(timer);
      host.send('release\n');
      host.end();
      const late = setTimeout(() => host.kill(), GOODBYE * 1000);
      await heard;
      clearTimeout(late);
    },
  };
  // A connection that is gone, or a host that says nothing, keeps nothing: the lease ends by itself.
  const heard = (async () => {
    for (let told = false; ; ) {
      const frame = await host.next().catch(() => undefined);
      if (frame === undefined) return;
      if (frame.words[0] !== 'lease') continue;
      if (frame.words[1] === 'kept') lease.kept = performance.now();
      if (frame.words[1] === 'lost' && !told) {
        told = true;
        onLost(new TextDecoder().decode(frame.content));
      }
      answers += 1;
      for (const one of asking) if (one.beat <= answers) one.resolve();
    }
  })();
  return lease;
}

function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f]+/gu, ' ').trim() || '-';
}

function holderOf(text: string): Holder {
  const [now = '', id = '', end = '', owner = '', reason = '', since = ''] = text.split('\n');
  return { id, owner, reason, since, left: Number(end) - Number(now.replace(/^now /, '')) };
}

/** What a host's lease tells, without taking it. */
export interface Held {
  holder?: Holder;
  /** The run whose changes are open there. */
  open?: string;
}

/** Looks whose a host is. */
export async function lookAtLease(connection: Connection): Promise<Held> {
  const [result] = await execute(connection, [{ name: 'lease_show', args: [] }], { phase: 'unlock', timeout: 60 });
  const [now = '', open = '', ...lease] = (result?.output ?? '').split('\n');
  const holder = holderOf([now, ...lease].join('\n'));
  const run = open.replace(/^open /, '');
  return {
    ...(lease.length > 1 && holder.left > 0 ? { holder } : {}),
    ...(/^[0-9a-f]+$/.test(run) ? { open: run } : {}),
  };
}

/**
 * Breaks a lease: its owner is gone. Where the owner lives, it doesn't renew it, nor the deadline of its changes.
 * @throws LEASE-CHANGED where another run has taken the host meanwhile
 */
export async function breakLease(connection: Connection, id: string): Promise<void> {
  const op = { name: 'lease_break', args: [id, owner()] };
  const [result] = await execute(connection, [op], { phase: 'unlock', timeout: 60 });
  if (result?.status === 'done') return;
  throw failure({
    code: 'LEASE-CHANGED',
    place: { kind: 'host', host: connection.host, phase: 'unlock' },
    what: result?.output.trim() || 'the lease could not be broken',
    next: 'Nothing was done. Look again whose it is.',
  });
}

function notNoted(host: string, said: string): Problem {
  return {
    code: 'LEASE-FAILED',
    place: { kind: 'host', host, phase: 'lease' },
    what: `the host can’t note in /run/lvsctl who is at work there; is it full, or read-only? ${oneLine(said)}`,
    next: 'Nothing was changed anywhere. Mend what is wrong with /run there, then run the same command again.',
  };
}

/** The error for a host that another run holds. */
export function leaseHeld(host: string, { owner, reason, since, left }: Holder): Problem {
  return {
    code: 'LEASE-HELD',
    place: { kind: 'host', host, phase: 'lease' },
    what: `${owner} is at work here since ${since}: ${reason}; its lease ends in ${left} s unless it is renewed`,
    next: `Nothing was changed anywhere. Wait for it (--lock-wait 5m); if it is gone for good: lvsctl unlock ${host}`,
  };
}

/**
 * Takes all hosts, or none: what was taken is given up where one is held by another run.
 * @param wait seconds to try again
 * @throws LEASE-HELD
 */
export async function takeAll(
  connections: ReadonlyMap<string, Connection>,
  options: LeaseOptions & { wait: number },
): Promise<Map<string, Lease>> {
  const end = performance.now() + options.wait * 1000;
  for (;;) {
    const leases = new Map<string, Lease>();
    const problems: Problem[] = [];
    await Promise.all(
      [...connections].map(async ([host, connection]) => {
        try {
          const taken = await takeLease(connection, options);
          if ('release' in taken) leases.set(host, taken);
          else problems.push(leaseHeld(host, taken));
        } catch (error) {
          if (!(error instanceof LvsctlError)) throw error;
          problems.push(...error.problems);
        }
      }),
    );
    if (problems.length === 0) return leases;
    await Promise.all([...leases.values()].map((lease) => lease.release()));
    const waiting = problems.every(({ code }) => code === 'LEASE-HELD') && performance.now() < end;
    if (!waiting || options.signal?.aborted) throw new LvsctlError(problems);
    // Two runs that wait for each other must not come back at the same time.
    await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1500));
  }
}
