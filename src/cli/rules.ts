import { CATALOGUE } from '../lint/catalogue.ts';
import { rulesTable } from '../report/rules-text.ts';
import { EXIT, type Output } from './output.ts';

/** `lvsctl rules`: everything that inventories are held against. */
export async function rulesCommand(output: Output): Promise<number> {
  output.print(rulesTable(CATALOGUE, output.paint));
  for (const entry of CATALOGUE) output.emit('rule', { ...entry });
  return EXIT.done;
}
