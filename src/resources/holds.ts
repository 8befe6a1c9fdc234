import { isDeepStrictEqual } from 'node:util';
import type { Recorded } from './kind.ts';

/**
 * Whether an observed state is as expected. Of two records, only the expected one's keys count: states carry more
 * (a version, a file's content) than a change is about. Everything else must be equal all through.
 */
export function holds(expected: unknown, actual: unknown): boolean {
  if (!isRecord(expected) || !isRecord(actual)) return isDeepStrictEqual(expected, actual);
  return Object.entries(expected).every(([key, value]) => isDeepStrictEqual(value, actual[key]));
}

/** For `Kind.theirs`: the state is neither what lvsctl wrote nor what was there before. */
export function changedSince(entry: Pick<Recorded<unknown>, 'before' | 'wrote'>, state: unknown): string | undefined {
  const known = [...entry.wrote, ...(entry.before === undefined ? [] : [entry.before])];
  if (known.some((each) => holds(each, state))) return undefined;
  return 'changed since lvsctl wrote it: left as it is';
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
