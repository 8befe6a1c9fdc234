import { expect } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { clusterStory } from './story.ts';
import { alternating, askedFrom, withWeb } from './ways.ts';

/** Clusters in fullnat mode: real servers that know no way to the client answer all the same. */

const WEB = ['web1', 'web2'];

function seenAs(url: string, director: string) {
  return async (cluster: ClusterLab): Promise<void> => {
    for (const web of WEB) await askedFrom(cluster, web);
    await alternating(cluster, url, WEB);
    for (const web of WEB) expect(await askedFrom(cluster, web)).toEqual([director]);
  };
}

clusterStory({
  inventory: 'fullnat',
  traffic: seenAs('http://200.0.0.2/', '192.168.10.12'),
  twins: [
    { without: 'the masquerade', host: 'lvs', take: 'iptables-legacy -t nat -F' },
    { without: 'connection tracking of IPVS', host: 'lvs', take: 'sysctl -qw net.ipv4.vs.conntrack=0' },
    { without: 'forwarding', host: 'lvs', take: 'sysctl -qw net.ipv4.ip_forward=0' },
  ],
  destroy: true,
});

clusterStory({
  inventory: 'fullnat',
  edit: (text) =>
    text.replaceAll('200.0.0.', '2001:db8:a::').replaceAll('192.168.10.', '2001:db8:b::').replaceAll('/24', '/64'),
  traffic: seenAs('http://[2001:db8:a::2]/', '2001:db8:b::12'),
  twins: [{ without: 'the masquerade', host: 'lvs', take: 'ip6tables-legacy -t nat -F' }],
});

clusterStory({
  inventory: 'minimal-fullnat',
  edit: (text) => withWeb(text, '192.0.2.20/24'),
  traffic: seenAs('http://192.0.2.10/', '10.0.0.1'),
});
