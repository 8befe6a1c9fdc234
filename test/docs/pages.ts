import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = new URL('../../', import.meta.url).pathname;

/** A page of the documentation: its path from the root, and its text. */
export interface Page {
  path: string;
  text: string;
}

/** README.md and every page below docs/. */
export function pages(): Page[] {
  const below = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.md'),
  );
  return ['README.md', ...below.map((path) => `docs/${path}`).sort()].map(page);
}

/** One page. */
export function page(path: string): Page {
  return { path, text: readFileSync(join(root, path), 'utf8') };
}

/** The YAML that a page shows, with the line that each block begins in. */
export function yamlBlocks({ text }: Page): { line: number; yaml: string }[] {
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gmu)].map(({ 1: yaml = '', index }) => ({
    line: text.slice(0, index).split('\n').length + 1,
    yaml,
  }));
}
