import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { clusterStory } from './story.ts';
import { type Held, held, shares } from './traffic.ts';

/**
 * Every scheduler of the guests' kernel, with real traffic. Each promise is a function that tells whether it was kept:
 * it must be with its own scheduler, and must not be with another one, or it would prove nothing.
 */

const CLIENTS = Array.from({ length: 8 }, (_, index) => `10.10.0.${10 + index}`);
const REAL = ['rs1', 'rs2', 'rs3'];

let cluster: ClusterLab;
/** Who answered what, for a promise that was not kept. */
let seen: string[] = [];

/** Who answers requests of the client's addresses to a VIP, each `count` times, one source after the other. */
async function answers(vip: string, count: number, from: readonly string[] = ['10.10.0.10']): Promise<string[]> {
  const found = await cluster.http('client', `http://${vip}/`, { count, from });
  const names = found.map(({ body }) => body.trim());
  seen.push(`${vip}: ${names.join(' ')}`);
  return names;
}

/** Who gets connections that stay open, opened one after the other; `look` looks while they are held. */
async function holding<T>(vip: string, count: number, look?: () => Promise<T>): Promise<{ held: string[]; seen?: T }> {
  let open: Held | undefined;
  try {
    open = await held(cluster.lab, 'client', { address: vip, port: 80 }, { count, from: '10.10.0.10' });
    const names = open.answers.map(({ body }) => body);
    seen.push(`${vip}, held: ${names.join(' ')}`);
    return look === undefined ? { held: names } : { held: names, seen: await look() };
  } finally {
    await open?.release();
  }
}

const counted = (names: readonly string[]) => shares(names.map((body) => ({ body })));
const different = (names: readonly string[]): number => new Set(names).size;
const groups = (names: readonly string[], size: number): string[][] =>
  Array.from({ length: names.length / size }, (_, index) => names.slice(index * size, (index + 1) * size));

/** Each client stays with one server, and not all with the same. */
async function sticksBySource(vip: string): Promise<boolean> {
  const clients = groups(await answers(vip, 4, CLIENTS), 4);
  return clients.every((names) => different(names) === 1) && different(clients.flat()) > 1;
}

/** One client's connections, each from another port, spread. */
async function spreadsByPort(vip: string): Promise<boolean> {
  return different(await answers(vip, 16)) > 1;
}

/** Each address asked for stays with one server, whoever asks, and not all with the same. */
async function sticksByDestination(vips: readonly string[]): Promise<boolean> {
  const chosen: string[] = [];
  for (const vip of vips) {
    const names = await answers(vip, 2, CLIENTS.slice(0, 4));
    if (different(names) !== 1) return false;
    chosen.push(names[0] ?? '');
  }
  return different(chosen) > 1;
}

/** While one address holds a server's connections, another address goes elsewhere and stays there. */
async function keepsFromBusy([first = '', second = '']: readonly string[]): Promise<boolean> {
  const found = await holding(first, 2, () => answers(second, 4, CLIENTS.slice(0, 4)));
  const others = found.seen ?? [];
  return different(found.held) === 1 && different(others) === 1 && others[0] !== found.held[0];
}

/** A server with more connections than its weight gets help from one that has few. */
async function overflows([vip = '']: readonly string[]): Promise<boolean> {
  const { held: names } = await holding(vip, 5);
  return different(names.slice(0, 3)) === 1 && different(names) === 2;
}

interface Promised {
  name: string;
  service: string;
  /** A scheduler that must not keep the promise. */
  other: string;
  kept: (vip: string, vips: string[]) => Promise<boolean>;
}

const PROMISES: Promised[] = [
  {
    name: 'rr: in turn',
    service: 'rr',
    other: 'sh',
    kept: async (vip) => {
      const rounds = groups(await answers(vip, 12), 3);
      return rounds.every((round) => different(round) === 3 && String(round) === String(rounds[0]));
    },
  },
  {
    name: 'wrr: shares as weights',
    service: 'wrr',
    other: 'rr',
    kept: async (vip) => {
      const { rs1, rs2, rs3 } = counted(await answers(vip, 18));
      return rs1 === 3 && rs2 === 6 && rs3 === 9;
    },
  },
  {
    name: 'lc: who has no open connection gets the next',
    service: 'lc',
    other: 'rr',
    kept: async (vip) => {
      const found = await holding(vip, 2, () => answers(vip, 6));
      const idle = REAL.filter((name) => !found.held.includes(name));
      return idle.length === 1 && (found.seen ?? []).every((name) => name === idle[0]);
    },
  },
  {
    name: 'wlc: open connections as weights',
    service: 'wlc',
    other: 'rr',
    kept: async (vip) => {
      const { rs1, rs2, rs3 } = counted((await holding(vip, 12)).held);
      return rs1 === 2 && rs2 === 4 && rs3 === 6;
    },
  },
  {
    name: 'sed: a strong server gets several before a weak one its first',
    service: 'sed',
    other: 'nq',
    kept: async (vip) => String((await holding(vip, 3)).held) === 'rs3,rs3,rs3',
  },
  {
    name: 'nq: an idle server first, however weak',
    service: 'nq',
    other: 'sed',
    kept: async (vip) => {
      const { held: names } = await holding(vip, 6);
      return different(names.slice(0, 3)) === 3 && String(names.slice(3)) === 'rs3,rs3,rs3';
    },
  },
  {
    name: 'fo: the highest weight takes all',
    service: 'fo',
    other: 'wrr',
    kept: async (vip) => [...(await holding(vip, 5)).held, ...(await answers(vip, 5))].every((name) => name === 'rs3'),
  },
  {
    name: 'ovf: the highest weight until it has more connections than its weight, then the next',
    service: 'ovf',
    other: 'fo',
    kept: async (vip) => String((await holding(vip, 9)).held) === 'rs3,rs3,rs3,rs3,rs2,rs2,rs2,rs1,rs1',
  },
  { name: 'sh: by the client’s address', service: 'sh', other: 'rr', kept: sticksBySource },
  { name: 'sh-port: by address and port', service: 'sh-port', other: 'sh', kept: spreadsByPort },
  { name: 'mh: by the client’s address', service: 'mh', other: 'rr', kept: sticksBySource },
  { name: 'mh-port: by address and port', service: 'mh-port', other: 'mh', kept: spreadsByPort },
  { name: 'dh: by the address asked for', service: 'dh', other: 'rr', kept: (_, vips) => sticksByDestination(vips) },
  {
    name: 'lblc: an address stays, busy servers are left alone and helped',
    service: 'lblc',
    other: 'dh',
    kept: async (_, vips) => (await keepsFromBusy(vips)) && (await overflows(vips.slice(2))),
  },
  {
    name: 'lblcr: an address stays, busy servers are left alone and helped',
    service: 'lblcr',
    other: 'dh',
    kept: async (_, vips) => (await keepsFromBusy(vips)) && (await overflows(vips.slice(2))),
  },
];

/** The promises that are kept, or those that aren't, with who answered what. */
async function promises(kept: boolean): Promise<string[]> {
  const found: string[] = [];
  for (const { name, service, kept: promise } of PROMISES) {
    const vips = cluster.cluster.services.find((one) => one.name === service)?.vips.map(({ address }) => address) ?? [];
    seen = [];
    if ((await promise(vips[0] ?? '', vips)) === kept) found.push([name, ...seen].join('\n  '));
  }
  return found;
}

/** The inventory with another scheduler in a service, without flags. */
function withScheduler(service: string, scheduler: string): (text: string) => string {
  const line = new RegExp(`^( +${service}: .*scheduler: )\\w+(?:, +scheduler_flags: \\[[^\\]]*\\])?`, 'm');
  return (text) => {
    expect(text).toMatch(line);
    return text.replace(line, `$1${scheduler}`);
  };
}

clusterStory({
  inventory: 'schedulers',
  traffic: async (lab) => {
    cluster = lab;
    expect(await promises(false)).toEqual([]);
  },
  more: () => {
    it('refuses twos, which this kernel lacks, before anything is changed', async () => {
      const table = await cluster.on('director', 'ipvsadm -Sn; cat /etc/ipvsadm.rules');
      const whole = readFileSync(cluster.file, 'utf8');
      cluster.edit(withScheduler('rr', 'twos'));
      const plan = await cluster.run('plan', '--lab');
      expect(plan).toMatchObject({ code: 1 });
      expect(`${plan.out}${plan.err}`).toContain('HOST-NO-MODULE');
      expect(`${plan.out}${plan.err}`).toContain('the running kernel has no module ip_vs_twos');
      expect(await cluster.run('apply', '--lab', '--yes')).toMatchObject({ code: 1 });
      expect(await cluster.on('director', 'ipvsadm -Sn; cat /etc/ipvsadm.rules')).toBe(table);
      cluster.edit(() => whole);
    });

    it('breaks each promise with another scheduler in its place', async () => {
      const whole = readFileSync(cluster.file, 'utf8');
      for (const { service, other } of PROMISES) cluster.edit(withScheduler(service, other));
      await cluster.apply();
      expect(await promises(true)).toEqual([]);
      cluster.edit(() => whole);
      await cluster.apply();
      expect(await cluster.pending()).toEqual([]);
    });
  },
  destroy: true,
});
