import { readFileSync, statSync } from 'node:fs';
import { isatty } from 'node:tty';
import { LvsctlError, type Problem } from '../errors/index.ts';
import type { Source } from '../report/excerpt.ts';
import { makePaint, type Paint, wantsColour } from '../report/paint.ts';
import { problemLine, problemText } from '../report/problem-text.ts';
import { jsonProgress, liveProgress, type Progress, plainProgress } from '../report/progress.ts';

/** Where a command's words go: results on stdout, progress and errors on stderr; with `--json`, all as lines on stdout. */
export interface Output {
  json: boolean;
  /** Whether a question can be asked: stdin and stderr are a terminal. */
  interactive: boolean;
  paint: Paint;
  progress: Progress;
  /** A result for a person; nothing with `--json`. */
  print(text: string): void;
  /** A result for a machine; nothing without `--json`. */
  emit(event: string, data: object): void;
  problems(problems: readonly Problem[]): void;
  /**
   * What the rules found: whole, or a line each where something else is the matter.
   * @param texts the lines of files that aren't here
   */
  findings(findings: readonly Problem[], how: 'whole' | 'short', texts?: Source): void;
}

/** Makes the output for this process's streams. */
export function makeOutput(json: boolean): Output {
  const paint = makePaint(!json && wantsColour(process.stdout, process.env));
  const errorPaint = makePaint(wantsColour(process.stderr, process.env));
  const out = (line: string): void => void process.stdout.write(`${line}\n`);
  const err = (line: string): void => void process.stderr.write(`${line}\n`);
  const source = readLines();
  const live = process.stderr.isTTY === true && process.stdout.isTTY === true && process.env.TERM !== 'dumb';
  let before = false;
  const show = (problem: Problem, texts: Source = source): void => {
    // What has several lines of a file in it is easier to tell apart with a line between.
    const tall = problem.place.kind === 'file' && problem.place.line !== undefined;
    err(`${before && tall ? '\n' : ''}${problemText(problem, errorPaint, texts)}`);
    before ||= tall;
  };
  return {
    json,
    // Not process.stdin: looking at it makes a stream, which takes 8 ms.
    interactive: isatty(0) && process.stderr.isTTY === true && !json,
    paint,
    progress: json
      ? jsonProgress(out)
      : live && !process.env.NO_COLOR
        ? liveProgress(errorPaint, err)
        : plainProgress(err),
    print: (text) => {
      if (!json) out(text);
    },
    emit: (event, data) => {
      if (json) out(JSON.stringify({ v: 1, event, ...data }));
    },
    problems: (problems) => {
      for (const problem of problems) {
        if (json) out(JSON.stringify({ v: 1, event: 'error', ...problem }));
        else show(problem);
      }
    },
    findings: (findings, how, texts) => {
      for (const finding of findings) {
        if (json) out(JSON.stringify({ v: 1, event: 'finding', ...finding }));
        else if (how === 'whole') show(finding, texts);
        else err(problemLine(finding, errorPaint));
      }
    },
  };
}

/** Bytes of a file whose lines are shown. */
const LARGEST = 4 * 1024 * 1024;

/** Reads the files that problems are in, each once. */
function readLines(): Source {
  const known = new Map<string, readonly string[] | undefined>();
  return (file) => {
    if (!known.has(file)) known.set(file, linesOf(file));
    return known.get(file);
  };
}

function linesOf(file: string): string[] | undefined {
  try {
    const found = statSync(file);
    return found.isFile() && found.size <= LARGEST ? readFileSync(file, 'utf8').split(/\r?\n/u) : undefined;
  } catch {
    return undefined;
  }
}

/** Exit codes of every command (README, "Exit codes"). */
export const EXIT = { done: 0, error: 1, changes: 2, findings: 3, interrupted: 130 } as const;

/** Prints what ended a command and gives its exit code. Unknown errors are bugs: they show their stack. */
export function reportError(error: unknown, output: Output, interrupted: boolean): number {
  if (error instanceof LvsctlError) {
    output.problems(error.problems);
    return interrupted ? EXIT.interrupted : error.exitCode;
  }
  if (interrupted) {
    output.problems([
      {
        code: 'INTERRUPTED',
        place: { kind: 'none' },
        what: 'stopped on request',
        next: 'Run the same command again.',
      },
    ]);
    return EXIT.interrupted;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  output.problems([
    {
      code: 'LVSCTL-BUG',
      place: { kind: 'none' },
      what: `lvsctl itself failed: ${stack}`,
      next: 'Please report this with the command that you gave.',
    },
  ]);
  return EXIT.error;
}
