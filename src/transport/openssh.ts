/**
 * The system's `ssh`, for what ssh2 can't do: certificates, FIDO keys, GSSAPI. One master connection a host
 * (ssh_config(5), ControlMaster), its socket in a private folder; sessions are mux clients of it and never connect
 * by themselves. `ssh` reads the operator's own configuration.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import pLimit from 'p-limit';
import { connectionOf } from './connection.ts';
import { interruptedFailure, lostFailure, printable, sshFailure, timeoutFailure, type Whom } from './failures.ts';
import { opensshArguments } from './openssh-arguments.ts';
import { judgeMaster } from './openssh-errors.ts';
import type { TransportOptions } from './options.ts';
import { retryStart, type Try } from './retry.ts';
import { secretsOf } from './secrets.ts';
import type { Raw } from './session.ts';
import type { Exit, Target, Transport } from './types.ts';

/** What LocalCommand prints once the login is through and the control socket listens. */
const READY = 'lvsctl-ready';
/** ssh's exit status for its own errors, which a remote program may have too (ssh(1), "EXIT STATUS"). */
const SSH_FAILED = 255;

/** Half of sshd's default MaxSessions: ssh can't wait for a free one, and sshd frees them a moment late. */
const MAX_SESSIONS = 5;

interface Master {
  exec(command: string, whom: Whom): Promise<Raw>;
  close(): Promise<void>;
}

/** Connections by the system's `ssh`. Its jump hosts, keys and known hosts are ssh's own business. */
export function opensshTransport(options: TransportOptions = {}): Transport {
  const environment = options.environment ?? process.env;
  const secrets = secretsOf(environment, options.prompt);
  const open = new Set<Master>();
  /** What ends each master and removes its folder; also done where the process ends before `close`. */
  const leftovers = new Set<() => void>();
  const removeAll = () => {
    for (const remove of leftovers) remove();
  };
  process.once('exit', removeAll);

  return {
    async connect(target, { phase, signal }) {
      const whom = { host: target.name, phase };
      const where = `${target.ssh.address}${target.ssh.port ? ` port ${target.ssh.port}` : ''}`;
      const limits = options.retry ?? { attempts: 12, seconds: 60 };
      const master = await retryStart(
        () => start(target, options, whom, where, signal, leftovers),
        limits,
        whom,
        where,
        signal,
      );
      open.add(master);
      const close = async () => {
        open.delete(master);
        await master.close();
      };
      const user = target.ssh.user ?? userInfo().username;
      return connectionOf(target, user, { exec: master.exec, close }, secrets);
    },
    async close() {
      await Promise.all([...open].map((master) => master.close()));
      open.clear();
      process.removeListener('exit', removeAll);
    },
  };
}

/** One try at a master connection. */
async function start(
  target: Target,
  options: TransportOptions,
  whom: Whom,
  where: string,
  signal: AbortSignal | undefined,
  leftovers: Set<() => void>,
): Promise<Try<Master>> {
  if (signal?.aborted) throw interruptedFailure(whom);
  // Short, because a Unix socket's path may have 104 bytes or less.
  const folder = mkdtempSync(join(tmpdir(), 'lvsctl-'));
  const socket = join(folder, 's');

  const args = opensshArguments(target, options);
  const local = ['-o', 'PermitLocalCommand=yes', '-o', `LocalCommand=echo ${READY}`];
  const master = execa(
    'ssh',
    ['-M', '-N', '-S', socket, '-o', 'ControlPersist=no', ...local, ...args.options, '--', args.host],
    {
      stdin: options.interactive ? 'inherit' : 'ignore',
      env: { ...(options.environment ?? {}), LC_ALL: 'C' },
      maxBuffer: 256 * 1024,
      reject: false,
      // Ctrl-C is for lvsctl, which stops at the next safe point and needs its connections until then. ssh can't ask
      // anything without the terminal, though.
      detached: !options.interactive,
    },
  );
  const remove = () => {
    master.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
  leftovers.add(remove);
  const discard = () => {
    leftovers.delete(remove);
    remove();
  };
  const aborted = () => void master.kill('SIGTERM');
  signal?.addEventListener('abort', aborted, { once: true });
  const slots = pLimit(MAX_SESSIONS);
  let gone = false;
  const ended = master.then((result) => {
    gone = true;
    return result;
  });
  const ready = new Promise<'ready'>((resolve) => {
    master.stdout.on('data', (chunk: Buffer) => {
      if (chunk.includes(READY)) resolve('ready');
    });
  });
  // ssh has no limit of its own for the login. Who is asked something takes his time.
  let late: NodeJS.Timeout | undefined;
  const limit = new Promise<'late'>((resolve) => {
    if (!options.interactive) late = setTimeout(resolve, secondsToLogIn(target, options) * 1000, 'late');
  });
  const first = await Promise.race([ready, ended, limit]);
  clearTimeout(late);
  // It was for connecting only.
  signal?.removeEventListener('abort', aborted);
  if (first === 'late') {
    discard();
    throw timeoutFailure(whom, where, 'the login');
  }
  if (first !== 'ready') {
    discard();
    if (signal?.aborted) throw interruptedFailure(whom);
    return judgeMaster(first, whom, where);
  }

  return {
    kind: 'made',
    value: {
      exec: (command, about) =>
        new Promise((resolve, reject) => {
          // The slot is held until the session has ended.
          slots(async () => {
            const raw = await session(socket, command, about, () => gone);
            resolve(raw);
            await raw.ended.catch(() => {});
          }).catch(reject);
        }),
      async close() {
        master.kill('SIGTERM');
        await ended;
        discard();
      },
    },
  };
}

/** For each hop the time of the connection, of the key exchange and of the login. */
function secondsToLogIn({ ssh }: Target, { connectTimeout = 10 }: TransportOptions): number {
  const hops = ssh.jump === undefined ? 1 : ssh.jump.split(',').length + 1;
  return hops * 3 * connectTimeout;
}

/** One session through the master. */
async function session(socket: string, command: string, whom: Whom, gone: () => boolean): Promise<Raw> {
  const lost = () => lostFailure(whom, 'while the program ran');
  if (gone()) throw lostFailure(whom, 'before the program was started');
  // Where the master doesn't answer, ssh would connect on its own: this ProxyCommand lets it go nowhere.
  const nowhere = ['-F', 'none', '-o', 'ControlMaster=no', '-o', 'ProxyCommand=false', '-o', 'BatchMode=yes'];
  const child = execa('ssh', ['-T', '-S', socket, ...nowhere, '--', 'host', command], {
    stdin: 'pipe',
    buffer: false,
    encoding: 'buffer',
    reject: false,
    detached: true,
    env: { LC_ALL: 'C' },
  });
  let refusal = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (refusal.length < 512) refusal += chunk.toString('latin1');
  });
  const ended = child.then(async (result): Promise<Exit> => {
    if (result.exitCode === undefined) throw lost();
    if (result.exitCode !== SSH_FAILED) return { code: result.exitCode, signal: null };
    if (/^mux_client_request_session: session request failed/m.test(refusal)) {
      throw sshFailure(
        whom,
        'SSH-BUSY',
        `the server opened no session: ${printable(refusal)}`,
        'Check MaxSessions in the sshd_config of the host.',
      );
    }
    const check = await execa('ssh', ['-S', socket, '-O', 'check', '--', 'host'], { reject: false });
    if (gone() || check.exitCode !== 0) throw lost();
    return { code: SSH_FAILED, signal: null };
  });
  ended.catch(() => {});
  child.stdin.on('error', () => {});
  child.stdout.on('error', () => {});
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended,
    // The mux client keeps its stdout open until it exits: then it is known whether the output is whole.
    cut: () => ended.then(() => undefined).catch((error) => error),
    kill(reason) {
      child.kill('SIGTERM');
      child.stdout.destroy(reason);
    },
  };
}
