/** What happens between an open stream and a logged-in client: judging the server's key, the login, and what went wrong. */
import type { Duplex } from 'node:stream';
import type { Client, ConnectConfig } from 'ssh2';
import type { LvsctlError } from '../errors/index.ts';
import { type Login, loginFor } from './auth.ts';
import { type Deadline, deadline } from './deadline.ts';
import { lostFailure, printable, sshFailure, timeoutFailure, type Whom } from './failures.ts';
import { type Greeting, watchGreeting } from './greeting.ts';
import type { HostKeyFiles } from './host-keys.ts';
import type { KeyRing } from './keys.ts';
import type { KnownHosts } from './known-hosts.ts';
import type { Secrets } from './secrets.ts';
import type { HostConfig } from './ssh-config.ts';
import { algorithmsFor, type Judgement, judgeKey, knownTypes } from './verify-host.ts';

/** Key exchanges: curve25519 is the cheapest by far; no group-exchange, which blocks the event loop for more than a second. */
const KEX = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group14-sha256',
  'diffie-hellman-group16-sha512',
] as const;

/** Things of one run that logins share. */
export interface Shared {
  hostKeys: HostKeyFiles;
  ring: KeyRing;
  secrets: Secrets;
  acceptNewHostKeys: boolean;
}

/** How a login ended, other than by an error that trying again won't change. */
export type LoginOutcome =
  | { kind: 'ready'; client: Client }
  /** The server closed before the login began: MaxStartups, most likely. */
  | { kind: 'dropped'; why: string }
  /** The host is known by keys of other types than the one shown: come again and ask for these. */
  | { kind: 'ask-for'; types: string[] };

export type StartConfig = Required<
  Pick<
    ConnectConfig,
    | 'username'
    | 'sock'
    | 'readyTimeout'
    | 'keepaliveInterval'
    | 'keepaliveCountMax'
    | 'algorithms'
    | 'authHandler'
    | 'hostVerifier'
  >
>;

/** Starts ssh2 over a stream and gives back its client; the one thing node-ssh is needed for here. */
export type Start = (config: StartConfig) => Client;

export interface LoginJob {
  start: Start;
  stream: Duplex;
  config: HostConfig;
  known: KnownHosts;
  /** Types of host keys to ask for first; empty on the first try. */
  types: readonly string[];
  shared: Shared;
  whom: Whom;
  /** `HOST port PORT`, for messages. */
  where: string;
  /** Seconds. */
  timeout: number;
  keepalive: { interval: number; count: number };
  /** Its reason is thrown when it aborts. */
  signal: AbortSignal;
}

/** How far a login got; what a lost connection means depends on it. */
type Stage = 'greeting' | 'key exchange' | 'login';

/** Logs in. Throws LvsctlErrors; the stream is destroyed unless the outcome is `ready`. */
export async function login(job: LoginJob): Promise<LoginOutcome> {
  const { stream } = job;
  // What ended before anybody listened says so no more.
  if (stream.destroyed || stream.readableEnded || !stream.readable) {
    stream.destroy();
    return { kind: 'dropped', why: 'connection closed' };
  }
  try {
    return await run(job, [...new Set([...job.types, ...knownTypes(job.known, job.config)])]);
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

function run(job: LoginJob, asked: string[]): Promise<LoginOutcome> {
  const { config, shared, stream, whom, where } = job;
  let stage: Stage = 'greeting';
  let judgement: Judgement | undefined;
  let limit: Deadline | undefined;
  return new Promise<LoginOutcome>((resolve, reject) => {
    let settled = false;
    const settle = (act: () => void) => {
      if (settled) return;
      settled = true;
      limit?.clear();
      job.signal.removeEventListener('abort', aborted);
      act();
    };
    const end = (outcome: LoginOutcome) => settle(() => (outcome.kind === 'ready' ? resolve(outcome) : drop(outcome)));
    const drop = (outcome: LoginOutcome) => {
      stream.destroy();
      resolve(outcome);
    };
    const fail = (error: unknown) => settle(() => reject(error));
    const aborted = () => fail(job.signal.reason);
    if (job.signal.aborted) return aborted();
    job.signal.addEventListener('abort', aborted, { once: true });
    const clock = deadline(job.timeout * 1000, () => fail(late(whom, where, stage, greeting)));
    limit = clock;
    const greeting = watchGreeting(stream, () => fail(noSsh(whom, where, greeting.text())));
    const login = loginFor(config, shared.ring, shared.secrets, () => clock);

    const client = job.start({
      sock: stream,
      username: config.user,
      readyTimeout: 0,
      keepaliveInterval: job.keepalive.interval * 1000,
      keepaliveCountMax: job.keepalive.count,
      algorithms: { kex: [...KEX], serverHostKey: algorithmsFor(asked) },
      authHandler: login.handler,
      hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => {
        judgeKey(key, config, shared.hostKeys, shared.acceptNewHostKeys, asked, whom).then(
          (result) => {
            judgement = result;
            if (result.kind === 'accepted') return verify(true);
            result.kind === 'ask-for' ? end(result) : fail(result.error);
          },
          (error: unknown) => fail(error),
        );
      },
    });
    client.on('handshake', () => {
      stage = 'login';
    });
    client.on('ready', () => end({ kind: 'ready', client }));
    client.on('error', (error: Error & { level?: string }) => {
      // An agent that can't sign is no end: ssh2 goes on to the next key by itself.
      if (error.level === 'agent') return;
      if (judgement === undefined && greeting.identified() && stage === 'greeting') stage = 'key exchange';
      settleError(error);
    });
    client.on('close', () => settleError(undefined));

    const settleError = (error: (Error & { level?: string; code?: unknown }) | undefined) => {
      if (settled) return;
      const result = judgeError(error, {
        stage: greeting.identified() && stage === 'greeting' ? 'key exchange' : stage,
        greeting,
        login,
        job,
      });
      result.kind === 'dropped' ? end(result) : fail(result.error);
    };
  });
}

interface Situation {
  stage: Stage;
  greeting: Greeting;
  login: Login;
  job: LoginJob;
}

type Ending = { kind: 'dropped'; why: string } | { kind: 'error'; error: LvsctlError };

/** SSH_DISCONNECT_TOO_MANY_CONNECTIONS of RFC 4253, section 11.1. */
const TOO_MANY_CONNECTIONS = 12;

/** What the end of a connection before the login was through means. */
function judgeError(
  error: (Error & { level?: string; code?: unknown }) | undefined,
  { stage, greeting, login, job: { whom, where, config } }: Situation,
): Ending {
  const why = error ? printable(error.message) : 'connection closed';
  const gone =
    error === undefined || error.level === 'client-socket' || /^Connection lost before handshake/.test(error.message);
  if (error?.code === TOO_MANY_CONNECTIONS) return { kind: 'dropped', why };
  switch (stage) {
    case 'greeting': {
      const text = printable(greeting.text());
      // What OpenSSH says before it drops a connection: MaxStartups, and PerSourcePenalties.
      if (gone && (text === '' || /^(Exceeded MaxStartups|Not allowed at this time)/.test(text))) {
        return { kind: 'dropped', why: text || why };
      }
      return { kind: 'error', error: noSsh(whom, where, text || why) };
    }
    case 'key exchange':
      if (gone) return { kind: 'dropped', why: `${why} during the key exchange` };
      return {
        kind: 'error',
        error: sshFailure(
          whom,
          'SSH-PROTOCOL',
          `${where} and lvsctl found no common way to talk: ${why}`,
          'Update its sshd, or use --transport openssh with the algorithms in your ssh_config.',
          error,
        ),
      };
    case 'login':
      // A server that has enough of failed tries disconnects instead of saying no once more.
      if (error?.level === 'client-authentication' || typeof error?.code === 'number') {
        return { kind: 'error', error: rejected(whom, where, config, login, error) };
      }
      return { kind: 'error', error: lostFailure(whom, 'during the login', error) };
  }
}

function rejected(whom: Whom, where: string, config: HostConfig, login: Login, error: Error): LvsctlError {
  const tried = login.tried().join(', ') || 'nothing: no key file, agent or password was found';
  const takes = login.accepted();
  const disconnect = error.message.startsWith('All configured') ? '' : `; it said: ${printable(error.message)}`;
  return sshFailure(
    whom,
    'SSH-AUTH',
    `${where} does not let ${config.user} in (tried ${tried}${takes ? `; it takes ${takes.join(', ')}` : ''}${disconnect})`,
    'Check ssh.user and ssh.identity_file, load the key into your agent, or set LVSCTL_SSH_PASSWORD.',
    error,
  );
}

function noSsh(whom: Whom, where: string, said: string): LvsctlError {
  return sshFailure(
    whom,
    'SSH-PROTOCOL',
    `${where} does not talk SSH${said ? `, it says: ${printable(said, 80)}` : ''}`,
    'Check ssh.address and ssh.port.',
  );
}

function late(whom: Whom, where: string, stage: Stage, greeting: Greeting): LvsctlError {
  const text = greeting.text();
  if (stage === 'greeting' && text !== '') return noSsh(whom, where, text);
  return timeoutFailure(
    whom,
    where,
    stage === 'greeting' && !greeting.identified()
      ? 'the SSH greeting'
      : `the ${stage === 'login' ? 'login' : 'key exchange'}`,
  );
}
