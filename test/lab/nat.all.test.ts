import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { clusterStory } from './story.ts';
import { alternating, askedFrom, withWeb } from './ways.ts';

/** The other clusters in nat mode. */

const REAL = ['lvs-real01', 'lvs-real02', 'lvs-real03'];

clusterStory({
  inventory: 'nat-openeuler',
  traffic: async (cluster) => {
    for (const real of REAL) await askedFrom(cluster, real);
    await alternating(cluster, 'http://192.168.148.161/', REAL);
    for (const real of REAL) expect(await askedFrom(cluster, real)).toEqual(['192.168.148.150']);
  },
  twins: [
    { without: 'forwarding', host: 'lvs-server', take: 'sysctl -qw net.ipv4.ip_forward=0' },
    {
      without: 'the director as gateway',
      host: 'lvs-real02',
      take: 'ip route replace default via 192.168.159.131 dev ens32',
    },
  ],
  destroy: true,
});

const WEB = ['web1', 'web2'];

async function oneArm(cluster: ClusterLab): Promise<void> {
  // What an earlier redirect taught a real server would hold for minutes.
  for (const web of WEB) await cluster.on(web, 'ip route flush cache');
  for (const web of WEB) await askedFrom(cluster, web);
  // A redirect counts only on an established connection, and once the router is known there; they come seldom.
  await alternating(cluster, 'http://192.168.10.100/', WEB, 50);
  for (const web of WEB) expect(await askedFrom(cluster, web)).toEqual(['200.0.0.1']);
}

clusterStory({
  inventory: 'nat-one-arm',
  traffic: oneArm,
  twins: [
    { without: 'send_redirects off', host: 'lvs', take: 'sysctl -qw net.ipv4.conf.all.send_redirects=1' },
    { without: 'the director as gateway', host: 'web1', take: 'ip route replace default via 192.168.10.254 dev ens33' },
  ],
  destroy: true,
});

clusterStory({
  inventory: 'minimal-nat',
  edit: (text) => withWeb(text, '192.0.2.20/24'),
  traffic: (cluster) => alternating(cluster, 'http://192.0.2.10/', WEB),
});

clusterStory({
  inventory: 'nat-two-nic',
  edit: (text) =>
    text.replaceAll('200.0.0.', '2001:db8:a::').replaceAll('192.168.10.', '2001:db8:b::').replaceAll('/24', '/64'),
  traffic: async (cluster) => {
    for (const web of WEB) await askedFrom(cluster, web);
    await alternating(cluster, 'http://[2001:db8:a::2]/', WEB);
    for (const web of WEB) expect(await askedFrom(cluster, web)).toEqual(['2001:db8:a::1']);
  },
  twins: [
    { without: 'forwarding', host: 'lvs', take: 'sysctl -qw net.ipv6.conf.all.forwarding=0' },
    { without: 'the director as gateway', host: 'web1', take: 'ip -6 route del default' },
  ],
});
