import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { judged, pathsOf } from '../../src/path/ask.ts';
import { walk } from '../../src/path/walk.ts';
import { makePaint } from '../../src/report/paint.ts';
import { pathText } from '../../src/report/path-text.ts';
import { inventory, plainCases } from '../path/cases.ts';
import { variantCases } from '../path/variants.ts';

const paint = makePaint(false);

describe('a way for people', () => {
  it('stays within 80 columns, whatever becomes of the packet', () => {
    const long = [...plainCases(), ...variantCases()].flatMap(({ name, net, request }) => {
      const { cluster } = inventory(name.split(/[ :]/u)[0] ?? '');
      const service = cluster.services.find(({ vips }) => vips.some(({ address }) => address === request.address));
      const ways = walk(net, request).map((way) => judged(cluster, way, service));
      const text = pathText({ from: request.client, ...request, ways }, paint);
      return text.split('\n').filter((line) => line.length > 80);
    });
    expect(long).toEqual([]);
  });

  it('is what docs/commands/path.md shows', () => {
    const { cluster, net } = inventory('dr-wrr');
    const [path] = pathsOf(cluster, net, { to: 'web' });
    if (path === undefined) throw new Error('no path');
    const lines = pathText(path, paint).split('\n');
    const page = readFileSync(new URL('../../docs/commands/path.md', import.meta.url), 'utf8');
    expect(page).toContain(lines.map((line) => (line === '' ? '' : `    ${line}`)).join('\n'));
  });
});
