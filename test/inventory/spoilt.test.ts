import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rangeOf } from '../../src/inventory/groups.ts';
import { suggest, suggestion } from '../../src/inventory/suggest.ts';
import { folder, inventory, problemsIn, problemsOf } from './files.ts';
import { readSpoilt } from './spoilt.ts';

// Ten thousand of them: spoilt.all.test.ts.
describe('a spoilt inventory is valid all the same, or told with its places', () => {
  test('values and keys', () => {
    const { valid, refused } = readSpoilt('values', 120);
    expect([valid > 0, refused > 60]).toEqual([true, true]);
  });

  test('slips in the text', () => {
    const { valid, refused } = readSpoilt('text', 120);
    expect([valid > 0, refused > 40]).toEqual([true, true]);
  });
});

describe('what would take all memory or time', () => {
  const bomb = `version: 1\nname: c\nvars: &a0 [x, x, x, x, x, x, x, x, x]\n${Array.from({ length: 12 }, (_none, n) => `v${n}: &a${n + 1} [${Array.from({ length: 9 }, () => `*a${n}`).join(', ')}]`).join('\n')}\n`;
  const deep = 20_000;

  test.each([
    ['anchors that double each other', bomb, /INV-NOT-YAML its aliases can’t be followed/u],
    ['an anchor that holds itself', 'version: 1\nname: &a [*a]\n', /INV-/u],
    ['lists in lists', `version: 1\nname: ${'['.repeat(deep)}${']'.repeat(deep)}\n`, /INV-NOT-YAML.*nested too deep/u],
    [
      'maps in maps',
      `version: 1\nhosts: {}\nname: ${'{a: '.repeat(deep)}1${'}'.repeat(deep)}\n`,
      /INV-NOT-YAML.*nested too deep/u,
    ],
    ['lists by indentation', `version: 1\nname:\n${' - '.repeat(deep)}x\n`, /INV-/u],
    ['only quotes', '"'.repeat(50_000), /INV-NOT-YAML/u],
    ['only colons', ': '.repeat(20_000), /INV-/u],
    ['one line of a million letters', `version: 1\nhosts: {}\nname: ${'x'.repeat(1_000_000)}\n`, /INV-BAD-VALUE/u],
  ])('%s', (_name, text, told) => {
    const found = problemsIn(text);
    expect(found[0]).toMatch(told);
    for (const one of found) expect(one.length).toBeLessThan(1000);
  });

  test('a folder of itself is no file', () => {
    const path = folder({});
    expect(problemsOf(join(path, 'x'), path)[0]).toContain('INV-NO-FILE');
  });

  test('ranges in a range are counted together', () => {
    const parts = Array.from({ length: 3000 }, () => '1-9999').join(',');
    expect(rangeOf(`web[${parts}]`)).toBeUndefined();
    expect(rangeOf('web[1-10000]')).toHaveLength(10_000);
    expect(rangeOf('web[1-10000,10001]')).toBeUndefined();
  });
});

describe('thousands of names, of which many are wrong', () => {
  const names = Array.from({ length: 6000 }, (_none, n) => `web${n}`);

  test.each([
    ['wbe17', 'web17'],
    ['web5999x', 'web5999'],
    ['eb12', 'web12'],
    ['wib3000', 'web3000'],
    ['apache', undefined],
  ])('%s was meant as %s', (word, meant) => {
    expect(suggest(word, names)).toBe(meant);
  });

  test('not all of them are listed', () => {
    expect(suggestion('apache', names)).toMatch(/^There are 6000: web0, web1, .*, web29 … /u);
    expect(suggestion('apache', names).length).toBeLessThan(400);
  });

  test('each is told, though nobody has so many', () => {
    const some = names.slice(0, 1500);
    const hosts = some.map((name) => `  ${name}: {}`).join('\n');
    const real = some.map((name) => `${name}x: {}`).join(', ');
    const found = problemsIn(
      inventory({
        hosts,
        service: `mode: dr\n    vip: 10.0.0.100\n    protocol: tcp\n    port: 80\n    directors: [d]\n    real_servers: { ${real} }`,
      }),
    );
    expect(found).toHaveLength(some.length);
    expect(found[17]).toMatch(/INV-UNKNOWN-NAME there is no host “web17x” → Did you mean “web17”\?$/u);
  });
});
