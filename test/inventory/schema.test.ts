import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { renderSchema, renderValidator } from '../../src/build/schema.mjs';
import { makeOutput } from '../../src/cli/output.ts';
import { schemaCommand } from '../../src/cli/schema.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('schema/inventory.schema.json is what src/inventory/schema.ts says (npm run build)', async () => {
  expect(readFileSync(`${root}/schema/inventory.schema.json`, 'utf8')).toBe(await renderSchema());
});

test('the generated validator is what src/inventory/schema.ts says (npm run build)', async () => {
  const { code, types } = await renderValidator();
  expect(readFileSync(`${root}/src/inventory/generated/validate.js`, 'utf8')).toBe(code);
  expect(readFileSync(`${root}/src/inventory/generated/validate.d.ts`, 'utf8')).toBe(types);
});

interface Node {
  type?: string;
  description?: string;
  examples?: unknown[];
  properties?: Record<string, Node>;
  additionalProperties?: Node | boolean;
  items?: Node;
  anyOf?: Node[];
  const?: unknown;
  enum?: unknown[];
  default?: unknown;
}

describe('an editor can explain every key', () => {
  const schema: Node = JSON.parse(readFileSync(`${root}/schema/inventory.schema.json`, 'utf8'));
  const keys = [...walk(schema, [])];

  test('there are many', () => expect(keys.length).toBeGreaterThan(50));

  test.each(keys)('$path', ({ node }) => {
    expect(node.description).toMatch(/\S{3}/);
    if (node.type !== 'object' && node.type !== 'array') expect(node.examples).not.toEqual([]);
    if (node.type !== 'object' && node.type !== 'array') expect(node.examples).toBeDefined();
  });

  test('gives examples that are valid', () => {
    const ajv = new Ajv({ strict: false });
    const leaves = keys.filter(
      ({ node }) => node.properties === undefined && typeof node.additionalProperties !== 'object',
    );
    // Each schema once: many keys share theirs.
    for (const text of new Set(leaves.map(({ node }) => JSON.stringify(node)))) {
      const node: Node = JSON.parse(text);
      for (const example of node.examples ?? []) expect(ajv.validate(node, example), `${text}: ${example}`).toBe(true);
      if (node.default !== undefined) expect(ajv.validate(node, node.default), text).toBe(true);
    }
  });

  // What is no value of the key: it depends on something else.
  const told = [/the service’s when/u, /observed when/u, /the root when/u, /ipip when/u];
  const left = keys.filter(
    ({ node }) =>
      / when left out/u.test(node.description ?? '') && !told.some((one) => one.test(node.description ?? '')),
  );

  test('says what holds when a key is left out, in words and as its default', () => {
    expect(left.length).toBeGreaterThan(40);
    expect(keys.filter(({ node }) => node.default !== undefined).map(({ path }) => path)).toEqual(
      left.map(({ path }) => path),
    );
    for (const { path, node } of left) {
      expect(node.description, path).toContain(`${String(node.default)}`);
    }
  });

  test('and every choice of words is an enum or a list of them', () => {
    const words = keys.filter(
      ({ node }) => (node.anyOf ?? []).some((one) => one.const !== undefined) || node.enum !== undefined,
    );
    expect(words.length).toBeGreaterThan(20);
  });

  test('lvsctl schema prints the file', async () => {
    let printed = '';
    expect(
      await schemaCommand({
        ...makeOutput(false),
        print: (text) => {
          printed += `${text}\n`;
        },
      }),
    ).toBe(0);
    expect(printed).toBe(readFileSync(`${root}/schema/inventory.schema.json`, 'utf8'));
  });
});

function* walk(node: Node, path: string[]): Generator<{ path: string; node: Node }> {
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    yield { path: [...path, key].join('.'), node: child };
    yield* walk(child, [...path, key]);
  }
  if (typeof node.additionalProperties === 'object') yield* walk(node.additionalProperties, [...path, '*']);
  if (node.items) yield* walk(node.items, [...path, '-']);
  for (const one of node.anyOf ?? []) yield* walk(one, path);
}
