import type { Node, Port } from './diagram.ts';
import type { Shape } from './drawing.ts';
import { heightOf, type Said, say, widthOf, written } from './paragraph.ts';
import { noteLines, portLines, roleLine } from './words.ts';

const PAD = 8;
/** Between the ways that come to one interface. */
export const FAN = 14;

/** A host's box with its size, before it has a place: interfaces at the edges where their wires come in. */
export interface Box {
  /** Index in the diagram's nodes. */
  index: number;
  node: Node;
  above: Cell[];
  below: Cell[];
  middle: Said[];
  width: number;
  height: number;
}

/** An interface's part of a box. */
export interface Cell {
  port: Port;
  said: Said[];
  width: number;
}

/**
 * Measures a host's box. Pure.
 * @param isAbove whether a segment lies above the host
 * @param ways how many steps of the ways come to an interface
 */
export function boxOf(
  node: Node,
  index: number,
  isAbove: (segment: string) => boolean,
  ways: (device: string) => number,
): Box {
  const cells = node.ports.map((port): Cell => {
    const [device = '', ...more] = portLines(port);
    const said = [...say([device], 'faint'), ...say(more)];
    return { port, said, width: Math.max(widthOf(said) + 2 * PAD, fanWidth(ways(port.device))) };
  });
  const deaths = node.notes.filter(({ note }) => note === 'dies');
  const middle = [
    ...say([node.name], 'plain', 'name'),
    ...say([roleLine(node)], 'faint'),
    ...say(noteLines(node.notes.filter((one) => !deaths.includes(one)))),
    ...say(noteLines(deaths), 'fault'),
  ];
  const above = cells.filter(({ port }) => isAbove(port.segment));
  const below = cells.filter(({ port }) => !isAbove(port.segment));
  const width = Math.max(widthOf(middle) + 2 * PAD, sum(above), sum(below));
  return {
    index,
    node,
    above: stretched(above, width),
    below: stretched(below, width),
    middle,
    width,
    height: stripHeight(above) + heightOf(middle) + 2 * PAD + stripHeight(below),
  };
}

/** On both sides of the wire, which comes in the middle. */
function fanWidth(ways: number): number {
  return 2 * FAN * (Math.ceil(ways / 2) + 1);
}

function sum(cells: readonly Cell[]): number {
  return cells.reduce((total, { width }) => total + width, 0);
}

/** Cells fill their edge: what is left over is shared. */
function stretched(cells: readonly Cell[], width: number): Cell[] {
  const more = (width - sum(cells)) / cells.length;
  return cells.map((cell) => ({ ...cell, width: cell.width + more }));
}

function stripHeight(cells: readonly Cell[]): number {
  return cells.length === 0 ? 0 : Math.max(...cells.map(({ said }) => heightOf(said))) + PAD;
}

/** A box at its place; it may be made higher than it has to be. Pure. */
export function boxShapes({ node, above, below, middle, width }: Box, x: number, y: number, height: number): Shape[] {
  const look = node.role;
  // What stands for several looks like a pile.
  const pile = node.hosts.length === 1 ? [] : [8, 4];
  const bottom = y + height - stripHeight(below);
  return [
    ...pile.map((by): Shape => ({ shape: 'box', look, x: x + by, y: y + by, width, height, behind: true })),
    { shape: 'box', look, x, y, width, height },
    ...strip(above, x, y),
    ...written(middle, x + width / 2, y + stripHeight(above) + PAD, 'middle'),
    ...strip(below, x, bottom),
  ];
}

function strip(cells: readonly Cell[], x: number, y: number): Shape[] {
  const height = stripHeight(cells);
  return cells.flatMap((cell, index): Shape[] => {
    const left = x + sum(cells.slice(0, index));
    return [
      { shape: 'box', look: 'cell', x: left, y, width: cell.width, height },
      ...written(cell.said, left + cell.width / 2, y + PAD / 2, 'middle'),
    ];
  });
}

/** Where the wires of some cells come in. Pure. */
export function wireXs(cells: readonly Cell[], x: number): number[] {
  return cells.map((cell, index) => x + sum(cells.slice(0, index)) + cell.width / 2);
}
