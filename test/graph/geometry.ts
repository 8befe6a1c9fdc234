import { type Drawing, type Line, type Point, RADIUS, type Shape, SIZES } from '../../src/graph/drawing.ts';
import { columns } from '../../src/graph/text.ts';

/** What is wrong with a drawing, in words: boxes and texts that overlap, lines that end nowhere or cross boxes. */

interface Rect {
  what: string;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

type Of<K extends Shape['shape']> = Extract<Shape, { shape: K }>;

function all<K extends Shape['shape']>({ shapes }: Drawing, kind: K): Of<K>[] {
  return shapes.filter((one): one is Of<K> => one.shape === kind);
}

function rectOfBox({ x, y, width, height, look }: Of<'box'>): Rect {
  return { what: `${look} at ${x},${y}`, left: x, right: x + width, top: y, bottom: y + height };
}

/** As wide as the layout takes it, as high as letters reach. */
function rectOfText({ at, size, anchor, text }: Of<'text'>): Rect {
  const { font, column } = SIZES[size];
  const width = columns(text) * column;
  const left = anchor === 'middle' ? at.x - width / 2 : at.x;
  return { what: `“${text}”`, left, right: left + width, top: at.y - font * 0.8, bottom: at.y + font * 0.2 };
}

function rectOfNumber({ at, text }: Of<'number'>): Rect {
  return {
    what: `number ${text}`,
    left: at.x - RADIUS,
    right: at.x + RADIUS,
    top: at.y - RADIUS,
    bottom: at.y + RADIUS,
  };
}

const CLOSE = 0.01;

function overlap(a: Rect, b: Rect): boolean {
  return a.left < b.right - CLOSE && b.left < a.right - CLOSE && a.top < b.bottom - CLOSE && b.top < a.bottom - CLOSE;
}

function inside(a: Rect, b: Rect): boolean {
  return (
    a.left >= b.left - CLOSE && a.right <= b.right + CLOSE && a.top >= b.top - CLOSE && a.bottom <= b.bottom + CLOSE
  );
}

/** Boxes that stand by themselves: no cells, and of a pile the one in front. */
export function standing(drawing: Drawing): Of<'box'>[] {
  return all(drawing, 'box').filter(({ look, behind }) => look !== 'cell' && behind === undefined);
}

export function overlaps(drawing: Drawing): string[] {
  const boxes = standing(drawing).map(rectOfBox);
  const texts = all(drawing, 'text').map(rectOfText);
  const numbers = all(drawing, 'number').map(rectOfNumber);
  const page: Rect = { what: 'page', left: 0, right: drawing.width, top: 0, bottom: drawing.height };
  const apart = (one: Rect[], other: Rect[]): string[] =>
    one.flatMap((a, at) =>
      (one === other ? one.slice(at + 1) : other)
        .filter((b) => overlap(a, b))
        .map((b) => `${a.what} overlaps ${b.what}`),
    );
  return [
    ...apart(boxes, boxes),
    ...apart(texts, texts),
    ...apart(numbers, numbers),
    ...apart(texts, numbers),
    ...apart(boxes, numbers),
    ...texts.flatMap((text) =>
      boxes
        .filter((box) => overlap(text, box) && !inside(text, box))
        .map((box) => `${text.what} sticks out of ${box.what}`),
    ),
    ...[...boxes, ...texts, ...numbers]
      .filter((one) => !inside(one, page))
      .map(({ what }) => `${what} is off the page`),
  ];
}

function linesOf(drawing: Drawing): Line[] {
  return [...all(drawing, 'line').map(({ line }) => line), ...all(drawing, 'way').flatMap(({ lines }) => lines)];
}

function rectOfLine({ from, to }: Line): Rect {
  return {
    what: `line ${from.x},${from.y} to ${to.x},${to.y}`,
    left: Math.min(from.x, to.x),
    right: Math.max(from.x, to.x),
    top: Math.min(from.y, to.y),
    bottom: Math.max(from.y, to.y),
  };
}

/** Lines through boxes or texts. */
export function crossed(drawing: Drawing): string[] {
  const things = [...standing(drawing).map(rectOfBox), ...all(drawing, 'text').map(rectOfText)];
  return linesOf(drawing)
    .map(rectOfLine)
    .flatMap((line) =>
      things
        .filter(
          (thing) =>
            line.left < thing.right - CLOSE &&
            line.right > thing.left + CLOSE &&
            line.top < thing.bottom - CLOSE &&
            line.bottom > thing.top + CLOSE,
        )
        .map((thing) => `${line.what} crosses ${thing.what}`),
    );
}

function touches({ x, y }: Point, { left, right, top, bottom }: Rect): boolean {
  return x >= left - CLOSE && x <= right + CLOSE && y >= top - CLOSE && y <= bottom + CLOSE;
}

/** Ends of wires and ways that touch neither a box nor a line of theirs, and arrows that point at nothing. */
export function loose(drawing: Drawing): string[] {
  const boxes = standing(drawing).map(rectOfBox);
  const at = (point: Point): boolean => boxes.some((box) => touches(point, box));
  const segments = all(drawing, 'line').filter(({ look }) => look === 'segment');
  const wires = all(drawing, 'line').filter(({ look }) => look === 'wire');
  const samples = all(drawing, 'arrow').filter(({ to }) => to === 'right');
  const ways = all(drawing, 'way').filter(
    // How a leg is drawn: it leads to the head of an arrow that points right.
    ({ lines }) => !samples.some((arrow) => lines.some(({ to }) => to.y === arrow.at.y && to.x < arrow.at.x)),
  );
  return [
    ...wires
      .filter(({ line }) => !at(line.from) || !segments.some((bus) => touches(line.to, rectOfLine(bus.line))))
      .map(({ line }) => `wire ${rectOfLine(line).what}`),
    ...ways.flatMap(({ look, lines }) =>
      lines.flatMap((line) =>
        [line.from, line.to]
          .filter((end) => !at(end) && !lines.some((other) => other !== line && touches(end, rectOfLine(other))))
          .map(({ x, y }) => `${look} ends at ${x},${y}`),
      ),
    ),
    ...all(drawing, 'arrow')
      .filter((arrow) => arrow.to !== 'right' && !at(arrow.at))
      .map((arrow) => `arrow at ${arrow.at.x},${arrow.at.y}`),
  ];
}
