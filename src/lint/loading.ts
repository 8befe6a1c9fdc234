import type { Entry } from './rule.ts';

/** An error of loading as the files of this folder write it: always an error, with an example where one file shows it. */
export type LoadingError = Omit<Entry, 'severity' | 'good'>;

/** Errors as entries of the catalogue. */
export function errors(list: readonly LoadingError[]): Entry[] {
  return list.map((one) => ({ ...one, severity: 'error' }));
}
