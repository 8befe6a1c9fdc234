import type { Diagram, End, Leg, Role, Step } from './diagram.ts';
import { rowsOf } from './rows.ts';
import { visible } from './text.ts';
import {
  countLine,
  faultLines,
  noteLines,
  portLines,
  roleLine,
  segmentLines,
  serviceLines,
  stepLines,
  vrrpLines,
  waysTitle,
} from './words.ts';

/** Borders and lines, so that a page's light or dark background shows through. */
const CLASSES: readonly [string, string][] = [
  ['client', 'stroke:#6b7680'],
  ['router', 'stroke:#a07a1a'],
  ['director', 'stroke:#1f6fb2,stroke-width:3px'],
  ['real', 'stroke:#3a8a3a,stroke-width:2px'],
  ['other', 'stroke:#8a5a9a'],
  ['segment', 'stroke:#6b7680,stroke-width:3px'],
  ['card', 'stroke:#9aa4ad,stroke-dasharray:4 3'],
];
const LINES: Record<Leg, string> = { request: 'stroke:#2b7bc0', reply: 'stroke:#d9591f' };

/** Cards below each other: more of them make the drawing broader. */
const CARDS = 4;

const CLASS: Record<Role, string> = {
  client: 'client',
  router: 'router',
  director: 'director',
  'real server': 'real',
  other: 'other',
};

/**
 * A diagram as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html): hosts hang at segments, thick arrows
 * are requests, dotted ones replies. Whatever it says stands in quoted labels, with entities. Pure.
 */
export function mermaidText(diagram: Diagram): string {
  const { nodes, services, vrrp, sync, ways } = diagram;
  const steps = ways.drawn ? ways.steps : [];
  const wires = wiresOf(diagram);
  const arrows = steps.flatMap(arrowsOf);
  const told = [
    waysTitle(ways),
    ...steps.flatMap((step) => numbered(step, stepLines(step, nodes))),
    ...faultLines(ways),
  ];
  return [
    // Else lines are broken after 200 pixels.
    '%%{init: {"flowchart": {"wrappingWidth": 600}}}%%',
    'flowchart TB',
    `  accTitle: ${plain(diagram.name)}`,
    `  accDescr: ${plain(countLine(diagram))}`,
    ...boxesOf(diagram),
    ...wires,
    ...arrows.map(({ text }) => text),
    ...cardsOf(diagram, [...services.map(serviceLines), ...vrrp.map((group) => vrrpLines(group, sync)), told]),
    ...arrows.map(({ leg }, index) => `  linkStyle ${wires.length + index} ${LINES[leg]}`),
    ...CLASSES.map(([name, style]) => `  classDef ${name} ${style}`),
  ].join('\n');
}

/** Row by row: what is told first stands above what it is joined to, also where an arrow leads back to it. */
function boxesOf(diagram: Diagram): string[] {
  const { nodes, segments } = diagram;
  const { level, row } = rowsOf(diagram);
  const boxes = [
    ...nodes.map((node, index) => {
      const lines = [node.name, roleLine(node), ...node.ports.flatMap(portLines), ...noteLines(node.notes)];
      return { at: row[index] ?? 0, text: `  h${index}[${label(lines)}]:::${CLASS[node.role]}` };
    }),
    ...segments.map((one, index) => {
      return { at: (level.get(one.name) ?? 0) + 0.5, text: `  s${index}([${label(segmentLines(one))}]):::segment` };
    }),
  ];
  return boxes.toSorted((a, b) => a.at - b.at).map(({ text }) => text);
}

function wiresOf(diagram: Diagram): string[] {
  const { nodes, segments } = diagram;
  const { level, row } = rowsOf(diagram);
  const segment = new Map(segments.map(({ name }, index) => [name, `s${index}`]));
  return nodes.flatMap(({ ports }, index) =>
    ports.map(({ device, segment: name }) => {
      const ends = [`h${index}`, segment.get(name)];
      const [above, below] = (level.get(name) ?? 0) < (row[index] ?? 0) ? ends.toReversed() : ends;
      return `  ${above} ---|${label([device])}| ${below}`;
    }),
  );
}

/** What there is to read, below the last row of hosts: an invisible line holds each card in its place. */
function cardsOf(diagram: Diagram, cards: readonly string[][]): string[] {
  const { row } = rowsOf(diagram);
  const last = row.indexOf(Math.max(...row));
  return [
    ...cards.map((lines, index) => `  c${index}[${label(lines)}]:::card`),
    ...(last < 0 ? [] : cards.map((_, index) => `  ${index < CARDS ? `h${last}` : `c${index - CARDS}`} ~~~ c${index}`)),
  ];
}

function arrowsOf({ number, leg, from, to }: Step): { leg: Leg; text: string }[] {
  const arrow = leg === 'request' ? '==>' : '-.->';
  const pair = (a: End, b: End): string => `  h${a.node} ${arrow}|${label([`${number} ${leg}`])}| h${b.node}`;
  const pairs = new Set(from.flatMap((a) => to.map((b) => pair(a, b))));
  return [...pairs].map((text) => ({ leg, text }));
}

function numbered({ number, leg }: Step, [first = '', ...more]: string[]): string[] {
  return [`${number} ${leg}: ${first}`, ...more];
}

function label(lines: readonly string[]): string {
  return `"${lines.map(escaped).join('<br/>')}"`;
}

/**
 * Anything but plain letters, digits and a few marks becomes an entity, in Mermaid’s way of writing them: nothing is
 * left that ends a label, begins a directive or a comment, or is Markdown or HTML.
 */
function escaped(text: string): string {
  const shown = visible(text).replace(/^ +/u, (spaces) => '\u00a0'.repeat(spaces.length));
  return shown.replace(/[^A-Za-z0-9 .,:/()…→✗\u00a0-]/gu, (char) => `#${char.codePointAt(0)};`);
}

/** For the two lines that take neither quotes nor entities. */
function plain(text: string): string {
  return visible(text).replace(/[^A-Za-z0-9 .,_-]/gu, ' ');
}
