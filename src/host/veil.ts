import { createHash, createHmac, randomBytes, scryptSync } from 'node:crypto';
import { holdsSecret, type Secrets, secretLines, withSecrets } from '../inventory/secrets.ts';
import { sha256 } from '../resources/file.ts';
import { isRecord } from '../resources/holds.ts';
import type { Resource } from '../resources/index.ts';
import type { FileWant, Op } from '../resources/kind.ts';
import type { Frame } from './frames.ts';

/**
 * Stands between lvsctl and its hosts where secrets are concerned. On this side files hold `<secret NAME>`, and hashes
 * are those of such text; on the host's side stands the truth. What comes back is put the same way:
 * - the hash of a file as it shall be is that of its text on this side;
 * - any other hash of a file with a secret is keyed: with the bare one a plan would be an oracle for short passwords;
 * - of a content each line that a secret belongs in is hidden, whatever stands there now.
 * A host's manifest holds a salted, slow hash (scrypt) of what lvsctl wrote: every operator's lvsctl can check it, and
 * whoever gets hold of the manifest can't try passwords on it.
 */
export interface Veil {
  /** One observation of one host. */
  observation(host: string): Observation;
  /** The operation as the host is to get it. */
  op(host: string, op: Op): Op;
  /** What an operation printed, without secrets. */
  hidden(text: string): string;
}

export interface Observation {
  /** Notes which files hold secrets. */
  asked(resources: readonly Resource[]): void;
  want(want: FileWant): FileWant;
  frame(frame: Frame): Frame;
}

/** What is known of a file with secrets in it. */
interface SecretFile {
  /** How the lines begin that hold one. */
  lines: readonly string[];
  /** The text on both sides, where it is wanted. */
  text?: string;
  real?: string;
}

const HIDDEN = '<hidden>';

const HASH = /\b[0-9a-f]{64}\b/g;

/** Hex digits; with the hash behind it as long as a SHA-256, in whose place it stands. */
const SALT_LENGTH = 32;

/**
 * @param secrets the values of all secrets that the cluster's files name
 * @param key the operator's own key, asked for when the first hash has to be keyed
 */
export function makeVeil(secrets: Secrets, key: () => Uint8Array): Veil {
  /** Keyed hash → the host's. */
  const keyed = new Map<string, string>();
  /** Hash of a text on this side → the host's. */
  const wanted = new Map<string, string>();
  /** The host's hash → what stands for it on this side: a copy's name may be in what an operation prints. */
  const told = new Map<string, string>();
  /** Host → its files with secrets, by path. */
  const known = new Map<string, Map<string, SecretFile>>();
  /** Host → salted hashes that its manifest holds. */
  const recorded = new Map<string, Set<string>>();
  const hide = (hash: string): string => {
    const shown = createHmac('sha256', key()).update(hash).digest('hex');
    keyed.set(shown, hash);
    told.set(hash, shown);
    return shown;
  };
  const salted = (host: string, hash: string): string | undefined =>
    [...(recorded.get(host) ?? [])].find((one) => one === salt(hash, one.slice(0, SALT_LENGTH)));
  const hidden = (text: string): string => {
    let clean = text;
    for (const [name, value] of secrets) if (value.length > 3) clean = clean.replaceAll(value, `<secret ${name}>`);
    return clean.replace(HASH, (hash) => told.get(hash) ?? hash);
  };
  return {
    hidden,
    observation(host) {
      // What is read back may be a service alone, whose record names files that an earlier observation asked about.
      const files = known.get(host) ?? new Map<string, SecretFile>();
      known.set(host, files);
      const shownOf = (hash: string): string => {
        const one = salted(host, hash);
        if (one !== undefined) {
          keyed.set(one, hash);
          told.set(hash, one);
        }
        return one ?? hide(hash);
      };
      return {
        asked(resources) {
          for (const resource of resources) {
            if (resource.kind !== 'file') continue;
            if (resource.secrets !== undefined)
              files.set(resource.path, { ...files.get(resource.path), lines: resource.secrets });
            if (resource.state !== 'present') continue;
            const earlier = files.get(resource.path);
            if (!holdsSecret(resource.content)) continue;
            const real = withSecrets(resource.content, secrets);
            wanted.set(sha256(resource.content), digest(real));
            told.set(digest(real), sha256(resource.content));
            const lines = [...new Set([...secretLines(resource.content), ...(earlier?.lines ?? [])])];
            files.set(resource.path, { lines, text: resource.content, real });
          }
        },
        want: (want) => ({ ...want, sha256: wanted.get(want.sha256) ?? want.sha256 }),
        frame(frame) {
          const [word, ...words] = frame.words;
          if (word === 'manifest') {
            return changed(frame, (text) => {
              const note = (one: string) => recorded.set(host, (recorded.get(host) ?? new Set()).add(one));
              return manifestSeen(text, files, hide, note);
            });
          }
          if (word === 'run') {
            return changed(frame, (text) => {
              const note = (one: string) => recorded.set(host, (recorded.get(host) ?? new Set()).add(one));
              return runSeen(text, files, note, shownOf);
            });
          }
          if (files.size === 0) return frame;
          if (word === 'content') {
            const file = files.get(words.join(' '));
            return file === undefined ? frame : changed(frame, (text) => hidden(withoutSecrets(text, file, secrets)));
          }
          if (word !== 'kind') return frame;
          return changed(frame, (text) =>
            text.replace(/\b([0-9a-f]{64})( [ *]\.?)(\/.*)$/gm, (line, hash: string, between: string, path: string) => {
              const file = files.get(path);
              if (file === undefined) return line;
              const same = file.real !== undefined && digest(file.real) === hash;
              const shown = same ? sha256(file.text ?? '') : shownOf(hash);
              return `${shown}${between}${path}`;
            }),
          );
        },
      };
    },
    op(host, op) {
      const real = (text: string) => text.replace(HASH, (hash) => keyed.get(hash) ?? hash);
      const args = op.args.map(real);
      if (op.input === undefined) return { ...op, args };
      const truth = (hash: string) => keyed.get(hash) ?? wanted.get(hash);
      const kept = (text: string) => text.replace(HASH, (hash) => truth(hash) ?? hash);
      const written = (text: string) => text.replace(HASH, (hash) => saltedNow(hash, truth(hash)));
      const salty = (text: string) => text.replace(HASH, (hash) => saltedNow(hash, wanted.get(hash)));
      const saltedNow = (hash: string, bytes: string | undefined): string => {
        if (bytes === undefined) return hash;
        const one = salted(host, bytes) ?? salt(bytes, randomBytes(SALT_LENGTH / 2).toString('hex'));
        recorded.set(host, (recorded.get(host) ?? new Set()).add(one));
        return one;
      };
      switch (op.name) {
        case 'manifest_write':
          return { ...op, args, input: recordFor(op.input, (text) => salty(real(text)), written) };
        case 'run_note':
          return { ...op, args, input: noteFor(op.input, kept, written) };
        case 'before_keep':
          return { ...op, args: op.args.map(kept) };
        default:
          return { ...op, args, input: withSecrets(op.input, secrets) };
      }
    },
  };
}

/** Notes the files that lvsctl wrote secrets into, and what it wrote; the hashes of what was there before are keyed. */
function manifestSeen(
  text: string,
  files: Map<string, SecretFile>,
  hide: (hash: string) => string,
  note: (salted: string) => void,
): string {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch {
    return text;
  }
  if (!isRecord(manifest) || !Array.isArray(manifest.entries)) return text;
  const entries = manifest.entries.map((entry: unknown) => {
    if (!isRecord(entry) || !isRecord(entry.resource)) return entry;
    const { path, secrets: lines } = entry.resource;
    if (typeof path !== 'string' || !Array.isArray(lines)) return entry;
    files.set(path, { ...files.get(path), lines: lines.map(String) });
    for (const wrote of Array.isArray(entry.wrote) ? entry.wrote : []) {
      if (isRecord(wrote) && typeof wrote.sha256 === 'string') note(wrote.sha256);
    }
    const { before } = entry;
    if (!isRecord(before) || typeof before.sha256 !== 'string') return entry;
    return { ...entry, before: { ...before, sha256: hide(before.sha256) } };
  });
  // What a service had loaded, once all files with secrets are known.
  const whole = entries.map((entry: unknown) => {
    if (!isRecord(entry) || (isRecord(entry.before) && typeof entry.before.sha256 === 'string')) return entry;
    return { ...entry, before: through(entry.before, (each) => withLoaded(each, files, hide)) };
  });
  return JSON.stringify({ ...manifest, entries: whole });
}

/** Of what lvsctl wrote a manifest tells salted hashes. */
function recordFor(text: string, real: (text: string) => string, written: (text: string) => string): string {
  const manifest: unknown = JSON.parse(text);
  if (!isRecord(manifest) || !Array.isArray(manifest.entries)) return text;
  const entries = manifest.entries.map((entry: unknown) => {
    if (!isRecord(entry)) return entry;
    const { wrote, ...rest } = entry;
    return { ...through(rest, real), ...(wrote === undefined ? {} : { wrote: through(wrote, written) }) };
  });
  return `${JSON.stringify({ ...manifest, entries })}\n`;
}

/** A run's note: the hashes of what it finds name the copies that are kept; of what it writes there are salted ones. */
function noteFor(text: string, kept: (text: string) => string, written: (text: string) => string): string {
  const [id = '', head = '', changes = ''] = text.split('\n');
  const list: unknown = JSON.parse(changes);
  if (!Array.isArray(list)) return text;
  const real = list.map((change: unknown) => {
    if (!isRecord(change)) return change;
    const { before, wrote, ...rest } = change;
    return { ...through(rest, written), before: through(before, kept), wrote: through(wrote, written) };
  });
  return `${id}\n${head}\n${JSON.stringify(real)}\n`;
}

/** The same of a run that is read again. */
function runSeen(
  text: string,
  files: Map<string, SecretFile>,
  note: (salted: string) => void,
  shown: (hash: string) => string,
): string {
  const [result = '', id = '', head = '', line = ''] = text.split('\n');
  let changes: unknown;
  try {
    changes = JSON.parse(line);
  } catch {
    return text;
  }
  if (!Array.isArray(changes)) return text;
  const secret = changes.filter(
    (change: unknown) => isRecord(change) && isRecord(change.resource) && Array.isArray(change.resource.secrets),
  );
  for (const { resource, wrote } of secret) {
    files.set(resource.path, { ...files.get(resource.path), lines: resource.secrets.map(String) });
    for (const one of Array.isArray(wrote) ? wrote : []) if (typeof one?.sha256 === 'string') note(one.sha256);
  }
  for (const change of secret) change.before = through(change.before, (each) => each.replace(HASH, shown));
  for (const change of changes) {
    if (!isRecord(change) || secret.includes(change)) continue;
    change.before = through(change.before, (each) => withLoaded(each, files, shown));
  }
  return [result, id, head, JSON.stringify(changes)].join('\n');
}

/** Lines of `sha256sum`, those of files with secrets changed. */
function withLoaded(text: string, files: ReadonlyMap<string, unknown>, shown: (hash: string) => string): string {
  return text.replace(/\b([0-9a-f]{64})( [ *])(\/[^"\\]*)/g, (line, hash: string, between: string, path: string) =>
    files.has(path) ? `${shown(hash)}${between}${path}` : line,
  );
}

/** A value with all its text changed. */
function through<T>(value: T, change: (text: string) => string): T {
  return value === undefined ? value : JSON.parse(change(JSON.stringify(value)));
}

/** A content with each line hidden that a secret belongs in; one that has it as it shall be reads as it is written here. */
function withoutSecrets(content: string, { lines, text = '' }: SecretFile, secrets: Secrets): string {
  if (lines.includes('')) return `${HIDDEN}\n`;
  const ours = new Map(
    text
      .split('\n')
      .filter(holdsSecret)
      .map((line) => [withSecrets(line, secrets), line]),
  );
  return content
    .split('\n')
    .map((line) => {
      const own = ours.get(line);
      if (own !== undefined) return own;
      const begin = lines.find((one) => line.includes(one));
      return begin === undefined ? line : `${line.slice(0, line.indexOf(begin))}${begin} ${HIDDEN}`;
    })
    .join('\n');
}

function changed(frame: Frame, change: (text: string) => string): Frame {
  return { ...frame, content: Buffer.from(change(new TextDecoder().decode(frame.content))) };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A hash that is slow to try passwords on, behind its salt. */
function salt(hash: string, salt: string): string {
  return salt + scryptSync(hash, salt, 16).toString('hex');
}
