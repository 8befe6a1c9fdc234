import { dirname, relative } from 'node:path';
import type { FilePlace, Problem } from '../errors/index.ts';
import type { Path, SourceDocument } from './document.ts';

/** Collects what is wrong with a document, each with its place. */
export interface Findings {
  readonly problems: Problem[];
  add(path: Path, code: string, what: string, next: string, of?: 'key' | 'value', also?: Also): void;
  /** `line 12`, or `line 12 of hosts.yaml` where there are several files; for a problem that has two places. */
  line(path: Path, of?: 'key' | 'value'): string;
  /** Whether something is wrong with a value, or in it, or was so wrong that it was left out: what follows from that isn't told. */
  has(path: Path): boolean;
  readonly document: SourceDocument;
}

/** Another place that a problem is about, and what stands there. */
export interface Also {
  path: Path;
  of?: 'key' | 'value';
  says: string;
}

/** The other place as a report shows it. Pure. */
export function alsoAt(document: SourceDocument, { path, of, says }: Also): { place: FilePlace; says: string } {
  return { place: document.place(path, of), says };
}

/** @param left paths (joined by NUL) of what was left out */
export function makeFindings(document: SourceDocument, left: ReadonlySet<string> = new Set()): Findings {
  const problems: Problem[] = [];
  const told = new Set<string>();
  const wrong: string[] = [];
  return {
    problems,
    document,
    add: (path, code, what, next, of = 'value', also) => {
      const problem = {
        code,
        place: document.place(path, of),
        what,
        next,
        ...(also === undefined ? {} : { also: [alsoAt(document, also)] }),
      };
      // What stands in defaults is met again with every host and service.
      const key = JSON.stringify(problem);
      if (!told.has(key)) problems.push(problem);
      told.add(key);
      wrong.push(path.join('\0'));
    },
    has: (path) => {
      const asked = path.join('\0');
      const isIn = (inner: string, outer: string) => inner === outer || inner.startsWith(`${outer}\0`);
      return wrong.some((one) => isIn(one, asked)) || [...left].some((one) => isIn(one, asked) || isIn(asked, one));
    },
    line: (path, of = 'value') => {
      const { file, line } = document.place(path, of);
      return document.files.length === 1 ? `line ${line}` : `line ${line} of ${relative(dirname(document.file), file)}`;
    },
  };
}
