import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/graph/layout.ts';
import { mermaidText } from '../../src/graph/mermaid.ts';
import { svgText } from '../../src/graph/svg.ts';
import { columns, ranges, visible, wrapped } from '../../src/graph/text.ts';
import { anyDiagram, clusterOf, drawn, NAMES } from './cases.ts';
import { readXml } from './xml.ts';

/** Any characters, those that mean something in XML, HTML, Markdown and Mermaid more often than others. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...['"', "'", '<', '>', '&', ']]>', '<!--', '-->', '</text>', '<script>', '&#0;', '&amp;', '#quot;', '#', ';'],
        ...['"]', '")', '|', '%%', '%%{init: {}}%%', '`', '<br/>', 'end', '\n', '\r', '\t', '\u0000', '\u001b[31m'],
        ...['\u202e', '\u2028', '\ud800', '\ufffe', '\u0085', '—', '漢', '😀', '  ', ':::', '==>', '{{', '$(reboot)'],
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.string({ maxLength: 6 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

/** Spaces at the beginning of lines are drawn as those that nothing swallows. */
const same = (text: string): string => text.replaceAll('\u00a0', ' ');

describe('no value escapes its place', () => {
  it('in SVG: it is well-formed, and its texts are those of the drawing', () => {
    fc.assert(
      fc.property(anyDiagram(hostile), (diagram) => {
        const drawing = layoutOf(diagram);
        const { elements, texts } = readXml(svgText(drawing));
        const said = drawing.shapes.flatMap((one) =>
          one.shape === 'text' || one.shape === 'number' ? [one.text] : [],
        );
        expect([...new Set(elements)].sort()).toEqual(
          [
            ...new Set(['svg', 'title', 'desc', 'rect', 'path', 'text', ...elements.filter((one) => one === 'circle')]),
          ].sort(),
        );
        const expected = [drawing.title, drawing.description, ...said];
        expect(texts.map(same)).toEqual(expected.filter((text) => text !== '').map(same));
      }),
      { numRuns: 120, seed: 6 },
    );
  });

  it('in Mermaid: labels hold letters, digits and entities, which say what was given', () => {
    fc.assert(
      fc.property(anyDiagram(hostile), (diagram) => {
        const [settings = '', ...drawing] = mermaidText(diagram).split('\n');
        expect(settings).toBe('%%{init: {"flowchart": {"wrappingWidth": 600}}}%%');
        const text = drawing.join('\n');
        const plain = text.replace(/"[^"]*"/gu, '""');
        const labels = [...text.matchAll(/"([^"]*)"/gu)].map(([, label = '']) => label);
        // What isn't a label is of a few shapes.
        for (const line of plain.split('\n')) {
          expect(line).toMatch(
            /^(?:flowchart TB| {2}acc(?:Title|Descr): [A-Za-z0-9 .,_-]*| {2}[hsc]\d+(?:\[""\]|\(\[""\]\)):::[a-z]+| {2}[hs]\d+ ---\|""\| [hs]\d+| {2}h\d+ (?:==>|-\.->)\|""\| h\d+| {2}[hc]\d+ ~~~ c\d+| {2}linkStyle \d+ stroke:#[0-9a-f]+| {2}classDef [a-z]+ [a-z0-9#:, -]+)$/u,
          );
        }
        for (const label of labels) {
          for (const line of label.split('<br/>')) expect(line).toMatch(/^(?:[A-Za-z0-9 .,:/()…→✗\u00a0-]|#\d+;)*$/u);
        }
        for (const [index, { name }] of diagram.nodes.entries()) {
          const [, first = ''] = new RegExp(`^ {2}h${index}\\["(.*?)<br/>`, 'mu').exec(text) ?? [];
          const said = first.replace(/#(\d+);/gu, (_, code) => String.fromCodePoint(Number(code)));
          expect(same(said)).toBe(same(visible(name)));
        }
      }),
      { numRuns: 120, seed: 6 },
    );
  });
});

describe.each(NAMES)('%s', (name) => {
  const cluster = clusterOf(name);
  const diagram = drawn(cluster);
  const wanted = [
    cluster.name,
    ...cluster.hosts.flatMap((host) => [
      host.name,
      ...host.interfaces.flatMap((one) => [one.name, ...one.addresses.map(({ address }) => address)]),
    ]),
    ...cluster.services.flatMap((service) => [
      service.name,
      service.mode,
      service.scheduler,
      ...service.vips.map(({ address }) => address),
    ]),
    ...cluster.vrrp.flatMap((group) => [
      `VRRP ${group.name}`,
      ...group.nodes.map(({ host, priority }) => `${host} ${priority}`),
      ...group.instances.map((one) => `${one.name}: router id ${one.virtualRouterId}`),
    ]),
  ];

  it('all of it is in the SVG', () => {
    const svg = svgText(layoutOf(diagram));
    const { texts } = readXml(svg);
    const words = texts.join('\n');
    expect(wanted.filter((one) => !words.includes(one))).toEqual([]);
    expect(svg).not.toMatch(/<script|<style|<image|href|url\(/u);
    // Each host's name is that of a box.
    expect(cluster.hosts.filter((host) => !texts.includes(host.name))).toEqual([]);
  });

  it('all of it is in the Mermaid text', () => {
    const text = mermaidText(diagram).replace(/#(\d+);/gu, (_, code) => String.fromCodePoint(Number(code)));
    expect(wanted.filter((one) => !text.includes(one))).toEqual([]);
  });
});

describe('text', () => {
  it.each<[string[], string[]]>([
    [['web01', 'web02', 'web03'], ['web[01-03]']],
    [
      ['web1', 'web2'],
      ['web1', 'web2'],
    ],
    [
      ['web08', 'web09', 'web10', 'db'],
      ['web[08-10]', 'db'],
    ],
    [
      ['web8', 'web9', 'web10'],
      ['web8', 'web9', 'web10'],
    ],
    [
      ['rs1-a', 'rs2-a', 'rs3-a', 'rs4-b'],
      ['rs[1-3]-a', 'rs4-b'],
    ],
    [
      ['a', 'a'],
      ['a', 'a'],
    ],
    [[], []],
  ])('%j in few words', (names, expected) => {
    expect(ranges(names)).toEqual(expected);
  });

  it('breaks lines without losing anything but spaces', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), fc.integer({ min: 8, max: 30 }), (text, width) => {
        const lines = wrapped(text, width, '  ');
        for (const line of lines)
          expect(columns(line)).toBeLessThanOrEqual(Math.max(width, columns(/^ */u.exec(text)?.[0] ?? '')));
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
      }),
      { seed: 6 },
    );
  });
});
