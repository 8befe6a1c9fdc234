import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { walk } from '../../src/path/walk.ts';
import type { Hop } from '../../src/path/way.ts';
import { inventory, NAMES, plainCases, requestsOf } from './cases.ts';
import { verdictOf } from './compare.ts';
import { randomCases } from './mutations.ts';
import { variantCases } from './variants.ts';

describe('a packet of a client', () => {
  it.each(plainCases().map((one) => [one.name, one] as const))('%s: arrives, and its reply returns', (_, one) => {
    expect(verdictOf(one)).toBe('answered');
  });

  it('dies in each broken variant where kernels let it die (verdicts.txt; kernel.all.test.ts)', () => {
    const said = variantCases().map((one) => `${one.name} | ${verdictOf(one)}`);
    expect(`${said.join('\n')}\n`).toBe(readFileSync(new URL('verdicts.txt', import.meta.url), 'utf8'));
  });
});

const services = NAMES.flatMap((name) =>
  inventory(name).cluster.services.map((service) => [`${name} ${service.name}`, name, service] as const),
);

describe('the way there and back', () => {
  it.each(services)('%s: through the director, one real server, and as the mode has it', (_, name, service) => {
    const { cluster, net } = inventory(name);
    for (const request of requestsOf(service)) {
      const ways = walk(net, request);
      const chosen = ways.map(({ request: hops }) =>
        hops.flatMap(({ did }) => did.filter(({ act }) => act === 'chosen')),
      );
      expect(chosen.every((acts) => acts.length === 1)).toBe(true);
      const row = service.virtuals.find(({ family }) => family === (request.address.includes(':') ? 6 : 4));
      expect(ways).toHaveLength(row?.realServers.filter(({ weight }) => weight > 0).length ?? 0);
      for (const way of ways) {
        const passed = (hops: readonly Hop[]) => hops.some(({ host }) => service.directors.includes(host));
        expect(passed(way.request)).toBe(true);
        expect(passed(way.reply)).toBe(service.mode === 'nat' || service.mode === 'fullnat');
        expect(way.reply.at(-1)).toMatchObject({
          host: 'client',
          after: { src: request.address, sport: request.port },
        });
      }
    }
    expect(cluster.hosts.length).toBeGreaterThan(2);
  });

  const seeds = fc.integer({ min: 1, max: 1_000_000 });

  it('ends, whatever is changed, and every packet leaves a host as it comes to the next', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        for (const { net, request } of randomCases(1, seed)) {
          for (const { request: there, reply: back, end } of walk(net, request)) {
            // Each leg is over after as many hops as its time to live, and the ends of a tunnel.
            expect(Math.max(there.length, back.length)).toBeLessThanOrEqual(2 * 65);
            for (const leg of [there, back]) {
              for (const [at, hop] of leg.slice(1).entries()) {
                expect(hop.before).toEqual(leg[at]?.after);
                expect(leg[at]?.out?.to).toBe(`${hop.host}:${hop.in?.device}`.toLowerCase());
              }
            }
            if (!end.answered) continue;
            expect(back.at(-1)).toMatchObject({
              host: request.client,
              after: { src: request.address, sport: request.port },
            });
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is the same each time', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const once = () => randomCases(1, seed).map(({ net, request }) => walk(net, request));
        expect(once()).toEqual(once());
      }),
      { numRuns: 30 },
    );
  });
});
