import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { page, pages, root } from './pages.ts';

const inventories = readdirSync(join(root, 'inventories'))
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => file.replace('.yaml', ''))
  .sort();

/** The lab tests' sources. */
const labTests = readdirSync(join(root, 'test/lab'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(root, 'test/lab', file), 'utf8') }));

describe('inventories', () => {
  it('stand in README.md, each once', () => {
    const linked = [...page('README.md').text.matchAll(/\]\(inventories\/([\w-]+)\.yaml\)/gu)].map(([, name]) => name);
    expect(linked.sort()).toEqual(inventories);
  });

  it('that have a service stand on the page of their mode', () => {
    const modes = ['nat', 'dr', 'tun', 'fullnat'].map((mode) => page(`docs/modes/${mode}.md`).text).join('\n');
    const about = ['nat-', 'dr-', 'tun', 'fullnat', 'minimal-'];
    const wanted = inventories.filter((name) => about.some((start) => name.startsWith(start)));
    expect(wanted.filter((name) => !modes.includes(`/inventories/${name}.yaml)`))).toEqual([]);
  });

  it.each(inventories)('%s says at its head what it is', (name) => {
    const [schema, comment] = readFileSync(join(root, `inventories/${name}.yaml`), 'utf8').split('\n');
    expect(schema).toBe('# yaml-language-server: $schema=../schema/inventory.schema.json');
    expect(comment).toMatch(/^# \S.{20,}/u);
  });
});

describe('docs/families.md', () => {
  const rows = [...page('docs/families.md').text.matchAll(/^\| `([\w-]+)`[^|]*\| (yes|) ?\| (yes|) ?\|$/gmu)].map(
    ([, name, debian, rhel]) => ({ name, debian: debian === 'yes', rhel: rhel === 'yes' }),
  );

  it('has a row for each inventory', () => {
    expect(rows.map(({ name }) => name)).toEqual(inventories);
  });

  it('says yes where a lab test brings the inventory up on that family', () => {
    const names = new Map(
      labTests.flatMap(({ text }) =>
        [...text.matchAll(/export const (\w+): ClusterStory = \{\n {2}inventory: '([\w-]+)'/gu)].map(
          ([, story, name]) => [story, name] as const,
        ),
      ),
    );
    const onRhel = labTests.flatMap(({ text }) =>
      [...text.matchAll(/clusterStory\(\{\s+\.\.\.(\w+),\s+platform: 'rhel'/gu)].map(([, story]) => names.get(story)),
    );
    const onDebian = inventories.filter((name) =>
      labTests.some(({ text }) => text.includes(`inventory: '${name}'`) || text.includes(`inventories/${name}.yaml`)),
    );
    expect(rows.filter(({ rhel }) => rhel).map(({ name }) => name)).toEqual(onRhel.sort());
    expect(rows.filter(({ debian }) => debian).map(({ name }) => name)).toEqual(onDebian);
  });
});

describe('links', () => {
  const all = [...pages(), page('ARCHITECTURE.md'), page('CHANGELOG.md')].flatMap(({ path, text }) =>
    [...text.replaceAll(/```[\s\S]*?```/gu, '').matchAll(/\]\(([^)\s]+)\)/gu)].map(([, to = '']) => ({ path, to })),
  );

  it('are many', () => expect(all.length).toBeGreaterThan(80));

  it.each(all.filter(({ to }) => !to.startsWith('https://')))('$path → $to', ({ path, to }) => {
    const [file = '', anchor] = to.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    expect(existsSync(join(root, target))).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(page(target).text)).toContain(anchor);
  });
});

/** What a page's headings are called in links: small letters, hyphens for spaces, nothing else but letters and digits. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gmu)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

it('no page has a place that nobody filled in', () => {
  const open = pages().filter(({ text }) => /\{\{[A-Z_]+\}\}|@@[A-Z]+@@|\bTODO\b/u.test(text));
  expect(open.map(({ path }) => path)).toEqual([]);
});
