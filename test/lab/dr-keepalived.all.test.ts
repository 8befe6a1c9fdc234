import { expect, it } from 'vitest';
import type { ClusterLab } from './cluster.ts';
import { destinations, expectAll, gapOf, holders, master, masterDown, other, reconfigure, until } from './pair.ts';
import { clusterStory } from './story.ts';
import { capture, load, neighbours, shares } from './traffic.ts';

/** DR with a pair of directors, two proxies and two Tomcats: seven real kernels. */

const VIP = '192.168.148.161';
const SITE = `http://${VIP}/`;
const WEB = { web1: '192.168.148.132', web2: '192.168.148.133' } as const;
const LONG = 600_000;
/** Clients of four networks: ip_hash looks at the first three bytes. */
const CLIENTS = ['10.11.1.10', '10.11.2.10', '10.11.3.10', '10.11.4.10'];

/** How often each client's requests were answered by each application, `client application` → count. */
async function traffic(cluster: ClusterLab): Promise<void> {
  await master(cluster, VIP);
  await until(async () => {
    const [answer] = await cluster.http('client', SITE, { mayFail: true, limit: 20 });
    return answer?.status === 200 ? answer : undefined;
  }, 'Tomcat answers');
  const answers = await cluster.http('client', SITE, { count: 6, from: CLIENTS, limit: 20 });
  const applications = new Map<string, Set<string>>();
  for (const { body, from } of answers) {
    const [, application = '', seen] = /^(\S+) for (\S+)$/.exec(body.trim()) ?? [];
    expect(seen, 'Tomcat sees the client').toBe(from);
    applications.set(from, (applications.get(from) ?? new Set()).add(application));
  }
  for (const [from, names] of applications) expect([...names], `${from} stays with one Tomcat`).toHaveLength(1);
  const all = new Set([...applications.values()].flatMap((names) => [...names]));
  expect([...all].sort(), 'clients of several networks reach both').toEqual(['app1', 'app2']);
  await sticky(cluster);
  await guarded(cluster);
}

/** A client stays with one proxy while persistence lasts. */
async function sticky(cluster: ClusterLab): Promise<void> {
  const host = await master(cluster, VIP);
  const templates = await cluster.on(host, 'ipvsadm -Lcn | awk \'$3 == "NONE" || $4 ~ /:0$/ { print $4, $6 }\'');
  const by = new Map<string, Set<string>>();
  for (const line of templates.trim().split('\n')) {
    const [client = '', server = ''] = line.split(' ').map((each) => each.replace(/:\d+$/, ''));
    by.set(client, (by.get(client) ?? new Set()).add(server));
  }
  for (const client of CLIENTS) expect([...(by.get(client) ?? [])], `${client} stays with one proxy`).toHaveLength(1);
}

/** The page that is asked by the directors answers nobody else. */
async function guarded(cluster: ClusterLab): Promise<void> {
  for (const address of Object.values(WEB)) {
    const [stranger] = await cluster.http('client', `http://${address}/health_check`, {});
    expect(stranger?.status, 'a stranger').toBe(403);
    const [director] = await cluster.http('lvs1', `http://${address}/health_check`, {});
    expect(director?.status, 'a director').toBe(200);
  }
}

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
    'the master’s power is cut: the other takes over, and no request fails after its first advert',
    async () => {
      const cluster = of();
      const old = await master(cluster, VIP);
      const adverts = await capture(cluster.lab, other(old), 'ens32', 'ip proto 112');
      const asked = await load(cluster.lab, 'client', { address: VIP, port: 80, path: '/' }, { rate: 50 });
      await new Promise((resolve) => setTimeout(resolve, 3000));
      await cluster.lab.power(old, 'off');
      await until(async () => ((await holders(cluster, VIP)).includes(other(old)) ? true : undefined), 'takes over');
      await new Promise((resolve) => setTimeout(resolve, 5000));
      const samples = await asked.stop();
      const lines = await adverts.stop();
      const gap = gapOf(samples);
      const priority = old === 'lvs1' ? 90 : 100;
      console.log(
        `gap of a failover at 50 requests a second: ${(gap.to - gap.from).toFixed(2)} s, ${gap.failed} requests of ` +
          `${samples.length}; 3 × advert_interval + (256 - ${priority})/256 = ${masterDown(1, priority).toFixed(2)} s`,
      );
      expect(lines.some((line) => line.includes('vrid 51'))).toBe(true);
      // Each failed request began before the takeover: all that fail are in one piece, and none follows a good one.
      const after = samples.filter(({ at }) => at > gap.to);
      expect(after.length).toBeGreaterThan(100);
      expectAll(after, 'requests after the takeover');
      expect(gap.to - gap.from).toBeLessThan(masterDown(1, priority) + 1);
      expect(cluster.ownerOf((await neighbours(cluster.lab, 'client'))[VIP] ?? '')).toBe(other(old));
    },
    LONG,
  );

  it(
    'the old master returns: nothing moves, and it answers nothing',
    async () => {
      const cluster = of();
      const now = await master(cluster, VIP);
      const asked = await load(cluster.lab, 'client', { address: VIP, port: 80, path: '/' }, { rate: 50 });
      await cluster.lab.power(other(now), 'on');
      await until(async () => {
        const state = await cluster.attempt(other(now), 'systemctl is-active keepalived');
        return state.stdout.trim() === 'active' ? true : undefined;
      }, 'keepalived is back');
      const silent = await capture(
        cluster.lab,
        other(now),
        'ens32',
        `arp and src host ${VIP} or tcp and src host ${VIP}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 8000));
      expectAll(await asked.stop(), 'requests while it returns');
      expect((await silent.stop()).filter((line) => line.includes(`${VIP}.80 >`))).toEqual([]);
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
      const asked = await load(cluster.lab, 'client', { address: VIP, port: 80, path: '/' }, { rate: 50 });
      await cluster.on(old, 'systemctl stop keepalived');
      expect(await master(cluster, VIP)).toBe(other(old));
      await new Promise((resolve) => setTimeout(resolve, 3000));
      const samples = await asked.stop();
      const gap = gapOf(samples);
      console.log(
        `gap when the master's keepalived is stopped: ${gap.failed} requests, ${(gap.to - gap.from).toFixed(2)} s`,
      );
      expectAll(
        samples.filter(({ at }) => at > gap.to),
        'requests after the handover',
      );
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
      for (const host of ['lvs1', 'lvs2'] as const)
        expect(await destinations(cluster, host)).toEqual(Object.values(WEB));
      await cluster.lab.power('web1', 'off');
      for (const host of ['lvs1', 'lvs2'] as const) {
        await until(
          async () => ((await destinations(cluster, host)).length === 1 ? true : undefined),
          `${host} takes it out`,
        );
      }
      const answers = await cluster.http('client', SITE, { count: 4, from: CLIENTS, limit: 20 });
      expect(Object.values(shares(answers)).reduce((sum, count) => sum + count, 0)).toBe(16);
      await cluster.lab.power('web1', 'on');
      for (const host of ['lvs1', 'lvs2'] as const) {
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
      const answers = await cluster.http('client', SITE, { count: 4, from: CLIENTS, limit: 5, mayFail: true });
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
}

clusterStory({
  inventory: 'dr-keepalived',
  env: { LVS_VRRP_PASS: 'k33p-8ch' },
  traffic,
  more,
  destroy: true,
});
