/** A way to hosts that breaks as told. Behind it run real host programs; before it stands lvsctl's own session code. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LvsctlError } from '../../src/errors/index.ts';
import { connectionOf } from '../../src/transport/connection.ts';
import { lostFailure, sshFailure, type Whom } from '../../src/transport/failures.ts';
import { secretsOf } from '../../src/transport/secrets.ts';
import type { Raw } from '../../src/transport/session.ts';
import type { Connection, Exit, Target, Transport } from '../../src/transport/types.ts';

/**
 * What happens to one session of a host, when so many bytes of its answer have passed (or, for `deaf`, of its input):
 * - `reset`: the whole connection is lost, and the host hears of it at once;
 * - `half-open`: nothing passes any more either way; here keepalives find it out, the host hears of it much later;
 * - `end`: this session alone ends, without an exit status;
 * - `hang`: this session alone says nothing more;
 * - `kill`: the host program is killed;
 * - `delay`: what comes then comes late;
 * - `twice`: what comes then comes twice;
 * - `deaf`: the rest of the input gets lost, and then the connection.
 */
export interface Fault {
  what: 'reset' | 'half-open' | 'end' | 'hang' | 'kill' | 'delay' | 'twice' | 'deaf';
  host: string;
  /** Which of the host's sessions, from 0, in the order in which they begin. */
  session: number;
  /** Bytes that pass before. */
  at: number;
  /** Milliseconds: of the delay; for how long no connection to the host can be made after one was lost. */
  ms: number;
}

/** Milliseconds until keepalives find out that nobody is there. */
const KEEPALIVE = 300;
/** Milliseconds until a host finds out the same. */
const HOST_KEEPALIVE = 1500;

export interface FaultyOptions {
  /** What a session on a host runs with. */
  env: (host: string) => NodeJS.ProcessEnv;
  faults: readonly Fault[];
  /** Seconds that a session may take at most, whatever is asked for: a test waits for no long limit. */
  patience: number;
}

export interface FaultyWay extends Transport {
  /** The hosts' programs, all that were started. */
  programs: ChildProcessWithoutNullStreams[];
}

interface Link {
  lost: boolean;
  /** Milliseconds until the host hears that it was lost. */
  linger: number;
  breakers: Set<() => void>;
}

/** A transport with these faults. */
export function faultyWay({ env, faults, patience }: FaultyOptions): FaultyWay {
  /** Sessions that began on each host. */
  const begun = new Map<string, number>();
  const programs: ChildProcessWithoutNullStreams[] = [];
  /** When each host can be reached again. */
  const downUntil = new Map<string, number>();

  const start = async (command: string, whom: Whom, link: Link): Promise<Raw> => {
    if (link.lost) throw lostFailure(whom, 'before the program was started');
    const session = begun.get(whom.host) ?? 0;
    begun.set(whom.host, session + 1);
    const child = spawn('/bin/sh', ['-c', command], { stdio: 'pipe', detached: true, env: env(whom.host) });
    programs.push(child);
    child.stdin.on('error', () => undefined);
    const due = faults.filter((fault) => fault.host === whom.host && fault.session === session);
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    stdout.on('error', () => undefined);
    let cutBy: LvsctlError | undefined;
    let silent = false;
    let rejectEnd: (error: Error) => void = () => undefined;
    const killAll = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    /** Here it is over; there, the input ends. */
    const cut = (error: LvsctlError, there: number) => {
      if (cutBy !== undefined) return;
      cutBy = error;
      silent = true;
      stdout.end();
      stderr.end();
      rejectEnd(error);
      setTimeout(() => child.stdin.destroy(), there);
    };
    const breaker = () => cut(lostFailure(whom, 'while the program ran'), link.linger);
    link.breakers.add(breaker);
    const lose = (linger: number) => {
      link.lost = true;
      link.linger = linger;
      for (const one of link.breakers) one();
    };
    let deaf = false;

    const strike = async (fault: Fault): Promise<void> => {
      switch (fault.what) {
        case 'reset':
          downUntil.set(whom.host, Date.now() + fault.ms);
          return lose(0);
        case 'deaf':
        case 'half-open':
          silent = true;
          deaf = true;
          downUntil.set(whom.host, Date.now() + KEEPALIVE + fault.ms);
          await sleep(KEEPALIVE);
          return lose(HOST_KEEPALIVE);
        case 'end':
          return cut(
            sshFailure(
              whom,
              'SSH-PROTOCOL',
              'the server closed the session without saying how it ended',
              'Look there.',
            ),
            0,
          );
        case 'hang':
          silent = true;
          return;
        case 'kill':
          return killAll();
        case 'delay':
          await sleep(fault.ms);
          return;
        case 'twice':
          return;
      }
    };

    const out = async () => {
      let passed = 0;
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        let rest = chunk;
        const here = due.filter(
          (fault) => fault.what !== 'deaf' && fault.at >= passed && fault.at < passed + chunk.length,
        );
        for (const fault of here.toSorted((a, b) => a.at - b.at)) {
          const first = fault.at - passed - (chunk.length - rest.length);
          if (!silent) stdout.write(rest.subarray(0, first));
          rest = rest.subarray(first);
          await strike(fault);
          if (fault.what === 'twice' && !silent) stdout.write(rest);
        }
        passed += chunk.length;
        if (!silent) stdout.write(rest);
      }
    };
    const outDone = out().catch(() => undefined);
    child.stderr.on('data', (chunk: Buffer) => !silent && stderr.write(chunk));

    const ended = new Promise<Exit>((resolve, reject) => {
      rejectEnd = reject;
      child.once('close', async (code, signal) => {
        await outDone;
        if (silent) return;
        link.breakers.delete(breaker);
        stdout.end();
        stderr.end();
        resolve({ code, signal });
      });
    });
    ended.catch(() => undefined);
    let taken = 0;
    const stdin = new Writable({
      write(chunk: Buffer, _encoding, done) {
        const fault = due.find((one) => one.what === 'deaf' && one.at >= taken && one.at < taken + chunk.length);
        const passes = deaf ? 0 : fault === undefined ? chunk.length : fault.at - taken;
        taken += chunk.length;
        if (passes > 0) child.stdin.write(chunk.subarray(0, passes));
        if (fault !== undefined) void strike(fault);
        done();
      },
      final(done) {
        if (!deaf) child.stdin.end();
        done();
      },
    });
    stdin.on('error', () => undefined);
    return {
      stdin,
      stdout,
      stderr,
      ended,
      cut: async () => cutBy,
      kill(reason) {
        silent = true;
        child.stdin.destroy();
        try {
          if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
        } catch {
          // It has ended by itself.
        }
        stdout.destroy(reason);
      },
    };
  };

  return {
    programs,
    async connect(target: Target, { phase }): Promise<Connection> {
      const whom = { host: target.name, phase };
      if (Date.now() < (downUntil.get(target.name) ?? 0)) {
        throw sshFailure(whom, 'SSH-REFUSED', 'the host refuses the connection', 'Wait.');
      }
      const link: Link = { lost: false, linger: 0, breakers: new Set() };
      const connection = connectionOf(
        target,
        'root',
        { exec: (command, about) => start(command, about, link), close: () => undefined },
        secretsOf({}, undefined),
      );
      return {
        ...connection,
        open: (argv, options) =>
          connection.open(argv, {
            ...options,
            ...(options.timeout === undefined ? {} : { timeout: Math.min(options.timeout, patience) }),
          }),
        // What still runs hears that nobody is there any more.
        close: async () => {
          for (const one of link.breakers) one();
        },
      };
    },
    close: async () => undefined,
  };
}
