import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { DIRECTORS, expectAll, gapOf, holders, master, masterDown, other, reconfigure, until } from './pair.ts';
import { clusterStory } from './story.ts';
import { load } from './traffic.ts';
import { alternating } from './ways.ts';

/** NAT with a pair: the VIP outside and the real servers' gateway inside move together. */

const VIP = '200.0.0.100';
const GATEWAY = '192.168.10.1';
const SITE = `http://${VIP}/`;
const LONG = 600_000;

async function traffic(cluster: ClusterLab): Promise<void> {
  const host = await master(cluster, VIP);
  expect(await master(cluster, GATEWAY), 'the inside gateway is with the VIP').toBe(host);
  await alternating(cluster, SITE, ['web1', 'web2']);
}

function more(of: () => ClusterLab): void {
  it(
    'a template that keepalived refuses: its own words, the line, and nothing changed',
    async () => {
      const cluster = of();
      const sums = () => cluster.on('lvs1', 'sha256sum /etc/keepalived/keepalived.conf /etc/sysctl.d/*');
      const before = await sums();
      const folder = join(dirname(cluster.file), 'templates/keepalived');
      mkdirSync(folder, { recursive: true });
      const own = readFileSync(new URL('../../templates/keepalived/keepalived.conf', import.meta.url), 'utf8');
      writeFileSync(join(folder, 'keepalived.conf'), own.replace('delay_loop', 'delay_lop'));
      const refused = await cluster.run('apply', '--lab', '--yes');
      expect(refused.code).toBe(1);
      const said = `${refused.out}${refused.err}`;
      expect(said).toContain('APPLY-REFUSED');
      expect(said).toMatch(/keepalived\.conf: Line \d+\) Unknown keyword 'delay_lop'/);
      expect(said).toMatch(/keepalived\.conf:\d+: delay_lop 3/);
      expect(await sums()).toBe(before);
      rmSync(dirname(folder), { recursive: true });
      expect(await cluster.pending()).toEqual([]);
    },
    LONG,
  );

  it(
    'the master’s power is cut: the VIP and the gateway move, and requests go on',
    async () => {
      const cluster = of();
      const old = await master(cluster, VIP);
      const asked = await load(cluster.lab, 'client', { address: VIP, port: 80 }, { rate: 50 });
      await new Promise((resolve) => setTimeout(resolve, 3000));
      await cluster.lab.power(old, 'off');
      await until(async () => ((await holders(cluster, VIP)).includes(other(old)) ? true : undefined), 'takes over');
      await new Promise((resolve) => setTimeout(resolve, 5000));
      const samples = await asked.stop();
      const gap = gapOf(samples);
      const priority = old === 'lvs1' ? 90 : 100;
      console.log(
        `gap of a failover at 50 requests a second: ${(gap.to - gap.from).toFixed(2)} s, ${gap.failed} requests of ` +
          `${samples.length}; 3 × advert_interval + (256 - ${priority})/256 = ${masterDown(1, priority).toFixed(2)} s`,
      );
      expectAll(
        samples.filter(({ at }) => at > gap.to),
        'requests after the takeover',
      );
      expect(gap.to - gap.from).toBeLessThan(masterDown(1, priority) + 1);
      expect(await holders(cluster, GATEWAY)).toContain(other(old));
      await cluster.lab.power(old, 'on');
      await traffic(cluster);
      expect(await master(cluster, VIP)).toBe(other(old));
    },
    LONG,
  );

  it(
    'the outside interface alone fails: both move',
    async () => {
      const cluster = of();
      const old = await master(cluster, VIP);
      await cluster.on(old, 'ip link set ens33 down');
      await until(
        async () => ((await holders(cluster, VIP)).join() === other(old) ? true : undefined),
        'the VIP moves',
      );
      await until(
        async () => ((await holders(cluster, GATEWAY)).join() === other(old) ? true : undefined),
        'the gateway moves',
      );
      await alternating(cluster, SITE, ['web1', 'web2']);
      await cluster.on(old, 'ip link set ens33 up');
      await cluster.apply();
      await traffic(cluster);
    },
    LONG,
  );

  it(
    'without the sync group the gateway would stay behind, and no reply would come',
    async () => {
      const cluster = of();
      for (const host of DIRECTORS) await reconfigure(cluster, host, "'/^vrrp_sync_group/,/^}/d'");
      const old = await master(cluster, VIP);
      expect(await master(cluster, GATEWAY)).toBe(old);
      await cluster.on(old, 'ip link set ens33 down');
      await until(
        async () => ((await holders(cluster, VIP)).join() === other(old) ? true : undefined),
        'the VIP moves',
      );
      await new Promise((resolve) => setTimeout(resolve, 5000));
      expect(await holders(cluster, GATEWAY)).toEqual([old]);
      const answers = await cluster.http('client', SITE, { count: 4, mayFail: true });
      expect(answers.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
      await cluster.on(old, 'ip link set ens33 up');
      await cluster.apply();
      await until(async () => {
        const [vip, gateway] = [await holders(cluster, VIP), await holders(cluster, GATEWAY)];
        return vip.length === 1 && vip.join() === gateway.join() ? true : undefined;
      }, 'together again');
      await traffic(cluster);
    },
    LONG,
  );
}

clusterStory({
  inventory: 'nat-keepalived',
  env: { LVS_VRRP_PASS: 'k33p-8ch' },
  traffic,
  more,
  destroy: true,
});
