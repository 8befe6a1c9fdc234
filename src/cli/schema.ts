import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../templates/root.ts';
import { EXIT, type Output } from './output.ts';

/** `lvsctl schema`: the JSON Schema of the inventory, as it comes with lvsctl. */
export async function schemaCommand(output: Output): Promise<number> {
  output.print(readFileSync(join(packageRoot(), 'schema/inventory.schema.json'), 'utf8').trimEnd());
  return EXIT.done;
}
