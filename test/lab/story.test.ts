import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lvsctl } from '../cli/lvsctl.ts';
import { eventsOf, type Story, tell, upWithThisTest } from './story.ts';

/** The whole story of dr-wrr, on five real kernels, told by the built program alone. */

let folder: string;
let inventory: string;
let run: Story['run'];
let on: Story['on'];
let pending: Story['pending'];
let shares: Story['shares'];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-story-'));
  inventory = join(folder, 'dr-wrr.yaml');
  copyFileSync(new URL('../../inventories/dr-wrr.yaml', import.meta.url), inventory);
  ({ run, on, pending, shares } = tell(inventory));
  await upWithThisTest(inventory);
  expect(await run('lab', 'up')).toMatchObject({ code: 0, out: expect.stringContaining('is up') });
}, 900_000);

afterAll(async () => {
  await run('lab', 'down');
  rmSync(folder, { recursive: true });
}, 120_000);

const ASKED = 240_000;

describe('dr-wrr on real kernels', () => {
  it('has changes before the apply, and no answer at the VIP', { timeout: ASKED }, async () => {
    expect(await pending()).toContain('director: ipvs tcp 20.20.20.20:80');
    const before = await lvsctl([
      'lab',
      'run',
      '-i',
      inventory,
      'client',
      '--',
      'curl',
      '-s',
      '--max-time',
      '2',
      'http://20.20.20.20/',
    ]);
    expect(before.code).not.toBe(0);
    expect((await run('verify', '--lab')).code).toBe(1);
  });

  it('applies a saved plan, exactly as shown, and only once', { timeout: ASKED }, async () => {
    const saved = join(folder, 'plan');
    expect((await run('plan', '--lab', '--out', saved)).code).toBe(0);
    const applied = await lvsctl(['apply', saved]);
    expect(applied).toMatchObject({ code: 0 });
    expect(applied.out).toContain('Applied: ');
    expect(await pending()).toEqual([]);

    const again = await lvsctl(['apply', saved]);
    expect(again.code).toBe(1);
    expect(again.err).toContain('PLAN-USED');
  });

  it('gives rs2 three requests for each of rs1', { timeout: ASKED }, async () => {
    expect(await shares()).toEqual({ rs1: 10, rs2: 30 });
    const verified = await run('verify', '--lab');
    expect(verified.out).toContain('40 requests answered: rs1 10, rs2 30');
    expect(verified.code).toBe(0);
  });

  it('comes back by itself after the power of all machines was cut', { timeout: ASKED }, async () => {
    expect((await run('lab', 'power', 'cycle')).code).toBe(0);
    expect(await shares()).toEqual({ rs1: 10, rs2: 30 });
    expect(await pending()).toEqual([]);
  });

  it('needs no memory of its own: with the manifests deleted there is nothing to change', {
    timeout: ASKED,
  }, async () => {
    for (const host of ['route', 'director', 'rs1', 'rs2']) await on(host, 'rm /var/lib/lvsctl/manifest.json');
    expect(await pending()).toEqual([]);
  });

  it('sees exactly what somebody broke by hand, and mends exactly that', { timeout: ASKED }, async () => {
    await on('rs1', 'ip addr del 20.20.20.20/32 dev lo');
    await on('director', 'ipvsadm -e -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 7');
    await on('rs2', 'echo "# mine" >> /etc/sysctl.d/99-zz-lvsctl.conf; systemctl stop nginx');
    const broken = [
      'director: ipvs tcp 20.20.20.20:80',
      'rs1: connection lo',
      'rs2: file /etc/sysctl.d/99-zz-lvsctl.conf',
      'rs2: service nginx.service',
    ];
    expect((await pending()).toSorted()).toEqual(broken);
    const applied = await run('apply', '--lab', '--yes', '--json');
    expect(applied.code).toBe(0);
    const result = eventsOf(applied).find((event) => event.event === 'applied') as unknown as {
      hosts: { host: string; done: string[] }[];
    };
    const done = result.hosts.flatMap((each) => each.done.map((key) => `${each.host}: ${key}`));
    expect(done.toSorted()).toEqual(broken);
    expect(await pending()).toEqual([]);
    expect(await shares()).toEqual({ rs1: 10, rs2: 30 });
  });

  it.each([
    ['the VIP is off lo', 'rs1', 'ip addr del 20.20.20.20/32 dev lo', 'rs1: connection lo'],
    [
      'ARP is answered again',
      'rs1',
      'sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.lo.arp_ignore=0',
      'rs1: sysctl net.ipv4.conf.all.arp_ignore',
    ],
    ["the route's address is gone", 'route', 'ip addr del 20.20.20.254/24 dev ens33', 'route: connection ens33'],
    [
      'a rule is gone',
      'director',
      'ipvsadm -d -t 20.20.20.20:80 -r 30.30.30.30:80',
      'director: ipvs tcp 20.20.20.20:80',
    ],
  ])('verify fails when %s, and says so', { timeout: ASKED }, async (_name, host, command, hop) => {
    await on(host, command);
    const verified = await run('verify', '--lab');
    expect(verified.code).toBe(1);
    expect(verified.out).toContain(`Failed, first at: ${hop}`);
    expect((await run('apply', '--lab', '--yes')).code).toBe(0);
    expect((await run('verify', '--lab')).code).toBe(0);
  });

  it('applies nothing more when nothing is to do', { timeout: ASKED }, async () => {
    const applied = await run('apply', '--lab', '--yes');
    expect(applied.code).toBe(0);
    expect(applied.out).toContain('No changes: 4 hosts as described.');
  });
});
