import { type Box, boxOf, boxShapes, wireXs } from './boxes.ts';
import { cardsBelow } from './cards.ts';
import { channelsOf } from './channels.ts';
import type { Diagram } from './diagram.ts';
import type { Drawing, Shape } from './drawing.ts';
import { heightOf, say, widthOf, written } from './paragraph.ts';
import { rowsOf } from './rows.ts';
import { visible } from './text.ts';
import { aside, comingTo, drawWays, type Lane, type Pin, verticals } from './way-lines.ts';
import { countLine, segmentLines, waysTitle } from './words.ts';

const MARGIN = 24;
const GAP = 24;
/** A row of hosts is broken where it would be wider. */
const ROW = 1160;
/** Between the lines that join a segment's parts. */
const BESIDE = 14;
const NARROWEST = 760;

/**
 * Gives everything in a diagram its place: hosts in rows (`rows.ts`), segments as lines between them, whose names stand
 * on the left, and below that what there is to read. A row that is too wide is broken into lines; its segments then run
 * several times, joined on the left. Pure.
 */
export function layoutOf(diagram: Diagram): Drawing {
  const { segments, ways } = diagram;
  const steps = ways.drawn ? ways.steps : [];
  const lines = linesOf(diagram);
  const channels = channelsOf(diagram, lines, steps);
  const runs = (name: string): number =>
    channels.filter(({ bands }) => bands.some(({ segment }) => segment.name === name)).length;
  const joined = segments.filter(({ name }) => runs(name) > 1).map(({ name }) => name);
  const labels = MARGIN + joined.length * BESIDE;
  const names = Math.max(0, ...segments.map((segment) => widthOf(say(segmentLines(segment)))));
  const start = labels + names + GAP;
  const content = Math.max(NARROWEST - start - MARGIN, ...lines.map(lineWidth));
  const head = [...say([diagram.name], 'plain', 'title'), ...say([countLine(diagram)], 'faint')];

  const shapes: Shape[] = written(head, MARGIN, MARGIN, 'start');
  const pins: Pin[] = [];
  const lanes: Lane[] = [];
  const runsAt: { segment: string; y: number; channel: number }[] = [];
  let widest = start;
  let y = MARGIN + heightOf(head) + GAP / 2;
  for (const [at, channel] of channels.entries()) {
    for (const band of channel.bands) {
      shapes.push(...written(say(segmentLines(band.segment)), labels, y + band.label, 'start'));
      runsAt.push({ segment: band.segment.name, y: y + band.line, channel: at });
      lanes.push(...band.lanes.map((lane) => ({ step: lane.step, channel: at, y: y + lane.y })));
    }
    y += channel.height;
    const line = lines[at];
    if (line === undefined) continue;
    const height = Math.max(...line.map((box) => box.height));
    const left = start + (content - lineWidth(line)) / 2;
    const upper = pins.filter((pin) => pin.channel === at);
    const lower = pinsOfLine(line, left, y, height, at).filter((pin) => pin.channel === at);
    let x = left + aside(verticals(upper, steps), verticals(lower, steps), start - left);
    widest = Math.max(widest, x + lineWidth(line));
    pins.push(...pinsOfLine(line, x, y, height, at));
    for (const box of line) {
      shapes.push(...boxShapes(box, x, y, height));
      x += box.width + GAP;
    }
    y += height;
  }

  const drawn = drawWays(diagram, pins, lanes, widest);
  const width = Math.max(NARROWEST, drawn.right + MARGIN, 2 * MARGIN + widthOf(head));
  const below = cardsBelow(diagram, MARGIN, y + GAP, width - 2 * MARGIN);
  return {
    width: Math.ceil(Math.max(width, below.right + MARGIN)),
    height: Math.ceil(below.bottom + MARGIN),
    title: visible(diagram.name),
    description: visible(`${countLine(diagram)}. ${waysTitle(ways)}.`),
    shapes: [
      ...segmentShapes(runsAt, pins, joined, labels),
      ...drawn.lines,
      ...shapes,
      ...drawn.marks,
      ...below.shapes,
    ],
  };
}

/** The boxes in lines, from above. */
function linesOf(diagram: Diagram): Box[][] {
  const { nodes, ways } = diagram;
  const { level, row } = rowsOf(diagram);
  const steps = ways.drawn ? ways.steps : [];
  const boxes = nodes.map((node, index) =>
    boxOf(
      node,
      index,
      (segment) => (level.get(segment) ?? 0) < (row[index] ?? 0),
      (device) => comingTo(steps, { node: index, device }).length,
    ),
  );
  const rows = [...new Set(row)].toSorted((a, b) => a - b);
  return rows.flatMap((number) => broken(boxes.filter(({ index }) => row[index] === number)));
}

/** A row in as few lines as it takes, and these about as wide. */
function broken(row: readonly Box[]): Box[][] {
  let lines = filled(row, ROW);
  for (let width = ROW - GAP; width > 0; width -= GAP) {
    const narrower = filled(row, width);
    if (narrower.length > lines.length) break;
    lines = narrower;
  }
  return lines;
}

/** Boxes side by side as long as they fit. */
function filled(row: readonly Box[], width: number): Box[][] {
  const lines: Box[][] = [];
  for (const box of row) {
    const line = lines.at(-1);
    if (line !== undefined && lineWidth([...line, box]) <= width) line.push(box);
    else lines.push([box]);
  }
  return lines;
}

function lineWidth(line: readonly Box[]): number {
  return line.reduce((sum, { width }) => sum + width + GAP, -GAP);
}

function pinsOfLine(line: readonly Box[], x: number, y: number, height: number, at: number): Pin[] {
  let left = x;
  return line.flatMap((box) => {
    const pins = pinsOf(box, left, y, height, at);
    left += box.width + GAP;
    return pins;
  });
}

function pinsOf(box: Box, x: number, y: number, height: number, at: number): Pin[] {
  const below = wireXs(box.below, x);
  const above = wireXs(box.above, x);
  const pin = ({ index }: Box) => ({ node: index });
  return [
    ...box.above.map(({ port: { device, segment } }, cell) => {
      return { ...pin(box), device, segment, channel: at, over: false, x: above[cell] ?? x, y };
    }),
    ...box.below.map(({ port: { device, segment } }, cell) => {
      return { ...pin(box), device, segment, channel: at + 1, over: true, x: below[cell] ?? x, y: y + height };
    }),
  ];
}

/** Segments with the wires to them. */
function segmentShapes(
  runs: readonly { segment: string; y: number; channel: number }[],
  pins: readonly Pin[],
  joined: readonly string[],
  left: number,
): Shape[] {
  const beside = (name: string): number => MARGIN + joined.indexOf(name) * BESIDE;
  const joins = joined.map((name): Shape => {
    const ys = runs.filter(({ segment }) => segment === name).map(({ y }) => y);
    const x = beside(name);
    return { shape: 'line', look: 'segment', line: { from: { x, y: Math.min(...ys) }, to: { x, y: Math.max(...ys) } } };
  });
  return runs
    .flatMap(({ segment, y, channel }): Shape[] => {
      const own = pins.filter((pin) => pin.segment === segment && pin.channel === channel);
      const from = { x: joined.includes(segment) ? beside(segment) : left, y };
      const to = { x: Math.max(...own.map(({ x }) => x)) + BESIDE, y };
      return [
        { shape: 'line', look: 'segment', line: { from, to } },
        ...own.map(
          ({ x, y: edge }): Shape => ({ shape: 'line', look: 'wire', line: { from: { x, y: edge }, to: { x, y } } }),
        ),
        ...own.map(({ x }): Shape => ({ shape: 'dot', at: { x, y } })),
      ];
    })
    .concat(joins);
}
