/** An inventory as YAML for people: short maps on one line, words above what needs them. */
import { Document, isMap, isScalar, isSeq, type Node, stringify, YAMLMap } from 'yaml';
import type { Problem } from '../errors/index.ts';
import { placeText } from '../errors/index.ts';
import type { Composed, Note } from './compose.ts';

/** Columns of a comment. */
const WIDTH = 78;

/** @param gaps written below, each with its line, so that the file tells what it leaves out */
export function inventoryText(composed: Composed, head: readonly string[], gaps: readonly Problem[]): string {
  const document = new Document(composed.inventory);
  const noted = new Set(composed.notes.map(({ path }) => path.join('\0')));
  shorten(document.contents, [], noted);
  for (const note of composed.notes) annotate(document, note);
  const body = document.toString({ lineWidth: 100, flowCollectionPadding: true });
  const drafts = composed.drafts.flatMap(({ why, value }) => [
    '',
    ...comment(`services, not complete: ${why}`),
    ...stringify(value, { lineWidth: 90 })
      .trimEnd()
      .split('\n')
      .map((line) => `#   ${line}`),
  ]);
  const left =
    gaps.length === 0
      ? []
      : [
          '',
          ...comment('Not in this inventory:'),
          ...gaps.flatMap((gap) => comment(`- ${placeText(gap.place)} ${gap.what}. ${gap.next}`)),
        ];
  return `${[
    ...head.flatMap(comment),
    body
      .trimEnd()
      .replace(/\n(?=[a-z])/g, '\n\n')
      .replace(/^(version: 1\n)\n/, '$1'),
    ...drafts,
    ...left,
  ].join('\n')}\n`;
}

/** Maps and lists of a few scalars go on one line. */
function shorten(node: unknown, path: readonly (string | number)[], noted: ReadonlySet<string>): boolean {
  if (isScalar(node)) {
    // A colon means nothing to YAML 1.2 there, and other readers take some of these for numbers.
    if (typeof node.value === 'string' && node.value.includes(':')) node.type = 'QUOTE_DOUBLE';
    return true;
  }
  if (!isMap(node) && !isSeq(node)) return false;
  const short = isMap(node)
    ? node.items.map(({ key, value }) => {
        const at = [...path, isScalar(key) ? String(key.value) : ''];
        return shorten(value, at, noted) && !noted.has(at.join('\0'));
      })
    : node.items.map((item, index) => shorten(item, [...path, index], noted));
  const fits =
    short.every(Boolean) &&
    path.length >= (isSeq(node) ? 1 : 2) &&
    JSON.stringify(node.toJSON()).length <= 76 &&
    depthOf(node) <= 3;
  if (fits) node.flow = true;
  return fits;
}

function depthOf(node: unknown): number {
  if (isMap(node)) return 1 + Math.max(0, ...node.items.map(({ value }) => depthOf(value)));
  if (isSeq(node)) return 1 + Math.max(0, ...node.items.map(depthOf));
  return 0;
}

function annotate(document: Document<Node>, { path, text }: Note): void {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!(parent instanceof YAMLMap)) return;
  const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(path.at(-1)));
  if (pair === undefined || !isScalar(pair.key)) return;
  const lines = comment(text).map((line) => line.slice(1));
  pair.key.commentBefore = [pair.key.commentBefore, ...lines].filter((line) => line).join('\n');
}

/** A text as comment lines; control characters can't end one. */
function comment(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '�').split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > WIDTH)
      lines.push(lines.length === 0 ? `# ${word}` : `#   ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
