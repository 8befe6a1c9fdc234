import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { clusterStory } from './story.ts';
import { dns, shares } from './traffic.ts';

/** One VIP with an IPv4 and an IPv6 address, a service over TCP and one over UDP: each answers over both. */

const V4 = '10.20.0.100';
const V6 = '2001:db8:20::100';
const NAMES = { rs1: 5, rs2: 5 };
const ADDRESSES = { '10.20.0.21': 5, '10.20.0.22': 5 };

async function over4({ lab, http }: ClusterLab): Promise<void> {
  expect(shares(await http('client', `http://${V4}/`, { count: 10 }))).toEqual(NAMES);
  const who = { name: 'who.example', type: 'A' } as const;
  expect(shares(await dns(lab, 'client', { address: V4 }, who, { count: 10 }))).toEqual(ADDRESSES);
}

async function over6({ lab, http }: ClusterLab): Promise<void> {
  expect(shares(await http('client', `http://[${V6}]/`, { count: 10, limit: 2 }))).toEqual(NAMES);
  const who = { name: 'who.example', type: 'A' } as const;
  expect(shares(await dns(lab, 'client', { address: V6 }, who, { count: 10 }))).toEqual(ADDRESSES);
}

clusterStory({
  inventory: 'dual-stack',
  traffic: async (cluster) => {
    await over4(cluster);
    await over6(cluster);
  },
  twins: [
    {
      without: 'the IPv6 address of the VIP on a real server, over IPv6 alone',
      host: 'rs1',
      take: `ip addr del ${V6}/128 dev lo`,
      fails: async (cluster) => {
        // A failure here would be taken for the one that is awaited.
        const four = await over4(cluster).then(
          () => 'answers',
          () => 'fails',
        );
        if (four === 'answers') await over6(cluster);
      },
    },
  ],
  destroy: true,
});
