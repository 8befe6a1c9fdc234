/**
 * Builds lvsctl: the published schema, the inventory's validator, and the program in dist/.
 * `node src/build/build.mjs`, run by `npm ci` too.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { renderSchema, renderValidator } from './schema.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

await buildInventory();
if (existsSync(join(root, 'src/cli/main.ts'))) await buildProgram();

async function buildInventory() {
  write('schema/inventory.schema.json', await renderSchema());
  const { code, types } = await renderValidator();
  write('src/inventory/generated/validate.js', code);
  write('src/inventory/generated/validate.d.ts', types);
}

/** One entry and one chunk for each command that is loaded when it is given. */
async function buildProgram() {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { lvsctl: 'src/cli/main.ts' },
    outdir: 'dist',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    // The same code as an ES module that leaves out what isn't used. The one for Node looks into the environment for
    // each word of YAML (LOG_TOKENS), which takes a tenth of a second in a large inventory.
    alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
    // ssh2 tries to load native code (cpu-features, its own crypto) that can't be bundled.
    external: ['ssh2', 'cpu-features'],
    logLevel: 'warning',
    write: false,
  });
  // Running programs may still load parts of the same build: what is unchanged stays in place.
  for (const { path, text } of result.outputFiles) write(path, runnable(path, text));
  const made = new Set(result.outputFiles.map(({ path }) => path));
  for (const path of readdirSync(join(root, 'dist/chunks')).map((name) => join(root, 'dist/chunks', name))) {
    if (!made.has(path)) rmSync(path);
  }
  chmodSync(join(root, 'dist/lvsctl.js'), 0o755);
}

/** Gives the entry its first line, and CommonJS parts the `require` that ESM has not. */
function runnable(path, text) {
  const first = path === join(root, 'dist/lvsctl.js') ? '#!/usr/bin/env node\n' : '';
  const require = /typeof require\b/.test(text)
    ? "import{createRequire as lvsctlCreateRequire}from'node:module';const require=lvsctlCreateRequire(import.meta.url);\n"
    : '';
  return first + require + text;
}

/** Writes a file where its content changed: whoever watches it is left in peace. */
function write(path, text) {
  const file = path.startsWith('/') ? path : join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  writeFileSync(file, text);
}
