import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { LvsctlError, type Problem } from '../errors/index.ts';
import type { Cluster, Secret } from './model.ts';

/** The secrets' values by name. They stand nowhere else than in this process. */
export type Secrets = ReadonlyMap<string, string>;

const TOKEN = /<secret ([A-Za-z0-9._-]+)>/g;

/**
 * What stands for a secret in rendered files, plans and diffs: `<secret vrrp.edge.auth_pass>`. Its value takes that
 * place where the file is handed to the host, and nowhere else. Pure.
 */
export function secretText({ name }: Secret): string {
  return `<secret ${name}>`;
}

/** Whether a text has the place of a secret in it. Pure. */
export function holdsSecret(text: string): boolean {
  return text.includes('<secret ') && text.search(TOKEN) >= 0;
}

/** How the lines of a text begin that a secret stands in: what tells them in another version of it. Pure. */
export function secretLines(text: string): string[] {
  const lines = text.split('\n').filter(holdsSecret);
  return [...new Set(lines.map((line) => line.slice(0, line.search(TOKEN)).trim()))];
}

/** Puts values in the place of secrets; a name that is none stays. Pure. */
export function withSecrets(text: string, secrets: Secrets): string {
  return text.includes('<secret ') ? text.replace(TOKEN, (token, name: string) => secrets.get(name) ?? token) : text;
}

/** Every secret that a cluster names, each once. Pure. */
export function secretsOf(cluster: Cluster): Secret[] {
  return cluster.vrrp.flatMap(({ authPass }) => authPass ?? []);
}

/** A digest of a secret that tells nothing of it without the operator's key (hex). Pure. */
export function secretDigest(key: Uint8Array, name: string, value: string): string {
  return createHmac('sha256', key).update(`${name}\0${value}`).digest('hex');
}

/**
 * Reads secrets from where the inventory says that they are.
 * @throws LvsctlError with every one that can't be read or used: SECRET-UNSET, SECRET-FILE, SECRET-COMMAND,
 *   SECRET-EMPTY, SECRET-TOO-LONG, SECRET-CHARACTERS. No message holds a secret, nor what a command said.
 */
export function readSecrets(secrets: readonly Secret[]): Secrets {
  const problems: Problem[] = [];
  const values = new Map<string, string>();
  for (const secret of secrets) {
    const result = readOne(secret);
    if (typeof result === 'string') values.set(secret.name, result);
    else problems.push({ ...result, place: { kind: 'file', ...secret.place } });
  }
  if (problems.length > 0) throw new LvsctlError(problems);
  return values;
}

type Trouble = Omit<Problem, 'place'>;

function readOne(secret: Secret): string | Trouble {
  const source = sourceOf(secret);
  if (typeof source !== 'string') return source;
  const [value = ''] = source.split(/\r?\n/, 1);
  if (value === '') {
    return {
      code: 'SECRET-EMPTY',
      what: `the secret ${secret.name} is empty: ${whence(secret)} has nothing in its first line`,
      next: 'Put the secret into the first line.',
    };
  }
  if (value.length > secret.longest) {
    return {
      code: 'SECRET-TOO-LONG',
      what: `the secret ${secret.name} has ${value.length} characters, of which only ${secret.longest} would count`,
      next: `Use one of at most ${secret.longest} characters.`,
    };
  }
  if (!/^[A-Za-z0-9_.,:;+=@%^*~/?-]+$/.test(value)) {
    return {
      code: 'SECRET-CHARACTERS',
      what: `the secret ${secret.name} holds a character that the files it goes into would take for something else`,
      next: 'Use letters, digits and any of _ . , : ; + = @ % ^ * ~ / ? - alone.',
    };
  }
  return value;
}

function sourceOf({ name, from }: Secret): string | Trouble {
  if ('env' in from) {
    const value = process.env[from.env];
    if (value !== undefined) return value;
    return {
      code: 'SECRET-UNSET',
      what: `the secret ${name} is asked of the environment variable ${from.env}, which is not set`,
      next: `Set it where lvsctl runs, for example: read -rs ${from.env}; export ${from.env}`,
    };
  }
  if ('file' in from) {
    try {
      return readFileSync(from.file, 'utf8');
    } catch (error) {
      return {
        code: 'SECRET-FILE',
        what: `the secret ${name} is asked of the file ${from.file}, which can’t be read: ${errorCode(error)}`,
        next: 'Correct the path (it is looked up beside the inventory) or the file’s permissions.',
      };
    }
  }
  try {
    // What it asks on the terminal may be answered; what it complains of is shown as it is.
    return execFileSync('/bin/sh', ['-c', from.command], {
      cwd: from.folder,
      encoding: 'utf8',
      stdio: ['inherit', 'pipe', 'inherit'],
      maxBuffer: 1024 * 1024,
    });
  } catch (error) {
    return {
      code: 'SECRET-COMMAND',
      what: `the secret ${name} is asked of the command “${from.command}”, which failed: ${commandEnd(error)}`,
      next: 'Run the command by hand in the inventory’s folder, and mend what it says.',
    };
  }
}

function whence({ from }: Secret): string {
  if ('env' in from) return from.env;
  return 'file' in from ? from.file : `“${from.command}”`;
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

/** How a command ended, without anything that it printed. */
function commandEnd(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if ('status' in error && typeof error.status === 'number') return `exit code ${error.status}`;
  if ('signal' in error && typeof error.signal === 'string') return `signal ${error.signal}`;
  return errorCode(error);
}
