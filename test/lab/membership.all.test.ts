import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Story, tell, upWithThisTest } from './story.ts';

/** A real server leaves the inventory and returns, and the VIP becomes another; on five real kernels, by apply alone. */

let folder: string;
let inventory: string;
let story: Story;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-members-'));
  inventory = join(folder, 'dr-wrr.yaml');
  copyFileSync(new URL('../../inventories/dr-wrr.yaml', import.meta.url), inventory);
  story = tell(inventory);
  await upWithThisTest(inventory);
  expect((await story.run('apply', '--lab', '--yes')).code).toBe(0);
}, 900_000);

afterAll(async () => {
  await story.run('lab', 'down');
  rmSync(folder, { recursive: true });
}, 120_000);

describe('a real server', () => {
  it('leaves: the director forgets it first, then it gives back what lvsctl set', { timeout: 600_000 }, async () => {
    const whole = readFileSync(inventory, 'utf8');
    writeFileSync(
      inventory,
      whole.replace('      rs2: { weight: 3 }\n', '').replace('hosts: [rs1, rs2]', 'hosts: [rs1]'),
    );
    const changes = await story.pending();
    const at = (key: string): number => changes.indexOf(key);
    expect(at('director: ipvs tcp 20.20.20.20:80')).toBeGreaterThanOrEqual(0);
    expect(at('rs2: connection lo')).toBeGreaterThan(at('director: ipvs tcp 20.20.20.20:80'));
    expect(at('rs2: sysctl net.ipv4.conf.all.arp_ignore')).toBeGreaterThan(at('rs2: connection lo'));
    expect((await story.run('apply', '--lab', '--yes')).code).toBe(0);
    expect(await story.pending()).toEqual([]);
    expect(await story.shares()).toEqual({ rs1: 40 });
    const left = await story.on(
      'rs2',
      'ip -br addr show lo; cat /proc/sys/net/ipv4/conf/all/arp_ignore; ls /etc/sysctl.d',
    );
    expect(left).not.toContain('20.20.20.20');
    expect(left).toMatch(/^0$/mu);
    expect(left).not.toContain('lvsctl');
    writeFileSync(inventory, whole);
  });

  it('returns', { timeout: 600_000 }, async () => {
    expect((await story.run('apply', '--lab', '--yes')).code).toBe(0);
    expect(await story.pending()).toEqual([]);
    expect(await story.shares()).toEqual({ rs1: 10, rs2: 30 });
  });
});

describe('the VIP', () => {
  const OTHER = '20.20.20.21';

  it('becomes another: real servers take the new one first, and lose the old one last', {
    timeout: 600_000,
  }, async () => {
    const whole = readFileSync(inventory, 'utf8');
    writeFileSync(inventory, whole.replace('vip: 20.20.20.20', `vip: ${OTHER}`));
    const changes = await story.pending();
    const order = [
      changes.indexOf('rs1: connection lo'),
      changes.indexOf(`director: ipvs tcp ${OTHER}:80`),
      changes.indexOf('director: connection ens33'),
      changes.lastIndexOf('director: connection ens33'),
      changes.indexOf('director: ipvs tcp 20.20.20.20:80'),
      changes.lastIndexOf('rs1: connection lo'),
    ];
    expect(new Set(order).size).toBe(order.length);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order[0]).toBeGreaterThanOrEqual(0);
    expect((await story.run('apply', '--lab', '--yes')).code).toBe(0);
    expect(await story.pending()).toEqual([]);
    expect(await story.on('client', `curl -sS --max-time 3 http://${OTHER}/`)).toMatch(/^rs[12]$/mu);
    for (const [host, device] of [
      ['rs1', 'lo'],
      ['rs2', 'lo'],
      ['director', 'ens33'],
    ] as const) {
      const shown = await story.on(host, `ip -br addr show ${device}`);
      expect(shown).toContain(`${OTHER}/32`);
      expect(shown).not.toContain('20.20.20.20/32');
    }
    writeFileSync(inventory, whole);
    expect((await story.run('apply', '--lab', '--yes')).code).toBe(0);
    expect(await story.pending()).toEqual([]);
    expect(await story.shares()).toEqual({ rs1: 10, rs2: 30 });
  });
});
