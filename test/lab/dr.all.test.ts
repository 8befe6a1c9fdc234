import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { clusterStory, type Twin } from './story.ts';
import { arpAnswers, capture, neighbours } from './traffic.ts';
import { alternating, weighted, withWeb } from './ways.ts';

/** Clusters in dr mode, with each answer to the question who owns the VIP. */

const VIP = '20.20.20.20';
const REAL = ['rs1', 'rs2'];

/** Three requests for rs2 to one for rs1; who answers ARP for the VIP, and who asks in its name. */
async function shared(cluster: ClusterLab, answering: readonly string[]): Promise<void> {
  for (const host of ['route', ...REAL]) await cluster.on(host, 'ip neigh flush all');
  const wire = await capture(cluster.lab, 'route', 'ens33', 'arp');
  await weighted(cluster, `http://${VIP}/`, { rs1: 5, rs2: 15 });
  const lines = await wire.stop();
  expect(arpAnswers(lines, VIP).map(cluster.ownerOf)).toEqual(answering);
  expect(cluster.ownerOf((await neighbours(cluster.lab, 'route'))[VIP] ?? '')).toBe('director');
  if (answering.length === 0) return;
  const inItsName = lines.filter((line) => line.includes(`tell ${VIP}`)).map((line) => line.split(' ')[1] ?? '');
  expect([...new Set(inItsName)].map(cluster.ownerOf)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^rs/)]),
  );
}

const onlyDirector = (cluster: ClusterLab) => shared(cluster, ['director']);

const vipGone: Twin = { without: 'the VIP on a real server', host: 'rs2', take: `ip addr del ${VIP}/32 dev lo` };

clusterStory({
  inventory: 'dr-wrr',
  traffic: onlyDirector,
  twins: [
    {
      without: 'arp_ignore',
      host: 'rs1',
      take: 'sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.lo.arp_ignore=0',
    },
    {
      without: 'arp_announce',
      host: 'rs1',
      take: 'sysctl -qw net.ipv4.conf.all.arp_announce=0 net.ipv4.conf.lo.arp_announce=0',
    },
    vipGone,
  ],
  destroy: true,
});

clusterStory({
  inventory: 'dr-wrr',
  edit: (text) => text.replace('arp: sysctl', 'arp: arptables'),
  traffic: onlyDirector,
  twins: [
    // The rule that asks in its own name answers in it too: without the other one alone nobody is misled.
    { without: 'both rules', host: 'rs1', take: 'arptables -F' },
    { without: 'the rule that asks in its own name', host: 'rs1', take: 'arptables -F OUTPUT' },
  ],
  destroy: true,
  // arptables loads them by itself.
  leaves: [/^modules (arp_tables|arpt_mangle|arptable_filter): new/u],
});

clusterStory({
  inventory: 'dr-wrr',
  edit: (text) => text.replace('arp: sysctl', 'arp: { static_neighbour: { at: [route] } }'),
  // The router asks nobody.
  traffic: (cluster) => shared(cluster, []),
  twins: [{ without: 'the entry at the router', host: 'route', take: `ip neigh del ${VIP} dev ens33` }],
  destroy: true,
});

const LVS = ['lvs-real01', 'lvs-real02'];

clusterStory({
  inventory: 'dr-one-subnet',
  traffic: async (cluster) => {
    await cluster.on('client', 'ip neigh flush all');
    const wire = await capture(cluster.lab, 'client', 'ens32', 'arp');
    await alternating(cluster, 'http://192.168.148.161/', LVS);
    expect(arpAnswers(await wire.stop(), '192.168.148.161').map(cluster.ownerOf)).toEqual(['lvs-server']);
  },
  twins: [
    {
      without: 'arp_ignore',
      host: 'lvs-real02',
      take: 'sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.lo.arp_ignore=0',
    },
  ],
  destroy: true,
});

clusterStory({
  inventory: 'minimal-dr',
  edit: (text) => withWeb(text, '192.0.2.20/24'),
  traffic: (cluster) => alternating(cluster, 'http://192.0.2.100/', ['web1', 'web2']),
});

clusterStory({
  inventory: 'dr-one-subnet',
  edit: (text) => text.replaceAll('192.168.148.', '2001:db8:148::').replaceAll('/24', '/64'),
  traffic: (cluster) => alternating(cluster, 'http://[2001:db8:148::161]/', LVS),
  twins: [
    { without: 'the VIP on a real server', host: 'lvs-real01', take: 'ip addr del 2001:db8:148::161/128 dev lo' },
  ],
});
