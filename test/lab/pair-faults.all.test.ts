import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../cli/lvsctl.ts';
import { type ClusterLab, clusterUp, eventsOf } from './cluster.ts';
import { DIRECTORS, holders, master, other, until } from './pair.ts';
import { differences } from './snapshot.ts';
import { describeSite, inventory, type Site, START, told, VIP, whileAsked } from './zero-loss.ts';

/**
 * A change of a running pair that must not go through: what its health is for, a drain that one director refuses, and one
 * host that goes before the others. Five real kernels, asked at fixed times meanwhile.
 */

const RATE = Number(process.env.LVSCTL_RATE ?? 50);
const LONG = 1_200_000;
const WEBS = ['web1', 'web2'];

let cluster: ClusterLab;

beforeAll(async () => {
  cluster = await clusterUp({ inventory: 'minimal-dr', edit: () => inventory(START) });
  describeSite(cluster.file, START);
  await cluster.apply();
}, 900_000);

afterAll(async () => {
  await cluster?.down();
}, 120_000);

interface Applied {
  event: string;
  hosts?: { host: string; status: string; problems: { code: string; what: string }[] }[];
  item?: string;
  state?: string;
}

/** How a run ended: each host's status and its problems, and the steps that change something, in the order in which they began. */
function endOf(run: Run) {
  const events = eventsOf(run) as Applied[];
  const hosts = events.find(({ event }) => event === 'applied')?.hosts ?? [];
  const begun = events.flatMap(({ event, item = '', state }) =>
    event === 'item' && state === 'running' && /\/(?!record$)/u.test(item) ? [item] : [],
  );
  return {
    code: run.code,
    statuses: Object.fromEntries(hosts.map(({ host, status }) => [host, status])),
    problems: Object.fromEntries(
      hosts.map(({ host, problems }) => [host, problems.map(({ what }) => what).join('; ')]),
    ),
    begun: [...new Set(begun)],
    together: together(events),
  };
}

/** The most steps of real servers that went on at the same time. */
function together(events: readonly Applied[]): number {
  const running = new Set<string>();
  return events.reduce((most, { event, item = '', state }) => {
    if (event !== 'item' || !/^web\d\/(?!record|packages)/u.test(item)) return most;
    if (state === 'running') running.add(item);
    else running.delete(item);
    return Math.max(most, running.size);
  }, 0);
}

const apply = (...args: string[]): Promise<Run> =>
  cluster.run('apply', '--lab', '--yes', '--json', '--step-timeout', '600', ...args);

/** The weight of each real server, on each director. */
async function weights(): Promise<string[][]> {
  const tables = await Promise.all(DIRECTORS.map((director) => cluster.on(director, 'ipvsadm -Sn')));
  return tables.map((table) =>
    [...table.matchAll(/-r (\S+) -g -w (\d+)/gu)].map(([, place, weight]) => `${place} ${weight}`).toSorted(),
  );
}

const mtus = (): Promise<string[]> =>
  Promise.all(WEBS.map(async (web) => (await cluster.on(web, 'cat /sys/class/net/e0/mtu')).trim()));

/** Describes the site; on request with web servers that refuse everybody, which `nginx -t` has nothing against. */
function describeAs(change: Partial<Site>, answer: 'pages' | '503' = 'pages'): void {
  describeSite(cluster.file, { ...START, ...change });
  const template = join(dirname(cluster.file), 'templates/nginx/web_server.conf');
  const text = readFileSync(template, 'utf8');
  if (answer === '503') writeFileSync(template, text.replace(/\}\s*$/u, '    location / { return 503; }\n}\n'));
}

describe('a change that must not go through', () => {
  it('one director alone with another VRID: two have the VIP, so it goes back', { timeout: LONG }, async () => {
    const holder = await master(cluster, VIP);
    const standby = other(holder);
    const before = await cluster.snapshot(standby);
    cluster.edit((text) => text.replace('virtual_router_id: 51', 'virtual_router_id: 52'));
    let run: Run | undefined;
    const asked = await whileAsked(cluster, { rate: RATE }, async () => {
      run = await apply('--limit', standby);
    });
    console.log(told('two masters for a while', asked));
    const end = endOf(run as Run);
    expect(end, JSON.stringify(end)).toMatchObject({ code: 1, statuses: { [standby]: 'reverted' } });
    expect(end.problems[standby]).toContain(`edge.outside ${VIP}: lvs1 and lvs2 have it at the same time`);
    expect(await holders(cluster, VIP)).toHaveLength(1);
    expect(differences(before, await cluster.snapshot(standby), [/^files \/var\/lib\/lvsctl/u])).toEqual([]);
    describeAs({});
    expect(await cluster.pending()).toEqual([]);
    // Whoever asked the other one meanwhile goes on to do so until the master says again whose the address is.
    await until(async () => {
      const answers = await cluster.http('client', `http://${VIP}/`, { count: 4, mayFail: true });
      return answers.every(({ status }) => status === 200) ? true : undefined;
    }, 'the client knows the master again');
    const later = await whileAsked(cluster, { rate: RATE }, () => new Promise((resolve) => setTimeout(resolve, 5000)));
    console.log(told('afterwards', later));
    expect(later.failed).toEqual([]);
  });

  it('a drain that one director refuses: the other gives the weight back, nothing is changed', {
    timeout: LONG,
  }, async () => {
    const before = await weights();
    const refusing = DIRECTORS[1];
    const folder = '/etc/keepalived';
    await cluster.on(refusing, `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder}`);
    describeAs({ mtu: 1400 });
    let run: Run | undefined;
    const asked = await whileAsked(cluster, { rate: RATE }, async () => {
      run = await apply();
    });
    console.log(told('a drain that is refused', asked));
    const end = endOf(run as Run);
    expect(end, JSON.stringify(end)).toMatchObject({ code: 1 });
    expect(end.problems[refusing]).toMatch(/read-only/iu);
    expect(end.begun.filter((step) => step.startsWith('web'))).toEqual([]);
    expect(await mtus()).toEqual(['1500', '1500']);
    expect(await weights()).toEqual(before);
    expect(asked.failed).toEqual([]);

    await cluster.on(refusing, `umount ${folder}`);
    const again = await whileAsked(cluster, { rate: RATE }, () => cluster.apply());
    console.log(told('the same change, when nothing refuses it', again));
    expect(again.failed).toEqual([]);
    expect(await mtus()).toEqual(['1400', '1400']);
    expect(await weights()).toEqual(before);
    expect(await cluster.pending()).toEqual([]);
  });

  it('the canary is not well: it goes back, and nobody else is touched', { timeout: LONG }, async () => {
    describeAs({ mtu: 1400 }, '503');
    const end = endOf(await apply('--canary', 'web2'));
    expect(end, JSON.stringify(end)).toMatchObject({
      code: 1,
      statuses: { web1: 'unchanged', web2: 'reverted' },
    });
    expect(end.problems.web2).toContain('503');
    expect(end.begun.filter((step) => /^web1\//u.test(step))).toEqual([]);
    const pages = await cluster.http('client', `http://${VIP}/`, { count: 4 });
    expect(pages.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  it('one after the other, and no more once one failed', { timeout: LONG }, async () => {
    const end = endOf(await apply('--serial', '1'));
    expect(end, JSON.stringify(end)).toMatchObject({ code: 1 });
    expect(Object.values(end.statuses).toSorted()).toEqual(['reverted', 'unchanged']);
    expect(new Set(end.begun.filter((step) => /^web/u.test(step)).map((step) => step.replace(/\/.*/u, ''))).size).toBe(
      1,
    );
    describeAs({ mtu: 1400 });
    expect(await cluster.pending()).toEqual([]);
  });
});

it('one after the other, at each stage', { timeout: LONG }, async () => {
  describeAs({ mtu: 1450, keepalive: 20 });
  const asked = await whileAsked(cluster, { rate: RATE }, async () => {
    const end = endOf(await apply('--serial', '1', '--max-fail', '0'));
    expect(end, JSON.stringify(end)).toMatchObject({ code: 0, statuses: { web1: 'done', web2: 'done' } });
    expect(end.together).toBe(1);
  });
  console.log(told('one after the other', asked));
  expect(asked.failed).toEqual([]);
  expect(await cluster.pending()).toEqual([]);
});
