import { dirname, relative, resolve as resolvePath } from 'node:path';
import type { Problem } from '../errors/index.ts';
import type { Path, SourceDocument } from './document.ts';
import { isMap } from './merge.ts';

/** Sections of names: each name is given once, in whatever file. */
const NAMED: Readonly<Record<string, string>> = {
  hosts: 'the host',
  groups: 'the group',
  vrrp: 'the VRRP group',
  vips: 'the VIP',
  services: 'the service',
  web_servers: 'the web server',
  proxies: 'the proxy',
  applications: 'the application',
};

export type ReadResult = { document: SourceDocument } | { problems: Problem[] };

/**
 * Takes in the files that a cluster's file includes, and those that these include: one document, whose places are in
 * the file that holds what they are asked of. A file that is met twice counts once.
 * @param read parses a file; its problems stand in that file
 */
export function withIncludes(
  root: SourceDocument,
  read: (file: string) => ReadResult,
): { document: SourceDocument; problems: Problem[] } {
  const problems: Problem[] = [];
  const documents: SourceDocument[] = [];
  const met = new Set<string>();
  const take = (document: SourceDocument, above: readonly string[]) => {
    met.add(document.file);
    documents.push(document);
    for (const [index, said] of includesOf(document).entries()) {
      const file = resolvePath(dirname(document.file), said);
      const place = document.place(['include', index]);
      const way = [...above, document.file];
      if (way.includes(file)) {
        const circle = [...way.slice(way.indexOf(file)), file].map((one) => relative(dirname(root.file), one));
        problems.push({
          code: 'INV-INCLUDE-CYCLE',
          place,
          what: `the files include each other in a circle: ${circle.join(' → ')}`,
          next: 'Take one of these includes out.',
        });
        continue;
      }
      if (met.has(file)) continue;
      const result = read(file);
      if ('document' in result) {
        take(result.document, way);
        continue;
      }
      met.add(file);
      const [first] = result.problems;
      const missing = first?.code === 'INV-NO-FILE' ? { ...first, place } : undefined;
      problems.push(
        ...(missing === undefined
          ? result.problems
          : [
              {
                ...missing,
                what: `the included file ${file} can’t be read: ${missing.what}`,
                next: 'Correct the path (it is looked up beside the file that includes it).',
              },
            ]),
      );
    }
  };
  take(root, []);
  if (documents.length === 1) return { document: root, problems };
  return { document: joined(documents, problems), problems };
}

function includesOf({ value }: SourceDocument): string[] {
  const said = isMap(value) ? value.include : undefined;
  return Array.isArray(said) && said.every((one) => typeof one === 'string') ? said : [];
}

function joined(documents: readonly SourceDocument[], problems: Problem[]): SourceDocument {
  const [root] = documents;
  if (root === undefined || !isMap(root.value)) throw new Error('an inventory that includes files is a map');
  const value: Record<string, unknown> = { ...root.value };
  const owner = (path: Path, among: readonly SourceDocument[]) =>
    among.reduce((best, one) => (depth(one.value, path) > depth(best.value, path) ? one : best), root);
  const earlierPlace = (path: Path, upTo: number) => owner(path, documents.slice(0, upTo)).place(path, 'key');
  for (const [position, { value: more, place }] of documents.entries()) {
    if (position === 0) continue;
    if (!isMap(more)) {
      if (more !== null) problems.push({ code: 'INV-WRONG-TYPE', place: place([]), ...NO_MAP });
      continue;
    }
    const twice = (path: Path, what: string, code: string) => {
      const first = earlierPlace(path, position);
      problems.push({
        code,
        place: place(path, 'key'),
        what: `${what} is given a second time; the first is in line ${first.line} of ${relative(dirname(root.file), first.file)}`,
        next: 'Keep one of the two.',
        also: [{ place: first, says: 'the first' }],
      });
    };
    for (const [key, section] of Object.entries(more)) {
      const known = value[key];
      if (key === 'include') continue;
      if (key === 'version') {
        if (section !== 1) problems.push({ code: 'INV-BAD-VALUE', place: place([key]), ...ONE_VERSION });
      } else if (key === 'name') {
        problems.push({ code: 'INV-INCLUDE-CLUSTER', place: place([key]), ...OWN_CLUSTER });
      } else if (known === undefined || known === null || !isMap(section)) {
        if (section !== null) value[key] = section;
      } else if (isMap(known)) {
        const what = NAMED[key];
        value[key] =
          what === undefined
            ? mergedSettings(known, section, [key], (path) => twice(path, `“${path.join('.')}”`, 'INV-DUPLICATE-KEY'))
            : mergedNames(known, section, (name) => twice([key, name], `${what} “${name}”`, 'INV-DUPLICATE-NAME'));
      }
    }
  }
  return {
    file: root.file,
    files: documents.map(({ file }) => file),
    value,
    place: (path, of) => owner(path, documents).place(path, of),
    textPlace: (path) => owner(path, documents).textPlace(path),
    written: (path) => owner(path, documents).written(path),
    comments: documents.flatMap(({ comments }) => comments),
    surprises: documents.flatMap(({ surprises }) => surprises),
  };
}

const NO_MAP = { what: 'an included file must be a map', next: 'Write hosts:, groups: or the like in it.' };
const ONE_VERSION = { what: '“version” must be 1', next: 'Version of the inventory’s language.' };
const OWN_CLUSTER = {
  what: 'a file with a name is a cluster of its own and can’t be a part of another',
  next: 'Take the name out, or move what both clusters share into a file without one.',
};

function mergedNames(known: Record<string, unknown>, more: Record<string, unknown>, twice: (name: string) => void) {
  for (const name of Object.keys(more)) if (name in known) twice(name);
  return { ...more, ...known };
}

function mergedSettings(
  known: Record<string, unknown>,
  more: Record<string, unknown>,
  path: Path,
  twice: (path: Path) => void,
): Record<string, unknown> {
  const merged = { ...known };
  for (const [key, value] of Object.entries(more)) {
    const at = [...path, key];
    const earlier = known[key];
    if (!(key in known)) merged[key] = value;
    else if (isMap(earlier) && isMap(value)) merged[key] = mergedSettings(earlier, value, at, twice);
    else twice(at);
  }
  return merged;
}

/** How many steps of a path a value has. */
function depth(value: unknown, [key, ...rest]: Path): number {
  if (key === undefined || typeof value !== 'object' || value === null || !(key in value)) return 0;
  return 1 + depth(value[key as keyof typeof value], rest);
}
