import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ClusterLab } from './cluster.ts';
import { isStalled, load, type Sample, type Stall, watchStalls } from './traffic.ts';

/** What a pair of directors with two web servers is described as; each part can become another. */
export interface Site {
  scheduler: string;
  /** Weights by real server. */
  servers: Partial<Record<'web1' | 'web2', number>>;
  /** Seconds between checks. */
  interval: number;
  /** A second VIP with a service of its own. */
  second: boolean;
  /** The network cards of the web servers. */
  mtu: number;
  /** `net.core.somaxconn` of the directors. */
  backlog: number;
  /** Seconds that nginx keeps a connection. */
  keepalive: number;
}

export const VIP = '20.20.20.100';
export const SECOND_VIP = '20.20.20.101';

export const START: Site = {
  scheduler: 'wrr',
  servers: { web1: 1, web2: 1 },
  interval: 2,
  second: false,
  mtu: 1500,
  backlog: 4096,
  keepalive: 65,
};

/** The inventory's text. */
export function inventory({ scheduler, servers, interval, second, mtu, backlog }: Site): string {
  const real = JSON.stringify(Object.fromEntries(Object.entries(servers).map(([name, weight]) => [name, { weight }])));
  const service = (vip: string) =>
    `{ mode: dr, vip: ${vip}, port: 80, scheduler: ${scheduler}, real_servers: ${real}, health_check: { http_get: { path: /, status: 200 }, interval: ${interval}, timeout: 3, retries: 2, retry_interval: 1 } }`;
  const director = (last: number) =>
    `{ sysctls: { net.core.somaxconn: ${backlog} }, interfaces: { e0: { addresses: [20.20.20.${last}/24] } } }`;
  const web = (last: number) => `{ interfaces: { e0: { addresses: [20.20.20.${last}/24], mtu: ${mtu} } } }`;
  return `version: 1
name: minimal-dr
defaults: { host: { ssh: { user: root } } }
hosts:
  client: { manage: none, interfaces: { e0: { addresses: [20.20.20.1/24] } } }
  lvs1: ${director(11)}
  lvs2: ${director(12)}
  web1: ${web(21)}
  web2: ${web(22)}
vrrp:
  edge:
    nodes: { lvs1: { priority: 100 }, lvs2: { priority: 90 } }
    preempt: false
    unicast: true
    instances: { outside: { virtual_router_id: 51, interface: e0 } }
vips:
  shop: { addresses: [${VIP}], vrrp: edge.outside }
${second ? `  other: { addresses: [${SECOND_VIP}], vrrp: edge.outside }\n` : ''}services:
  web: ${service('shop')}
${second ? `  more: ${service('other')}\n` : ''}web_servers:
  pages: { software: nginx, hosts: [web1, web2], port: 80, index: "{{ host.name }}\\n" }
`;
}

/** The operator's own template of nginx, beside the inventory. */
const NGINX = (keepalive: number) => `server {
    listen {{ port }} default_server;
    {%- if ipv6 %}
    listen [::]:{{ port }} default_server;
    {%- endif %}
    root {{ root }};
    keepalive_timeout ${keepalive}s;
}
`;

/** Describes the site in the inventory's folder. */
export function describeSite(file: string, site: Site): void {
  const template = join(dirname(file), 'templates/nginx/web_server.conf');
  mkdirSync(dirname(template), { recursive: true });
  writeFileSync(template, NGINX(site.keepalive));
  writeFileSync(file, inventory(site));
}

/** What became of requests at fixed times. */
export interface Asked {
  /** The requests, and how many should have been made in the time from the first to the last. */
  asked: number;
  offered: number;
  /** Those that were lost though nobody stood still. */
  failed: Sample[];
  /** Those that timed out while machines of the lab had no time from their own. */
  stalled: Sample[];
  /** The longest time without an answer, in seconds. */
  gap: number;
  samples: Sample[];
  stalls: Stall[];
}

/** Asks while something is done. */
export async function whileAsked(
  cluster: ClusterLab,
  options: { rate: number; vip?: string },
  act: () => Promise<unknown>,
): Promise<Asked> {
  const { rate, vip = VIP } = options;
  const watch = await watchStalls(cluster.lab, cluster.managed);
  const running = await load(cluster.lab, 'client', { address: vip, port: 80 }, { rate, limit: 1 });
  let samples: Sample[] = [];
  let stalls: Stall[] = [];
  try {
    await act();
    await new Promise((resolve) => setTimeout(resolve, 2000));
  } finally {
    samples = (await running.stop()).toSorted((one, next) => one.at - next.at);
    stalls = [...(await watch.stop()), ...running.late()];
  }
  const lost = samples.filter(({ result }) => result !== 'ok');
  const failed = lost.filter((sample) => !isStalled(sample, stalls));
  const stalled = lost.filter((sample) => isStalled(sample, stalls));
  const answered = samples
    .filter(({ result }) => result === 'ok')
    .map(({ at, seconds }) => at + seconds)
    .toSorted((one, next) => one - next);
  const gaps = answered.slice(1).map((at, index) => at - (answered[index] ?? at));
  const [first, last] = [samples[0], samples.at(-1)];
  const offered = first === undefined || last === undefined ? 0 : (last.at - first.at) * rate + 1;
  return { asked: samples.length, offered, failed, stalled, gap: Math.max(0, ...gaps), samples, stalls };
}

/** One line of what was measured. */
export function told(what: string, { asked, offered, failed, stalled, gap, samples }: Asked): string {
  const begin = samples[0]?.at ?? 0;
  const when = failed.slice(0, 8).map(({ at, result }) => `${result} at ${(at - begin).toFixed(1)} s`);
  const slow = samples.filter(({ seconds }) => seconds > 0.5).length;
  const more = failed.length > when.length ? `, and ${failed.length - when.length} more` : '';
  const still = stalled.length === 0 ? '' : `, ${stalled.length} timed out while machines stood still`;
  return (
    `${what}: ${asked} requests (${Math.round(offered)} offered), ${failed.length} failed` +
    `${when.length === 0 ? '' : ` (${when.join(', ')}${more})`}${still}, longest gap ${gap.toFixed(2)} s, ${slow} took more than 0.5 s`
  );
}
