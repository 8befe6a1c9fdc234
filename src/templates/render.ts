import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Liquid, LiquidError, type Template, UndefinedVariableError } from 'liquidjs';
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
// A locale of its own: templates come out alike everywhere, and asking Intl for the operator's takes 18 ms.
const engine = new Liquid({
  strictVariables: true,
  strictFilters: true,
  ownPropertyOnly: true,
  jsTruthy: true,
  locale: 'en-US',
});

/** Parsing costs far more than rendering, and all hosts share a few texts. */
const parsed = new Map<string, Template[]>();

/** Renders a template by its path below `templates/`, e.g. `nginx/web_server.conf`. */
export type Renderer = (name: string, variables: object) => string;

/**
 * Makes a renderer of lvsctl's templates, or of the operator's files of the same names where there are any. Each file
 * is read once.
 * @param overrideDir the operator's `templates` folder; it need not exist
 * @returns throws TPL-UNKNOWN-VARIABLE, TPL-SYNTAX with file, line and column
 */
export function makeRenderer(overrideDir: string): Renderer {
  const read = new Map<string, { file: string; text: string }>();
  // Hosts of a kind want the same text: rendering costs far more than looking its variables up.
  const rendered = new Map<string, string>();
  return (name, variables) => {
    const source = read.get(name) ?? readTemplate(name, overrideDir);
    read.set(name, source);
    const key = `${name}\n${JSON.stringify(variables)}`;
    const known = rendered.get(key);
    if (known !== undefined) return known;
    const text = render(source.text, variables, { file: source.file, line: 1, column: 1, block: true });
    rendered.set(key, text);
    return text;
  };
}

/**
 * Renders only the operator's own files; a template of lvsctl comes out as a comment with its name. For whoever looks
 * for templates that can't be rendered: lvsctl's can, and rendering them for thousands of hosts takes its time.
 * @returns throws what `makeRenderer`'s does
 */
export function makeOverrideRenderer(overrideDir: string): Renderer {
  const render = makeRenderer(overrideDir);
  const overridden = new Map<string, boolean>();
  return (name, variables) => {
    const known = overridden.get(name) ?? existsSync(join(overrideDir, name));
    overridden.set(name, known);
    return known ? render(name, variables) : `# ${name}\n`;
  };
}

function readTemplate(name: string, overrideDir: string): { file: string; text: string } {
  const own = join(overrideDir, name);
  const file = existsSync(own) ? own : join(packageRoot(), 'templates', name);
  return { file, text: readFileSync(file, 'utf8') };
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
    const template = parsed.get(text) ?? engine.parse(text);
    parsed.set(text, template);
    return String(engine.renderSync(template, { ...variables }));
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
