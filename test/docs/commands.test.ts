import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { makeProgram } from '../../src/cli/program.ts';
import { page, pages, root } from './pages.ts';

const COMMON = 'docs/commands/README.md';

const commands = makeProgram().commands;

/** Made when they are asked for, by the library that completes. */
const OTHERS = ['completion'];

/** Every option of a command and of what is below it, by its flags as `--help` shows them. */
function optionsOf(command: Command): Map<string, Option> {
  const below = command.commands.filter((one) => !isHidden(one)).map(optionsOf);
  const own = command.options.filter((option) => !option.hidden).map((option) => [option.flags, option] as const);
  return new Map([...own, ...below.flatMap((options) => [...options])]);
}

function isHidden(command: Command): boolean {
  return '_hidden' in command && command._hidden === true;
}

/** The options that a page's tables tell: flags → the rest of the row. Of a part: below that heading. */
function told(path: string, heading?: string): Map<string, string> {
  const { text } = page(path);
  const part = heading === undefined ? text : (text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '');
  return new Map([...part.matchAll(/^\| `(-[^`]*)` \| (.*) \|$/gmu)].map(([, flags = '', rest = '']) => [flags, rest]));
}

/** What a page tells, with the parts of the common page that it leads to. */
function toldOf(name: string): Map<string, string> {
  const { text } = page(`docs/commands/${name}.md`);
  const parts = [
    ['which-inventory', 'Which inventory'],
    ['which-hosts-and-how', 'Which hosts, and how'],
  ].filter(([anchor = '']) => text.includes(`README.md#${anchor}`));
  return new Map([...told(`docs/commands/${name}.md`), ...parts.flatMap(([, heading]) => [...told(COMMON, heading)])]);
}

describe('docs/commands', () => {
  const names = [...commands.map((command) => command.name()), ...OTHERS].sort();

  it('has a page for each command, and no other', () => {
    const there = readdirSync(join(root, 'docs/commands')).filter((file) => file !== 'README.md');
    expect(there.sort()).toEqual(names.map((name) => `${name}.md`));
  });

  it.each([COMMON, 'README.md'])('%s lists them all', (path) => {
    const { text } = page(path);
    expect(names.filter((name) => !text.includes(`${name}.md)`))).toEqual([]);
  });

  it.each(commands.map((command) => [command.name(), command] as const))(
    '%s: all options, and no other',
    (name, command) => {
      expect([...toldOf(name).keys()].sort()).toEqual([...optionsOf(command).keys()].sort());
    },
  );

  it.each(commands.map((command) => [command.name(), command] as const))(
    '%s: what holds when left out',
    (name, command) => {
      const page = toldOf(name);
      for (const [flags, { defaultValue }] of optionsOf(command)) {
        if (defaultValue !== undefined) expect(page.get(flags), flags).toContain(String(defaultValue));
      }
    },
  );

  it('lab: every command below it, with its arguments', () => {
    const { text } = page('docs/commands/lab.md');
    const below = commands.find((command) => command.name() === 'lab')?.commands ?? [];
    for (const one of below.filter((command) => !isHidden(command))) {
      expect(text, one.name()).toMatch(new RegExp(`^ {4}lvsctl lab ${one.name()}\\b`, 'mu'));
    }
  });
});

/** Command lines of lvsctl that a page shows, between backticks or in blocks. */
function shown(): { where: string; line: string }[] {
  return pages().flatMap(({ path, text }) =>
    [...text.matchAll(/(?:`|^ {4}|\$ )(?:npx )?lvsctl ([a-z][^`\n#]*)/gmu)].map(([, line = '']) => ({
      where: path,
      line: line.trim(),
    })),
  );
}

describe('every command that the docs show', () => {
  it('is found', () => {
    expect(shown().length).toBeGreaterThan(30);
  });

  it.each(shown())('$where: lvsctl $line', ({ line }) => {
    const words = line.split(/\s+/u);
    const end = words.includes('--') ? words.indexOf('--') : words.length;
    const [first = '', second = ''] = words;
    if (OTHERS.includes(first)) return;
    const command = commands.find((one) => one.name() === first);
    expect(command, `lvsctl ${first}`).toBeDefined();
    const below = command?.commands.find((one) => one.name() === second);
    if (command?.name() === 'lab' && second !== '') expect(below, `lvsctl lab ${second}`).toBeDefined();
    const known = (below ?? command)?.options.flatMap(({ long, short }) => [long, short]);
    const said = words.slice(0, end).flatMap((word) => /^\[?(--?[a-z][a-z-]*)/u.exec(word)?.[1] ?? []);
    for (const option of said) expect([...(known ?? []), '--help']).toContain(option);
  });
});
