/** The default transport: node-ssh (over ssh2). The only importer of node-ssh; what it leaves open is closed here. */

import type { Duplex } from 'node:stream';
import { type Config, NodeSSH } from 'node-ssh';
import { LvsctlError } from '../errors/index.ts';
import { type Link, linkOf } from './channels.ts';
import { connectionOf } from './connection.ts';
import { dialCommand, dialTcp, unlessAborted } from './dial.ts';
import {
  dialFailure,
  errorCode,
  interruptedFailure,
  printable,
  sshFailure,
  timeoutFailure,
  type Whom,
} from './failures.ts';
import { hostKeyFiles } from './host-keys.ts';
import { parseJumps } from './jumps.ts';
import { keyRing } from './keys.ts';
import { login, type Shared, type Start } from './login.ts';
import type { TransportOptions } from './options.ts';
import { retryStart, type Try } from './retry.ts';
import { secretsOf } from './secrets.ts';
import { type HostConfig, sshConfigs } from './ssh-config.ts';
import type { Target, Transport } from './types.ts';

/** More hops than anybody has; a host that is its own jump host is found before. */
const MAX_HOPS = 8;
/** How much longer than for a login a server may take to start a program: modules of PAM may wait for others. */
const START_FACTOR = 6;
/** Milliseconds for which a jump host that failed isn't tried again for other hosts behind it. */
const JUMP_FAILURE_KEPT = 15_000;

/** A host on a route. */
interface Stop {
  target: Target;
  config: HostConfig;
  /** `USER@HOST:PORT`. */
  id: string;
}

/** How one host is reached. */
interface Way {
  target: Target;
  config: HostConfig;
  /** The connection to the jump host before it. */
  before: (() => Promise<Link>) | undefined;
  whom: Whom;
  /** `HOST port PORT`, for messages. */
  where: string;
  /** Seconds. */
  timeout: number;
}

/**
 * Connections by node-ssh. Host keys are always verified; see `options.ts` for what can be told.
 * `connect` throws LvsctlErrors with the codes `SSH-…`.
 */
export function nodeSshTransport(options: TransportOptions = {}): Transport {
  const environment = options.environment ?? process.env;
  const secrets = secretsOf(environment, options.prompt);
  const shared: Shared = {
    hostKeys: hostKeyFiles(),
    ring: keyRing(secrets),
    secrets,
    acceptNewHostKeys: options.acceptNewHostKeys ?? false,
  };
  const configs = sshConfigs(options);
  const jumps = new Map<string, Promise<Link>>();

  /**
   * All hosts on the way to a target, itself last, settled before anything is dialled: jump hosts that go round in a
   * circle would wait for each other otherwise. `via`: the hops before it where somebody gave them.
   */
  const routeTo = async (
    target: Target,
    via: readonly Target[] | undefined,
    after: readonly string[],
    whom: Whom,
  ): Promise<Stop[]> => {
    const config = await configs.resolve(target, whom);
    const id = `${config.user}@${config.hostname}:${config.port}`;
    if (after.includes(id) || after.length > MAX_HOPS)
      throw jumpFailure(whom, `the jump hosts go round in a circle at ${id}`);
    const hops = via ?? hopsOf(config, whom);
    const before = hops.at(-1);
    if (before === undefined) return [{ target, config, id }];
    const rest = hops.length > 1 ? hops.slice(0, -1) : undefined;
    return [...(await routeTo(before, rest, [...after, id], whom)), { target, config, id }];
  };

  /** A connection to the last of a route. */
  const reach = (route: readonly Stop[], whom: Whom, signal: AbortSignal | undefined): Promise<Link> => {
    const last = route.at(-1);
    if (!last) throw jumpFailure(whom, 'the way to the host is empty');
    const { target, config } = last;
    const before = route.length > 1 ? () => jump(route.slice(0, -1), whom, signal) : undefined;
    const where = `${config.hostname} port ${config.port}`;
    const timeout = options.connectTimeout ?? config.connectTimeout ?? 10;
    return establish({ target, config, before, whom, where, timeout }, signal);
  };

  /** A jump host's connection, shared by all that go through it. */
  const jump = async (route: readonly Stop[], whom: Whom, signal: AbortSignal | undefined): Promise<Link> => {
    const id = route.map((stop) => stop.id).join(' ');
    for (;;) {
      const shared = jumps.get(id) ?? dialJump(id, () => reach(route, whom, signal));
      const link = await shared.catch((error: unknown) => {
        throw through(route.at(-1)?.target.name ?? id, whom, error);
      });
      if (link.alive()) return link;
      if (jumps.get(id) === shared) jumps.delete(id);
    }
  };

  const dialJump = (id: string, dial: () => Promise<Link>): Promise<Link> => {
    const dialed = dial();
    jumps.set(id, dialed);
    const forget = () => {
      if (jumps.get(id) === dialed) jumps.delete(id);
    };
    dialed.catch(() => setTimeout(forget, JUMP_FAILURE_KEPT).unref());
    return dialed;
  };

  const hopsOf = (config: HostConfig, whom: Whom): Target[] => {
    if (config.proxyJump === undefined) return [];
    const hops = parseJumps(config.proxyJump);
    if (!hops) throw jumpFailure(whom, `${printable(config.proxyJump)} is no jump host`);
    return hops.map((hop) => options.inventoryHost?.(hop.name) ?? hop);
  };

  const establish = (way: Way, signal: AbortSignal | undefined): Promise<Link> => {
    const { config, whom, where, timeout } = way;
    const keepalive = options.keepalive ?? config.keepalive ?? { interval: 15, count: 3 };
    let types: readonly string[] = [];
    const attempt = async (): Promise<Try<Link>> => {
      const stop = new AbortController();
      const aborted = () => stop.abort(interruptedFailure(whom));
      if (signal?.aborted) throw interruptedFailure(whom);
      signal?.addEventListener('abort', aborted, { once: true });
      try {
        // Read before the connection is made: a stream must not wait for anything before somebody listens to it.
        const known = await shared.hostKeys.load(config.knownHosts);
        // Twice at most: the second time the server is asked for a key of a type that is known.
        for (;;) {
          const dialed = await open(way, stop);
          if (dialed.kind === 'dropped') return dialed;
          const stream = dialed.value;
          const job = {
            start,
            stream,
            config,
            known,
            types,
            shared,
            whom,
            where,
            timeout,
            keepalive,
            signal: stop.signal,
          };
          const outcome = await login(job);
          if (outcome.kind === 'ready')
            return { kind: 'made', value: linkOf(outcome.client, stream, START_FACTOR * timeout) };
          if (outcome.kind === 'dropped') return outcome;
          types = outcome.types;
        }
      } finally {
        signal?.removeEventListener('abort', aborted);
      }
    };
    return retryStart(attempt, options.retry ?? { attempts: 12, seconds: 60 }, whom, where, signal);
  };

  /** The stream to a host, within the time limit. */
  const open = async (way: Way, stop: AbortController): Promise<Try<Duplex>> => {
    const { whom, where } = way;
    const timer = setTimeout(() => stop.abort(timeoutFailure(whom, where, 'the TCP connection')), way.timeout * 1000);
    try {
      return { kind: 'made', value: await dial(way, stop.signal) };
    } catch (error) {
      if (stop.signal.aborted) throw stop.signal.reason;
      if (error instanceof LvsctlError) throw error;
      const failure = dialFailure(whom, where, error);
      if (failure) throw failure;
      return { kind: 'dropped', why: errorCode(error) ?? 'reset' };
    } finally {
      clearTimeout(timer);
    }
  };

  /** A jump host's stream, the lab's, a ProxyCommand's, or TCP. */
  const dial = async ({ target, config, before, whom, where }: Way, signal: AbortSignal): Promise<Duplex> => {
    if (before) {
      const link = await before();
      return unlessAborted(link.forward(config.hostname, config.port), signal).catch((error: unknown) => {
        if (signal.aborted || !(error instanceof Error)) throw error;
        throw jumpFailure(whom, `the jump host can't reach ${where}: ${printable(error.message)}`);
      });
    }
    if (options.socket) return unlessAborted(options.socket(target), signal);
    if (config.proxyCommand !== undefined) return dialCommand(config.proxyCommand);
    return dialTcp(config.hostname, config.port, config.family, signal);
  };

  return {
    async connect(target, { phase, signal }) {
      const whom = { host: target.name, phase };
      const route = await routeTo(target, undefined, [], whom);
      const link = await reach(route, whom, signal);
      return connectionOf(target, route.at(-1)?.config.user ?? '', link, secrets);
    },
    async close() {
      const open = [...jumps.values()];
      jumps.clear();
      for (const jumped of open) await jumped.then((link) => link.close()).catch(() => {});
    },
  };
}

/** node-ssh starts ssh2 and keeps its client; its own promise is not used, because an agent's refusal would reject it. */
const start: Start = (config: Config) => {
  const ssh = new NodeSSH();
  ssh.connect(config).catch(() => {});
  const client = ssh.connection;
  if (!client) throw new Error('node-ssh has made no client');
  client.on('error', () => {});
  return client;
};

/** A jump host's failure, told for the host behind it. */
function through(jump: string, whom: Whom, error: unknown): unknown {
  if (!(error instanceof LvsctlError)) return error;
  const problems = error.problems.map((problem) => ({
    ...problem,
    place: { kind: 'host' as const, ...whom },
    what: problem.what.startsWith('jump host ') ? problem.what : `jump host ${jump}: ${problem.what}`,
  }));
  return new LvsctlError(problems, { cause: error, exitCode: error.exitCode });
}

function jumpFailure(whom: Whom, what: string) {
  return sshFailure(whom, 'SSH-JUMP', what, 'Check ssh.jump in the inventory and ProxyJump in your ssh_config.');
}
