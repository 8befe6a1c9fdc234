import { createHash } from 'node:crypto';
import type { LvsctlError } from '../errors/index.ts';
import { sshFailure, type Whom } from './failures.ts';
import type { HostKeyFiles } from './host-keys.ts';
import { describeKey, judge, type KnownHostLine, type KnownHosts, knownName, typesKnown } from './known-hosts.ts';
import type { HostConfig } from './ssh-config.ts';

/** The signature algorithms that go with a type of key, best first. SHA-1 signatures (`ssh-rsa`) are never asked for. */
const ALGORITHMS = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
} as const;
type Algorithm = (typeof ALGORITHMS)[keyof typeof ALGORITHMS][number];

export type Judgement =
  | { kind: 'accepted' }
  /** The server should be asked for keys of these types first: the host is known by them. */
  | { kind: 'ask-for'; types: string[] }
  | { kind: 'refused'; error: LvsctlError };

/** Host key algorithms to offer: those of the types known for this host first, as OpenSSH does, then the rest. */
export function algorithmsFor(types: readonly string[]): Algorithm[] {
  const all = Object.entries(ALGORITHMS);
  const first = types.flatMap((type) => all.find(([name]) => name === type)?.[1] ?? []);
  return [...new Set<Algorithm>([...first, ...all.flatMap(([, algorithms]) => algorithms)])];
}

/** Host and port under which this host's key is looked up; an alias stands alone, whatever the port (ssh_config(5)). */
export function keyName(config: HostConfig): { host: string; port: number } {
  return config.hostKeyAlias === undefined
    ? { host: config.hostname, port: config.port }
    : { host: config.hostKeyAlias, port: 22 };
}

/** Types of keys to ask for first. */
export function knownTypes(known: KnownHosts, config: HostConfig): string[] {
  const { host, port } = keyName(config);
  return typesKnown(known, knownName(host, port));
}

/**
 * Judges the key a server showed. `askedFor`: the types that were asked for first because the host is known by them;
 * a server that shows another all the same no longer has them, which is a change.
 */
export async function judgeKey(
  blob: Buffer,
  config: HostConfig,
  files: HostKeyFiles,
  accept: boolean,
  askedFor: readonly string[],
  whom: Whom,
): Promise<Judgement> {
  const key = describeKey(blob);
  if (!key) {
    return refused(
      whom,
      'SSH-PROTOCOL',
      'the server shows a host key that is none',
      'Check that sshd runs on that port.',
    );
  }
  const known = await files.load(config.knownHosts);
  const { host, port } = keyName(config);
  const name = knownName(host, port);
  const shown = `${key.type} SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
  const verdict = judge(known, host, port, key);
  switch (verdict.kind) {
    case 'known':
      return { kind: 'accepted' };
    case 'other-types':
      if (!verdict.types.some((type) => askedFor.includes(type))) return { kind: 'ask-for', types: verdict.types };
      return changed(whom, name, shown, verdict.line);
    case 'changed':
      return changed(whom, name, shown, verdict.line);
    case 'revoked':
      return refused(
        whom,
        'SSH-HOST-KEY-REVOKED',
        `the host key of ${name} (${shown}) is marked as revoked at ${at(verdict.line)}`,
        'Do not connect: the key may be in wrong hands. Give the host a new key.',
      );
    case 'authority':
      return refused(
        whom,
        'SSH-HOST-KEY-UNKNOWN',
        `${name} is known only by the certificate authority at ${at(verdict.line)}, which this transport can't check`,
        'Use --transport openssh, which can.',
      );
    case 'unknown':
      if (accept || config.acceptNew) {
        await files.remember(config.knownHosts, name, key, config.hashKnownHosts);
        return { kind: 'accepted' };
      }
      return refused(
        whom,
        'SSH-HOST-KEY-UNKNOWN',
        `the host key of ${name} (${shown}) stands in none of ${config.knownHosts.join(', ') || 'no files'}`,
        'Compare the fingerprint with the host’s own (ssh-keygen -lf) and run with --accept-new-host-keys, or connect once by ssh.',
      );
  }
}

function changed(whom: Whom, name: string, shown: string, line: KnownHostLine): Judgement {
  return refused(
    whom,
    'SSH-HOST-KEY-CHANGED',
    `the host key of ${name} is not the one known: it shows ${shown}, ${at(line)} has another ${line.type} key`,
    `Find out why: the host was installed anew, or somebody is in between. If it is right: ssh-keygen -R '${name}'.`,
  );
}

function refused(whom: Whom, code: Parameters<typeof sshFailure>[1], what: string, next: string): Judgement {
  return { kind: 'refused', error: sshFailure(whom, code, what, next) };
}

function at(line: KnownHostLine): string {
  return `${line.file}:${line.line}`;
}
