import { readFile } from 'node:fs/promises';
import ssh2, { type BaseAgent, type ParsedKey, type PublicKeyEntry } from 'ssh2';
import type { Secrets } from './secrets.ts';

/** A key that can sign, and what to call it in messages. */
export interface LoadedKey {
  name: string;
  key: ParsedKey;
}

/** The keys of one run: each file read, and each passphrase asked for, once however many hosts there are. */
export interface KeyRing {
  /** The private key of a file; a string says why it can't be used; undefined: there is no such file. */
  file(path: string): Promise<LoadedKey | string | undefined>;
  /** The public half that stands beside a key file, for agents that hold the private one. */
  publicHalf(path: string): Promise<ParsedKey | undefined>;
  /** What the agent holds, without duplicates and without kinds of keys ssh2 doesn't know. */
  agent(socket: string): Promise<ParsedKey[]>;
}

export function keyRing(secrets: Secrets): KeyRing {
  const files = once(async (path: string) => load(path, secrets));
  const halves = once(async (path: string) => publicHalf(path));
  const agents = once(async (socket: string) => identities(socket));
  return { file: files, publicHalf: halves, agent: agents };
}

/** An agent that offers only these keys and needn't be asked for its list again. */
export function agentWith(socket: string, keys: ParsedKey[]): BaseAgent {
  const agent = new ssh2.OpenSSHAgent(socket);
  agent.getIdentities = (callback) => callback(null, keys);
  return agent;
}

/** Whether two keys are the same one. */
export function sameKey(a: ParsedKey, b: ParsedKey): boolean {
  return publicBlob(a).equals(publicBlob(b));
}

function publicBlob(key: ParsedKey): Buffer {
  const blob = key.getPublicSSH();
  return Buffer.isBuffer(blob) ? blob : Buffer.from(blob, 'base64');
}

async function load(path: string, secrets: Secrets): Promise<LoadedKey | string | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => error);
  if (bytes instanceof Error) return bytes.code === 'ENOENT' ? undefined : `${path} can't be read (${bytes.code})`;
  let parsed = parse(bytes);
  for (let attempt = 0; parsed instanceof Error && /passphrase/i.test(parsed.message); attempt++) {
    const passphrase = await secrets.passphrase(path, attempt);
    if (passphrase === undefined) {
      return attempt === 0
        ? `${path} needs a passphrase (set LVSCTL_KEY_PASSPHRASE or load it into an agent)`
        : `the passphrase for ${path} is wrong`;
    }
    parsed = parse(bytes, passphrase);
    // ssh2 words a wrong passphrase in several ways; all that matters is that it was one.
    if (parsed instanceof Error) parsed = new Error('wrong passphrase');
  }
  if (parsed instanceof Error) return `${path} is no key that this transport can use (try --transport openssh)`;
  return parsed.isPrivateKey() ? { name: path, key: parsed } : `${path} holds no private key`;
}

function parse(bytes: Buffer | string | ParsedKey, passphrase?: string): ParsedKey | Error {
  const parsed: ParsedKey | ParsedKey[] | Error = ssh2.utils.parseKey(bytes, passphrase);
  return Array.isArray(parsed) ? (parsed[0] ?? new Error('empty')) : parsed;
}

async function publicHalf(path: string): Promise<ParsedKey | undefined> {
  for (const file of [`${path}.pub`, path]) {
    const bytes = await readFile(file).catch(() => undefined);
    const parsed = bytes && parse(bytes);
    if (parsed && !(parsed instanceof Error)) return parsed;
  }
  return undefined;
}

/** Milliseconds after which an agent that doesn't answer is taken for none. */
const AGENT_TIMEOUT = 5_000;

function identities(socket: string): Promise<ParsedKey[]> {
  return new Promise((resolve) => {
    setTimeout(() => resolve([]), AGENT_TIMEOUT).unref();
    // No agent behind the socket, or one that is locked: then it simply holds no keys.
    new ssh2.OpenSSHAgent(socket).getIdentities((error, keys) => {
      const known = (error ? [] : (keys ?? []))
        .map((key) => parse(agentKey(key)))
        .filter((key): key is ParsedKey => !(key instanceof Error));
      resolve(known);
    });
  });
}

function agentKey(key: string | Buffer | ParsedKey | PublicKeyEntry): string | Buffer | ParsedKey {
  if (typeof key === 'string' || Buffer.isBuffer(key) || !('pubKey' in key)) return key;
  return typeof key.pubKey === 'object' && 'pubKey' in key.pubKey ? key.pubKey.pubKey : key.pubKey;
}

function once<T>(load: (path: string) => Promise<T>): (path: string) => Promise<T> {
  const loaded = new Map<string, Promise<T>>();
  return (path) => {
    let value = loaded.get(path);
    if (!value) {
      value = load(path);
      loaded.set(path, value);
    }
    return value;
  };
}
