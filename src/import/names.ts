/** Names as an inventory takes them. */

/** Letters, digits, `.`, `_` and `-`, beginning and ending with a letter or digit. */
export function tidy(text: string): string {
  const clean = text
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
    .slice(0, 60)
    .replace(/[^A-Za-z0-9]+$/, '');
  return clean === '' ? 'unnamed' : clean;
}

/** The name, or it with the first number that makes it new. */
export function unused(name: string, taken: object): string {
  if (!Object.hasOwn(taken, name)) return name;
  let number = 2;
  while (Object.hasOwn(taken, `${name}-${number}`)) number += 1;
  return `${name}-${number}`;
}
