import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import type { ClusterStory } from './story.ts';
import { capture } from './traffic.ts';
import { alternating, askedFrom } from './ways.ts';

const WEB = ['web1', 'web2'];

async function traffic(cluster: ClusterLab): Promise<void> {
  for (const web of WEB) await askedFrom(cluster, web);
  const inside = await capture(cluster.lab, 'lvs', 'ens34', 'tcp src port 80');
  await alternating(cluster, 'http://200.0.0.2/', WEB);
  const replies = (await inside.stop()).join('\n');
  for (const [web, address] of [
    ['web1', '192.168.10.13'],
    ['web2', '192.168.10.14'],
  ] as const) {
    expect(await askedFrom(cluster, web)).toEqual(['200.0.0.1']);
    expect(replies, `replies of ${web} at the director`).toContain(`${address}.80 > 200.0.0.1.`);
  }
}

/** NAT, a director with two network cards: four real kernels. */
export const NAT_TWO_NIC: ClusterStory = {
  inventory: 'nat-two-nic',
  traffic,
  twins: [
    { without: 'forwarding', host: 'lvs', take: 'sysctl -qw net.ipv4.ip_forward=0' },
    { without: 'the director as gateway', host: 'web1', take: 'ip route del default' },
  ],
  destroy: true,
};
