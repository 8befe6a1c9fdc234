import type { Scalar } from 'yaml';
import type { FilePlace, Problem } from '../errors/index.ts';

/** What is YAML 1.2, and not what it looks like to somebody who knows YAML 1.1. Pure. */
export function surprising(
  { type, value, source = '', range }: Scalar,
  isKey: boolean,
  at: (offset: number) => FilePlace,
): Problem | undefined {
  if (type !== 'PLAIN' || typeof value !== 'number' || !/^[-+]?0[0-9_]/u.test(source)) return undefined;
  return {
    code: 'INV-LEADING-ZERO',
    place: at(range?.[0] ?? 0),
    what: `“${source}” is the number ${value} in YAML 1.2, and ${older(source)} in YAML 1.1`,
    next: isKey
      ? 'Put the name in quotes.'
      : 'Leave the leading zero out, or put the value in quotes where text is meant.',
  };
}

/** What YAML 1.1 takes it for: octal, where it can be. */
function older(source: string): string {
  return /^[-+]?0[0-7]+$/u.test(source) ? String(Number.parseInt(source, 8)) : 'text';
}

/** What to do about a syntax error. `rest`: the text from its place on. Pure. */
export function syntaxNext(code: string, rest: string): string {
  if (code === 'TAB_AS_INDENT') return 'Use spaces: YAML takes no tabs for indentation.';
  if (/^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:(\s|[,\]}]|$)/u.test(rest))
    return 'Put the IPv6 address in quotes: the colon at its end makes it a key.';
  if (/^[%@`*&!]/u.test(rest)) return `Put the value in quotes: ${rest.charAt(0)} has a meaning of its own in YAML.`;
  return 'Correct the syntax there; often it is the indentation, a missing colon or a quote that isn’t closed.';
}

/** What explains a value of the wrong type, where YAML made something else of it than was meant. Pure. */
export function typeHint(data: unknown, wanted: string): string | undefined {
  if (typeof data === 'string' && wanted.includes('true or false')) {
    if (/^(no|off|n)$/iu.test(data)) return `In YAML 1.2 ${data} is text: write false.`;
    if (/^(yes|on|y)$/iu.test(data)) return `In YAML 1.2 ${data} is text: write true.`;
  }
  if (typeof data === 'object' && data !== null && wanted.includes('text')) {
    const [key = '', ...more] = Object.keys(data);
    if (more.length === 0 && /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/u.test(key))
      return 'Put the IPv6 address in quotes: the colon at its end makes it a key.';
  }
  if (typeof data === 'string' && /^[0-9]+(:[0-5]?[0-9])+$/u.test(data) && wanted.includes('number')) {
    const count = data.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
    return `YAML 1.1 counts ${data} in sixties; write ${count}, if that is meant.`;
  }
  return undefined;
}
