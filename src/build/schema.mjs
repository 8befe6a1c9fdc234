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
  return `${JSON.stringify(withDefaults(await loadSchema()), null, 2)}\n`;
}

/**
 * What a description says of a key that is left out (`wlc when left out`) as `default` too: editors fill it in. What
 * isn't a value of the key (`the service’s`, `observed`) is only told.
 */
function withDefaults(node) {
  if (Array.isArray(node)) return node.map(withDefaults);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, withDefaults(value)]));
  const word = /(?:^|[;.] |package; )([\w.]+)(?: s)? when left out/.exec(node.description)?.[1];
  if (word === undefined || node.type === 'object' || node.properties !== undefined) return copy;
  const value = [Number(word), word === 'true' ? true : word === 'false' ? false : undefined, word].find((one) =>
    takes(node, one),
  );
  return value === undefined ? copy : { ...copy, default: value };
}

/** Whether a value is one of a schema's, as far as defaults need to know. */
function takes({ type, enum: words, const: only, anyOf }, value) {
  if (anyOf !== undefined) return anyOf.some((one) => takes(one, value));
  if (words !== undefined) return words.includes(value);
  if (only !== undefined) return only === value;
  if (type === 'integer' || type === 'number') return typeof value === 'number' && !Number.isNaN(value);
  return type === typeof value;
}

/** Shorter schemas (as JSON) cost less code where they stand than as a part of their own. */
const WORTH = 150;

/**
 * What stands below these stays there: `validate.ts` tells a choice's errors by where they stand in the schema, and
 * Ajv tells of a name what it is only there.
 */
const STAYS = new Set(['anyOf', 'propertyNames']);

/**
 * The same schema with what stands in it several times under `definitions`: the validator has each part's code once.
 */
function shared(schema) {
  const uses = new Map();
  visit(schema, (text) => uses.set(text, (uses.get(text) ?? 0) + 1));
  const names = new Map();
  const definitions = {};
  const replace = (node, inChoice, below = '') => {
    if (Array.isArray(node)) return node.map((item) => replace(item, inChoice));
    if (typeof node !== 'object' || node === null) return node;
    const text = JSON.stringify(node);
    const known = names.get(text);
    if (known !== undefined && !inChoice) return { $ref: known };
    // What a map's names stand for is a part too: what is said of it then needs no long way from the root.
    const repeats = (uses.get(text) ?? 0) > 1 || below === 'additionalProperties';
    const isPart = !inChoice && typeof node.type === 'string' && text.length > WORTH && repeats;
    const copy = Object.fromEntries(
      Object.entries(node).map(([key, value]) => [key, replace(value, inChoice || STAYS.has(key), key)]),
    );
    if (!isPart) return copy;
    const name = `part${names.size}`;
    names.set(text, `#/definitions/${name}`);
    definitions[name] = copy;
    return { $ref: `#/definitions/${name}` };
  };
  const root = replace(schema, false);
  return { ...root, definitions };
}

function visit(node, see, inChoice = false) {
  if (typeof node !== 'object' || node === null) return;
  if (!Array.isArray(node) && typeof node.type === 'string' && !inChoice) see(JSON.stringify(node));
  for (const [key, value] of Object.entries(node)) visit(value, see, inChoice || STAYS.has(key));
}

/** Ajv's validator as a module that needs nothing else, and its types. */
export async function renderValidator() {
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    strict: true,
    allowUnionTypes: true,
    // Messages are validate.ts’s own.
    messages: false,
    // Every use of a shared part would otherwise be a copy of its code.
    inlineRefs: false,
    code: { source: true, esm: true, lines: true },
  });
  const source = standalone.default(ajv, ajv.compile(shared(await loadSchema())));
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
