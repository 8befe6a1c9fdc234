import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { inventorySchema } from '../../src/inventory/schema.ts';
import { folder, problemsOf } from '../inventory/files.ts';
import { page, pages, yamlBlocks } from './pages.ts';

/** What the docs' examples name beside them. */
const BESIDE = {
  motd: 'hello\n',
  'check.sh': '#!/bin/sh\n',
  'notify.sh': '#!/bin/sh\n',
  'silence.sh': '#!/bin/sh\n',
  'unsilence.sh': '#!/bin/sh\n',
  'shop/page.html': 'hello\n',
};

/** A cluster that a part of an inventory is put into: the hosts that the docs name, and a service. */
const AROUND = {
  hosts: Object.fromEntries(
    ['lvs1', 'web1', 'web2', 'app1', 'app2'].map((name, index) => [
      name,
      { vars: { rack: 'a' }, interfaces: { eth0: { addresses: [`192.0.2.${20 + index}/24`] } } },
    ]),
  ),
  groups: { web: { hosts: ['web1', 'web2'] } },
  services: { some: { mode: 'dr', vip: '192.0.2.200', port: 80, directors: ['lvs1'], real_servers: { web: {} } } },
};

interface Example {
  where: string;
  yaml: string;
  /** Files that earlier blocks of the page show: their first line is `# NAME.yaml`. */
  files: Record<string, string>;
}

/** Every YAML block of the docs. */
function examples(): Example[] {
  return pages().flatMap((one) => {
    const files: Record<string, string> = {};
    return yamlBlocks(one).flatMap(({ line, yaml }) => {
      const [, name] = /^# (\S+\.yaml)\n/u.exec(yaml) ?? [];
      if (name !== undefined) {
        files[name] = yaml;
        return [];
      }
      return { where: `${one.path}:${line}`, yaml, files: { ...files } };
    });
  });
}

/** A part as a whole inventory: with hosts of its own it stands by itself. */
function whole(yaml: string): string {
  const said = parse(yaml) as Record<string, unknown>;
  if ('version' in said) return yaml;
  return stringify({ version: 1, name: 'part', ...('hosts' in said ? {} : AROUND), ...said });
}

describe('every example of the docs', () => {
  it('is found', () => {
    expect(examples().length).toBeGreaterThan(10);
  });

  it.each(examples())('$where is an inventory without a mistake', ({ yaml, files }) => {
    const at = folder({ ...BESIDE, ...files, 'lvs.yaml': whole(yaml) });
    for (const script of ['silence.sh', 'unsilence.sh']) chmodSync(join(at, script), 0o755);
    expect(problemsOf(join(at, 'lvs.yaml'), at)).toEqual([]);
  });
});

interface Node {
  properties?: Record<string, Node>;
  additionalProperties?: Node | boolean;
  items?: Node;
  anyOf?: Node[];
  const?: string | number;
  enum?: string[];
}

/** Every key of the language, and every word that a key takes, with the way to it. */
function* words(node: Node, path: string): Generator<{ word: string; path: string }> {
  for (const [word, child] of Object.entries(node.properties ?? {})) {
    yield { word, path: `${path}.${word}` };
    yield* words(child, `${path}.${word}`);
  }
  for (const word of [node.const ?? [], node.enum ?? []].flat()) {
    if (typeof word === 'string') yield { word, path: `${path}: ${word}` };
  }
  if (typeof node.additionalProperties === 'object') yield* words(node.additionalProperties, `${path}.*`);
  if (node.items !== undefined) yield* words(node.items, path);
  for (const one of node.anyOf ?? []) yield* words(one, path);
}

/** What is told on a page that docs/inventory.md leads to. */
const ELSEWHERE = ['docs/schedulers.md', 'docs/keepalived.md'];

describe('docs/inventory.md', () => {
  const { text } = page('docs/inventory.md');
  const code = codeOf(text);
  const linked = ELSEWHERE.map((path) => page(path).text).join('\n');
  const keys = [...words(inventorySchema as unknown as Node, '')];

  it('has much to tell', () => {
    expect(keys.length).toBeGreaterThan(200);
  });

  it('names every key of the language', () => {
    const untold = keys.filter(({ word, path }) => !path.includes(': ') && !tells(code, word));
    expect(untold.map(({ path }) => path)).toEqual([]);
  });

  it('names every word that a key takes, or leads to the page that does', () => {
    const untold = keys.filter(({ word }) => !tells(text, word) && !tells(linked, word));
    expect(untold.map(({ path }) => path)).toEqual([]);
  });
});

/** What stands in code: between backticks and in blocks. */
function codeOf(text: string): string {
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```$|`([^`\n]+)`/gmu)].map(([match]) => match).join('\n');
}

/** Whether a text has a word as a whole one. */
function tells(text: string, word: string): boolean {
  return new RegExp(`(?<![\\w.-])${word.replace(/[.*+?^$()[\]{}|\\]/gu, '\\$&')}(?![\\w-])`, 'u').test(text);
}
