import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findingsIn } from '../lint/findings.ts';

const folder = new URL('../../inventories/', import.meta.url).pathname;
const texts = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(join(folder, name), 'utf8'));

/** What may come to stand anywhere in a file. */
const scraps = [
  '"',
  "'",
  ': ',
  ' #',
  '&a ',
  '*a',
  '{',
  '}',
  '[',
  ']',
  '- ',
  '\t',
  '~',
  '0',
  '\u202e',
  '\u0007',
  '|',
  'no',
  '{{ x }}',
  '$(reboot)',
  '!include x',
  '::',
  '<<: ',
];
const change = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), text: fc.constantFrom(...scraps) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), length: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('repeat' as const), at: fc.nat() }),
);

type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function changed(text: string, one: Change): string {
  const at = one.at % (text.length + 1);
  switch (one.kind) {
    case 'insert':
      return text.slice(0, at) + one.text + text.slice(at);
    case 'cut':
      return text.slice(0, at) + text.slice(at + one.length);
    case 'repeat': {
      const lines = text.split('\n');
      const line = at % lines.length;
      return lines.toSpliced(line, 0, lines[line] ?? '').join('\n');
    }
  }
}

test('an inventory that somebody spoilt is well, or is met with errors that have their places', () => {
  fc.assert(
    fc.property(fc.constantFrom(...texts), fc.array(change, { minLength: 1, maxLength: 4 }), (text, changes) => {
      for (const { code, at, what } of findingsIn(changes.reduce(changed, text))) {
        expect(code).toMatch(/^(INV|LVS|TPL|ROLE|APP|HOST)-[A-Z0-9-]+$/u);
        expect(what).not.toBe('');
        // Two roles of a host contradict each other: that is a host, and no line.
        if (/^(INV|LVS|TPL)-/u.test(code)) expect(at, `${code} ${what}`).not.toBe('');
      }
    }),
    { numRuns: 150, seed: 20261121 },
  );
});
