import { relative } from 'node:path';
import { type Place, type Problem, placeText } from '../errors/index.ts';
import { type Paint, printable } from './paint.ts';

/** An error as two or three lines: place and code, what happened, what to do next. */
export function problemText(problem: Problem, paint: Paint): string {
  const place = placeText(near(problem.place));
  const head =
    place === '' ? paint.removed(problem.code) : `${paint.strong(printable(place))}: ${paint.removed(problem.code)}`;
  return `${head}\n  ${printableLines(problem.what)}\n  ${paint.faint('→')} ${printableLines(problem.next)}`;
}

function printableLines(text: string): string {
  return text.trimEnd().split('\n').map(printable).join('\n  ');
}

/** A file below the working folder by its relative name: short, and what editors and terminals open. */
function near(place: Place): Place {
  if (place.kind !== 'file') return place;
  const path = relative(process.cwd(), place.file);
  return path === '' || path.startsWith('..') ? place : { ...place, file: path };
}
