import { isDeepStrictEqual } from 'node:util';

/**
 * Whether an observed state is as expected. Of two records, only the expected one's keys count: states carry more
 * (a version, a file's content) than a change is about. Everything else must be equal all through.
 */
export function holds(expected: unknown, actual: unknown): boolean {
  if (!isRecord(expected) || !isRecord(actual)) return isDeepStrictEqual(expected, actual);
  return Object.entries(expected).every(([key, value]) => isDeepStrictEqual(value, actual[key]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
