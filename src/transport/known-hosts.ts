/** known_hosts as sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT", describes it. Pure: text in, verdicts out. */
import { createHmac, randomBytes } from 'node:crypto';
import { matchPatternList } from './patterns.ts';

export interface KnownHostLine {
  marker: 'none' | 'revoked' | 'cert-authority';
  /** The first field: comma-separated patterns, or one hashed name. */
  hosts: string;
  /** `ssh-ed25519`, `ssh-rsa`, … */
  type: string;
  /** The key in base64, as in the file. */
  key: string;
  file: string;
  line: number;
}

/** Lines, indexed so that a run over hundreds of hosts does not try every line, or hash every name, for each. */
export interface KnownHosts {
  exact: Map<string, KnownHostLine[]>;
  patterned: KnownHostLine[];
  hashed: KnownHostLine[];
  byKey: Map<string, KnownHostLine[]>;
  revoked: KnownHostLine[];
}

export type Verdict =
  | { kind: 'known' }
  | { kind: 'unknown' }
  /** The host is known only through a certificate authority, which this transport can't check. */
  | { kind: 'authority'; line: KnownHostLine }
  /** The host is known by keys of other types: ask it for one of those before judging. */
  | { kind: 'other-types'; types: string[]; line: KnownHostLine }
  | { kind: 'changed'; line: KnownHostLine }
  | { kind: 'revoked'; line: KnownHostLine };

/** Reads a file's text. Lines that make no sense are passed over, as OpenSSH does. */
export function parseKnownHosts(text: string, file: string): KnownHostLine[] {
  const lines: KnownHostLine[] = [];
  let number = 0;
  for (const raw of text.split('\n')) {
    number++;
    const fields = raw.trim().split(/[ \t]+/);
    let marker: KnownHostLine['marker'] = 'none';
    if (fields[0]?.startsWith('@')) {
      const word = fields.shift();
      if (word === '@revoked') marker = 'revoked';
      else if (word === '@cert-authority') marker = 'cert-authority';
      else continue;
    }
    const [hosts, type, key] = fields;
    if (!hosts || hosts.startsWith('#') || !type || !key || !/^[A-Za-z0-9+/]+=*$/.test(key)) continue;
    lines.push({ marker, hosts, type, key, file, line: number });
  }
  return lines;
}

export function emptyKnownHosts(): KnownHosts {
  return { exact: new Map(), patterned: [], hashed: [], byKey: new Map(), revoked: [] };
}

export function addLines(known: KnownHosts, lines: readonly KnownHostLine[]): KnownHosts {
  for (const line of lines) {
    if (line.marker === 'revoked') {
      known.revoked.push(line);
      continue;
    }
    push(known.byKey, line.key, line);
    if (line.hosts.startsWith('|')) known.hashed.push(line);
    else if (/[*?!]/.test(line.hosts)) known.patterned.push(line);
    else for (const name of line.hosts.toLowerCase().split(',')) push(known.exact, name, line);
  }
  return known;
}

/** The name under which known_hosts lists a host: `[host]:port` unless the port is 22; lower case. */
export function knownName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/**
 * Types of the keys that are known for a name without hashing anything, in the order of the files: what to ask the
 * server for first.
 */
export function typesKnown(known: KnownHosts, name: string): string[] {
  return unique(plainLines(known, name).filter((line) => line.marker === 'none'));
}

/**
 * What the files say of the key that a server showed. The key is looked up first and the names of its lines are
 * compared then: with hashed names that is one HMAC a host in place of one a line.
 * A name with a port falls back to the plain name for a key that matches exactly (OpenSSH's sshconnect.c does so).
 */
export function judge(known: KnownHosts, host: string, port: number, key: { type: string; base64: string }): Verdict {
  const name = knownName(host, port);
  const revoked = known.revoked.find((line) => line.key === key.base64 && covers(line, name));
  if (revoked) return { kind: 'revoked', line: revoked };
  const same = (known.byKey.get(key.base64) ?? []).filter((line) => line.marker === 'none');
  if (same.some((line) => covers(line, name))) return { kind: 'known' };
  const listed = [...plainLines(known, name), ...known.hashed.filter((line) => covers(line, name))];
  const keys = listed.filter((line) => line.marker === 'none');
  const changed = keys.find((line) => line.type === key.type);
  if (changed) return { kind: 'changed', line: changed };
  const [other] = keys;
  if (other) return { kind: 'other-types', types: unique(keys), line: other };
  const plain = knownName(host, 22);
  if (plain !== name && same.some((line) => covers(line, plain))) return { kind: 'known' };
  const [authority] = listed;
  return authority ? { kind: 'authority', line: authority } : { kind: 'unknown' };
}

/** A line to append for a host seen for the first time; hashed as `ssh-keygen -H` does when asked for. */
export function newLine(name: string, key: { type: string; base64: string }, hash: boolean, salt?: Buffer): string {
  return `${hash ? hashName(name, salt ?? randomBytes(20)) : name} ${key.type} ${key.base64}\n`;
}

/** Type and base64 of a raw public key (RFC 4253, section 6.6); undefined where it isn't one. */
export function describeKey(blob: Buffer): { type: string; base64: string } | undefined {
  if (blob.length < 4) return undefined;
  const length = blob.readUInt32BE(0);
  if (length === 0 || length > 64 || blob.length < 4 + length) return undefined;
  return { type: blob.toString('latin1', 4, 4 + length), base64: blob.toString('base64') };
}

/** `|1|salt|HMAC-SHA1(salt, name)`, both in base64. */
function hashName(name: string, salt: Buffer): string {
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

function covers(line: KnownHostLine, name: string): boolean {
  if (!line.hosts.startsWith('|')) return matchPatternList(name, line.hosts.toLowerCase().split(','));
  const [, version, salt, digest] = line.hosts.split('|');
  if (version !== '1' || salt === undefined || digest === undefined) return false;
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === digest;
}

function plainLines(known: KnownHosts, name: string): KnownHostLine[] {
  return [...(known.exact.get(name) ?? []), ...known.patterned.filter((line) => covers(line, name))];
}

function unique(lines: readonly KnownHostLine[]): string[] {
  return [...new Set(lines.map((line) => line.type))];
}

function push(map: Map<string, KnownHostLine[]>, key: string, line: KnownHostLine): void {
  const list = map.get(key);
  if (list) list.push(line);
  else map.set(key, [line]);
}
