import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandLine, quoteWord } from '../../src/transport/quote.ts';

test.each([
  ['plain', 'plain'],
  ['', "''"],
  ["it's", `'it'\\''s'`],
  ['a b', "'a b'"],
  ['~root', "'~root'"],
  ['a=b', 'a=b'],
])('%j becomes %s', (word, quoted) => {
  expect(quoteWord(word)).toBe(quoted);
});

test('a real sh gets exactly the words, whatever characters they hold', () => {
  const character = fc.oneof(
    fc.constantFrom(...`'"\\$\`!*?[]{}()<>|&;~# \t\n\r=%-`),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((text) => !text.includes('\0')),
  );
  const word = fc.array(character, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (words) => {
      const said = execFileSync('sh', ['-c', commandLine(['printf', '%s\\0', ...words])]);
      expect(said).toEqual(Buffer.from(words.map((one) => `${one}\0`).join('')));
    }),
    { numRuns: 150 },
  );
});

test.each([[['a\0b']], [[]]])('%j is refused', (argv) => {
  expect(() => commandLine(argv)).toThrow(RangeError);
});
