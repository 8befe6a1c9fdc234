import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import {
  DIRECTORS,
  destinations,
  expectAll,
  expectTakeover,
  holders,
  master,
  masterDown,
  other,
  reconfigure,
  sentBy,
  steady,
  until,
  watchTakeover,
} from './pair.ts';
import { clusterStory } from './story.ts';
import { capture, shares } from './traffic.ts';
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
      const backup = other(old);
      const watched = await watchTakeover(cluster, { vip: VIP, backup, device: 'ens33', clientDevice: 'ens33' });
      await cluster.lab.power(old, 'off');
      try {
        await until(async () => ((await holders(cluster, VIP)).includes(backup) ? true : undefined), 'takes over');
        await new Promise((resolve) => setTimeout(resolve, 5000));
        const expected = masterDown(1, backup === 'lvs1' ? 100 : 90);
        expect(expectTakeover(await watched.stop(), 'power cut', expected)).not.toEqual([]);
        expect(await holders(cluster, GATEWAY)).toContain(backup);
      } finally {
        await cluster.lab.power(old, 'on');
      }
      await traffic(cluster);
      expect(await master(cluster, VIP)).toBe(backup);
    },
    LONG,
  );

  it(
    'weights change and a server comes back into the service without a lost request',
    async () => {
      const cluster = of();
      const now = await master(cluster, VIP);
      const pids = () => Promise.all(DIRECTORS.map((host) => cluster.on(host, 'cat /run/keepalived.pid')));
      const tables = () => Promise.all(DIRECTORS.map((host) => destinations(cluster, host)));
      const weights = () => Promise.all(DIRECTORS.map((host) => cluster.on(host, 'ipvsadm -Sn')));
      const [both, before] = [['192.168.10.13', '192.168.10.14'], await pids()];
      cluster.edit((text) => text.replace('{ web1: {}, web2: {} }', '{ web1: {} }'));
      await cluster.apply();
      expect(await tables()).toEqual([both.slice(0, 1), both.slice(0, 1)]);
      const asked = await steady(cluster, VIP);
      const adverts = await capture(cluster.lab, other(now), 'ens33', 'ip proto 112');
      cluster.edit((text) => text.replace('{ web1: {} }', '{ web1: { weight: 3 }, web2: {} }'));
      await cluster.apply();
      for (const table of await weights()) expect(table).toMatch(/\.13:80 -m -w 3\n(.*\n)*.*\.14:80 -m -w 1\n/);
      cluster.edit((text) => text.replace('{ web1: { weight: 3 }, web2: {} }', '{ web1: {}, web2: {} }'));
      await cluster.apply();
      const samples = await asked.stop();
      expectAll(samples, 'requests while it is applied');
      expect(Object.keys(shares(samples)).sort()).toEqual(['web1', 'web2']);
      expect(sentBy(await adverts.stop(), other(now), cluster.ownerOf)).toEqual([]);
      expect(await tables()).toEqual([both, both]);
      expect(await pids(), 'reloaded, not restarted').toEqual(before);
      expect(await master(cluster, VIP)).toBe(now);
      expect(await cluster.pending()).toEqual([]);
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
