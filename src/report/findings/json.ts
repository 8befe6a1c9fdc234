import type { Counts, Told } from './index.ts';

/** One document of JSON: `v` is the form's version. Pure. */
export function jsonText(problems: readonly Told[], clusters: readonly Counts[]): string {
  return JSON.stringify({ v: 1, clusters, findings: problems }, null, 2);
}
