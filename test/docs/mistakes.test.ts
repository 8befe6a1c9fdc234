import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../src/lint/catalogue.ts';
import { columns } from '../../src/report/excerpt.ts';
import { lvsctl } from '../cli/lvsctl.ts';
import { page, pages, root } from './pages.ts';

const PAGE = 'docs/mistakes.md';
/** A command line of the page, with what it printed when it was last run. */
const SCREEN = /^ {4}\$ lvsctl (.+)\n((?: {4}.*\n|\n(?= {4}))*)/gmu;

describe(PAGE, () => {
  it('shows what lvsctl prints today, on 80 columns (vitest -u writes it anew)', async () => {
    const { text } = page(PAGE);
    const screens = [...text.matchAll(SCREEN)];
    expect(screens).toHaveLength(5);
    let shown = text;
    for (const [whole, command = ''] of screens) {
      const run = await lvsctl(command.split(' '), { cwd: join(root, 'inventories/broken') });
      expect(run.code).toBe(3);
      const lines = [run.err, run.out]
        .filter((part) => part !== '')
        .join('\n')
        .split('\n');
      for (const line of lines) expect(columns(line)).toBeLessThanOrEqual(80);
      const printed = lines.map((line) => (line === '' ? '' : `    ${line}`)).join('\n');
      shown = shown.replace(whole, () => `    $ lvsctl ${command}\n${printed}\n`);
    }
    await expect(shown).toMatchFileSnapshot(join(root, PAGE));
  });
});

it('every code that the docs name is one', () => {
  const known = new Set(CATALOGUE.map(({ code }) => code));
  const named = pages()
    .filter(({ path }) => path !== 'docs/rules.md')
    .flatMap(({ text }) => [...text.matchAll(/\b(?:LVS|INV)-[A-Z]+(?:-[A-Z0-9]+)*\b/gu)].map(([code]) => code));
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter((code) => !known.has(code))).toEqual([]);
});
