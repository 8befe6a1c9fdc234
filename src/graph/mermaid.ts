import type { Diagram, End, Role, Step } from './diagram.ts';
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

/** Borders, so that a page's light or dark background shows through. */
const CLASSES: readonly [string, string][] = [
  ['client', 'stroke:#6b7680'],
  ['router', 'stroke:#a07a1a'],
  ['director', 'stroke:#1f6fb2,stroke-width:3px'],
  ['real', 'stroke:#3a8a3a,stroke-width:2px'],
  ['other', 'stroke:#8a5a9a'],
  ['segment', 'stroke:#6b7680,stroke-width:3px'],
  ['card', 'stroke:#9aa4ad,text-align:left'],
];

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
  const { nodes, segments, services, vrrp, sync, ways } = diagram;
  const { level, row } = rowsOf(diagram);
  const segment = new Map(segments.map(({ name }, index) => [name, `s${index}`]));
  const steps = ways.drawn ? ways.steps : [];
  const told = [
    waysTitle(ways),
    ...steps.flatMap((step) => numbered(step, stepLines(step, nodes))),
    ...faultLines(ways),
  ];
  return [
    'flowchart TB',
    `  accTitle: ${plain(diagram.name)}`,
    `  accDescr: ${plain(countLine(diagram))}`,
    ...segments.map((one, index) => `  s${index}([${label(segmentLines(one))}]):::segment`),
    ...nodes.map((node, index) => {
      const lines = [node.name, roleLine(node), ...node.ports.flatMap(portLines), ...noteLines(node.notes)];
      return `  h${index}[${label(lines)}]:::${CLASS[node.role]}`;
    }),
    ...nodes.flatMap(({ ports }, index) =>
      ports.map(({ device, segment: name }) => {
        const ends = [`h${index}`, segment.get(name)];
        const [above, below] = (level.get(name) ?? 0) < (row[index] ?? 0) ? ends.toReversed() : ends;
        return `  ${above} ---|${label([device])}| ${below}`;
      }),
    ),
    ...steps.flatMap((step) => arrowsOf(step).map((arrow) => `  ${arrow}`)),
    ...cards('services', services.map(serviceLines), 'v'),
    ...cards(
      'vrrp',
      vrrp.map((group) => vrrpLines(group, sync)),
      'g',
    ),
    `  ways[${label(told)}]:::card`,
    ...CLASSES.map(([name, style]) => `  classDef ${name} ${style}`),
  ].join('\n');
}

function arrowsOf({ number, leg, from, to }: Step): string[] {
  const arrow = leg === 'request' ? '==>' : '-.->';
  const pair = (a: End, b: End): string => `h${a.node} ${arrow}|${label([`${number} ${leg}`])}| h${b.node}`;
  return [...new Set(from.flatMap((a) => to.map((b) => pair(a, b))))];
}

function numbered({ number, leg }: Step, [first = '', ...more]: string[]): string[] {
  return [`${number} ${leg}: ${first}`, ...more];
}

function cards(title: string, boxes: readonly string[][], prefix: string): string[] {
  if (boxes.length === 0) return [];
  return [
    `  subgraph ${title}`,
    ...boxes.map((lines, index) => `    ${prefix}${index}[${label(lines)}]:::card`),
    '  end',
  ];
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
