import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Host, Interface } from '../../src/inventory/model.ts';
import { withSegments } from '../../src/inventory/segments.ts';

const face = (networks: readonly number[], segment = ''): Interface => ({
  name: 'eth0',
  link: { type: 'ethernet' },
  addresses: networks.map((network) => ({ address: `10.0.${network}.2`, prefix: 24, family: 4 })),
  gateways: {},
  routes: [],
  dns: [],
  segment,
});
const host = (name: string, one: Interface): Host => ({
  name,
  groups: [],
  managed: true,
  owns: [],
  forwarding: false,
  interfaces: [one],
  ssh: { address: name },
  sysctls: {},
  packages: [],
  modules: [],
  files: [],
  units: [],
  byPlatform: {},
  timeServers: [],
  vars: {},
});
const segments = (interfaces: readonly Interface[]) =>
  withSegments(interfaces.map((one, index) => host(`h${index}`, one))).map(({ interfaces: [one] }) => one?.segment);

test.each<[string, Interface[], string[]]>([
  ['shared subnet', [face([1]), face([1])], ['10.0.1.0/24', '10.0.1.0/24']],
  ['apart', [face([1]), face([2])], ['10.0.1.0/24', '10.0.2.0/24']],
  ['joined by a third', [face([1]), face([2]), face([2, 1])], ['10.0.1.0/24', '10.0.1.0/24', '10.0.1.0/24']],
  ['called after the most shared', [face([2, 1]), face([1])], ['10.0.1.0/24', '10.0.1.0/24']],
  ['said otherwise', [face([1], 'a'), face([1], 'b'), face([1])], ['a', 'b', '10.0.1.0/24']],
  ['what is said joins nothing', [face([1]), face([1, 2], 'a'), face([2])], ['10.0.1.0/24', 'a', '10.0.2.0/24']],
  ['without addresses', [face([]), face([])], ['h0:eth0', 'h1:eth0']],
])('%s', (_name, interfaces, expected) => {
  expect(segments(interfaces)).toEqual(expected);
});

test('two interfaces have one segment exactly where a chain of shared subnets joins them', () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat(6), { minLength: 1, maxLength: 3 }), { maxLength: 8 }), (all) => {
      const found = segments(all.map((networks) => face(networks)));
      all.forEach((_networks, a) => {
        const reached = reach(a, all);
        all.forEach((_other, b) => {
          expect(found[a] === found[b]).toBe(reached.has(b));
        });
      });
    }),
  );
});

function reach(start: number, all: readonly (readonly number[])[]): Set<number> {
  const seen = new Set([start]);
  for (const from of seen) {
    all.forEach((networks, to) => {
      if (networks.some((network) => all[from]?.includes(network))) seen.add(to);
    });
  }
  return seen;
}
