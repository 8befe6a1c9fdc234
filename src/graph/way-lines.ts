import { FAN } from './boxes.ts';
import type { Diagram, End, Step } from './diagram.ts';
import type { Line, Point, Shape } from './drawing.ts';

/** Where an interface's wire meets its box. */
export interface Pin extends Point {
  node: number;
  device: string;
  segment: string;
  channel: number;
  /** Whether the box is above the channel. */
  over: boolean;
}

/** A step's lane in a channel. */
export interface Lane {
  step: number;
  channel: number;
  y: number;
}

/** Between lanes that lead from channel to channel. */
const BESIDE = 16;

/** The lines of all steps, and what is painted over everything else: arrows and numbers. */
export interface DrawnWays {
  lines: Shape[];
  marks: Shape[];
  /** How far they reach. */
  right: number;
}

/**
 * Draws the ways: down from the boxes where a step begins, along its lanes, and to the boxes where it ends. Where it
 * begins and ends in several channels, its lanes meet on the right. Pure.
 */
export function drawWays(diagram: Diagram, pins: readonly Pin[], lanes: readonly Lane[], right: number): DrawnWays {
  const steps = diagram.ways.drawn ? diagram.ways.steps : [];
  const drawn: DrawnWays = { lines: [], marks: [], right };
  for (const [index, step] of steps.entries()) {
    const own = lanes.filter((lane) => lane.step === index);
    const around = own.length > 1 ? drawn.right + BESIDE : undefined;
    if (around !== undefined) drawn.right = around;
    drawStep(step, index, steps, pins, own, around, drawn);
  }
  return drawn;
}

function drawStep(
  step: Step,
  index: number,
  steps: readonly Step[],
  pins: readonly Pin[],
  lanes: readonly Lane[],
  around: number | undefined,
  drawn: DrawnWays,
): void {
  const place = (end: End): { pin: Pin; x: number; lane: number } | undefined => {
    const pin = pins.find(({ node, device }) => node === end.node && device === end.device);
    const lane = lanes.find(({ channel }) => channel === pin?.channel);
    return pin === undefined || lane === undefined
      ? undefined
      : { pin, x: pin.x + beside(steps, end, index), lane: lane.y };
  };
  const ends = [...step.from, ...step.to].flatMap((end) => place(end) ?? []);
  const lines: Line[] = ends.map(({ pin, x, lane }) => ({ from: { x, y: pin.y }, to: { x, y: lane } }));
  for (const { channel, y } of lanes) {
    const xs = [
      ...ends.filter(({ pin }) => pin.channel === channel).map(({ x }) => x),
      ...(around === undefined ? [] : [around]),
    ];
    lines.push({ from: { x: Math.min(...xs), y }, to: { x: Math.max(...xs), y } });
  }
  if (around !== undefined) {
    const ys = lanes.map(({ y }) => y);
    lines.push({ from: { x: around, y: Math.min(...ys) }, to: { x: around, y: Math.max(...ys) } });
  }
  drawn.lines.push({ shape: 'way', look: step.leg, lines });
  for (const { pin, x } of step.to.flatMap((end) => place(end) ?? []))
    drawn.marks.push({ shape: 'arrow', look: step.leg, at: { x, y: pin.y }, to: pin.over ? 'up' : 'down' });
  const [hub] = (step.leg === 'request' ? step.from : step.to).flatMap((end) => place(end) ?? []);
  if (hub !== undefined)
    drawn.marks.push({ shape: 'number', look: step.leg, at: { x: hub.x, y: hub.lane }, text: String(step.number) });
}

/** Where vertical lines run: wires, and ways beside them. */
export interface Vertical {
  x: number;
  way: boolean;
}

/** The vertical lines at some interfaces. Pure. */
export function verticals(pins: readonly Pin[], steps: readonly Step[]): Vertical[] {
  return pins.flatMap((pin) => [
    { x: pin.x, way: false },
    ...comingTo(steps, pin).map((index) => ({ x: pin.x + beside(steps, pin, index), way: true })),
  ]);
}

/** As far as a line of boxes is moved at most, and how far apart vertical lines are then, if they can be. */
const FURTHEST = 70;
const APART = 11;

/**
 * How far to move a line of boxes, so that lines from above and from below don't seem to be one: as little as possible.
 * Pure.
 * @param least how far it may go to the left, a number below 0
 */
export function aside(upper: readonly Vertical[], lower: readonly Vertical[], least: number): number {
  let best = { by: 0, apart: -1 };
  for (let far = 0; far <= 2 * FURTHEST; far += 1) {
    const by = Math.ceil(far / 2) * (far % 2 === 0 ? -1 : 1);
    if (by < Math.min(0, least)) continue;
    let apart = APART;
    for (const a of upper) {
      for (const b of lower) {
        const gap = Math.abs(a.x - b.x - by);
        // One wire right below another looks well.
        if (gap >= 0.5 || a.way || b.way) apart = Math.min(apart, gap);
      }
    }
    if (apart > best.apart) best = { by, apart };
  }
  return best.by;
}

/** How far beside the wire a step comes to an interface: the first one right, the second left, and so on. */
function beside(steps: readonly Step[], end: End, index: number): number {
  const place = comingTo(steps, end).indexOf(index);
  return FAN * (Math.floor(place / 2) + 1) * (place % 2 === 0 ? -1 : 1);
}

/** Indexes of the steps that begin or end at an interface. Pure. */
export function comingTo(steps: readonly Step[], { node, device }: End): number[] {
  return steps.flatMap(({ from, to }, index) =>
    [...from, ...to].some((end) => end.node === node && end.device === device) ? [index] : [],
  );
}
