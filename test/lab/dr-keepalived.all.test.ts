import { expect, it } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { CLIENTS, DR_KEEPALIVED, SITE, sticky, VIP, WEB } from './dr-keepalived.ts';
import {
  DIRECTORS,
  destinations,
  expectAll,
  expectTakeover,
  holders,
  master,
  masterDown,
  ofDirector,
  other,
  reconfigure,
  steady,
  until,
  watchTakeover,
} from './pair.ts';
import { clusterStory } from './story.ts';
import { capture, neighbours, shares } from './traffic.ts';

const LONG = 600_000;

function more(of: () => ClusterLab): void {
  it(
    'says who is master',
    async () => {
      const cluster = of();
      const host = await master(cluster, VIP);
      const verified = await cluster.run('verify', '--lab');
      expect(verified.out).toContain(`edge.outside`);
      expect(verified.out).toContain(`${host} is master`);
    },
    LONG,
  );

  it(
    'the master’s power is cut: no request fails after the other’s first advert',
    async () => {
      const cluster = of();
      const old = await master(cluster, VIP);
      const backup = other(old);
      const watched = await watchTakeover(cluster, { vip: VIP, backup, device: 'ens32', clientDevice: 'ens32' });
      await cluster.lab.power(old, 'off');
      await until(async () => ((await holders(cluster, VIP)).includes(backup) ? true : undefined), 'takes over');
      await new Promise((resolve) => setTimeout(resolve, 5000));
      const expected = masterDown(1, backup === 'lvs1' ? 100 : 90);
      expect(expectTakeover(await watched.stop(), 'power cut', expected)).not.toEqual([]);
      expect(cluster.ownerOf((await neighbours(cluster.lab, 'client'))[VIP] ?? '')).toBe(backup);
    },
    LONG,
  );

  it(
    'the old master returns: nothing moves, and it answers nothing',
    async () => {
      const cluster = of();
      const now = await master(cluster, VIP);
      const wire = await capture(cluster.lab, 'client', 'ens32', `host ${VIP}`);
      const asked = await steady(cluster, VIP);
      await cluster.lab.power(other(now), 'on');
      await until(async () => {
        const state = await cluster.attempt(other(now), 'systemctl is-active keepalived');
        return state.stdout.trim() === 'active' ? true : undefined;
      }, 'keepalived is back');
      await new Promise((resolve) => setTimeout(resolve, 8000));
      expectAll(await asked.stop(), 'requests while it returns');
      const lines = await wire.stop();
      expect(ofDirector(lines, now, cluster.ownerOf).length, 'packets to the master').toBeGreaterThan(100);
      expect(ofDirector(lines, other(now), cluster.ownerOf), 'packets from and to the old master').toEqual([]);
      expect(await holders(cluster, VIP)).toEqual([now]);
      expect(await cluster.pending()).toEqual([]);
    },
    LONG,
  );

  it(
    'keepalived is stopped on the master: requests go on through the other',
    async () => {
      const cluster = of();
      const old = await master(cluster, VIP);
      const backup = other(old);
      const watched = await watchTakeover(cluster, { vip: VIP, backup, device: 'ens32', clientDevice: 'ens32' });
      await cluster.on(old, 'systemctl stop keepalived');
      expect(await master(cluster, VIP)).toBe(backup);
      await new Promise((resolve) => setTimeout(resolve, 4000));
      // Its last advert says that it goes: what is left to wait for is the fraction that the priority makes.
      expectTakeover(await watched.stop(), 'keepalived stopped', masterDown(0, backup === 'lvs1' ? 100 : 90));
      expect(await cluster.pending()).toEqual([`${old}: service keepalived.service`]);
      await cluster.apply();
      expect(await holders(cluster, VIP)).toEqual([other(old)]);
    },
    LONG,
  );

  it(
    'a proxy dies, leaves both tables, and returns',
    async () => {
      const cluster = of();
      for (const host of DIRECTORS) expect(await destinations(cluster, host)).toEqual(Object.values(WEB));
      await cluster.lab.power('web1', 'off');
      for (const host of DIRECTORS) {
        await until(
          async () => ((await destinations(cluster, host)).length === 1 ? true : undefined),
          `${host} takes it out`,
        );
      }
      const answers = await cluster.http('client', SITE, { count: 4, from: CLIENTS, limit: 20 });
      expect(Object.values(shares(answers)).reduce((sum, count) => sum + count, 0)).toBe(16);
      await cluster.lab.power('web1', 'on');
      for (const host of DIRECTORS) {
        await until(
          async () => ((await destinations(cluster, host)).length === 2 ? true : undefined),
          `${host} takes it in`,
        );
      }
      expect(await cluster.pending()).toEqual([]);
    },
    LONG,
  );

  it(
    'without the health check a dead proxy would stay',
    async () => {
      const cluster = of();
      const host = await master(cluster, VIP);
      await reconfigure(cluster, host, "'/HTTP_GET {/,/^        }/d'");
      await cluster.on('web1', 'systemctl stop nginx');
      await new Promise((resolve) => setTimeout(resolve, 30_000));
      expect(await destinations(cluster, host)).toEqual(Object.values(WEB));
      // Clients that asked before may still be bound to the other proxy.
      const fresh = CLIENTS.map((client) => client.replace(/10$/, '20'));
      await cluster.on('client', fresh.map((client) => `ip addr add ${client}/24 dev ens32`).join(' && '));
      const answers = await cluster.http('client', SITE, { from: fresh, limit: 5, mayFail: true });
      expect(answers.some(({ status }) => status === 0)).toBe(true);
      await cluster.apply();
      expect(await cluster.pending()).toEqual([]);
    },
    LONG,
  );

  it(
    'with preemption the VIP would move when the first director returns',
    async () => {
      const cluster = of();
      await cluster.on('lvs1', 'systemctl stop keepalived');
      expect(await master(cluster, VIP)).toBe('lvs2');
      await cluster.on('lvs1', 'sed -i /nopreempt/d /etc/keepalived/keepalived.conf && systemctl start keepalived');
      await until(async () => ((await holders(cluster, VIP)).join() === 'lvs1' ? true : undefined), 'moves back');
      await cluster.apply();
      expect(await cluster.pending()).toEqual([]);
    },
    LONG,
  );

  it(
    'a server taken from the table by hand is put back, though a reload would not',
    async () => {
      const cluster = of();
      const host = await master(cluster, VIP);
      await cluster.on(host, `ipvsadm -d -t ${VIP}:80 -r ${WEB.web2}:80; systemctl reload keepalived; sleep 8`);
      expect(await destinations(cluster, host)).toEqual([WEB.web1]);
      expect(await cluster.pending()).toEqual([`${host}: keepalived`]);
      await cluster.apply();
      expect(await destinations(cluster, host)).toEqual(Object.values(WEB));
      expect(await cluster.pending()).toEqual([]);
    },
    LONG,
  );

  it(
    'without persistence a client would come to both proxies',
    async () => {
      const cluster = of();
      const host = await master(cluster, VIP);
      await sticky(cluster);
      await cluster.on(host, `ipvsadm -E -t ${VIP}:80 -s wrr`);
      await expect(sticky(cluster)).rejects.toThrow('proxies that');
      await cluster.apply();
      await sticky(cluster);
      expect(await cluster.pending()).toEqual([]);
    },
    LONG,
  );
}

clusterStory({ ...DR_KEEPALIVED, more });
