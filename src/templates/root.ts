import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let root: string | undefined;

/** The folder of lvsctl's own package: the nearest above this module that holds `package.json` and `templates`. */
export function packageRoot(): string {
  root ??= find(dirname(fileURLToPath(import.meta.url)));
  return root;
}

function find(folder: string): string {
  if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'templates'))) return folder;
  const parent = dirname(folder);
  if (parent === folder)
    throw new Error('lvsctl’s package is incomplete: no folder above the program holds templates/');
  return find(parent);
}
