import type { Entry } from './rule.ts';

/** An error of loading as the files of this folder write it: always an error, with an example, and the same mended, where one file shows it. */
export type LoadingError = Omit<Entry, 'severity'>;

/** Errors as entries of the catalogue. */
export function errors(list: readonly LoadingError[]): Entry[] {
  return list.map((one) => ({ ...one, severity: 'error' }));
}
