import type { Duplex } from 'node:stream';
import type { Target } from './types.ts';

/** Asks the operator; the answer isn't echoed. */
export type Prompt = (question: string, options: { hidden: true }) => Promise<string>;

/** What a transport may be told; every field has a default. */
export interface TransportOptions {
  /** Append the key of a host that is not known yet to its known_hosts file. A changed or revoked key is refused all the same. */
  acceptNewHostKeys?: boolean;
  /** Absent: never ask; what would have been asked is an error that says so. */
  prompt?: Prompt;
  /** Where LVSCTL_SSH_PASSWORD, LVSCTL_SUDO_PASSWORD, LVSCTL_KEY_PASSPHRASE and SSH_AUTH_SOCK are read; default `process.env`. */
  environment?: NodeJS.ProcessEnv;
  /** Seconds for a connection, and again for the login over it; prompts don't count. Default: ssh_config's ConnectTimeout, else 10. */
  connectTimeout?: number;
  /** Seconds between keepalives and how many may stay unanswered. Default: ssh_config's ServerAlive*, else 15 and 3. */
  keepalive?: { interval: number; count: number };
  /** How often, and for how many seconds at most, a refused start (MaxStartups) is tried again. Default 12 and 60. */
  retry?: { attempts: number; seconds: number };
  /**
   * A stream to the host's SSH port in place of TCP (the lab's, opened inside its network). With it the operator's
   * ssh_config doesn't apply: those are other machines.
   */
  socket?: (target: Target) => Promise<Duplex>;
  /** The same for the system's `ssh`: its ProxyCommand. */
  proxyCommand?: (target: Target) => string;
  /** The host of the inventory that a `jump` names; absent or undefined: the name is an ssh destination. */
  inventoryHost?: (name: string) => Target | undefined;
  /** An ssh_config to read in place of the operator's and the system's, as `ssh -F`; `none`: no file at all. */
  sshConfig?: string;
  /** The home folder for `~`; default: the account's, as OpenSSH does it (not $HOME). */
  home?: string;
  /** `openssh` only: let `ssh` ask on the terminal (FIDO touch, passphrases). Default: BatchMode. */
  interactive?: boolean;
}
