import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Liquid, LiquidError, UndefinedVariableError } from 'liquidjs';
import { failure } from '../errors/index.ts';
import { packageRoot } from './root.ts';

/** Where a text that is a template begins in its file. */
export interface TextPlace {
  file: string;
  line?: number;
  column?: number;
  /** Its lines are lines of the file, from `column` on (a YAML block); otherwise it is in one line there. */
  block?: boolean;
}

// Values are not escaped: the inventory's schema lets no control characters, quotes or spaces into what templates show.
const engine = new Liquid({ strictVariables: true, strictFilters: true, ownPropertyOnly: true, jsTruthy: true });

/**
 * Renders one of lvsctl's templates, or the operator's file of the same name where there is one.
 * @param name path below `templates/`, e.g. `nginx/web_server.conf`
 * @param options.overrideDir the operator's `templates` folder; it need not exist
 * @throws TPL-UNKNOWN-VARIABLE, TPL-SYNTAX with file, line and column
 */
export function renderTemplate(name: string, variables: object, options: { overrideDir?: string } = {}): string {
  const own = options.overrideDir === undefined ? undefined : join(options.overrideDir, name);
  const file = own !== undefined && existsSync(own) ? own : join(packageRoot(), 'templates', name);
  return render(readFileSync(file, 'utf8'), variables, { file, line: 1, column: 1, block: true });
}

/**
 * Renders a template that stands in an inventory.
 * @throws TPL-UNKNOWN-VARIABLE, TPL-SYNTAX with the place in the inventory
 */
export function renderText(text: string, variables: object, place: TextPlace): string {
  return render(text, variables, place);
}

function render(text: string, variables: object, place: TextPlace): string {
  try {
    return String(engine.parseAndRenderSync(text, { ...variables }));
  } catch (error) {
    if (!LiquidError.is(error)) throw error;
    const cause = error.originalError instanceof Error ? error.originalError : error;
    const unknown = UndefinedVariableError.is(error)
      ? /^undefined variable: (.*)$/.exec(firstLine(cause.message))?.[1]
      : undefined;
    const [line = 1, column = 1] = error.token.getPosition();
    const at = { kind: 'file' as const, file: place.file, ...within(place, line, column) };
    if (unknown !== undefined) {
      throw failure(
        {
          code: 'TPL-UNKNOWN-VARIABLE',
          place: at,
          what: `the template names “${unknown}”, which does not exist here`,
          next: `There are: ${namesIn(variables).join(', ')}.`,
        },
        { cause: error },
      );
    }
    const what = `the template can’t be rendered: ${firstLine(cause.message).replace(/, line:\d+, col:\d+$/, '')}`;
    throw failure(
      { code: 'TPL-SYNTAX', place: at, what, next: 'Correct the template (Liquid’s syntax).' },
      { cause: error },
    );
  }
}

function within(place: TextPlace, line: number, column: number): { line?: number; column?: number } {
  if (place.line === undefined || place.column === undefined) return {};
  if (line === 1) return { line: place.line, column: place.column + column - 1 };
  return place.block
    ? { line: place.line + line - 1, column: place.column + column - 1 }
    : { line: place.line, column: place.column };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

/** Dotted names of what a template can use: `host.name`, `port`. */
function namesIn(variables: object, prefix = ''): string[] {
  return Object.entries(variables).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? namesIn(value, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}
