import { expect, it } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { type ClusterStory, clusterStory } from './story.ts';
import { capture, receiver, upload } from './traffic.ts';
import { alternating, withWeb } from './ways.ts';

/** Clusters in tun mode, through each kind of tunnel. */

const REAL = ['rs1', 'rs2'];

interface Way {
  vip: string;
  /** What tcpdump calls the tunnel's packets. */
  wrapped: string;
  /** The largest segment that real servers ask for. */
  mss: number;
}

/** Both answer in turn, what reaches them is wrapped, and they ask for segments that the tunnel takes. */
function through({ vip, wrapped, mss }: Way): ClusterStory['traffic'] {
  return async (cluster) => {
    const [arriving, answered] = [
      await capture(cluster.lab, 'rs1', 'ens34', wrapped),
      await capture(cluster.lab, 'client', 'ens33', `src host ${vip} and tcp`),
    ];
    await alternating(cluster, `http://${vip.includes(':') ? `[${vip}]` : vip}/`, REAL);
    expect(await arriving.stop()).not.toEqual([]);
    const sizes = (await answered.stop()).flatMap((line) => /Flags \[S\.\].*\bmss (\d+)/.exec(line)?.[1] ?? []);
    expect([...new Set(sizes)]).toEqual([String(mss)]);
  };
}

/** An upload of 1 MB to each real server, as many bytes as fit in each packet. */
function takesUploads({ vip }: Way): (cluster: () => ClusterLab) => void {
  return (cluster) => {
    it('takes uploads of 1 MB whole', async () => {
      const { lab, on } = cluster();
      const address = vip.includes(':') ? '::' : '0.0.0.0';
      for (const real of REAL) await on(real, 'systemctl stop nginx');
      const servers = [await receiver(lab, 'rs1', 80, address), await receiver(lab, 'rs2', 80, address)];
      const url = `http://${vip.includes(':') ? `[${vip}]` : vip}/`;
      // Whoever blocks ICMP hears nothing of packets that are too large: the segments must fit by themselves.
      await on('client', 'apt-get install -y -q iptables && iptables-legacy -A INPUT -p icmp -j DROP');
      await on('client', 'ip route flush cache');
      const taken = [await upload(lab, 'client', url, 1_000_000), await upload(lab, 'client', url, 1_000_000)];
      expect(taken.toSorted()).toEqual(REAL);
      for (const server of servers) await server.stop();
      for (const real of REAL) await on(real, 'systemctl start nginx');
    });
  };
}

const ipip: Way = { vip: '30.30.30.100', wrapped: 'ip proto 4', mss: 1440 };
clusterStory({
  inventory: 'tun',
  traffic: through(ipip),
  more: takesUploads(ipip),
  twins: [
    { without: 'the tunnel', host: 'rs1', take: 'ip link set tunl0 down' },
    {
      without: 'an end to filtering by source, be it loose',
      host: 'rs1',
      take: 'sysctl -qw net.ipv4.conf.all.rp_filter=2',
    },
    { without: 'the clamp', host: 'rs1', take: 'iptables-legacy -t mangle -F' },
    { without: 'the VIP on a real server', host: 'rs2', take: 'ip addr del 30.30.30.100/32 dev lo' },
  ],
  destroy: true,
});

const gre: Way = { vip: '30.30.30.100', wrapped: 'ip proto 47', mss: 1432 };
clusterStory({
  inventory: 'tun',
  edit: (text) => text.replace('tunnel: { type: ipip }', 'tunnel: { type: gre, checksum: csum }'),
  traffic: through(gre),
  twins: [{ without: 'the tunnel', host: 'rs1', take: 'ip link del lvs-gre' }],
});

const gue: Way = { vip: '30.30.30.100', wrapped: 'udp port 6080', mss: 1428 };
clusterStory({
  inventory: 'tun',
  edit: (text) => text.replace('tunnel: { type: ipip }', 'tunnel: { type: gue, port: 6080 }'),
  traffic: through(gue),
  more: takesUploads(gue),
  twins: [{ without: 'the port', host: 'rs1', take: 'ip fou del port 6080' }],
});

const six: Way = { vip: '2001:db8:30::100', wrapped: 'ip6 proto 41', mss: 1400 };
clusterStory({
  inventory: 'tun',
  edit: (text) =>
    [30, 40, 50, 60]
      .reduce((all, net) => all.replaceAll(`${net}.${net}.${net}.`, `2001:db8:${net}::`), text)
      .replaceAll('/24', '/64'),
  traffic: through(six),
  twins: [{ without: 'the tunnel', host: 'rs1', take: 'ip link set ip6tnl0 down' }],
});

clusterStory({
  inventory: 'minimal-tun',
  edit: (text) => withWeb(text, '192.0.2.20/24'),
  traffic: (cluster) => alternating(cluster, 'http://192.0.2.100/', ['web1', 'web2']),
});
