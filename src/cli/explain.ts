import { failure } from '../errors/index.ts';
import { suggestion } from '../inventory/suggest.ts';
import { CATALOGUE, entryOf } from '../lint/catalogue.ts';
import { explainText } from '../report/rules-text.ts';
import { EXIT, type Output } from './output.ts';

/** `lvsctl explain CODE`: what a code means, with an example of it. */
export async function explainCommand(code: string, output: Output): Promise<number> {
  const entry = entryOf(code.toUpperCase());
  if (entry === undefined) {
    const near = suggestion(
      code.toUpperCase(),
      CATALOGUE.map((one) => one.code),
    );
    throw failure({
      code: 'CLI-UNKNOWN-CODE',
      place: { kind: 'none' },
      what: `nothing is known of the code ${code}`,
      next: near.startsWith('Did') ? near : 'lvsctl rules lists them all.',
    });
  }
  output.print(explainText(entry, output.paint));
  output.emit('rule', { ...entry });
  return EXIT.done;
}
