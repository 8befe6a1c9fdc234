import { relative } from 'node:path';
import type { FilePlace, Problem, Severity } from '../../errors/index.ts';
import { githubText } from './github.ts';
import { jsonText } from './json.ts';
import { junitText } from './junit.ts';
import { sarifText } from './sarif.ts';

/** Forms of findings for other programs. */
export type Form = 'json' | 'sarif' | 'github' | 'junit';

/** What a cluster has, for those that count. */
export interface Counts {
  cluster: string;
  hosts: number;
  managed: number;
  services: number;
}

/** A problem as the forms take it: its file relative to the working folder, where it is below that. */
export interface Told extends Omit<Problem, 'place' | 'also'> {
  severity: Severity;
  place: Problem['place'];
  also: { place: FilePlace; says: string }[];
}

/** Findings as one text for another program. Pure but for the working folder, from which files are named. */
export function findingsText(form: Form, problems: readonly Problem[], clusters: readonly Counts[]): string {
  const told = problems.map((problem): Told => {
    const { severity = 'error', place, also = [] } = problem;
    return {
      ...problem,
      severity,
      place: place.kind === 'file' ? shorter(place) : place,
      also: also.map((one) => ({ ...one, place: shorter(one.place) })),
    };
  });
  switch (form) {
    case 'json':
      return jsonText(told, clusters);
    case 'sarif':
      return sarifText(told);
    case 'github':
      return githubText(told);
    case 'junit':
      return junitText(told, clusters);
  }
}

function shorter(place: FilePlace): FilePlace {
  const path = relative(process.cwd(), place.file);
  return path === '' || path.startsWith('..') ? place : { ...place, file: path };
}
