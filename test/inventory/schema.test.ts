import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { renderSchema, renderValidator } from '../../src/build/schema.mjs';

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
});

function* walk(node: Node, path: string[]): Generator<{ path: string; node: Node }> {
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    yield { path: [...path, key].join('.'), node: child };
    yield* walk(child, [...path, key]);
  }
  if (typeof node.additionalProperties === 'object') yield* walk(node.additionalProperties, [...path, '*']);
  if (node.items) yield* walk(node.items, [...path, '-']);
}
