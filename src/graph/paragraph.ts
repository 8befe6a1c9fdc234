import { SIZES, type Size, type Text } from './drawing.ts';
import { columns, visible } from './text.ts';

/** A line of text with its looks, before it has a place. */
export interface Said {
  text: string;
  size: Size;
  look: Text['look'];
}

/** Plain lines. Pure. */
export function say(lines: readonly string[], look: Text['look'] = 'plain', size: Size = 'text'): Said[] {
  return lines.map((text) => ({ text: visible(text), size, look }));
}

/** Pixels that the widest of some lines takes. Pure. */
export function widthOf(lines: readonly Said[]): number {
  return Math.max(0, ...lines.map(({ text, size }) => columns(text) * SIZES[size].column));
}

/** Pixels from the top of the first to the bottom of the last line. Pure. */
export function heightOf(lines: readonly Said[]): number {
  return lines.reduce((sum, { size }) => sum + SIZES[size].line, 0);
}

/** Lines below each other, the first one's top at `y`. Pure. */
export function written(lines: readonly Said[], x: number, y: number, anchor: Text['anchor']): Text[] {
  let top = y;
  return lines.map(({ text, size, look }): Text => {
    const { line, font } = SIZES[size];
    const at = { x, y: top + (line + font) / 2 - 2 };
    top += line;
    return { shape: 'text', look, size, at, anchor, text };
  });
}
