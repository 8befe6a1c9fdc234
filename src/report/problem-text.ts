import { relative } from 'node:path';
import { type Place, type Problem, placeText } from '../errors/index.ts';
import { excerpt, type Source, wrapped } from './excerpt.ts';
import { type Paint, printable } from './paint.ts';

/** Columns of a screen. */
const WIDTH = 80;

/**
 * An error as a compiler gives it: place, severity and code, what happened, the line with a marker beneath, other places
 * that belong to it, what to do next. What has no line is two or three lines: place and code, what, next.
 * @param source gives the lines of files that places are in
 */
export function problemText(problem: Problem, paint: Paint, source: Source = () => undefined): string {
  const { place, code, what, next, severity = 'error', also = [] } = problem;
  const shown = placeText(near(place));
  const coloured = severity === 'error' ? paint.removed : severity === 'warning' ? paint.changed : paint.strong;
  if (place.kind !== 'file' || place.line === undefined) {
    const says = severity === 'error' ? '' : `${coloured(`${severity}:`)} `;
    const head = shown === '' ? coloured(code) : `${paint.strong(printable(shown))}: ${says}${coloured(code)}`;
    // What a host's own programs said stays as they said it.
    const said = place.kind === 'host' ? verbatim(what) : indented(what);
    return [head, ...said, ...nextLines(next, paint)].join('\n');
  }
  const others = also.flatMap((other) => [
    `  ${paint.strong(printable(placeText(near(other.place))))}: ${printable(other.says)}`,
    ...excerpt(source(other.place.file), other.place, paint),
  ]);
  return [
    `${paint.strong(printable(shown))}: ${coloured(`${severity}:`)} ${coloured(code)}`,
    ...indented(what),
    ...excerpt(source(place.file), place, paint),
    ...others,
    ...nextLines(next, paint),
  ].join('\n');
}

/** A problem in one line: for those that stop nothing. */
export function problemLine({ place, code, what, severity = 'error' }: Problem, paint: Paint): string {
  const shown = placeText(near(place));
  return `${shown === '' ? '' : `${paint.strong(printable(shown))}: `}${paint.changed(`${severity}:`)} ${code}: ${printable(what)}`;
}

function verbatim(text: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${printable(line)}`);
}

function indented(text: string): string[] {
  return linesOf(text, 2).map((line) => `  ${line}`);
}

function linesOf(text: string, indent: number): string[] {
  return text
    .trimEnd()
    .split('\n')
    .flatMap((line) => wrapped(printable(line), WIDTH - indent));
}

function nextLines(next: string, paint: Paint): string[] {
  const [first = '', ...more] = linesOf(next, 4);
  return [`  ${paint.faint('→')} ${first}`, ...more.map((line) => `    ${line}`)];
}

/** A file below the working folder by its relative name: short, and what editors and terminals open. Pure but for that folder. */
export function near(place: Place): Place {
  if (place.kind !== 'file') return place;
  const path = relative(process.cwd(), place.file);
  return path === '' || path.startsWith('..') ? place : { ...place, file: path };
}
