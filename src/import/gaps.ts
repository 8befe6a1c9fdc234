import { isDeepStrictEqual } from 'node:util';
import type { Place, Problem } from '../errors/index.ts';

export type FilePlace = Extract<Place, { kind: 'file' }>;

/** What the files hold and the inventory doesn't, each with its line; in the order in which it was met. */
export interface Gaps {
  readonly problems: Problem[];
  /** @param why what is lost by it, or what to do: a sentence. */
  add(place: FilePlace, what: string, why: string): void;
}

export function makeGaps(): Gaps {
  const problems: Problem[] = [];
  return {
    problems,
    add: (place, what, why) => {
      // One file can be several hosts'.
      if (problems.some((one) => one.what === what && isDeepStrictEqual(one.place, place))) return;
      problems.push({ code: 'IMPORT-NOT-EXPRESSED', severity: 'warning', place, what, next: why });
    },
  };
}
