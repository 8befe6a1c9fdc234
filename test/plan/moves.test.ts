import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LvsctlError } from '../../src/errors/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster } from '../../src/inventory/model.ts';
import type { Plan, Step } from '../../src/plan/plan.ts';
import { isRecord } from '../../src/resources/holds.ts';
import { disturbs } from '../../src/resources/index.ts';
import { folder } from '../inventory/files.ts';
import { planned, runPlan, untouched, type World, type WorldHost } from './world.ts';

/**
 * From any cluster to any other, and back to bare hosts: whatever order the plan's graph allows, and wherever one looks,
 * nothing stands without what it needs.
 */

interface Described {
  mode: 'nat' | 'dr' | 'tun' | 'fullnat';
  services: { vip: number; port: number; director: number; scheduler: string; weights: (number | null)[] }[];
  arp: 'sysctl' | 'arptables' | 'static_neighbour';
}

const described = fc.record({
  mode: fc.constantFrom<Described['mode'][]>('nat', 'dr', 'tun', 'fullnat'),
  services: fc.uniqueArray(
    fc.record({
      vip: fc.constantFrom(100, 101),
      port: fc.constantFrom(80, 81),
      director: fc.constantFrom(1, 2),
      scheduler: fc.constantFrom('rr', 'wrr'),
      weights: fc.tuple(...[1, 2, 3].map(() => fc.option(fc.integer({ min: 1, max: 3 }), { freq: 2 }))),
    }),
    { minLength: 0, maxLength: 2, selector: ({ vip }) => vip },
  ),
  arp: fc.constantFrom<Described['arp'][]>('sysctl', 'arptables', 'static_neighbour'),
});

const place = folder({});

/** The inventory, or undefined where such a cluster is refused. */
function clusterOf({ mode, services, arp }: Described): Cluster | undefined {
  const director = services[0]?.director ?? 1;
  const gateway = mode === 'nat' ? `192.168.10.1${director}` : '192.168.10.254';
  const web = services.flatMap(({ port, weights }) =>
    weights.flatMap((weight, at) => (weight === null ? [] : [{ host: `rs${at + 1}`, port }])),
  );
  const ports = [...new Set(web.map(({ port }) => port))];
  const text = JSON.stringify({
    version: 1,
    name: 'moving',
    hosts: {
      client: { manage: 'none', interfaces: { e0: { addresses: ['200.0.0.1/24'], gateway: '200.0.0.254' } } },
      route: {
        forwarding: true,
        interfaces: { e0: { addresses: ['200.0.0.254/24'] }, e1: { addresses: ['192.168.10.254/24'] } },
      },
      ...Object.fromEntries(
        [1, 2].map((n) => [
          `d${n}`,
          { interfaces: { e0: { addresses: [`192.168.10.1${n}/24`], gateway: '192.168.10.254' } } },
        ]),
      ),
      ...Object.fromEntries(
        [1, 2, 3].map((n) => [`rs${n}`, { interfaces: { e0: { addresses: [`192.168.10.2${n}/24`], gateway } } }]),
      ),
    },
    services: Object.fromEntries(
      services.map((service) => {
        const realServers = service.weights.flatMap((weight, at) =>
          weight === null ? [] : [[`rs${at + 1}`, { weight }]],
        );
        return [
          `s${service.vip}`,
          {
            mode,
            vip: `192.168.10.${service.vip}`,
            port: service.port,
            scheduler: service.scheduler,
            directors: [`d${mode === 'nat' ? director : service.director}`],
            real_servers: Object.fromEntries(realServers),
            ...(mode === 'dr' || mode === 'tun'
              ? { arp: arp === 'static_neighbour' ? { static_neighbour: { at: ['route'] } } : arp }
              : {}),
          },
        ];
      }),
    ),
    web_servers: Object.fromEntries(
      ports.map((port) => [
        `w${port}`,
        {
          software: 'nginx',
          port,
          hosts: [...new Set(web.filter((one) => one.port === port).map(({ host }) => host))],
          index: 'x',
        },
      ]),
    ),
  });
  try {
    writeFileSync(join(place, 'c.yaml'), text);
    return loadCluster([join(place, 'c.yaml')]);
  } catch (error) {
    if (error instanceof LvsctlError) return undefined;
    throw error;
  }
}

const LOADS = new Map<string, Cluster | undefined>();
function clusterFrom(what: Described): Cluster | undefined {
  const key = JSON.stringify(what);
  if (!LOADS.has(key)) LOADS.set(key, clusterOf(what));
  return LOADS.get(key);
}

function value(host: WorldHost, key: string, part: string): unknown {
  const state = host.states.get(key);
  return isRecord(state) ? state[part] : undefined;
}

function addresses(host: WorldHost, device: string): string[] {
  return (host.facts.devices[device]?.addresses ?? []).map((cidr) => cidr.replace(/\/.*/, ''));
}

const VIPS = ['192.168.10.100', '192.168.10.101'];

/** What is wrong with the world as it stands: empty at every moment. */
function wrong(world: World, staying: (address: string) => boolean): string[] {
  const found: string[] = [];
  const owner = (address: string) => [...world].find(([, host]) => addresses(host, 'e0').includes(address));
  for (const [name, host] of world) {
    for (const vip of VIPS.filter((one) => addresses(host, 'lo').includes(one))) {
      const silent =
        value(host, 'sysctl net.ipv4.conf.all.arp_ignore', 'value') === '1' &&
        value(host, 'sysctl net.ipv4.conf.all.arp_announce', 'value') === '2';
      const filtered = (value(host, `arptables ${vip}`, 'rules') as unknown[] | undefined)?.length === 2;
      const held = value(world.get('route') as WorldHost, `neighbour ${vip} on e1`, 'mac') != null;
      if (!silent && !filtered && !held) found.push(`${name} answers ARP for ${vip}`);
    }
    for (const vip of VIPS.filter((one) => addresses(host, 'e0').includes(one))) {
      if (![...host.table.keys()].some((service) => service.startsWith(`-t ${vip}:`)))
        found.push(`${name} has ${vip} and no service for it`);
    }
    for (const [service, { destinations }] of host.table) {
      const vip = service.replace(/^-t (.*):.*/, '$1');
      for (const { address, port, method } of destinations) {
        const real = owner(address);
        if (real === undefined) throw new Error(address);
        const [at, there] = real;
        const lacks = (what: string) => found.push(`${name} sends ${service} to ${at}, which has no ${what}`);
        if (value(there, 'service nginx.service', 'running') !== true) lacks('web server');
        if (method !== 'masq' && !addresses(there, 'lo').includes(vip)) lacks('VIP');
        if (method === 'tunnel' && value(there, 'tunnel tunl0', 'state') !== 'up') lacks('tunnel');
        if (method === 'masq' && !staying(address)) {
          const rules = host.states.get('firewall nftables traffic');
          const masked = JSON.stringify(rules ?? null).includes(address);
          const way = there.routes.get('e0')?.includes(`default via ${addresses(host, 'e0')[0]}`);
          if (!masked && !way) lacks(`way back of port ${port}`);
        }
      }
    }
  }
  return found;
}

/** What a step that is about to begin would cut: a real server that gets requests which another one could take. */
function cutting(world: World, { host, stage, drains, changes }: Step): string[] {
  const meant =
    drains === undefined &&
    changes.some((one) => (one.kind !== 'service' || stage === 'web') && disturbs(one, one.resource));
  const own = meant ? addresses(world.get(host) as WorldHost, 'e0') : [];
  return [...world].flatMap(([director, { table }]) =>
    [...table].flatMap(([service, { destinations }]) => {
      const fed = destinations.filter(({ weight }) => weight > 0);
      const others = fed.some(({ address }) => !own.includes(address));
      return others && fed.some(({ address }) => own.includes(address))
        ? [`${director} feeds ${host} in ${service}`]
        : [];
    }),
  );
}

/** Services that have real servers, and none of them gets requests. */
function starved(world: World): string[] {
  return [...world].flatMap(([director, { table }]) =>
    [...table].flatMap(([service, { destinations }]) =>
      destinations.length > 0 && destinations.every(({ weight }) => weight === 0)
        ? [`${director} feeds nobody in ${service}`]
        : [],
    ),
  );
}

/** What a rollback can't take back. That some requests are lost is another matter. */
function left({ warnings }: Plan) {
  return warnings.filter(({ text }) => !/connections are|are lost/.test(text));
}

/** Real servers of both whose way back is another now: no order of changes is without a gap for them. */
function crossing(before: Described, after: Described): (address: string) => boolean {
  const serves = ({ services }: Described, address: string) =>
    services.some(({ weights }) => weights[Number(address.slice(-1)) - 1] !== null);
  const way = ({ mode, services }: Described) => `${mode} ${services[0]?.director}`;
  return (address) => way(before) !== way(after) && serves(before, address) && serves(after, address);
}

const choices = fc.infiniteStream(fc.nat({ max: 1000 }));

type Staying = Parameters<typeof wrong>[1];

/** Runs a plan and looks after each step whether everything has what it needs, and before it whether it cuts anybody. */
function watched(
  world: ReturnType<typeof untouched>,
  plan: ReturnType<typeof planned>,
  choose: (ready: number) => number,
  staying: Staying,
  what: string,
): void {
  runPlan(
    world,
    plan,
    choose,
    (step) => expect([...wrong(world, staying), ...starved(world)], `${what}, ${step}`).toEqual([]),
    (step) => what !== 'destroy' && expect(cutting(world, step), `${what}, ${step.id}`).toEqual([]),
  );
}

describe('a cluster that becomes another', () => {
  it('has all that its parts need at every moment', { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(described, described, choices, (first, second, stream) => {
        const [a, b] = [clusterFrom(first), clusterFrom(second)];
        fc.pre(a !== undefined && b !== undefined);
        if (a === undefined || b === undefined) return;
        const world = untouched(a);
        const choose = (ready: number) => (stream.next().value ?? 0) % ready;
        const walk = (plan: ReturnType<typeof planned>, staying: Staying, what: string) =>
          watched(world, plan, choose, staying, what);
        walk(planned(a, world), () => false, 'first');
        expect(planned(a, world).steps, 'after the first').toEqual([]);
        walk(planned(b, world), crossing(first, second), 'second');
        expect(planned(b, world).steps, 'after the second').toEqual([]);
        walk(planned(b, world, 'destroy'), () => false, 'destroy');
        expect([...world.values()].flatMap(({ table }) => [...table.keys()])).toEqual([]);
      }),
      { numRuns: process.env.LVSCTL_TEST_ALL === undefined ? 30 : 300 },
    );
  });

  it('becomes the first one again by a rollback, and the second by a rollback of that', { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(described, described, choices, (first, second, stream) => {
        const [a, b] = [clusterFrom(first), clusterFrom(second)];
        fc.pre(a !== undefined && b !== undefined);
        if (a === undefined || b === undefined) return;
        const world = untouched(a);
        const choose = (ready: number) => (stream.next().value ?? 0) % ready;
        const walk = (plan: ReturnType<typeof planned>, what: string) => {
          watched(world, plan, choose, crossing(first, second), what);
          return plan;
        };
        walk(planned(a, world), 'first');
        const moved = walk(planned(b, world), 'second');
        const back = walk(planned(b, world, 'rollback', moved), 'rollback');
        expect([...left(back), ...planned(a, world).steps], 'after the rollback').toEqual([]);
        const again = walk(planned(b, world, 'rollback', back), 'rollback of the rollback');
        expect([...left(again), ...planned(b, world).steps], 'after the rollback of it').toEqual([]);
        walk(planned(b, world, 'destroy'), 'destroy');
        expect([...world.values()].flatMap(({ table }) => [...table.keys()])).toEqual([]);
      }),
      { numRuns: process.env.LVSCTL_TEST_ALL === undefined ? 30 : 300 },
    );
  });
});
