import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { LvsctlError } from '../../src/errors/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { clusters, hints } from './effects.ts';
import { folder } from './files.ts';

/** No key of the language is accepted and passed over: another value of it makes another demand on some host. */

interface Node {
  properties?: Record<string, Node>;
  additionalProperties?: Node | boolean;
  items?: Node;
  anyOf?: Node[];
  enum?: unknown[];
  const?: unknown;
  examples?: unknown[];
  description?: string;
}

const schema: Node = JSON.parse(readFileSync(new URL('../../schema/inventory.schema.json', import.meta.url), 'utf8'));

/** What a leaf of the schema stands for where it stands several times: one host’s, whoever says it. */
const SHARED: [RegExp, string][] = [
  [/^(hosts|groups)\.\*\.by_platform\.(debian|rhel)\./, 'hosts.*.'],
  [/^defaults\.host\.by_platform\.(debian|rhel)\./, 'hosts.*.'],
  [/^groups\.\*\.(?!hosts\.)/, 'hosts.*.'],
  [/^defaults\.host\./, 'hosts.*.'],
  [/^defaults\.service\./, 'services.*.'],
];

/** Keys that make no demand on a host, and what they do instead. */
const ELSEWHERE: Record<string, string> = {
  version: 'the language’s own',
  'groups.*.hosts.-': 'who has what a group says (language.test.ts)',
  'hosts.*.ssh.address': 'how lvsctl reaches the host',
  'hosts.*.ssh.user': 'how lvsctl reaches the host',
  'hosts.*.ssh.port': 'how lvsctl reaches the host',
  'hosts.*.ssh.identity_file': 'how lvsctl reaches the host',
  'hosts.*.ssh.jump': 'how lvsctl reaches the host',
  'hosts.*.ssh.known_hosts': 'how lvsctl reaches the host',
  'hosts.*.ssh.become': 'how lvsctl reaches the host',
  'hosts.*.interfaces.*.segment': 'what is told as a mistake, and the lab’s wires (segments.test.ts)',
  'vrrp.*.auth_pass.env': 'where a secret is read; plans hold its name alone (secrets.test.ts)',
  'vrrp.*.auth_pass.file': 'where a secret is read (secrets.test.ts)',
  'vrrp.*.auth_pass.command': 'where a secret is read (secrets.test.ts)',
  'hooks.before_change': 'runs where lvsctl runs (hooks.test.ts)',
  'hooks.after_change': 'runs where lvsctl runs (hooks.test.ts)',
};

/** Keys of one possible value alone, and hashes, whose every other value is refused (around.test.ts). */
const ALONE = [
  'proxies.*.software',
  'applications.*.software',
  'services.*.health_check.ping_check',
  'applications.*.source.sha256',
  'applications.*.source.java.sha256',
];

function* leaves(node: Node, path: readonly string[] = []): Generator<{ path: string; node: Node }> {
  for (const one of node.anyOf ?? [node]) {
    const below = [
      ...Object.entries(one.properties ?? {}),
      ...(typeof one.additionalProperties === 'object' ? [['*', one.additionalProperties] as const] : []),
      ...(one.items === undefined ? [] : [['-', one.items] as const]),
    ];
    if (below.length === 0) yield { path: path.join('.'), node };
    for (const [key, child] of below) yield* leaves(child, [...path, key]);
  }
}

type Place = (string | number)[];

/** Each leaf of a document with its path in the schema. */
function* values(node: Node, value: unknown, at: Place, path: readonly string[]): Generator<[string, Node, Place]> {
  if (Array.isArray(value)) {
    const items = (node.anyOf ?? [node]).find((one) => one.items)?.items;
    for (const [index, item] of value.entries()) if (items) yield* values(items, item, [...at, index], [...path, '-']);
  } else if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    for (const [key, item] of Object.entries(value)) {
      const maps = (node.anyOf ?? [node]).filter((one) => one.properties ?? one.additionalProperties);
      const named = maps.find((one) => one.properties?.[key])?.properties?.[key];
      const any = maps.map((one) => one.additionalProperties).find((one) => typeof one === 'object');
      const child = named ?? any;
      if (typeof child === 'object') yield* values(child, item, [...at, key], [...path, named ? key : '*']);
    }
  } else yield [path.join('.'), node, at];
}

/** Other values for a leaf, the likeliest to be taken first; undefined: without it. */
function others(node: Node, value: unknown): unknown[] {
  const choices = [node, ...(node.anyOf ?? [])];
  const words = choices.flatMap((one) => [...(one.enum ?? []), ...(one.const === undefined ? [] : [one.const])]);
  const near =
    typeof value === 'boolean'
      ? [!value]
      : typeof value === 'number'
        ? [value + 1, value - 1]
        : typeof value === 'string'
          ? [
              value.replace('./a.sh', './b.sh').replace('./one.tar', './two.tar').replace('./site', './other'),
              value.replace(/[1-8](?=[^0-9]*$)/, (digit) => String(Number(digit) + 1)),
              `${value}x`,
            ]
          : [];
  return [...words, ...near, undefined, ...choices.flatMap((one) => one.examples ?? [])].filter(
    (one) => !isDeepStrictEqual(one, value),
  );
}

function changed(document: object, at: Place, value: unknown): object {
  const copy = structuredClone(document);
  const [last = '', ...before] = at.toReversed();
  // biome-ignore lint/suspicious/noExplicitAny: a way into a document of any shape.
  const parent = before.toReversed().reduce<any>((here, key) => here[key], copy);
  if (value !== undefined) parent[last] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return copy;
}

const ARCHIVES = { 'one.tar.gz': 'one', 'same.tar.gz': 'one', 'two.tar.gz': 'two', 'same2.tar.gz': 'two' };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const HASHES = { 'one.tar.gz': sha256('one'), 'two.tar.gz': sha256('two') };
const path = folder({
  ...ARCHIVES,
  'a.sh': '#!/bin/sh\n',
  'b.sh': '#!/bin/sh\n:\n',
  'site/a.html': 'a\n',
  'other/a.html': 'b\n',
  'more.yaml': 'hosts: { included: { packages: [a] } }\n',
  'more.yamlx': 'hosts: { included: { packages: [b] } }\n',
});

/** All that is demanded of the hosts of a cluster, on either family; undefined where it is refused. */
function demands(document: object): string | undefined {
  const file = join(path, 'lvs.yaml');
  writeFileSync(file, JSON.stringify({ version: 1, name: 'c', ...document }));
  try {
    const cluster = loadCluster([file]);
    const all = cluster.hosts.filter(({ managed }) => managed);
    const said = (['debian', 'rhel'] as const).map((platform) => {
      const of = (host: (typeof all)[number]) =>
        facts({
          platform: host.platform ?? platform,
          devices: Object.fromEntries(
            host.interfaces.map(({ name }) => [name, { mac: '52:54:00:00:00:01', up: true, mtu: 1500, addresses: [] }]),
          ),
        });
      const peers = new Map(cluster.hosts.map((host) => [host.name, of(host)]));
      return all.map((host) => [host.name, desire(cluster, host.name, of(host), peers)]);
    });
    return JSON.stringify(said);
  } catch (error) {
    if (error instanceof LvsctlError) return undefined;
    throw error;
  }
}

const ALL = new Map([...leaves(schema)].map(({ path: leaf, node }) => [leaf, node]));
const sharedOf = (leaf: string) => {
  const rule = SHARED.find(([from]) => from.test(leaf));
  return rule === undefined ? leaf : leaf.replace(rule[0], rule[1]);
};

test('what stands several times in the schema is one and the same', () => {
  for (const [leaf, node] of ALL) {
    const same = sharedOf(leaf);
    if (same !== leaf) expect(ALL.get(same), leaf).toEqual(node);
  }
});

test('no key lacks a description', () => {
  // Of a choice the whole is described; an item is described by its list.
  const bare = [...ALL].filter(([leaf, node]) => !leaf.endsWith('-') && !/\S{3}/.test(node.description ?? ''));
  expect(bare.map(([leaf]) => leaf)).toEqual([]);
});

describe('a key that is changed changes what some host is to have', () => {
  const bases = clusters(HASHES).map((one) => JSON.parse(JSON.stringify(one)));
  const better = hints(HASHES);
  const effective = new Set<string>();
  const seen = new Set<string>();
  for (const base of bases) {
    const before = demands(base);
    test(`cluster ${bases.indexOf(base)} is right`, () => expect(before).toBeDefined());
    for (const [leaf, node, at] of values(schema, base, [], [])) {
      seen.add(leaf);
      if (effective.has(leaf)) continue;
      const value = at.reduce<unknown>((here, key) => (here as Record<string, unknown>)[key], base);
      for (const other of [...(better[leaf] ?? []), ...others(node, value)]) {
        const after = demands(changed(base, at, other));
        if (after === undefined || after === before) continue;
        effective.add(leaf);
        break;
      }
    }
  }
  const asked = [...ALL.keys()].filter((leaf) => sharedOf(leaf) === leaf && !ALONE.includes(leaf));

  test.each(asked.filter((leaf) => !(leaf in ELSEWHERE)))('%s', (leaf) => {
    expect(seen.has(leaf), 'it stands in no cluster of effects.ts').toBe(true);
    expect(effective.has(leaf)).toBe(true);
  });

  test('what does something else is in the schema, and changes no host', () => {
    for (const leaf of [...Object.keys(ELSEWHERE), ...ALONE]) expect(ALL.has(leaf), leaf).toBe(true);
    expect([...effective].filter((leaf) => leaf in ELSEWHERE)).toEqual([]);
  });
});
