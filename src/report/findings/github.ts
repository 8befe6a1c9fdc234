import { placeText } from '../../errors/index.ts';
import type { Told } from './index.ts';

const COMMANDS = { error: 'error', warning: 'warning', info: 'notice' } as const;

/** Workflow commands of GitHub Actions, a line each: they show at the lines of a pull request. Pure. */
export function githubText(problems: readonly Told[]): string {
  return problems
    .map(({ severity, place, code, what, next, also }) => {
      const file =
        place.kind === 'file'
          ? [
              `file=${property(place.file)}`,
              ...(place.line === undefined ? [] : [`line=${place.line}`]),
              ...(place.column === undefined ? [] : [`col=${place.column}`]),
            ]
          : [];
      const others = also.map((other) => `${placeText(other.place)}: ${other.says}`);
      const where = place.kind === 'host' ? `${placeText(place)}: ` : '';
      const message = [`${where}${what}`, ...others, next].join('\n');
      return `::${COMMANDS[severity]} ${[...file, `title=${property(code)}`].join(',')}::${data(message)}`;
    })
    .join('\n');
}

/** What the runner takes for the end of a command or of a line is written as a number (actions/toolkit, command.ts). */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
