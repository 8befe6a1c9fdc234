import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import type { Sample } from './traffic.ts';

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

/** The gap in a load: from the first failed request to the last, by when they began, in seconds. */
export function gapOf(samples: readonly Sample[]): { from: number; to: number; failed: number } {
  const failed = samples.filter(({ result }) => result !== 'ok');
  const at = failed.map((sample) => sample.at);
  return { from: Math.min(...at), to: Math.max(...at), failed: failed.length };
}

/** keepalived.conf(5): the longest time that a backup waits for the next advert. */
export function masterDown(advertInterval: number, priority: number): number {
  return 3 * advertInterval + (256 - priority) / 256;
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
