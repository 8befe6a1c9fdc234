import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClusterLab, clusterUp } from './cluster.ts';
import { differences, type Snapshot } from './snapshot.ts';
import { load, type Sample } from './traffic.ts';
import { weighted } from './ways.ts';

/**
 * A running cluster moves from one inventory to another by apply alone, and back, while a client goes on asking: its
 * weights, its real servers, its scheduler, its mode. Five real kernels; the client is also the router of the segment.
 */

const VIP = '20.20.20.20';
const URL = `http://${VIP}/`;
const ROUTER = '192.168.10.254';
const DIRECTOR = '192.168.10.12';

interface Move {
  mode: 'nat' | 'dr';
  scheduler: string;
  /** Weights by real server. */
  servers: Record<string, number>;
}

const START: Move = { mode: 'nat', scheduler: 'wrr', servers: { web1: 1, web2: 1 } };

function inventory({ mode, scheduler, servers }: Move): string {
  const gateway = mode === 'nat' ? DIRECTOR : ROUTER;
  const web = ['web1', 'web2', 'web3'].map(
    (name, at) =>
      `  ${name}: { interfaces: { ens33: { addresses: [192.168.10.${13 + at}/24], gateway: ${gateway} } } }\n`,
  );
  const members = Object.entries(servers).map(([name, weight]) => `${name}: { weight: ${weight} }`);
  return `version: 1
name: minimal-nat
defaults: { host: { ssh: { user: root } } }
hosts:
  client: { manage: none, interfaces: { ens33: { addresses: [20.20.20.1/24, ${ROUTER}/24] } } }
  lvs: { interfaces: { ens33: { addresses: [${DIRECTOR}/24], gateway: ${ROUTER} } } }
${web.join('')}services:
  web:
    { mode: ${mode}, vip: ${VIP}, port: 80, scheduler: ${scheduler}, directors: [lvs], real_servers: { ${members.join(', ')} } }
web_servers:
  pages: { software: nginx, hosts: [web1, web2, web3], port: 80, index: "{{ host.name }}\\n" }
`;
}

const LONG = 1_200_000;

let cluster: ClusterLab;
let now = START;

beforeAll(async () => {
  cluster = await clusterUp({ inventory: 'minimal-nat', edit: () => inventory(START) });
  await cluster.apply();
}, 900_000);

afterAll(async () => {
  await cluster?.down();
}, 120_000);

/** Describes the cluster anew. */
function describeAs(move: Partial<Move>): void {
  now = { ...now, ...move };
  writeFileSync(cluster.file, inventory(now));
}

/** What became of the requests of a load, and the longest time without an answer, the end of the load among the answers. */
function told(samples: readonly Sample[]) {
  const failed = samples.filter(({ result }) => result !== 'ok');
  const answered = samples
    .filter(({ result }) => result === 'ok')
    .map(({ at, seconds }) => at + seconds)
    .toSorted((a, b) => a - b);
  const gaps = answered.slice(1).map((at, index) => at - (answered[index] ?? at));
  const last = Math.max(0, ...samples.map(({ at, seconds }) => at + seconds));
  return { asked: samples.length, failed, gap: Math.max(last - (answered.at(-1) ?? 0), 0, ...gaps) };
}

/** Applies the inventory as it is now while a client asks; what the plan changed, and what became of the requests. */
async function applyUnderLoad(what: string) {
  const changes = await cluster.pending();
  expect(changes).not.toEqual([]);
  const asking = await load(cluster.lab, 'client', { address: VIP, port: 80 }, { rate: 10, limit: 5 });
  await cluster.apply();
  const samples = await asking.stop();
  const { asked, failed, gap } = told(samples);
  console.info(`${what}: ${asked} requests, ${failed.length} failed, longest gap ${gap.toFixed(2)} s`);
  expect(asked).toBeGreaterThan(20);
  expect(await cluster.pending()).toEqual([]);
  return { changes, samples, failed };
}

/** Whole rounds, answered by weight. */
async function shared(): Promise<void> {
  const rounds = 6;
  await weighted(
    cluster,
    URL,
    Object.fromEntries(Object.entries(now.servers).map(([name, weight]) => [name, weight * rounds])),
  );
}

async function table(): Promise<string> {
  return await cluster.on('lvs', 'ipvsadm -Sn');
}

/** The pid of each process that a change without a restart leaves alone. */
async function processes(): Promise<string[]> {
  const hosts = ['lvs', 'web1', 'web2', 'web3'];
  const ask = 'systemctl show -p Id,MainPID,ActiveEnterTimestampMonotonic nginx ipvsadm NetworkManager';
  return await Promise.all(hosts.map((host) => cluster.on(host, ask)));
}

const ALONE = ['lvs: ipvs tcp 20.20.20.20:80', 'lvs: file /etc/ipvsadm.rules'].toSorted();

describe.each(['nat', 'dr'] as const)('in %s mode, without a failed request', (mode) => {
  if (mode === 'dr') crossing();

  it('weights change', { timeout: LONG }, async () => {
    const before = await processes();
    describeAs({ servers: { web1: 1, web2: 3 } });
    const { changes, failed } = await applyUnderLoad(`${mode}: weights`);
    expect(failed).toEqual([]);
    expect(changes.toSorted()).toEqual(ALONE);
    await shared();
    expect(await processes()).toEqual(before);
  });

  it('a real server comes', { timeout: LONG }, async () => {
    const before = await processes();
    describeAs({ servers: { web1: 1, web2: 1, web3: 2 } });
    const { failed, samples } = await applyUnderLoad(`${mode}: a real server more`);
    expect(failed).toEqual([]);
    expect(samples.map(({ body }) => body)).toContain('web3');
    await shared();
    expect(await processes()).toEqual(before);
  });

  it('the scheduler changes', { timeout: LONG }, async () => {
    const before = await processes();
    const weightless = { web1: 1, web2: 1, web3: 1 };
    describeAs({ scheduler: 'rr', servers: weightless });
    expect((await applyUnderLoad(`${mode}: scheduler`)).failed).toEqual([]);
    expect(await table()).toContain('-s rr');
    await shared();
    describeAs({ scheduler: 'wrr' });
    expect((await applyUnderLoad(`${mode}: scheduler, back`)).failed).toEqual([]);
    expect(await processes()).toEqual(before);
  });

  it('a real server goes', { timeout: LONG }, async () => {
    const before = await processes();
    describeAs({ servers: START.servers });
    const { failed } = await applyUnderLoad(`${mode}: a real server less`);
    expect(failed).toEqual([]);
    await shared();
    expect(await processes()).toEqual(before);
  });

  it('a restart or a reload of ipvsadm, and a power cut, keep the table', { timeout: LONG }, async () => {
    const before = await table();
    expect(before).toContain(`-s wrr`);
    for (const action of ['restart', 'reload-or-restart', 'force-reload']) {
      await cluster.on('lvs', `systemctl ${action} ipvsadm.service`);
      expect(await table(), action).toEqual(before);
    }
    await cluster.powerCut('lvs');
    expect(await table()).toEqual(before);
    await shared();
    expect(await cluster.pending()).toEqual([]);
    // It is the saved rules that bring it back.
    await cluster.on('lvs', 'mv /etc/ipvsadm.rules /root/; systemctl restart ipvsadm.service || :');
    expect(await table()).not.toEqual(before);
    await cluster.on('lvs', 'mv /root/ipvsadm.rules /etc/; systemctl restart ipvsadm.service');
    expect(await table()).toEqual(before);
  });
});

let inNat: Record<string, Snapshot>;

/** From NAT to direct routing. */
function crossing(): void {
  it('NAT becomes direct routing', { timeout: LONG }, async () => {
    inNat = await cluster.snapshots();
    describeAs({ mode: 'dr' });
    // Real servers that are moved without their director answer nobody: before they are confirmed that is seen.
    const alone = await cluster.run('apply', '--lab', '--yes', '--limit', 'web1,web2,web3');
    expect(alone).toMatchObject({ code: 1 });
    expect(alone.err).toContain('APPLY-UNWELL');
    await shared();
    await applyUnderLoad('nat to dr');
    await shared();
    expect(await table()).toContain(' -g ');
  });
}

describe('back', () => {
  it('direct routing becomes NAT, and everything is as it was', { timeout: LONG }, async () => {
    describeAs({ mode: 'nat' });
    await applyUnderLoad('dr to nat');
    await shared();
    const after = await cluster.snapshots();
    const left = cluster.managed.flatMap((host) => {
      const [was, is] = [inNat[host], after[host]];
      if (was === undefined || is === undefined) throw new Error(`no snapshot of ${host}`);
      // What lvsctl remembers there has grown.
      return differences(was, is, [/^files \/var\/lib\/lvsctl/u]).map((line) => `${host}: ${line}`);
    });
    expect(left).toEqual([]);
  });

  it('one machine is given back once nobody asks it any more', { timeout: LONG }, async () => {
    describeAs({ servers: { web1: 1, web2: 1, web3: 1 } });
    await cluster.apply();
    const refused = await cluster.run('destroy', '--lab', '--yes', '--limit', 'web3');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.err).toContain('DESTROY-STILL-ASKED');
    await shared();
    describeAs({ servers: START.servers });
    await cluster.apply();
    expect(await cluster.run('destroy', '--lab', '--yes', '--limit', 'web3')).toMatchObject({ code: 0 });
    await shared();
  });

  it('what was given back is applied again', { timeout: LONG }, async () => {
    expect(await cluster.run('destroy', '--lab', '--yes')).toMatchObject({ code: 0 });
    await expect(shared()).rejects.toThrow();
    await cluster.apply();
    expect(await cluster.pending()).toEqual([]);
    await shared();
  });
});
