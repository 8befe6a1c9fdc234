import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import { LvsctlError } from '../../src/errors/index.ts';
import { loadClusters } from '../../src/inventory/index.ts';
import { resolvedText, resolvedValues } from '../../src/inventory/resolved.ts';
import { lint } from '../../src/lint/index.ts';
import { printable } from '../../src/report/paint.ts';
import { rehearse } from '../../src/roles/index.ts';
import { folder } from './files.ts';
import { mutated, slipped } from './mutations.ts';

/** What comes of a text: the number of clusters, or where its problems are. Anything but that fails the test. */
function read(text: string): { valid: true } | { valid: false; problems: number } {
  const file = join(folder({}), 'lvs.yaml');
  writeFileSync(file, text);
  try {
    const loaded = loadClusters([file]);
    lint(loaded);
    for (const { cluster, document } of loaded) {
      rehearse(cluster);
      resolvedText(resolvedValues(cluster, document), document);
    }
    return { valid: true };
  } catch (error) {
    // Everything else is a bug: it would show a stack.
    if (!(error instanceof LvsctlError)) throw error;
    const lines = text.split(/\r\n|\r|\n/).length;
    for (const { place, code, what, next } of error.problems) {
      expect(code).toMatch(/^[A-Z]+(-[A-Z0-9]+)+$/u);
      expect(what.length).toBeGreaterThan(5);
      expect(next.length).toBeGreaterThan(3);
      // What is shown on a terminal must not move its cursor: every report prints it so.
      expect(printable(`${what}${next}`)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u);
      if (place.kind !== 'file') {
        expect(code).toBe('INV-NO-CLUSTER');
        continue;
      }
      expect(place.line, code).toBeGreaterThanOrEqual(1);
      expect(place.line, code).toBeLessThanOrEqual(lines + 1);
      expect(place.column, code).toBeGreaterThanOrEqual(1);
    }
    return { valid: false, problems: error.problems.length };
  }
}

/** Reads so many spoilt inventories, the same ones each time; each is a cluster, or problems with places. */
export function readSpoilt(kind: 'values' | 'text', runs: number): { valid: number; refused: number } {
  const count = { valid: 0, refused: 0 };
  const text = kind === 'values' ? mutated : slipped;
  fc.assert(
    fc.property(text, (spoilt) => {
      count[read(spoilt).valid ? 'valid' : 'refused'] += 1;
    }),
    { numRuns: runs, endOnFailure: true, seed: 20261121 },
  );
  return count;
}
