import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { clusterStory } from './story.ts';

/**
 * Two ports as one service, through a firewall mark, with persistence: one client, one real server over both. With
 * thresholds and timeouts besides, which `ipvsadm -S` doesn't save: they must survive a power cut all the same.
 */

const CLIENTS = [10, 11, 12, 13, 14].map((last) => `10.30.0.${last}`);

/** For each client, the real servers that answered it: twice on each port, the ports in turn. */
async function servers({ http }: ClusterLab): Promise<string[][]> {
  const found: string[][] = [];
  for (const client of CLIENTS) {
    const names: string[] = [];
    for (const port of [80, 8080, 80, 8080]) {
      const [answer] = await http('client', `http://10.30.0.100:${port}/`, { from: [client] });
      names.push(answer?.body.trim() ?? '');
    }
    found.push(names);
  }
  return found;
}

async function oneEach(cluster: ClusterLab): Promise<void> {
  const found = await servers(cluster);
  expect(found.filter((names) => new Set(names).size !== 1)).toEqual([]);
  expect(new Set(found.flat())).toEqual(new Set(['rs1', 'rs2']));
}

const MORE = `
ipvs: { timeouts: { tcp: 600, tcp_fin: 60, udp: 30 } }
`;

clusterStory({
  inventory: 'fwmark-multiport',
  edit: (text) => text.replace('rs1: {}', 'rs1: { upper_threshold: 1000, lower_threshold: 900 }') + MORE,
  traffic: async (cluster) => {
    expect(await cluster.on('director', 'ipvsadm -Ln --thresholds')).toMatch(/10\.30\.0\.21:0 +1000 +900 /);
    expect(await cluster.on('director', 'ipvsadm -Ln --timeout')).toContain(': 600 60 30\n');
    await oneEach(cluster);
  },
  twins: [{ without: 'the mark', host: 'director', take: 'iptables-legacy -t mangle -F' }],
  more: (cluster) => {
    it('keeps its table when ipvsadm.service is restarted', async () => {
      await cluster().on('director', 'systemctl restart ipvsadm.service');
      expect(await cluster().pending()).toEqual([]);
      await oneEach(cluster());
    });

    it.each([
      ['persistence', /^ +persistence_timeout:.*\n/m],
      ['the mark: each port a service of its own', /^ +fwmark: auto.*\n +persistence_timeout:.*\n/m],
    ])('separates a client’s ports without %s, applied and taken back', async (_, lines) => {
      const whole = readFileSync(cluster().file, 'utf8');
      expect(whole).toMatch(lines);
      cluster().edit((text) => text.replace(lines, ''));
      await cluster().apply();
      expect(await cluster().pending()).toEqual([]);
      await expect(oneEach(cluster())).rejects.toThrow();
      cluster().edit(() => whole);
      await cluster().apply();
      await oneEach(cluster());
    });
  },
  destroy: true,
});
