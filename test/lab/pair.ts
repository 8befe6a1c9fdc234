import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { capture, isStalled, load, type Running, type Sample, watchStalls } from './traffic.ts';

/** What the tests of two directors share. */

export const DIRECTORS = ['lvs1', 'lvs2'] as const;
export type Director = (typeof DIRECTORS)[number];

/** The directors that hold an address now. */
export async function holders(cluster: ClusterLab, address: string): Promise<Director[]> {
  const held = await Promise.all(
    DIRECTORS.map(async (host) => {
      // One without power holds nothing.
      const shown = await cluster.attempt(host, 'ip -br address').catch(() => undefined);
      return shown?.stdout.includes(` ${address}/`) ?? false;
    }),
  );
  return DIRECTORS.filter((_, index) => held[index]);
}

/** Waits until exactly one director holds an address, and which. */
export async function master(cluster: ClusterLab, address: string): Promise<Director> {
  const found = await until(async () => {
    const [first, second] = await holders(cluster, address);
    return second === undefined ? first : undefined;
  }, `one holder of ${address}`);
  return found;
}

export function other(host: Director): Director {
  return host === 'lvs1' ? 'lvs2' : 'lvs1';
}

/** Looks again until there is an answer. Its limit is far above what the configurations allow. */
export async function until<T>(look: () => Promise<T | undefined>, what: string, tries = 120): Promise<T> {
  for (let left = tries; left > 0; left -= 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`${what}: not within ${tries} looks`);
}

/** keepalived.conf(5): the longest time that a backup waits for the next advert, in seconds. */
export function masterDown(advertInterval: number, priority: number): number {
  return 3 * advertInterval + (256 - priority) / 256;
}

/** Requests a second, and seconds for each. */
const RATE = 50;
const LIMIT = 1;

/** Where a pair's VIP is asked for and its adverts are seen. */
export interface Watched {
  vip: string;
  /** The director that takes over. */
  backup: Director;
  /** The interface of both directors that the VIP is on, and the client's own on that wire. */
  device: string;
  clientDevice: string;
}

/** How a director took over; all times by the client's clock, in seconds since 1970. */
export interface Takeover {
  /** When the backup heard the last advert of the old master. */
  heard: number;
  /** When the backup sent its first advert. */
  advert: number;
  /** When the client heard from it that the VIP is its own now: between the two it takes the addresses on. */
  announced: number;
  samples: Sample[];
}

/**
 * Asks for the VIP 50 times a second, each with a limit of one second, and watches the backup become master; resolves
 * when the requests of three seconds were answered, so that a machine too busy for them isn't taken for a failover. The
 * backup's adverts go to its peers alone, so they are captured on it. The clocks of two machines differ by an amount
 * that the first gratuitous ARP tells, which both captures hold.
 */
export async function watchTakeover(cluster: ClusterLab, watched: Watched): Promise<Running<Takeover>> {
  const { vip, backup, device, clientDevice } = watched;
  const announced = `arp and src host ${vip}`;
  const there = await capture(cluster.lab, backup, device, `ip proto 112 or (${announced})`);
  const here = await capture(cluster.lab, 'client', clientDevice, announced);
  const asked = await steady(cluster, vip);
  return {
    stop: async () => {
      const samples = (await asked.stop()).toSorted((one, next) => one.at - next.at);
      return { samples, ...takeoverOf(await there.stop(), await here.stop(), backup, cluster.ownerOf) };
    },
  };
}

/**
 * A load that is answered: an application server needs some hundred requests to become quick. Its samples begin with
 * three seconds without a failure. What timed out while machines of the lab stood still, for want of time on their own
 * machine, is told and left out.
 */
export async function steady(cluster: ClusterLab, vip: string): Promise<Running<Sample[]>> {
  const watch = await watchStalls(cluster.lab, cluster.managed);
  const asked = await load(cluster.lab, 'client', { address: vip, port: 80 }, { rate: RATE, limit: LIMIT });
  const first = await until(async () => {
    const last = (await asked.soFar()).slice(-3 * RATE);
    return last.length === 3 * RATE && last.every(({ result }) => result === 'ok') ? last[0] : undefined;
  }, `${RATE} requests a second are answered`);
  return {
    stop: async () => {
      const samples = (await asked.stop()).filter(({ at }) => at >= first.at);
      const stalls = [...(await watch.stop()), ...asked.late()];
      const stalled = samples.filter((sample) => isStalled(sample, stalls));
      if (stalled.length > 0) console.log(`${stalled.length} requests timed out while machines stood still`);
      return samples.filter((sample) => !stalled.includes(sample));
    },
  };
}

/** Reads both captures. Pure. */
function takeoverOf(
  there: readonly string[],
  here: readonly string[],
  backup: Director,
  ownerOf: ClusterLab['ownerOf'],
): Omit<Takeover, 'samples'> {
  const sent = sentBy(there, backup, ownerOf);
  const first = (lines: readonly string[], what: string): number => {
    const found = lines.find((line) => line.includes(what));
    if (found === undefined) throw new Error(`no ${what} of ${backup} was captured: ${there.join('; ')}`);
    return timeOf(found);
  };
  const advert = first(sent, 'VRRPv');
  const heard = there.filter((line) => line.includes('VRRPv') && ownerOf(sourceOf(line)) !== backup).map(timeOf);
  if (heard.length === 0) throw new Error(`${backup} heard no advert`);
  const announced = first(sentBy(here, backup, ownerOf), 'ARP');
  const ahead = announced - first(sent, 'ARP');
  return { heard: Math.max(...heard.filter((at) => at < advert)) + ahead, advert: advert + ahead, announced };
}

/** When a line of a capture was seen, in seconds since 1970. Pure. */
function timeOf(line: string): number {
  return Number(line.split(' ')[0]);
}

/** The MAC that sent what a line of a capture shows. Pure. */
function sourceOf(line: string): string {
  return line.split(' ')[1] ?? '';
}

/**
 * None of the requests failed that began once the backup had sent its first advert and said where the VIP is, and none
 * while the old master was there.
 * Says what was measured.
 * @returns the requests that failed
 */
export function expectTakeover(takeover: Takeover, what: string, expected: number): Sample[] {
  const { heard, advert, announced, samples } = takeover;
  const failed = samples.filter(({ result }) => result !== 'ok');
  const before = failed.map(({ at }) => (advert - at).toFixed(2));
  console.log(
    `${what}: ${(advert - heard).toFixed(2)} s from the last advert to the new master's first, and it waits for ` +
      `${expected.toFixed(2)} s; ${failed.length} of ${samples.length} requests failed, begun from ${before[0]} s to ` +
      `${before.at(-1)} s before it; ${(announced - advert).toFixed(3)} s from it to the first gratuitous ARP`,
  );
  const after = samples.filter(({ at }) => at > announced);
  expect(after.length, 'requests after the first advert').toBeGreaterThan(100);
  expectAll(after, 'requests after the first advert');
  expectAll(
    samples.filter(({ at }) => at < heard - LIMIT),
    'requests while the old master was there',
  );
  return failed;
}

/** Changes keepalived's configuration by hand and lets it take it up. */
export async function reconfigure(cluster: ClusterLab, host: Director, script: string): Promise<void> {
  await cluster.on(host, `sed -i ${script} /etc/keepalived/keepalived.conf && systemctl reload keepalived && sleep 2`);
}

/** All the directors' real servers of one service, by what the live table of each says. */
export async function destinations(cluster: ClusterLab, host: Director): Promise<string[]> {
  const table = await cluster.on(host, 'ipvsadm -Sn');
  return [...table.matchAll(/^-a .* -r (\S+):\d+ /gm)].map(([, address = '']) => address).sort();
}

export function expectAll(samples: readonly Sample[], what: string): void {
  const wrong = samples.filter(({ result }) => result !== 'ok');
  expect(wrong, what).toEqual([]);
}

/** What a director sent, of the lines of a capture. Pure. */
export function sentBy(lines: readonly string[], host: Director, ownerOf: ClusterLab['ownerOf']): string[] {
  return lines.filter((line) => ownerOf(sourceOf(line)) === host);
}

/** What a director sent or was sent for an address, of the lines of a capture. Pure. */
export function ofDirector(lines: readonly string[], host: Director, ownerOf: ClusterLab['ownerOf']): string[] {
  return lines.filter((line) => {
    const [, from = '', to = ''] = /^\S+ (\S+) > (\S+?),/.exec(line) ?? [];
    return ownerOf(from) === host || ownerOf(to) === host;
  });
}
