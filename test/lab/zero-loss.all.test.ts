import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClusterLab, clusterUp, eventsOf } from './cluster.ts';
import { DIRECTORS, type Director, holders, master, other, reconfigure, sentBy, until } from './pair.ts';
import { capture, held } from './traffic.ts';
import {
  type Asked,
  describeSite,
  inventory,
  SECOND_VIP,
  type Site,
  START,
  told,
  VIP,
  whileAsked,
} from './zero-loss.ts';

/**
 * A running pair changes by apply alone while a client asks at fixed times, over a new connection each, with a second
 * for each and without asking again. Five real kernels: a client, two directors with keepalived, two web servers. What
 * times out while one of them stands still, because this machine has no time for it, is counted apart: only a machine
 * with nothing else to do can tell more.
 */

/**
 * Requests a second. Two cores with nothing else to do carry 200 through every change without a failure; beside other
 * labs (load 14) some time out whatever is changed: `LVSCTL_RATE=50` asks less there.
 */
const RATE = Number(process.env.LVSCTL_RATE ?? 200);

const LONG = 1_200_000;

let cluster: ClusterLab;
let now: Site = START;

beforeAll(async () => {
  cluster = await clusterUp({ inventory: 'minimal-dr', edit: () => inventory(START) });
  describeSite(cluster.file, START);
  await cluster.apply();
}, 900_000);

afterAll(async () => {
  await cluster?.down();
}, 120_000);

function describeAs(change: Partial<Site>): void {
  now = { ...now, ...change };
  describeSite(cluster.file, now);
}

interface Planned {
  event: string;
  plan: { steps: { id: string; changes: { key: string }[] }[] };
}

/** Applies what is described while the client asks; the steps of the plan, and what became of the requests. */
async function applyWhileAsked(what: string, vip = VIP): Promise<Asked & { steps: string[] }> {
  const planned = eventsOf(await cluster.run('plan', '--lab', '--json'))
    .filter(({ event }) => event === 'plan')
    .map((event) => event as Planned);
  const steps = (planned[0]?.plan.steps ?? []).map(({ id }) => id);
  let report = '';
  const asked = await whileAsked(cluster, { rate: RATE, vip }, async () => {
    report = (await cluster.apply()).out;
  });
  console.log(told(what, asked));
  if (asked.failed.length > 0) console.log(report);
  expect(await cluster.pending(), `${what}: nothing is left to do`).toEqual([]);
  return { ...asked, steps };
}

function expectNoLoss({ asked, offered, failed }: Asked): void {
  expect(asked).toBeGreaterThan(100);
  expect(asked).toBeGreaterThan(offered * 0.95);
  expect(failed).toEqual([]);
}

describe('without a failed request', () => {
  it('nothing at all, to know what the machine does', { timeout: LONG }, async () => {
    const asked = await whileAsked(
      cluster,
      { rate: RATE },
      () => new Promise((resolve) => setTimeout(resolve, 20_000)),
    );
    console.log(told('nothing', asked));
    expectNoLoss(asked);
  });

  it.each<[string, Partial<Site>]>([
    ['nginx is configured otherwise', { keepalive: 30 }],
    ['weights', { servers: { web1: 1, web2: 3 } }],
    ['a real server less', { servers: { web1: 1 } }],
    ['a real server more', { servers: { web1: 1, web2: 1 } }],
    ['another check', { interval: 3 }],
    ['another scheduler', { scheduler: 'wlc' }],
    ['a director’s sysctl', { backlog: 8192 }],
    ['one more VIP', { second: true }],
  ])('%s', { timeout: LONG }, async (what, change) => {
    describeAs(change);
    expectNoLoss(await applyWhileAsked(what));
  });

  it('the second VIP is served as well, and goes', { timeout: LONG }, async () => {
    expectNoLoss(await whileAsked(cluster, { rate: RATE, vip: SECOND_VIP }, () => cluster.pending()));
    describeAs({ second: false });
    expectNoLoss(await applyWhileAsked('one VIP less'));
  });

  it('the network profile of both real servers: drained one after the other', { timeout: LONG }, async () => {
    describeAs({ mtu: 1400 });
    const asked = await applyWhileAsked('another network profile');
    expectNoLoss(asked);
    const at = (id: string) => asked.steps.indexOf(id);
    for (const [one, next] of [['web1', 'web2']]) {
      const order = [
        `lvs1/drain/${one}/reach`,
        `${one}/reach`,
        `lvs1/undrain/${one}/reach`,
        `lvs1/drain/${next}/reach`,
      ];
      expect(order.map(at)).toEqual(order.map(at).toSorted((a, b) => a - b));
      expect(order.map(at)).not.toContain(-1);
    }
  });

  it('the network profile is rolled back: drained as well', { timeout: LONG }, async () => {
    let steps: string[] = [];
    const asked = await whileAsked(cluster, { rate: RATE }, async () => {
      const back = await cluster.run('rollback', '--lab', '--yes', '--json');
      expect(back, `${back.out}\n${back.err}`).toMatchObject({ code: 0 });
      const items = eventsOf(back).map((event) => event as { event: string; item?: string });
      steps = [...new Set(items.flatMap(({ event, item }) => (event === 'item' && item !== undefined ? [item] : [])))];
    });
    console.log(told('the network profile rolled back', asked));
    expectNoLoss(asked);
    for (const server of ['web1', 'web2'])
      for (const director of ['lvs1', 'lvs2'])
        expect(steps.filter((id) => id.startsWith(`${director}/drain/${server}/`))).toHaveLength(1);
    expect(await cluster.pending()).not.toEqual([]);
    describeAs({ mtu: START.mtu });
    expect(await cluster.pending()).toEqual([]);
  });

  it('everything at once, on every host', { timeout: LONG }, async () => {
    describeAs({ ...START, servers: { web1: 2, web2: 1 }, scheduler: 'wrr', keepalive: 20 });
    const asked = await applyWhileAsked('everything');
    expectNoLoss(asked);
    const hosts = new Set(asked.steps.map((id) => id.replace(/\/.*/, '')));
    expect([...hosts].toSorted()).toEqual(['lvs1', 'lvs2', 'web1', 'web2']);
  });
});

describe('when lvsctl is killed while a server is drained', () => {
  it('the directors put its weight back by themselves', { timeout: LONG }, async () => {
    const weights = async (host: string) => {
      const table = await cluster.on(host, 'ipvsadm -Sn');
      const conf = await cluster.on(host, 'grep "^ *weight" /etc/keepalived/keepalived.conf');
      const live = [...table.matchAll(/-r (\S+) -g -w (\d+)/g)].map(([, place, weight]) => `${place} ${weight}`);
      return { live: live.toSorted(), conf: conf.replace(/\s+/g, ' ') };
    };
    const directors = ['lvs1', 'lvs2'];
    const before = await Promise.all(directors.map(weights));
    // Connections that nobody ends keep the drain waiting.
    const open = await held(cluster.lab, 'client', { address: VIP, port: 80 }, { count: 4 });
    try {
      describeAs({ mtu: 1450 });
      const run = spawn(process.execPath, [
        ...['dist/lvsctl.js', 'apply', '--lab', '--yes', '-i', cluster.file],
        ...['--drain-timeout', '300s', '--confirm-timeout', '20'],
      ]);
      const ended = new Promise((resolve) => run.on('exit', resolve));
      await until(async () => {
        const all = await Promise.all(directors.map(weights));
        const drained = all.every(({ live, conf }) => live.includes('20.20.20.21:80 0') && conf.includes('weight 0'));
        return drained ? true : undefined;
      }, 'both directors have drained web1');
      run.kill('SIGKILL');
      await ended;
      await until(async () => {
        const all = await Promise.all(directors.map(weights));
        return JSON.stringify(all) === JSON.stringify(before) ? true : undefined;
      }, 'the weights are back');
    } finally {
      await open.release();
    }
    expectNoLoss(await applyWhileAsked('what was interrupted'));
  });
});

describe('the standby takes up its configuration first', () => {
  it('whoever that is', { timeout: LONG }, async () => {
    const first = await master(cluster, VIP);
    for (const interval of [4, 5]) {
      const holder = await master(cluster, VIP);
      describeAs({ interval });
      const applied = await cluster.run('apply', '--lab', '--yes', '--json');
      const ended = eventsOf(applied)
        .map((event) => event as { event: string; item?: string; state?: string })
        .flatMap(({ event, item = '', state }) =>
          event === 'item' && state === 'done' && item.endsWith('/vip') ? [item] : [],
        );
      expect(ended).toEqual([`${other(holder)}/vip`, `${holder}/vip`]);
      expect(await master(cluster, VIP)).toBe(holder);
      await cluster.on(holder, 'systemctl restart keepalived');
      await until(
        async () => ((await master(cluster, VIP)) === other(holder) ? true : undefined),
        'the other is master',
      );
    }
    expect(await master(cluster, VIP)).toBe(first);
  });
});

describe('one director took up another list of VIPs, and the other one did not', () => {
  /** Who sends adverts, in ten seconds. */
  async function senders(): Promise<Director[]> {
    const wires = await Promise.all(DIRECTORS.map((host) => capture(cluster.lab, host, 'e0', 'ip proto 112')));
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const lines = await Promise.all(wires.map((wire) => wire.stop()));
    return DIRECTORS.filter((host) => sentBy(lines.flat(), host, cluster.ownerOf).length > 0);
  }

  it.each(['standby', 'master'])('the %s: there is one master still', { timeout: LONG }, async (role) => {
    const holder = await master(cluster, VIP);
    const one = role === 'master' ? holder : other(holder);
    describeAs({ second: true });
    const asked = await whileAsked(cluster, { rate: RATE }, async () => {
      expect(await cluster.run('apply', '--lab', '--yes', '--limit', one)).toMatchObject({ code: 0 });
      expect(await senders()).toEqual([holder]);
    });
    console.log(told(`one more VIP on the ${role} alone`, asked));
    expectNoLoss(asked);
    expect(await holders(cluster, VIP)).toEqual([holder]);
    expect(await cluster.on(one, 'cat /etc/keepalived/keepalived.conf')).toContain(SECOND_VIP);
    expect(await cluster.on(other(one), 'cat /etc/keepalived/keepalived.conf')).not.toContain(SECOND_VIP);

    // With the second VIP in the adverts themselves each would be master.
    const list = `-e '/_excluded {/,/}/d' -e '/virtual_ipaddress {/a ${SECOND_VIP}/32 dev e0'`;
    await reconfigure(cluster, one, list);
    await until(async () => ((await holders(cluster, VIP)).length === 2 ? true : undefined), 'both are master');

    describeAs({ second: false });
    await cluster.apply();
    expect(await senders()).toHaveLength(1);
    expect(await cluster.pending()).toEqual([]);
  });
});
