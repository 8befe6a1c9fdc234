import type { FilePlace, Place, Problem, Severity } from '../errors/index.ts';
import type { Entry } from './rule.ts';

interface Found {
  place: Place;
  what: string;
  next?: string;
  also?: { place: FilePlace; says: string };
}

/** What rules find in something, as problems: with each rule's code, severity and, unless a place has its own, remedy. Pure. */
export function told<Of>(
  rules: readonly (Entry & { check(of: Of): Iterable<Found> })[],
  of: Of,
): (Problem & { severity: Severity })[] {
  return rules.flatMap((rule) =>
    [...rule.check(of)].map(({ place, what, next = rule.remedy, also }) => ({
      code: rule.code,
      severity: rule.severity,
      place,
      what,
      next,
      ...(also === undefined ? {} : { also: [also] }),
    })),
  );
}
