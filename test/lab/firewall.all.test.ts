import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClusterLab, clusterUp } from './cluster.ts';

/**
 * A pair of directors and a real server that filter: one by firewalld, the others by iptables. This lab's kernel takes
 * no rules of nftables for IPv4: those are tried in test/resources/firewall-packets.test.ts.
 */

const MINUTES = 60_000;
const VIP = '10.40.0.100';
const INVENTORY = `version: 1
name: firewalls
hosts:
  client: { manage: none, interfaces: { ens33: { addresses: [10.40.0.10/24] } } }
  lvs1: { interfaces: { ens33: { addresses: [10.40.0.1/24] } } }
  lvs2: { interfaces: { ens33: { addresses: [10.40.0.2/24] } } }
  rs1: { interfaces: { ens33: { addresses: [10.40.0.11/24] } } }
vrrp:
  edge:
    nodes: { lvs1: { priority: 100 }, lvs2: { priority: 90 } }
    instances: { outside: { virtual_router_id: 51, interface: ens33 } }
vips:
  shop: { addresses: [${VIP}], vrrp: edge.outside }
services:
  web:
    mode: dr
    vip: shop
    port: 80
    real_servers: { rs1: {} }
    health_check: { tcp_check: {}, interval: 1, timeout: 1, retries: 1, retry_interval: 1 }
web_servers:
  pages: { software: nginx, hosts: [rs1], port: 80, index: "{{ host.name }}\\n" }
`;

/** A filter of the administrator's, in force at every boot, that lets in SSH and answers. */
const FILTER = `cat >/etc/systemd/system/own-filter.service <<'UNIT'
[Unit]
DefaultDependencies=no
After=local-fs.target systemd-modules-load.service
Before=network-pre.target lvsctl-firewall.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/iptables-legacy -A INPUT -i lo -j ACCEPT
ExecStart=/usr/sbin/iptables-legacy -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ExecStart=/usr/sbin/iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j DROP
ExecStart=/usr/sbin/iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT
ExecStart=/usr/sbin/iptables-legacy -A INPUT -j REJECT
[Install]
WantedBy=sysinit.target
UNIT
systemctl enable -q --now own-filter`;

// Debian's iptables is the one over nftables, which this kernel lacks.
const FIREWALLD = `for family in iptables ip6tables; do update-alternatives --set $family /usr/sbin/$family-legacy >&2; done
sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/' /etc/firewalld/firewalld.conf
systemctl enable -q --now firewalld && sleep 3 && firewall-cmd --state`;

let cluster: ClusterLab;

beforeAll(async () => {
  cluster = await clusterUp({ inventory: 'minimal-dr', edit: () => INVENTORY });
  await Promise.all([
    cluster.on(
      'lvs1',
      'apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install firewalld iptables >&2; systemctl disable -q --now firewalld',
    ),
    ...['lvs2', 'rs1'].map((host) =>
      cluster.on(host, 'apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install iptables >&2'),
    ),
  ]);
  await cluster.on('client', 'for h in 1 2 11; do ping -c 1 -W 2 10.40.0.$h; done');
}, 15 * MINUTES);

afterAll(async () => {
  await cluster?.down();
}, 2 * MINUTES);

/** The directors that hold the VIP. */
async function masters(): Promise<string[]> {
  const held = await Promise.all(
    ['lvs1', 'lvs2'].map(async (host) => ({ host, text: await cluster.on(host, 'ip -o -4 addr show dev ens33') })),
  );
  return held.filter(({ text }) => text.includes(`${VIP}/32`)).map(({ host }) => host);
}

async function answers(count = 5): Promise<string[]> {
  return (await cluster.http('client', `http://${VIP}/`, { count, mayFail: true, limit: 2 })).map(({ body }) =>
    body.trim(),
  );
}

const rs1 = (count = 5) => Array.from({ length: count }, () => 'rs1');

describe('hosts that filter', () => {
  it('is left alone where nothing filters', { timeout: 10 * MINUTES }, async () => {
    await cluster.apply();
    expect(await cluster.pending()).toEqual([]);
    await expect.poll(masters, { timeout: 30_000 }).toEqual(['lvs1']);
    await expect.poll(() => answers(), { timeout: 30_000 }).toEqual(rs1());
    expect(await cluster.on('rs1', 'cat /proc/net/ip_tables_names 2>/dev/null; ls /etc/lvsctl 2>&1; true')).toMatch(
      /No such file/,
    );
  });

  // The one that hears nothing becomes master too: until its own adverts open the way for the other's, where a filter
  // takes what answers them for one conversation.
  it('without accepts, the other director is master too and nobody is answered', { timeout: 5 * MINUTES }, async () => {
    const became = () => cluster.on('lvs2', 'journalctl -q -u keepalived | grep -c "Entering MASTER STATE"; true');
    const earlier = await became();
    await Promise.all([cluster.on('lvs1', FIREWALLD), cluster.on('lvs2', FILTER), cluster.on('rs1', FILTER)]);
    await expect.poll(became, { timeout: 60_000 }).not.toBe(earlier);
    expect(await masters()).toContain('lvs1');
    expect(await answers(2)).not.toContain('rs1');
  });

  it('accepts come in where each host filters: one master, answers, and no more changes', {
    timeout: 10 * MINUTES,
  }, async () => {
    const plan = await cluster.run('plan', '--lab');
    console.log(plan.out);
    await cluster.apply();
    await expect.poll(masters, { timeout: 30_000 }).toHaveLength(1);
    await expect.poll(() => answers(), { timeout: 30_000 }).toEqual(rs1());
    expect(await cluster.pending()).toEqual([]);
  });

  it('every connection’s end passes the director', { timeout: 5 * MINUTES }, async () => {
    expect(await answers(10)).toEqual(rs1(10));
    await expect
      .poll(() => cluster.on('rs1', 'ss -Htan state fin-wait-2 state last-ack state close-wait state closing; true'), {
        timeout: 20_000,
      })
      .toBe('');
  });

  it('a reload of firewalld and a restart of its host’s filter change nothing', { timeout: 5 * MINUTES }, async () => {
    await cluster.on('lvs1', 'firewall-cmd --reload');
    expect(await cluster.pending()).toEqual([]);
    expect(await answers()).toEqual(rs1());
  });

  it('a rule of ours that somebody deletes comes back, and theirs stay', { timeout: 5 * MINUTES }, async () => {
    await cluster.on('rs1', 'iptables-legacy -D LVSCTL-INPUT 1');
    await cluster.on('lvs1', 'firewall-cmd -q --zone=public --add-port=9999/tcp');
    expect(await cluster.pending()).toEqual(['rs1: firewall iptables filter']);
    await cluster.apply();
    expect(await cluster.on('lvs1', 'firewall-cmd --zone=public --list-ports')).toBe('9999/tcp\n');
    await cluster.on('lvs1', 'firewall-cmd -q --zone=public --remove-port=9999/tcp');
    expect(await answers()).toEqual(rs1());
  });

  it('is so after the power of all machines was cut', { timeout: 10 * MINUTES }, async () => {
    await cluster.powerCut();
    await expect.poll(masters, { timeout: 60_000 }).toHaveLength(1);
    await expect.poll(() => answers(), { timeout: 60_000 }).toEqual(rs1());
    expect(await cluster.pending()).toEqual([]);
  });

  it('is gone with the cluster', { timeout: 10 * MINUTES }, async () => {
    expect(await cluster.run('destroy', '--lab', '--yes')).toMatchObject({ code: 0 });
    const rules = await cluster.on(
      'lvs1',
      'firewall-cmd --list-rich-rules; firewall-cmd --permanent --list-rich-rules; firewall-cmd --direct --get-all-rules; firewall-cmd --permanent --direct --get-all-rules',
    );
    // For none it prints an empty line.
    expect(rules.trim()).toBe('');
    expect(
      await cluster.on(
        'rs1',
        'iptables-legacy-save | grep -c LVSCTL; iptables-legacy -S INPUT | tail -n 1; ls /etc/lvsctl /etc/systemd/system/*lvsctl-firewall* 2>/dev/null; true',
      ),
    ).toBe('0\n-A INPUT -j REJECT --reject-with icmp-port-unreachable\n');
  });
});
