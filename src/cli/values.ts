import { InvalidArgumentError } from 'commander';

/** What the words after options mean. */

/** An empty list is what a script passes whose variable isn't set: it must not mean “none”, nor “all”. */
export function list(value: string): string[] {
  const items = value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (items.length === 0) throw new InvalidArgumentError('Name at least one host.');
  return items;
}

export function collect(value: string, previous: string[] | undefined): string[] {
  if (value === '') throw new InvalidArgumentError('Name a file or a folder.');
  return [...(previous ?? []), value];
}

export function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}

export function atLeast(least: number): (value: string) => number {
  return (value) => {
    const number = positive(value);
    if (number < least) throw new InvalidArgumentError(`It must be at least ${least}.`);
    return number;
  };
}

export function whole(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('It must be a whole number, 0 or more.');
  return Number(value);
}

export function serial(value: string): { hosts: number } | { percent: number } {
  const [, number, unit] = /^(\d+)(%)?$/.exec(value) ?? [];
  if (number === undefined || Number(number) < 1) throw new InvalidArgumentError('Say it as 2, or as 25%.');
  if (unit === undefined) return { hosts: Number(number) };
  if (Number(number) > 100) throw new InvalidArgumentError('A share is at most 100%.');
  return { percent: Number(number) };
}

/** Seconds of `90`, `90s`, `5m` or `1h`. */
export function duration(value: string): number {
  const [, number, unit = 's'] = /^(\d+)([smh])?$/.exec(value) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Say it as 90s, 5m or 1h.');
  return Number(number) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'];
}
