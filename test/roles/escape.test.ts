import { expect, test } from 'vitest';
import { tryWords } from './escape.ts';

// All places and words: escape.all.test.ts.
test('no text of an inventory leaves its place in a file, whatever it says', () => {
  const { refused, arrived } = tryWords(80);
  expect(refused).toBeGreaterThan(20);
  expect(refused + arrived).toBeGreaterThan(30);
});
