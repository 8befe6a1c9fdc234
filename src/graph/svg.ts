import type { Leg } from './diagram.ts';
import type { BoxLook, Drawing, Line, LineLook, Shape, Text } from './drawing.ts';
import { RADIUS, SIZES } from './drawing.ts';

const FONT = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace";

const INK = '#1b2329';
const FAINT = '#56636d';
/** Blue and vermilion: told apart by most eyes, and by the dashes where not. */
const LEGS: Record<Leg, string> = { request: '#0b5fa5', reply: '#c2410c' };

const FILLS: Record<BoxLook, { fill: string; stroke: string; width: number }> = {
  client: { fill: '#eceff1', stroke: '#6b7680', width: 1.2 },
  router: { fill: '#f6eed9', stroke: '#9a7416', width: 1.2 },
  director: { fill: '#dbeafa', stroke: '#1f6fb2', width: 2 },
  'real server': { fill: '#e2f2e0', stroke: '#3a8a3a', width: 1.2 },
  other: { fill: '#f1eaf6', stroke: '#84569a', width: 1.2 },
  cell: { fill: '#ffffff', stroke: '#9aa4ad', width: 0.8 },
  card: { fill: '#f7f8f9', stroke: '#c3cad0', width: 1 },
};

const STROKES: Record<LineLook, { stroke: string; width: number; dash?: string }> = {
  segment: { stroke: '#5b6770', width: 4 },
  wire: { stroke: '#5b6770', width: 1.4 },
  request: { stroke: LEGS.request, width: 2 },
  reply: { stroke: LEGS.reply, width: 2, dash: '7 4' },
};

const TEXTS: Record<Text['look'], string> = { plain: INK, faint: FAINT, fault: '#b3152b' };

/**
 * A drawing as a standalone SVG: no scripts, no fonts or files from elsewhere, on a ground of its own, so that it reads
 * the same on light and dark pages. Pure.
 */
export function svgText({ width, height, title, description, shapes }: Drawing): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title desc" font-family="${FONT}">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="desc">${escaped(description)}</desc>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="#ffffff" stroke="#c3cad0"/>`,
    ...shapes.map(shapeText),
    '</svg>',
    '',
  ].join('\n');
}

function shapeText(shape: Shape): string {
  switch (shape.shape) {
    case 'box': {
      const { fill, stroke, width } = FILLS[shape.look];
      const round = shape.look === 'cell' ? 0 : 5;
      return `<rect x="${n(shape.x)}" y="${n(shape.y)}" width="${n(shape.width)}" height="${n(shape.height)}" rx="${round}" fill="${fill}" stroke="${stroke}" stroke-width="${width}"/>`;
    }
    case 'line':
      return stroked(shape.look, [shape.line]);
    case 'way': {
      // White beside it, so that it is seen where it crosses others.
      const path = pathOf(shape.lines);
      return `<path d="${path}" fill="none" stroke="#ffffff" stroke-width="6"/>${stroked(shape.look, shape.lines)}`;
    }
    case 'arrow':
      return `<path d="${headOf(shape)}" fill="${LEGS[shape.look]}"/>`;
    case 'dot':
      return `<circle cx="${n(shape.at.x)}" cy="${n(shape.at.y)}" r="4" fill="${STROKES.segment.stroke}"/>`;
    case 'number': {
      const { x, y } = shape.at;
      const colour = LEGS[shape.look];
      return `<circle cx="${n(x)}" cy="${n(y)}" r="${RADIUS}" fill="#ffffff" stroke="${colour}" stroke-width="1.5"/><text x="${n(x)}" y="${n(y + 3.6)}" font-size="10" font-weight="bold" text-anchor="middle" fill="${colour}">${escaped(shape.text)}</text>`;
    }
    case 'text': {
      const { look, size, at, anchor, text } = shape;
      const bold = size === 'text' ? '' : ' font-weight="bold"';
      const middle = anchor === 'middle' ? ' text-anchor="middle"' : '';
      const body = text.replace(/^ +/u, (spaces) => '\u00a0'.repeat(spaces.length));
      return `<text x="${n(at.x)}" y="${n(at.y)}" font-size="${SIZES[size].font}"${bold}${middle} fill="${TEXTS[look]}">${escaped(body)}</text>`;
    }
  }
}

function stroked(look: LineLook, lines: readonly Line[]): string {
  const { stroke, width, dash } = STROKES[look];
  const dashed = dash === undefined ? '' : ` stroke-dasharray="${dash}"`;
  return `<path d="${pathOf(lines)}" fill="none" stroke="${stroke}" stroke-width="${width}"${dashed}/>`;
}

function pathOf(lines: readonly Line[]): string {
  return lines.map(({ from, to }) => `M${n(from.x)} ${n(from.y)}L${n(to.x)} ${n(to.y)}`).join('');
}

function headOf({ at, to }: Extract<Shape, { shape: 'arrow' }>): string {
  const { x, y } = at;
  switch (to) {
    case 'down':
      return `M${n(x)} ${n(y)}l-5 -9h10z`;
    case 'up':
      return `M${n(x)} ${n(y)}l-5 9h10z`;
    case 'right':
      return `M${n(x)} ${n(y)}l-9 -5v10z`;
  }
}

/** A length without needless digits. */
function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
