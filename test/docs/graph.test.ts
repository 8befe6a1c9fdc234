import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layoutOf } from '../../src/graph/layout.ts';
import { svgText } from '../../src/graph/svg.ts';
import { clusterOf, drawn } from '../graph/cases.ts';
import { root } from './pages.ts';

it('docs/graphs shows what lvsctl graph draws (vitest -u draws it anew)', async () => {
  const svg = svgText(layoutOf(drawn(clusterOf('dr-keepalived'))));
  await expect(svg).toMatchFileSnapshot(join(root, 'docs/graphs/dr-keepalived.svg'));
});
