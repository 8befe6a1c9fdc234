import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { unreadAsking } from '../../src/cli/destroy.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Plan } from '../../src/plan/plan.ts';

const cluster = loadCluster([fileURLToPath(new URL('../../inventories/dr-wrr.yaml', import.meta.url))]);

test.each<[string, string[], string[], string[]]>([
  ['could not be read', ['director'], ['rs1', 'route'], ['rs1: director could not be read']],
  ['was read too', [], ['director', 'rs1', 'rs2'], []],
  ['could not be read, and has nothing to lose', ['director'], ['route'], []],
])('a destroy while who sends requests %s', (_, unseen, given, found) => {
  const plan = {
    unseen: unseen.map((host) => ({ host, problems: [] })),
    steps: given.map((host) => ({ host })),
  } as unknown as Plan;
  const warnings = unreadAsking(cluster, plan).map(({ host, text }) => `${host}: ${text.split(':')[0]}`);
  expect(warnings).toEqual(found);
});
