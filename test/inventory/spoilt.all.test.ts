import { describe, expect, test } from 'vitest';
import { readSpoilt } from './spoilt.ts';

describe('ten thousand spoilt inventories are valid, or told with their places', () => {
  test.each(['values', 'text'] as const)(
    '%s',
    (kind) => {
      const { valid, refused } = readSpoilt(kind, 5000);
      expect([valid > 50, refused > 2500]).toEqual([true, true]);
    },
    3_600_000,
  );
});
