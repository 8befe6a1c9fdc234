import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { master, until } from './pair.ts';
import type { ClusterStory } from './story.ts';
import { arpAnswers, capture } from './traffic.ts';
import { askedFrom } from './ways.ts';

export const VIP = '192.168.148.161';
export const SITE = `http://${VIP}/`;
export const WEB = { web1: '192.168.148.132', web2: '192.168.148.133' } as const;
/** Clients of four networks: ip_hash looks at the first three bytes. */
export const CLIENTS = ['10.11.1.10', '10.11.2.10', '10.11.3.10', '10.11.4.10'];

/**
 * Whoever asks gets a page, and both Tomcats are asked: after a power cut they take a minute or more to start, and a proxy
 * that found one silent leaves it alone for ten seconds.
 */
async function ready(cluster: ClusterLab, url: string): Promise<void> {
  await until(async () => {
    const answers = await cluster.http('client', url, { mayFail: true, limit: 20, from: CLIENTS });
    const names = new Set(answers.map(({ body }) => body.split(' ')[0]));
    return names.has('app1') && names.has('app2') ? answers : undefined;
  }, `${url} answers from both Tomcats`);
}

/** Each client is seen as itself by one Tomcat, and all of them together by both. */
async function hashed(cluster: ClusterLab, url: string): Promise<void> {
  const answers = await cluster.http('client', url, { count: 6, from: CLIENTS, limit: 20 });
  const applications = new Map<string, Set<string>>();
  for (const { body, from } of answers) {
    const [, application = '', seen] = /^(\S+) for (\S+)$/.exec(body.trim()) ?? [];
    expect(seen, 'Tomcat sees the client').toBe(from);
    applications.set(from, (applications.get(from) ?? new Set()).add(application));
  }
  for (const [from, names] of applications) expect([...names], `${from} stays with one Tomcat`).toHaveLength(1);
  const all = new Set([...applications.values()].flatMap((names) => [...names]));
  expect([...all].sort(), 'clients of several networks reach both').toEqual(['app1', 'app2']);
}

async function traffic(cluster: ClusterLab): Promise<void> {
  const now = await master(cluster, VIP);
  await ready(cluster, SITE);
  await cluster.on('client', 'ip neigh flush all');
  const wire = await capture(cluster.lab, 'client', 'ens32', 'arp');
  await sticky(cluster);
  expect(arpAnswers(await wire.stop(), VIP).map(cluster.ownerOf), 'who answers ARP for the VIP').toEqual([now]);
  await guarded(cluster);
}

/** A client stays with one proxy while persistence lasts, whatever it asks. */
export async function sticky(cluster: ClusterLab): Promise<void> {
  for (const web of Object.keys(WEB)) await askedFrom(cluster, web);
  await hashed(cluster, SITE);
  const asked = await Promise.all(Object.keys(WEB).map((web) => askedFrom(cluster, web)));
  for (const client of CLIENTS) {
    expect(asked.filter((from) => from.includes(client)).length, `proxies that ${client} came to`).toBe(1);
  }
}

/** The page that is asked by the directors answers nobody else. */
async function guarded(cluster: ClusterLab): Promise<void> {
  for (const address of Object.values(WEB)) {
    const [stranger] = await cluster.http('client', `http://${address}/health_check`, {});
    expect(stranger?.status, 'a stranger').toBe(403);
    const [director] = await cluster.http('lvs1', `http://${address}/health_check`, {});
    expect(director?.status, 'a director').toBe(200);
  }
}

/** DR with a pair of directors, two proxies and two Tomcats, on seven real kernels. */
export const DR_KEEPALIVED: ClusterStory = {
  inventory: 'dr-keepalived',
  env: { LVS_VRRP_PASS: 'k33p-8ch' },
  traffic,
  twins: [
    {
      without: 'ARP suppression on a proxy',
      host: 'web1',
      take: 'sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.lo.arp_ignore=0',
    },
    {
      without: 'ip_hash on a proxy',
      host: 'web1',
      take: "sed -i /ip_hash/d $(grep -rl '^ *ip_hash' /etc/nginx/) && systemctl reload nginx && sleep 2",
      fails: (cluster) => hashed(cluster, `http://${WEB.web1}/`),
    },
  ],
  destroy: true,
};
