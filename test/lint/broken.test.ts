import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeOutput } from '../../src/cli/output.ts';
import { validateCommand } from '../../src/cli/validate.ts';

const folder = new URL('../../inventories/broken/', import.meta.url).pathname;
const names = readdirSync(folder);

/** What `validate --format json` finds in a file: each as `CODE LINE`, without a line where a host is the place. */
async function found(file: string): Promise<{ code: number; told: string[]; errors: number }> {
  let text = '';
  const code = await validateCommand(
    { inventory: [file], format: 'json' },
    {
      ...makeOutput(false),
      print: (more) => {
        text += more;
      },
    },
  );
  const { findings }: { findings: { code: string; severity: string; place: { line?: number } }[] } = JSON.parse(text);
  return {
    code,
    told: findings.map(({ code, place }) => [code, place.line ?? []].flat().join(' ')),
    errors: findings.filter(({ severity }) => severity === 'error').length,
  };
}

describe('inventories/broken', () => {
  test('holds the mistakes of the documents', () => expect(names.length).toBeGreaterThanOrEqual(25));

  test.each(names)('%s is met with what it expects, and nothing else', async (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const expected = [...text.matchAll(/^# expect: (.+)$/gmu)].map(([, one]) => one);
    expect(expected.length).toBeGreaterThan(0);
    const { code, told, errors } = await found(join(folder, name));
    expect(told.toSorted()).toEqual(expected.toSorted());
    expect(code).toBe(errors > 0 ? 3 : 0);
  });
});
