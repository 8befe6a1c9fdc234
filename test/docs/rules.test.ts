import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CATALOGUE } from '../../src/lint/catalogue.ts';
import { rulesPage } from '../../src/report/rules-page.ts';
import { root } from './pages.ts';

it('docs/rules.md is what the catalogue says (vitest -u writes it anew)', async () => {
  await expect(rulesPage(CATALOGUE)).toMatchFileSnapshot(join(root, 'docs/rules.md'));
});
