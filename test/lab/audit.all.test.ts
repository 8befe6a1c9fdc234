import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClusterLab, clusterUp } from './cluster.ts';
import { master, other, until } from './pair.ts';

/**
 * Hosts read without an inventory: a NAT pair that is well, imported and compared with itself, then broken by hand. What
 * `audit` and `path --live` say of it is what was broken, and what the client meets.
 */

const VIP = '200.0.0.100';
const HOSTS = ['lvs1', 'lvs2', 'web1', 'web2'];
const LONG = 600_000;

let cluster: ClusterLab;
let text: string;

beforeAll(async () => {
  cluster = await clusterUp({ inventory: 'nat-keepalived', env: { LVS_VRRP_PASS: 's3cr3tpw' } });
  text = readFileSync(cluster.file, 'utf8');
  await cluster.apply();
  await master(cluster, VIP);
}, 1_800_000);
afterAll(() => cluster.down());

interface Found {
  code: string;
  severity: string;
  what: string;
  place: { host?: string; file?: string; line?: number };
}

/** What is found, as `HOST CODE`, sorted, each once. */
async function audited(...more: string[]): Promise<{ code: number; found: string[]; all: Found[]; text: string }> {
  const run = await cluster.run('audit', '--lab', '--format', 'json', ...more, ...HOSTS);
  const { findings }: { findings: Found[] } = JSON.parse(run.out);
  const of = ({ place: { host, file = '' }, code }: Found) => `${host ?? file.split(':')[0]} ${code}`;
  return { code: run.code, found: [...new Set(findings.map(of))].sort(), all: findings, text: run.out };
}

/** How each way to the VIP ends, through the hosts as they are. */
async function ends(): Promise<string[]> {
  const run = await cluster.run('path', '--live', '--lab', '--to', 'web', '--json');
  const events = run.out.split('\n').map((line) => JSON.parse(line));
  const path = events.find(({ event }) => event === 'path');
  if (path === undefined) throw new Error(`${run.out}\n${run.err}`);
  return path.ways.map(
    ({ real, way }: { real?: string; way: { end: { answered: boolean; reason?: string } } }) =>
      `${real}: ${way.end.answered ? 'answered' : way.end.reason}`,
  );
}

describe('a pair that is well', () => {
  it(
    'nothing is found, and no password is shown',
    async () => {
      const run = await cluster.run('audit', '--lab', ...HOSTS);
      expect(run, `${run.out}\n${run.err}`).toMatchObject({ code: 0 });
      expect(run.out).toMatch(/: nothing found\.$/u);
      const now = await master(cluster, VIP);
      expect(run.out).toMatch(
        new RegExp(`^${now}: director of tcp ${VIP}:80, by keepalived; master of edge_outside`, 'mu'),
      );
      expect(run.out).toMatch(new RegExp(`^${other(now)}: .*backup of edge_outside`, 'mu'));
      expect(run.out).toMatch(new RegExp(`^web1: real server of ${VIP.replaceAll('.', '\\.')}`, 'mu'));
      expect(`${run.out}${run.err}`).not.toContain('s3cr3tpw');
    },
    LONG,
  );

  it(
    'the way is there and back, through whoever is master',
    async () => {
      expect(await ends()).toEqual(['web1: answered', 'web2: answered']);
    },
    LONG,
  );

  it(
    'imported from the hosts alone it is the same cluster: no changes',
    async () => {
      // As if somebody else had made it: no record of lvsctl's.
      await Promise.all(HOSTS.map((host) => cluster.on(host, 'mv /var/lib/lvsctl /root/kept')));
      const out = join(dirname(cluster.file), 'imported.yaml');
      const asked = HOSTS.flatMap((host) => ['--host', host]);
      const run = await cluster.run('import', '--lab', ...asked, '--name', 'nat-keepalived', '--out', out);
      expect(run, `${run.out}\n${run.err}`).toMatchObject({ code: 0 });
      const imported = readFileSync(out, 'utf8');
      expect(imported).not.toContain('s3cr3tpw');
      try {
        // The lab is known by the inventory's file.
        writeFileSync(cluster.file, imported);
        expect(await cluster.pending()).toEqual([]);
      } finally {
        writeFileSync(cluster.file, text);
        rmSync(out);
        await Promise.all(
          HOSTS.map((host) => cluster.on(host, 'rm -rf /var/lib/lvsctl && mv /root/kept /var/lib/lvsctl')),
        );
      }
      expect(await cluster.pending()).toEqual([]);
    },
    LONG,
  );
});

describe('broken by hand', () => {
  it(
    'the master: no forwarding, a server taken out, another scheduler, a service of nobody, not enabled',
    async () => {
      const now = await master(cluster, VIP);
      await cluster.on(
        now,
        `sysctl -qw net.ipv4.ip_forward=0 && systemctl -q disable keepalived &&
        ipvsadm -d -t ${VIP}:80 -r 192.168.10.13:80 && ipvsadm -E -t ${VIP}:80 -s wlc && ipvsadm -A -t ${VIP}:443 -s rr`,
      );
      const { code, found } = await audited();
      expect(code).toBe(3);
      expect(found).toEqual(
        expect.arrayContaining(['005', '007', '102', '103', '104', '307'].map((number) => `${now} LVS-LIVE-${number}`)),
      );
      expect(found.filter((one) => one.startsWith('web'))).toEqual([]);
      expect(await ends()).toEqual(['web2: no-forwarding']);
      expect((await cluster.attempt('client', `curl -sm 5 http://${VIP}/`)).code).not.toBe(0);
      await cluster.on(
        now,
        `sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.accept_redirects=0 && systemctl -q enable keepalived &&
        ipvsadm -a -t ${VIP}:80 -r 192.168.10.13:80 -m -w 1 && ipvsadm -E -t ${VIP}:80 -s rr && ipvsadm -D -t ${VIP}:443`,
      );
      expect((await audited()).found).toEqual([]);
      expect(await ends()).toEqual(['web1: answered', 'web2: answered']);
    },
    LONG,
  );

  it(
    'the backup holds the VIPs too, and a real server has one with a network on lo, and no gateway',
    async () => {
      const backup = other(await master(cluster, VIP));
      await cluster.on(backup, `ip addr add ${VIP}/32 dev ens33 && ip addr add 192.168.10.1/24 dev ens34`);
      await cluster.on('web1', `ip addr add ${VIP}/24 dev lo && ip route replace default via 192.168.10.77`);
      const { found, all } = await audited();
      expect(found).toEqual(['lvs2 LVS-LIVE-201', 'web1 LVS-LIVE-301', 'web1 LVS-LIVE-302', 'web1 LVS-LIVE-308']);
      expect(all.find((one) => one.code === 'LVS-LIVE-302')?.what).toContain(`${VIP}/24 is on lo`);
      await cluster.on(backup, `ip addr del ${VIP}/32 dev ens33 && ip addr del 192.168.10.1/24 dev ens34`);
      await cluster.on('web1', `ip addr del ${VIP}/24 dev lo && ip route replace default via 192.168.10.1`);
      expect((await audited()).found).toEqual([]);
    },
    LONG,
  );

  it(
    'rules by hand: lost at the next boot, also when they are saved where nothing loads them',
    async () => {
      const backup = other(await master(cluster, VIP));
      const own = (await cluster.on(backup, 'cat /etc/ipvsadm.rules')).trimEnd();
      await cluster.on(
        backup,
        `systemctl stop keepalived && mv /etc/keepalived/keepalived.conf /root/conf &&
        ipvsadm -A -t ${VIP}:80 -s rr && ipvsadm -a -t ${VIP}:80 -r 192.168.10.13:80 -m -w 1`,
      );
      expect((await audited()).found).toEqual([`${backup} LVS-LIVE-001`, `${backup} LVS-LIVE-310`]);
      await cluster.on(backup, 'ipvsadm-save -n >/etc/ipvsadm.rules');
      expect((await audited()).found).toEqual([`${backup} LVS-LIVE-002`, `${backup} LVS-LIVE-310`]);
      await cluster.on(backup, `ipvsadm -a -t ${VIP}:80 -r 192.168.10.14:80 -m -w 1`);
      expect((await audited()).found).toContain(`${backup} LVS-LIVE-003`);
      await cluster.on(
        backup,
        `ipvsadm -C && printf '%s\\n' '${own}' >/etc/ipvsadm.rules &&
        mv /root/conf /etc/keepalived/keepalived.conf && systemctl start keepalived`,
      );
      await until(async () => ((await audited()).found.length === 0 ? true : undefined), 'all is well again');
    },
    LONG,
  );
});
