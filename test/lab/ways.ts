import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { shares } from './traffic.ts';

/** As many requests as make `rounds` rounds of equal shares: each of these hosts answers each round once, whoever begins. */
export async function alternating(
  cluster: ClusterLab,
  url: string,
  hosts: readonly string[],
  rounds = 5,
): Promise<void> {
  const answers = await cluster.http('client', url, { count: hosts.length * rounds });
  for (let at = 0; at < answers.length; at += hosts.length) {
    const round = answers.slice(at, at + hosts.length).map(({ body }) => body.trim());
    expect(round.toSorted(), `requests ${at + 1} to ${at + hosts.length}`).toEqual(hosts.toSorted());
  }
}

/** Requests answered by weight: `expected` holds for a whole number of rounds. */
export async function weighted(cluster: ClusterLab, url: string, expected: Readonly<Record<string, number>>) {
  const count = Object.values(expected).reduce((sum, one) => sum + one, 0);
  expect(shares(await cluster.http('client', url, { count }))).toEqual(expected);
}

/** The addresses that a web server was asked from since the last call, each once: nginx's log, emptied. */
export async function askedFrom(cluster: ClusterLab, host: string): Promise<string[]> {
  const lines = await cluster.on(host, 'cat /var/log/nginx/access.log; : >/var/log/nginx/access.log');
  return [...new Set(lines.split('\n').flatMap((line) => /^\S+/.exec(line)?.[0] ?? []))];
}

/** A minimal inventory with what its few lines leave out: somebody who asks, and something that answers. */
export function withWeb(text: string, client: string): string {
  const asking = `hosts:\n  client: { manage: none, interfaces: { eth0: { addresses: [${client}] } } }`;
  const pages = 'pages: { software: nginx, hosts: [web1, web2], port: 80, index: "{{ host.name }}\\n" }';
  return `${text.replace('hosts:', asking)}web_servers: { ${pages} }\n`;
}
