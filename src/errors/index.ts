/** Where an error happened: in a file the operator wrote, or on a host during a phase. */
export type Place =
  | { kind: 'file'; file: string; line?: number; column?: number }
  | { kind: 'host'; host: string; phase: string }
  | { kind: 'none' };

/** A place in a file. */
export type FilePlace = Extract<Place, { kind: 'file' }>;

/** How much something matters: an error stops, a warning stops where it was asked to, an info is worth knowing. */
export type Severity = 'error' | 'warning' | 'info';

/** One thing that went wrong, in the shape that every report prints. */
export interface Problem {
  /** Stable, upper case, e.g. `INV-UNKNOWN-KEY`; never reused for another meaning. */
  code: string;
  place: Place;
  /** What happened, one sentence without a trailing full stop. */
  what: string;
  /** What the operator can do next, one sentence. */
  next: string;
  /** Absent: an error. */
  severity?: Severity;
  /** Other places that belong to it, each with what stands there. */
  also?: { place: FilePlace; says: string }[];
}

/**
 * An expected failure: printed without a stack, ends the command with exit code 1 (or `exitCode`).
 * It carries every problem that was found, not only the first.
 */
export class LvsctlError extends Error {
  readonly problems: readonly Problem[];
  readonly exitCode: number;
  constructor(problems: readonly Problem[], options: { cause?: unknown; exitCode?: number } = {}) {
    super(problems.map((p) => `${p.code}: ${p.what}`).join('\n'), { cause: options.cause });
    this.name = 'LvsctlError';
    this.problems = problems;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** Shorthand for a failure with a single problem. */
export function failure(problem: Problem, options?: { cause?: unknown; exitCode?: number }): LvsctlError {
  return new LvsctlError([problem], options);
}

/** Renders a place the way compilers do: `file:line:column`, or `host NAME, phase`. */
export function placeText(place: Place): string {
  switch (place.kind) {
    case 'file':
      return [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
    case 'host':
      return `host ${place.host}, ${place.phase}`;
    case 'none':
      return '';
  }
}
