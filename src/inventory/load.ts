import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join, resolve as resolvePath } from 'node:path';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { parseSource, type SourceDocument } from './document.ts';
import type { Cluster } from './model.ts';
import { resolveCluster } from './resolve.ts';
import { suggestion } from './suggest.ts';
import { validateDocument } from './validate.ts';

/** Bytes; five thousand hosts take about one million. */
const SIZE_LIMIT = 4 * 1024 * 1024;

/**
 * Reads one cluster from inventory files or folders (each `*.yaml` and `*.yml` with a `name` in it).
 * @param options.cluster which one, where there are several
 * @throws LvsctlError with every problem of every file: INV-NO-FILE, INV-NOT-YAML, INV-UNKNOWN-KEY …
 */
export function loadCluster(paths: readonly string[], options: { cluster?: string } = {}): Cluster {
  const files = [...new Set(paths.flatMap(filesAt))];
  const results = files.map(readOne);
  const documents = results.flatMap((result) => ('document' in result ? [result.document] : []));
  const chosen = documents.filter(
    (document) => options.cluster === undefined || clusterName(document) === options.cluster,
  );
  const problems = results.flatMap((result) => ('problems' in result ? result.problems : []));
  const clusters = chosen.flatMap((document) => {
    const checked = validateDocument(document);
    problems.push(...checked.problems);
    if (checked.inventory === undefined) return [];
    const resolved = resolveCluster(document, checked.inventory, checked.pruned);
    problems.push(...resolved.problems);
    return resolved.cluster === undefined ? [] : [resolved.cluster];
  });
  if (problems.length > 0) throw new LvsctlError(problems.toSorted(byPlace));
  const [cluster, second] = clusters;
  if (cluster !== undefined && second === undefined) return cluster;
  throw failure(choiceProblem(clusters, documents, options.cluster, files));
}

function choiceProblem(
  clusters: readonly Cluster[],
  documents: readonly SourceDocument[],
  wanted: string | undefined,
  files: readonly string[],
): Problem {
  const place = { kind: 'none' } as const;
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
function filesAt(path: string): string[] {
  const full = resolvePath(path);
  try {
    if (!statSync(full).isDirectory()) return [full];
    return readdirSync(full)
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => join(full, name))
      .filter((file) => statSync(file).isFile() && isCluster(file));
  } catch (error) {
    throw failure(unreadable(full, error), { cause: error });
  }
}

/** Whether a file of a folder is meant as a cluster: it has a name (or can't be read, which is then reported). */
function isCluster(file: string): boolean {
  const result = readOne(file);
  return 'problems' in result || clusterName(result.document) !== undefined;
}

function clusterName({ value }: SourceDocument): string | undefined {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string'
    ? value.name
    : undefined;
}

function readOne(file: string): { document: SourceDocument } | { problems: Problem[] } {
  let text: string;
  try {
    const bytes = readUpTo(file, SIZE_LIMIT + 1);
    if (bytes.length > SIZE_LIMIT) return { problems: [tooLarge(file)] };
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    return { problems: [unreadable(file, error)] };
  }
  const parsed = parseSource(file, text);
  return 'problems' in parsed ? parsed : { document: parsed };
}

/** Reads no more than this many bytes: a device or a pipe may never end. */
function readUpTo(file: string, limit: number): Buffer {
  const handle = openSync(file, 'r');
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    while (size < limit) {
      const chunk = Buffer.alloc(Math.min(64 * 1024, limit - size));
      const count = readSync(handle, chunk);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      size += count;
    }
    return Buffer.concat(chunks);
  } finally {
    closeSync(handle);
  }
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
