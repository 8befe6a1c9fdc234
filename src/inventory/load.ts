import { readdirSync, statSync } from 'node:fs';
import { join, resolve as resolvePath } from 'node:path';
import { failure, LvsctlError, type Problem, placeText } from '../errors/index.ts';
import { type Claimed, checkAcross } from './across.ts';
import { parseSource, type SourceDocument } from './document.ts';
import { type ReadResult, withIncludes } from './include.ts';
import type { Cluster } from './model.ts';
import { readText, TooLarge } from './read-file.ts';
import { resolveCluster } from './resolve.ts';
import { suggestion } from './suggest.ts';
import { validateDocument } from './validate.ts';

/** Bytes; five thousand hosts take about one million. */
const SIZE_LIMIT = 4 * 1024 * 1024;

/** Characters of a text that is looked at before it is parsed, which takes a second for each million. */
const LARGE = 64 * 1024;

/** What an inventory is made of, and other files aren't; a name and a version many have. */
const SECTIONS: ReadonlySet<string> = new Set([
  'include',
  'defaults',
  'groups',
  'hosts',
  'vrrp',
  'vips',
  'services',
  'ipvs',
  'web_servers',
  'proxies',
  'applications',
  'firewall',
  'hooks',
]);

/** A cluster with the document that it was made from. */
export interface Loaded {
  cluster: Cluster;
  document: SourceDocument;
}

/**
 * Reads one cluster from inventory files or folders (each `*.yaml` and `*.yml` with a `name` in it).
 * @param options.cluster which one, where there are several
 * @throws LvsctlError with every problem of every file: INV-NO-FILE, INV-NOT-YAML, INV-UNKNOWN-KEY …
 */
export function loadCluster(paths: readonly string[], options: { cluster?: string } = {}): Cluster {
  return loadOne(paths, options).cluster;
}

/** As `loadCluster`, with the document. */
export function loadOne(paths: readonly string[], options: { cluster?: string } = {}): Loaded {
  const { loaded, documents, files, claims } = load(paths, options.cluster);
  const [one, second] = loaded;
  if (one !== undefined && second === undefined) {
    refuse(checkAcross(claims));
    return one;
  }
  throw failure(choiceProblem(loaded, documents, options.cluster, files));
}

/**
 * Reads all clusters of inventory files or folders, or the one that is named.
 * @throws LvsctlError as `loadCluster`, but not where there are several
 */
export function loadClusters(paths: readonly string[], options: { cluster?: string } = {}): Loaded[] {
  const { loaded, documents, files, claims } = load(paths, options.cluster);
  const names = loaded.map(({ cluster }) => cluster.name);
  if (names.length > 0 && new Set(names).size === names.length) {
    refuse(checkAcross(claims));
    return loaded;
  }
  throw failure(choiceProblem(loaded, documents, options.cluster, files));
}

/** Reads all clusters; the problems are those of the wanted ones alone. */
function load(
  paths: readonly string[],
  wanted: string | undefined,
): { loaded: Loaded[]; documents: SourceDocument[]; files: string[]; claims: Claimed[] } {
  const parsed = new Map<string, ReadResult>();
  const read = (file: string): ReadResult => {
    const result = parsed.get(file) ?? readOne(file);
    parsed.set(file, result);
    return result;
  };
  const files = [...new Set(paths.flatMap((path) => filesAt(path, read)))];
  const problems: Problem[] = [];
  const documents: SourceDocument[] = [];
  const claims: Claimed[] = [];
  const loaded: Loaded[] = [];
  for (const result of files.map(read)) {
    if ('problems' in result) {
      problems.push(...result.problems);
      continue;
    }
    const asked = wanted === undefined || clusterName(result.document) === wanted;
    documents.push(result.document);
    const { document, problems: including } = withIncludes(result.document, read);
    const checked = validateDocument(document);
    const resolved =
      checked.inventory === undefined ? undefined : resolveCluster(document, checked.inventory, checked.pruned);
    const found = [...document.surprises, ...including, ...checked.problems, ...(resolved?.problems ?? [])].filter(
      once,
    );
    if (asked) problems.push(...found);
    if (resolved?.cluster === undefined || found.length > 0) continue;
    claims.push({ cluster: resolved.cluster, document, asked });
    if (asked) loaded.push({ cluster: resolved.cluster, document });
  }
  // What an included file has wrong is met again with every cluster that includes it.
  refuse([...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]);
  return { loaded, documents, files, claims };
}

/** What only looks wrong is not told where it is wrong in itself. */
function once({ code, place }: Problem, _index: number, all: readonly Problem[]): boolean {
  const text = placeText(place);
  return code !== 'INV-LEADING-ZERO' || !all.some((other) => other.code !== code && placeText(other.place) === text);
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new LvsctlError(problems.toSorted(byPlace));
}

function choiceProblem(
  loaded: readonly Loaded[],
  documents: readonly SourceDocument[],
  wanted: string | undefined,
  files: readonly string[],
): Problem {
  const place = { kind: 'none' } as const;
  const clusters = loaded.map(({ cluster }) => cluster);
  if (wanted !== undefined && clusters.length === 0) {
    const names = documents.flatMap((document) => clusterName(document) ?? []);
    return {
      code: 'INV-UNKNOWN-CLUSTER',
      place,
      what: `there is no cluster “${wanted}” in the inventory`,
      next: suggestion(wanted, names),
    };
  }
  if (clusters.length === 0) {
    return {
      code: 'INV-NO-CLUSTER',
      place,
      what: `no cluster in ${files.join(', ') || 'that folder'}: no *.yaml file with a name`,
      next: 'Name the inventory file with -i.',
    };
  }
  const found = clusters.map((cluster) => `${cluster.name} (${cluster.file})`).join(', ');
  const twice = new Set(clusters.map((cluster) => cluster.name)).size < clusters.length;
  return twice
    ? {
        code: 'INV-DUPLICATE-CLUSTER',
        place,
        what: `one name, several clusters: ${found}`,
        next: 'Give each a name of its own.',
      }
    : {
        code: 'INV-SEVERAL-CLUSTERS',
        place,
        what: `the inventory holds several clusters: ${found}`,
        next: 'Choose one with --cluster, or name one file with -i.',
      };
}

/** A file stands for itself, a folder for the YAML files in it. */
function filesAt(path: string, read: (file: string) => ReadResult): string[] {
  const full = resolvePath(path);
  try {
    if (!statSync(full).isDirectory()) return [full];
    return readdirSync(full)
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => join(full, name))
      .filter((file) => statSync(file).isFile() && isCluster(read(file)));
  } catch (error) {
    throw failure(unreadable(full, error), { cause: error });
  }
}

/** Whether a file of a folder is meant as a cluster: it has a name (or can't be read, which is then reported). */
function isCluster(result: ReadResult): boolean {
  if ('document' in result) return clusterName(result.document) !== undefined;
  return !result.problems.every(({ code }) => code === 'INV-NOT-INVENTORY');
}

function clusterName({ value }: SourceDocument): string | undefined {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string'
    ? value.name
    : undefined;
}

function readOne(file: string): ReadResult {
  let text: string;
  try {
    text = readText(file, SIZE_LIMIT);
  } catch (error) {
    return { problems: [error instanceof TooLarge ? tooLarge(file) : unreadable(file, error)] };
  }
  if (text.length > LARGE && isForeign(text)) return { problems: [notInventory(file)] };
  const parsed = parseSource(file, text);
  return 'problems' in parsed ? parsed : { document: parsed };
}

/**
 * Whether a text is plainly no part of an inventory, seen without parsing it: keys stand at its top, and none of them is
 * a section of an inventory. Whatever is inside of another key is indented (YAML 1.2, section 8.2.2).
 */
function isForeign(text: string): boolean {
  const keys = [...text.matchAll(/^(?:"([^"\n]*)"|'([^'\n]*)'|([A-Za-z_$][^\s:#{}[\],]*))\s*:(?=\s|$)/gmu)];
  return keys.length > 0 && !keys.some(([, double, single, plain]) => SECTIONS.has(double ?? single ?? plain ?? ''));
}

function notInventory(file: string): Problem {
  return {
    code: 'INV-NOT-INVENTORY',
    place: { kind: 'file', file },
    what: 'the file is large, and none of the keys at its top is a section of an inventory',
    next: 'Check that it is the one you meant.',
  };
}

function tooLarge(file: string): Problem {
  return {
    code: 'INV-TOO-LARGE',
    place: { kind: 'file', file },
    what: 'the file is larger than 4 MiB, which no inventory is',
    next: 'Check that it is the one you meant.',
  };
}

function unreadable(file: string, error: unknown): Problem {
  const place = { kind: 'file', file } as const;
  if (error instanceof TypeError) {
    return { code: 'INV-NOT-YAML', place, what: 'the file is not UTF-8 text', next: 'Save it as UTF-8.' };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  if (code === 'ENOENT') {
    return {
      code: 'INV-NO-FILE',
      place,
      what: 'there is no such inventory',
      next: 'Name the inventory with -i FILE; without it lvsctl reads lvs.yaml here.',
    };
  }
  return {
    code: 'INV-NO-FILE',
    place,
    what: `the inventory can’t be read: ${code}`,
    next: 'Check what stands there and whether you may read it.',
  };
}

function byPlace(a: Problem, b: Problem): number {
  if (a.place.kind !== 'file' || b.place.kind !== 'file' || a.place.file !== b.place.file) return 0;
  return (a.place.line ?? 0) - (b.place.line ?? 0) || (a.place.column ?? 0) - (b.place.column ?? 0);
}
