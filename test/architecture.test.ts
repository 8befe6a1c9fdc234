import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url).pathname;

/** Every TypeScript file of ours, from the root. */
const files = readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => `src/${path}`);

/** ARCHITECTURE.md's table of rooms: folder → the rooms that it may import. */
function rooms(): Map<string, string[] | 'everything'> {
  const text = readFileSync(`${root}/ARCHITECTURE.md`, 'utf8');
  const rows = text.matchAll(/^\| `src\/([a-z]+)` \|[^|]*\| *([^|]*?) *\|$/gmu);
  return new Map(
    [...rows].map(([, room = '', may = '']) => [
      room,
      may === 'everything' ? 'everything' : may === 'nothing' || may === '' ? [] : may.split(', '),
    ]),
  );
}

/** Every import of ours between rooms: the importing file, its room, the imported room. */
function imports(): { file: string; from: string; to: string }[] {
  return files.flatMap((file) => {
    const text = readFileSync(`${root}/${file}`, 'utf8');
    const from = file.split('/')[1] ?? '';
    return [...text.matchAll(/(?:from|import\()\s*'(\.[^']*)'/gu)].flatMap(([, path = '']) => {
      const target = new URL(path, `file:///${file}`).pathname.split('/');
      return target[1] === 'src' && target[2] !== undefined && target[2] !== from
        ? [{ file, from, to: target[2] }]
        : [];
    });
  });
}

describe('ARCHITECTURE.md', () => {
  it('names every room of src', () => {
    const there = new Set(readdirSync(`${root}/src`));
    expect(new Set(rooms().keys())).toEqual(there);
  });

  it('tells what may import what, and the code keeps to it', () => {
    const allowed = rooms();
    const found = imports();
    expect(found.length).toBeGreaterThan(50);
    const wrong = found.filter(({ from, to }) => {
      const may = allowed.get(from);
      return to !== 'errors' && may !== 'everything' && !(may ?? []).includes(to);
    });
    expect(wrong).toEqual([]);
  });

  it('says why each dependency is there', () => {
    const text = readFileSync(`${root}/ARCHITECTURE.md`, 'utf8');
    const { dependencies } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
    expect(Object.keys(dependencies).filter((name) => !text.includes(name))).toEqual([]);
  });
});

describe('node-ssh', () => {
  it('is imported in one module', () => {
    const importers = files.filter((file) =>
      /from 'node-ssh'|import\('node-ssh'\)/u.test(readFileSync(`${root}/${file}`, 'utf8')),
    );
    expect(importers).toHaveLength(1);
  });
});
