/** A real sshd on loopback with keys, configuration and known_hosts of its own; as root or as an ordinary user. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Target } from '../../src/transport/types.ts';

export interface Sshd {
  port: number;
  dir: string;
  /** A private key that may log in, its host key's known_hosts file, and the login user. */
  identityFile: string;
  knownHosts: string;
  user: string;
  /** Everything sshd logged so far. */
  log(): string;
  target(ssh?: Partial<Target['ssh']>, name?: string): Target;
  stop(): Promise<void>;
}

export type HostKeyType = 'ed25519' | 'ecdsa' | 'rsa';

export function keygen(file: string, type: HostKeyType = 'ed25519', passphrase = ''): void {
  const bits = type === 'rsa' ? ['-b', '2048'] : [];
  execFileSync('ssh-keygen', ['-q', '-t', type, ...bits, '-N', passphrase, '-C', 'test', '-f', file]);
}

export function tempDir(): string {
  return mkdtempSync(join(tmpdir(), 'lvsctl-ssh-'));
}

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface SshdOptions {
  config?: string[];
  hostKeys?: HostKeyType[];
  env?: NodeJS.ProcessEnv;
  port?: number;
}

export async function startSshd({
  config = [],
  hostKeys = ['ed25519'],
  env,
  port: wanted,
}: SshdOptions = {}): Promise<Sshd> {
  const dir = tempDir();
  const user = userInfo().username;
  const root = process.getuid?.() === 0;
  // sshd as root separates privileges in this folder and does not make it itself.
  if (root) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  chmodSync(dir, 0o755);
  const identityFile = join(dir, 'id');
  keygen(identityFile);
  writeFileSync(join(dir, 'authorized_keys'), readFileSync(`${identityFile}.pub`));
  for (const type of hostKeys) keygen(join(dir, `host_${type}`), type);
  const port = wanted ?? (await freePort());
  const lines = [
    ...config,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...hostKeys.map((type) => `HostKey ${join(dir, `host_${type}`)}`),
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    `PidFile ${join(dir, 'pid')}`,
    'PermitRootLogin yes',
    'StrictModes no',
    'UsePAM no',
    'LogLevel VERBOSE',
  ];
  const configFile = join(dir, 'sshd_config');
  writeFileSync(configFile, `${lines.join('\n')}\n`);
  const knownHosts = join(dir, 'known_hosts');
  writeFileSync(knownHosts, hostKeys.map((type) => knownLine(dir, type, port)).join(''));

  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', configFile], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: env ?? process.env,
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  while (!log.includes(`Server listening on 127.0.0.1 port ${port}`)) {
    const ended = await Promise.race([
      once(child.stderr, 'data').then(() => false),
      once(child, 'exit').then(() => true),
    ]);
    if (ended) throw new Error(`sshd did not start: ${log}`);
  }
  return {
    port,
    dir,
    identityFile,
    knownHosts,
    user,
    log: () => log,
    target: (ssh = {}, name = 'host') => ({
      name,
      ssh: { address: '127.0.0.1', port, user, identityFile, knownHosts, ...ssh },
    }),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The known_hosts line of one of a server's keys. */
export function knownLine(dir: string, type: HostKeyType, port: number, host = '127.0.0.1'): string {
  const [kind, key] = readFileSync(join(dir, `host_${type}.pub`), 'utf8').split(' ');
  return `[${host}]:${port} ${kind} ${key}\n`;
}
