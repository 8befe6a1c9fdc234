/** Makes the published schema and the validator from src/inventory/schema.ts. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

async function loadSchema() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['src/inventory/schema.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  });
  const module = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
  return JSON.parse(JSON.stringify(module.inventorySchema));
}

/** The text of `schema/inventory.schema.json`. */
export async function renderSchema() {
  return `${JSON.stringify(await loadSchema(), null, 2)}\n`;
}

/** Ajv's validator as a module that needs nothing else, and its types. */
export async function renderValidator() {
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    strict: true,
    allowUnionTypes: true,
    code: { source: true, esm: true, lines: true },
  });
  const source = standalone.default(ajv, ajv.compile(await loadSchema()));
  // Ajv's output asks for its helpers with require(): take them in.
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: root, loader: 'js' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Also takes out the paths of what was taken in: they differ where node_modules is a link.
    minify: true,
    write: false,
  });
  const types = [
    "import type { ErrorObject } from 'ajv';",
    "import type { Inventory } from '../schema.ts';",
    '',
    'export const validate: ((data: unknown) => data is Inventory) & { errors?: ErrorObject[] | null };',
    '',
  ].join('\n');
  return { code: outputFiles[0].text, types };
}
