import type { Leg } from './diagram.ts';

/** A drawing: shapes with their places in pixels, the origin at the top left. A value: made by `layout.ts`. */
export interface Drawing {
  width: number;
  height: number;
  title: string;
  description: string;
  /** In the order in which they are painted. */
  shapes: Shape[];
}

/** What a box stands for: how it looks follows from that. */
export type BoxLook = 'client' | 'router' | 'director' | 'real server' | 'other' | 'cell' | 'card';

/** What a line or a mark belongs to. */
export type LineLook = 'segment' | 'wire' | Leg;

/** Pixels. */
export interface Point {
  x: number;
  y: number;
}

export interface Line {
  from: Point;
  to: Point;
}

export type Shape =
  /** `behind`: another box of its pile is in front of it. */
  | { shape: 'box'; look: BoxLook; x: number; y: number; width: number; height: number; behind?: true }
  | { shape: 'line'; look: LineLook; line: Line }
  /** The way of a step: lines that hang together, painted as one. */
  | { shape: 'way'; look: Leg; lines: Line[] }
  /** An arrow's head, where it points, and whereto. */
  | { shape: 'arrow'; look: Leg; at: Point; to: 'down' | 'up' | 'right' }
  /** Where a wire is joined to its segment. */
  | { shape: 'dot'; at: Point }
  | { shape: 'number'; look: Leg; at: Point; text: string }
  | Text;

/** `at`: the left end, or the middle, of its base line. */
export interface Text {
  shape: 'text';
  look: 'plain' | 'faint' | 'fault';
  size: Size;
  at: Point;
  anchor: 'start' | 'middle';
  text: string;
}

export type Size = 'title' | 'name' | 'text';

/** Pixels: height of the font, of a line, and the width of a column, a little more than monospaced fonts take. */
export const SIZES: Record<Size, { font: number; line: number; column: number }> = {
  title: { font: 18, line: 26, column: 11.2 },
  name: { font: 14, line: 19, column: 8.7 },
  text: { font: 12, line: 16, column: 7.4 },
};

/** Of a number's circle. */
export const RADIUS = 8;
