import type { Diagram } from './diagram.ts';
import { type Shape, SIZES } from './drawing.ts';
import { heightOf, type Said, say, widthOf, written } from './paragraph.ts';
import { wrapped } from './text.ts';
import { faultLines, serviceLines, stepLines, vrrpLines, waysTitle } from './words.ts';

const PAD = 10;
const GAP = 16;
/** Lines of a card are broken behind so many columns. */
const COLUMNS = 54;

/** What there is to read below the picture, and how far it reaches. */
export interface Below {
  shapes: Shape[];
  right: number;
  bottom: number;
}

/** Services and VRRP groups as cards side by side, then the steps of the ways: requests left, replies right. Pure. */
export function cardsBelow(diagram: Diagram, x: number, y: number, width: number): Below {
  const texts = [...diagram.services.map(serviceLines), ...diagram.vrrp.map((group) => vrrpLines(group, diagram.sync))];
  const cards = cardRows(texts.map(cardText), x, y, width);
  return withWays(diagram, cards, x, width);
}

function cardText([name = '', ...more]: string[]): Said[] {
  const broken = more.flatMap((line) => wrapped(line, COLUMNS, '    '));
  return [...say(wrapped(name, COLUMNS), 'plain', 'name'), ...say(broken)];
}

function cardRows(cards: readonly Said[][], x: number, y: number, width: number): Below {
  const wide = Math.max(0, ...cards.map((said) => widthOf(said) + 2 * PAD));
  const many = Math.max(1, Math.floor((width + GAP) / (wide + GAP)));
  const shapes: Shape[] = [];
  let top = y;
  for (let first = 0; first < cards.length; first += many) {
    const row = cards.slice(first, first + many);
    const height = Math.max(...row.map(heightOf)) + 2 * PAD;
    for (const [index, said] of row.entries()) {
      const left = x + index * (wide + GAP);
      shapes.push({ shape: 'box', look: 'card', x: left, y: top, width: wide, height });
      shapes.push(...written(said, left + PAD, top + PAD, 'start'));
    }
    top += height + GAP;
  }
  return { shapes, right: x + wide, bottom: top };
}

function withWays({ nodes, ways }: Diagram, above: Below, x: number, width: number): Below {
  const shapes = [...above.shapes];
  let y = above.bottom;
  const title = say(wrapped(waysTitle(ways), Math.floor(width / SIZES.name.column)), 'plain', 'name');
  shapes.push(...written(title, x, y, 'start'));
  y += heightOf(title) + 4;
  if (!ways.drawn) return { shapes, right: above.right, bottom: y };
  const half = (width - GAP) / 2;
  const room = Math.floor((half - INDENT) / SIZES.text.column);
  const bottoms = (['request', 'reply'] as const).map((leg, index) => {
    const left = x + index * (half + GAP);
    let top = y;
    const line = { from: { x: left, y: top + 8 }, to: { x: left + SAMPLE - 6, y: top + 8 } };
    shapes.push({ shape: 'way', look: leg, lines: [line] });
    shapes.push({ shape: 'arrow', look: leg, at: { x: left + SAMPLE, y: top + 8 }, to: 'right' });
    shapes.push(...written(say([leg]), left + SAMPLE + PAD, top, 'start'));
    top += SIZES.text.line + 6;
    for (const step of ways.steps.filter((one) => one.leg === leg)) {
      const said = say(stepLines(step, nodes).flatMap((text) => wrapped(text, room, '    ')));
      shapes.push({ shape: 'number', look: leg, at: { x: left + 9, y: top + 8 }, text: String(step.number) });
      shapes.push(...written(said, left + INDENT, top, 'start'));
      top += heightOf(said) + 4;
    }
    return top;
  });
  const faults = say(
    faultLines(ways).flatMap((line) => wrapped(line, Math.floor(width / SIZES.text.column), '    ')),
    'fault',
  );
  const bottom = Math.max(...bottoms);
  shapes.push(...written(faults, x, bottom + 4, 'start'));
  return { shapes, right: above.right, bottom: bottom + 4 + heightOf(faults) };
}

/** Of a step's text, beside its number. */
const INDENT = 26;
/** Length of the lines that show how a leg is drawn. */
const SAMPLE = 52;
