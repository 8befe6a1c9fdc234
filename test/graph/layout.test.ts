import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/graph/layout.ts';
import { rowsOf } from '../../src/graph/rows.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { anyDiagram, clusterOf, drawn, many, NAMES } from './cases.ts';
import { crossed, loose, overlaps, standing } from './geometry.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-graph-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const crowd = (count: number) => {
  const file = join(folder, `many${count}.yaml`);
  writeFileSync(file, JSON.stringify(many(count)));
  return drawn(loadCluster([file]));
};

describe('what is drawn', () => {
  it.each(NAMES)('%s: nothing overlaps, sticks out, is crossed or ends nowhere', (name) => {
    const drawing = layoutOf(drawn(clusterOf(name)));
    expect(overlaps(drawing)).toEqual([]);
    expect(crossed(drawing)).toEqual([]);
    expect(loose(drawing)).toEqual([]);
    expect(drawing).toEqual(layoutOf(drawn(clusterOf(name))));
  });

  it.each([2, 12, 16, 26, 60])('a pair with %i real servers', (count) => {
    const diagram = crowd(count);
    const drawing = layoutOf(diagram);
    expect(overlaps(drawing)).toEqual([]);
    expect(crossed(drawing)).toEqual([]);
    expect(loose(drawing)).toEqual([]);
    expect(drawing.width).toBeLessThan(1500);
    const hosts = standing(drawing).filter(({ look }) => look === 'real server');
    expect(hosts).toHaveLength(count <= 16 ? count : 4);
    const stands = diagram.nodes.flatMap((node) => node.hosts);
    expect(stands).toHaveLength(count + 4);
    expect(new Set(stands).size).toBe(count + 4);
  });

  it('any hosts on any segments', () => {
    fc.assert(
      fc.property(anyDiagram(fc.string({ maxLength: 30 })), (diagram) => {
        const drawing = layoutOf(diagram);
        expect(overlaps(drawing)).toEqual([]);
        expect(crossed(drawing)).toEqual([]);
        expect(loose(drawing)).toEqual([]);
      }),
      { numRuns: 150, seed: 6 },
    );
  });
});

describe('rows', () => {
  it.each<[string, Record<string, number>]>([
    ['dr-wrr', { client: 0, route: 1, director: 1, rs1: 2, rs2: 2 }],
    ['dr-keepalived', { client: 0, lvs1: 0, lvs2: 0, web1: 1, web2: 1, app1: 1, app2: 1 }],
    ['nat-keepalived', { client: 0, lvs1: 1, lvs2: 1, web1: 2, web2: 2 }],
    ['minimal-nat', { lvs: 1, web1: 2, web2: 2 }],
    ['minimal-dr', { lvs: 0, web1: 1, web2: 1 }],
    ['tun', { client: 0, route: 1, director: 1, rs1: 2, rs2: 2 }],
  ])('%s: from clients down to real servers', (name, expected) => {
    const { nodes, segments } = drawn(clusterOf(name));
    const { row } = rowsOf({ nodes, segments });
    expect(Object.fromEntries(nodes.map((node, index) => [node.name, row[index]]))).toEqual(expected);
  });

  it('every host is beside all its segments', () => {
    fc.assert(
      fc.property(anyDiagram(fc.constant('a')), (diagram) => {
        const { level, row } = rowsOf(diagram);
        for (const [index, { ports }] of diagram.nodes.entries()) {
          for (const { segment } of ports) {
            const beside = (row[index] ?? -1) - (level.get(segment) ?? -1);
            expect([0, 1]).toContain(beside);
          }
        }
      }),
      { seed: 6 },
    );
  });
});
