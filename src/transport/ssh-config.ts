/**
 * The operator's own ssh_config for a host, as `ssh -G` resolves it (ssh(1)): nothing is parsed by hand that OpenSSH
 * can answer. A fork a host would cost more than the connection of a fast network, so that three things save it, each
 * giving what `ssh -G` would have said (`config-files.ts` decides):
 * - no file sets anything that matters here: the defaults of ssh_config(5);
 * - hosts that match the same `Host` lines of files without `Match` and without % tokens share one answer;
 * - everything else: one `ssh -G` a host.
 */
import { execFile } from 'node:child_process';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { configFiles } from './config-files.ts';
import { printable, sshFailure, type Whom } from './failures.ts';
import type { TransportOptions } from './options.ts';
import type { Target } from './types.ts';

/** All the transport needs to know to reach one host. */
export interface HostConfig {
  hostname: string;
  user: string;
  port: number;
  /** Absolute paths, in the order to try. */
  identityFiles: string[];
  identitiesOnly: boolean;
  /** Socket of the agent to ask; absent: none. */
  identityAgent?: string;
  /** Where known keys are read; new ones go to the first. */
  knownHosts: string[];
  /** The name to look up in them, in place of the host's (no port is added to it). */
  hostKeyAlias?: string;
  hashKnownHosts: boolean;
  /** StrictHostKeyChecking is accept-new. (`no` isn't obeyed: keys are always verified.) */
  acceptNew: boolean;
  /** `user@host:port,host2`, in the order of the way. */
  proxyJump?: string;
  proxyCommand?: string;
  family: 0 | 4 | 6;
  connectTimeout?: number;
  keepalive?: { interval: number; count: number };
  publicKey: boolean;
  password: boolean;
  keyboardInteractive: boolean;
}

export interface SshConfigs {
  /** Throws SSH-CONFIG where `ssh -G` refuses the files. */
  resolve(target: Target, whom: Whom): Promise<HostConfig>;
}

/** Names of the keys ssh(1) tries by itself, as ssh_config(5) lists them under IdentityFile. */
const DEFAULT_KEYS = ['id_rsa', 'id_ecdsa', 'id_ecdsa_sk', 'id_ed25519', 'id_ed25519_sk', 'id_xmss', 'id_dsa'];

export function sshConfigs(options: TransportOptions): SshConfigs {
  const account = whoAmI();
  const home = options.home ?? account.homedir;
  const environment = options.environment ?? process.env;
  const files = configFiles(options.sshConfig, home);
  const answers = new Map<string, Promise<Map<string, string[]>>>();

  const ask = async (host: string, whom: Whom): Promise<Map<string, string[]>> => {
    const { known, group } = (await files).sharing(host);
    if (known) return known;
    const key = group === undefined ? `host ${host}` : `group ${group}`;
    let answer = answers.get(key);
    if (!answer) {
      answer = askSsh(host, options.sshConfig, whom);
      answers.set(key, answer);
      // What one host is told is another's too, but not its name.
      if (group !== undefined) answer.then((said) => said.delete('hostname')).catch(() => {});
    }
    return answer;
  };

  return {
    async resolve(target, whom) {
      // A host of the lab is none of the operator's, whatever its address.
      const said = options.socket ? new Map<string, string[]>() : await ask(target.ssh.address, whom);
      return fromAnswer(target, said, { home, user: account.username, agent: environment.SSH_AUTH_SOCK });
    },
  };
}

/** The account, or what the environment says where the user id has none (containers). */
function whoAmI(): { username: string; homedir: string } {
  try {
    return userInfo();
  } catch {
    return { username: process.env.USER ?? 'root', homedir: homedir() };
  }
}

function askSsh(host: string, file: string | undefined, whom: Whom): Promise<Map<string, string[]>> {
  const args = [...(file === undefined ? [] : ['-F', file]), '-G', '--', host];
  return new Promise((resolve, reject) => {
    execFile('ssh', args, { timeout: 10_000, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error) {
        const why = 'code' in error && error.code === 'ENOENT' ? 'there is no ssh program' : printable(stderr);
        reject(
          sshFailure(
            whom,
            'SSH-CONFIG',
            `ssh -G can't resolve ${printable(host)}: ${why}`,
            'Mend your ssh_config (ssh -G HOST shows the same), or install the OpenSSH client.',
            error,
          ),
        );
      } else {
        resolve(parseAnswer(stdout));
      }
    });
  });
}

/** The lines of `ssh -G`: lower-case keyword, a space, the value; keywords may repeat. */
export function parseAnswer(text: string): Map<string, string[]> {
  const answer = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space <= 0) continue;
    const key = line.slice(0, space);
    const values = answer.get(key);
    if (values) values.push(line.slice(space + 1));
    else answer.set(key, [line.slice(space + 1)]);
  }
  return answer;
}

interface Account {
  home: string;
  user: string;
  agent: string | undefined;
}

/** The inventory's word over ssh_config's over OpenSSH's defaults. Pure. */
export function fromAnswer(target: Target, said: Map<string, string[]>, account: Account): HostConfig {
  const { ssh } = target;
  const one = (key: string): string | undefined => said.get(key)?.[0];
  const yes = (key: string, otherwise: boolean): boolean =>
    (one(key) ?? (otherwise ? 'yes' : 'no')).match(/^(yes|true)$/) !== null;
  const set = (key: string): string | undefined => {
    const value = one(key);
    return value === undefined || value === 'none' ? undefined : value;
  };
  const hostname = one('hostname') ?? ssh.address;
  const user = ssh.user ?? one('user') ?? account.user;
  const port = ssh.port ?? Number(one('port') ?? 22);
  const tokens = (text: string) =>
    expand(text, { h: hostname, n: ssh.address, p: String(port), r: user, u: account.user, d: account.home });
  const path = (text: string) => tokens(text).replace(/^~(?=\/|$)/, account.home);
  const paths = (key: string, otherwise: string[]) =>
    (
      one(key)
        ?.split(' ')
        .filter((name) => name !== 'none') ?? otherwise
    ).map(path);
  const identityFiles =
    ssh.identityFile === undefined
      ? (said.get('identityfile') ?? DEFAULT_KEYS.map((name) => join('~/.ssh', name)))
          .filter((name) => name !== 'none')
          .map(path)
      : [path(ssh.identityFile)];
  const agent = agentSocket(one('identityagent'), account.agent, path);
  const jump = ssh.jump ?? set('proxyjump');
  const command = ssh.jump === undefined ? set('proxycommand') : undefined;
  const interval = Number(one('serveraliveinterval') ?? 0);
  const connectTimeout = Number(set('connecttimeout') ?? Number.NaN);
  const alias = set('hostkeyalias');
  return {
    hostname,
    user,
    port,
    identityFiles,
    // A key that the inventory names is the key: an agent full of others would use up the server's MaxAuthTries.
    identitiesOnly: ssh.identityFile !== undefined || yes('identitiesonly', false),
    ...(agent === undefined ? {} : { identityAgent: agent }),
    knownHosts:
      ssh.knownHosts === undefined
        ? [
            ...paths('userknownhostsfile', ['~/.ssh/known_hosts', '~/.ssh/known_hosts2']),
            ...paths('globalknownhostsfile', ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']),
          ]
        : [path(ssh.knownHosts)],
    ...(alias === undefined ? {} : { hostKeyAlias: alias }),
    hashKnownHosts: yes('hashknownhosts', false),
    acceptNew: one('stricthostkeychecking') === 'accept-new',
    ...(jump === undefined || jump === 'none' ? {} : { proxyJump: jump }),
    ...(command === undefined ? {} : { proxyCommand: tokens(command) }),
    family: one('addressfamily') === 'inet' ? 4 : one('addressfamily') === 'inet6' ? 6 : 0,
    ...(connectTimeout > 0 ? { connectTimeout } : {}),
    ...(interval > 0 ? { keepalive: { interval, count: Number(one('serveralivecountmax') ?? 3) } } : {}),
    publicKey: yes('pubkeyauthentication', true) || one('pubkeyauthentication')?.includes('bound') === true,
    password: yes('passwordauthentication', true),
    keyboardInteractive: yes('kbdinteractiveauthentication', true),
  };
}

function agentSocket(
  said: string | undefined,
  own: string | undefined,
  path: (text: string) => string,
): string | undefined {
  if (said === undefined || said === 'SSH_AUTH_SOCK') return own === '' ? undefined : own;
  return said === 'none' ? undefined : path(said);
}

/** The % tokens of ssh_config(5), "TOKENS", that make sense here; `%%` is a percent sign. */
function expand(text: string, values: Record<string, string>): string {
  return text.replace(/%([a-zA-Z%])/g, (whole, token: string) => (token === '%' ? '%' : (values[token] ?? whole)));
}
