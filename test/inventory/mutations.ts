import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';

/** Inventories as somebody might spoil them: by a value, a key, or a slip in the text. */

export const inventories = new URL('../../inventories/', import.meta.url).pathname;

/** The texts of the inventories that come with lvsctl. */
export const TEXTS = readdirSync(inventories)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(join(inventories, name), 'utf8'));

/** Words that mean something to a shell, a template, YAML, keepalived, nginx, JavaScript or a terminal. */
export const HOSTILE = [
  '$(reboot)',
  '`reboot`',
  '; reboot',
  '&& reboot',
  '| reboot',
  '> /etc/passwd',
  `\${IFS}`,
  '$HOME',
  '-rf',
  '--help',
  '../../etc/passwd',
  '/etc/passwd',
  '{{ host.name }}',
  '{{',
  '{% raw %}',
  '%}',
  '}',
  '{',
  '!include x',
  '# comment',
  '"',
  "'",
  '\\',
  'a\nb',
  'a\rb',
  'a\tb',
  '\n',
  ' ',
  '',
  'a\u0000b',
  'a\u001b[31mb',
  'a\u202eb',
  'a\u200bb',
  'a\u2028b',
  'é',
  '☃',
  '\ud800',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'length',
  '*',
  '&a',
  '@x',
  '%s',
  'null',
  'true',
  'no',
  '0x10',
  '1:20',
  '1e999',
  'x'.repeat(5000),
] as const;

const SCALARS: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  1.5,
  255,
  256,
  65536,
  4294967296,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '10.0.0.1',
  '10.0.0.0/24',
  '10.0.0.1/33',
  '0.0.0.0',
  '255.255.255.255',
  '224.0.0.1',
  '127.0.0.1',
  '::',
  '::1',
  'ff02::1',
  'fe80::1%eth0',
  '2001:db8::1/129',
  '1.2.3',
  '1-0',
  'web[01-99999]',
  'web[9-1]',
  [],
  {},
  [[]],
  [{}],
  [null],
  { a: { b: { c: 1 } } },
];

const value = fc.oneof(
  fc.constantFrom(...SCALARS),
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** One thing done to a document. `where` chooses the place, whatever the document holds. */
const change = fc.record({
  where: fc.nat(),
  how: fc.constantFrom('replace', 'remove', 'rename', 'add', 'double', 'swap'),
  value,
  key: fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 8 })),
});

type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

interface Place {
  parent: Record<string, unknown> | unknown[];
  key: string | number;
}

function placesIn(root: unknown): Place[] {
  const places: Place[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const parent = node as Record<string, unknown> | unknown[];
    for (const key of Object.keys(parent)) {
      places.push({ parent, key: Array.isArray(parent) ? Number(key) : key });
      walk(Reflect.get(parent, key));
    }
  };
  walk(root);
  return places;
}

function put(parent: Place['parent'], key: string | number, one: unknown): void {
  Object.defineProperty(parent, key, { value: one, enumerable: true, configurable: true, writable: true });
}

function changed(root: unknown, { where, how, value: one, key }: Change): void {
  const places = placesIn(root);
  const place = places[where % Math.max(places.length, 1)];
  if (place === undefined) return;
  const { parent, key: at } = place;
  const old: unknown = Reflect.get(parent, at);
  switch (how) {
    case 'replace':
      put(parent, at, one);
      break;
    case 'remove':
      if (Array.isArray(parent)) parent.splice(Number(at), 1);
      else delete parent[String(at)];
      break;
    case 'rename':
      if (Array.isArray(parent)) break;
      delete parent[String(at)];
      put(parent, key, old);
      break;
    case 'add':
      if (Array.isArray(parent)) parent.push(one);
      else put(parent, key, one);
      break;
    case 'double':
      if (Array.isArray(parent)) parent.push(structuredClone(old));
      else put(parent, `${String(at)}2`, structuredClone(old));
      break;
    case 'swap': {
      const other = places[(where * 7 + 3) % places.length];
      if (other === undefined) break;
      const theirs = structuredClone(Reflect.get(other.parent, other.key));
      put(parent, at, theirs);
      break;
    }
  }
}

/** A document of ours with one to four things done to it, as YAML. */
export const mutated = fc
  .record({ text: fc.constantFrom(...TEXTS), changes: fc.array(change, { minLength: 1, maxLength: 4 }) })
  .map(({ text, changes }) => {
    const root: unknown = parse(text);
    for (const one of changes) changed(root, one);
    return stringify(root, { lineWidth: 0 });
  });

/** A text of ours with a slip in it: characters put in, taken out or doubled, lines moved. */
export const slipped = fc
  .record({
    text: fc.constantFrom(...TEXTS),
    slips: fc.array(
      fc.record({
        at: fc.nat(),
        length: fc.nat({ max: 20 }),
        put: fc.oneof(
          fc.constantFrom(
            '\t',
            '  ',
            ':',
            ': ',
            '- ',
            '"',
            "'",
            '{',
            '}',
            '[',
            ']',
            '&a ',
            '*a',
            '!!x ',
            '|',
            '>',
            '\n',
            '---\n',
            '...\n',
            '<<: *a',
            '? ',
            '#',
            '%',
            '@',
            '`',
            '\u0000',
            '\u202e',
            '\ufeff',
          ),
          fc.string({ unit: 'binary', maxLength: 6 }),
        ),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  })
  .map(({ text, slips }) =>
    slips.reduce((all, { at, length, put: more }) => {
      const from = at % (all.length + 1);
      return all.slice(0, from) + more + all.slice(from + length);
    }, text),
  );
