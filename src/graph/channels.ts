import type { Box } from './boxes.ts';
import type { Diagram, Segment, Step } from './diagram.ts';
import { SIZES } from './drawing.ts';
import { heightOf, say } from './paragraph.ts';
import { segmentLines } from './words.ts';

/** The place between two lines of boxes, where the segments that they are on run. */
export interface Channel {
  height: number;
  bands: Band[];
}

/** A segment in a channel: its name, its line, and below it a lane for each step of the ways that ends there. */
export interface Band {
  segment: Segment;
  /** From the channel's top. */
  label: number;
  line: number;
  lanes: { step: number; y: number }[];
}

/** Between boxes and what runs between them. */
const AIR = 20;
/** Between lanes: their numbers need the room. */
const LANE = 19;

/** The channels above, between and below lines of boxes. Pure. */
export function channelsOf(
  { segments }: Diagram,
  lines: readonly (readonly Box[])[],
  steps: readonly Step[],
): Channel[] {
  return [...lines, undefined].map((_, at) => channelOf(segments, lines[at - 1] ?? [], lines[at] ?? [], steps));
}

function channelOf(
  segments: readonly Segment[],
  over: readonly Box[],
  under: readonly Box[],
  steps: readonly Step[],
): Channel {
  const upper = over.flatMap((box) => box.below.map((cell) => ({ node: box.index, port: cell.port })));
  const lower = under.flatMap((box) => box.above.map((cell) => ({ node: box.index, port: cell.port })));
  const on = (ends: typeof upper, name: string): boolean => ends.some(({ port }) => port.segment === name);
  // Wires cross fewest lines if those that only lead up come first, and those that only lead down come last.
  const rank = ({ name }: Segment): number => (on(upper, name) ? (on(lower, name) ? 1 : 0) : 2);
  const here = segments.filter(({ name }) => on(upper, name) || on(lower, name)).toSorted((a, b) => rank(a) - rank(b));
  let y = AIR;
  const bands = here.map((segment): Band => {
    const label = y;
    const line = label + heightOf(say(segmentLines(segment))) + 5;
    y = line;
    const lanes = steps.flatMap((step, index) => {
      const ends = [...upper, ...lower].filter(({ port }) => port.segment === segment.name);
      const touches = [...step.from, ...step.to].some((end) =>
        ends.some(({ node, port }) => node === end.node && port.device === end.device),
      );
      if (step.segment !== segment.name || !touches) return [];
      y += LANE;
      return [{ step: index, y }];
    });
    y += SIZES.text.line;
    return { segment, label, line, lanes };
  });
  if (bands.length > 0) return { bands, height: y + AIR - SIZES.text.line / 2 };
  return { bands, height: over.length > 0 && under.length > 0 ? AIR : 0 };
}
