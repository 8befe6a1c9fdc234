import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { importFiles } from '../../src/import/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster, Script, Service, VirtualService } from '../../src/inventory/model.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';

// What lvsctl writes, it reads back as the same cluster: its own files of every director, imported.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-import-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Puts a host's files below the folder, scripts beside its keepalived.conf; gives the arguments that name them. */
function written(cluster: Cluster, host: string): string[] {
  const own = join(folder, cluster.name, host);
  for (const { resource } of desire(cluster, host, facts())) {
    const content =
      resource.kind === 'file' && resource.state === 'present'
        ? { path: resource.path, text: resource.content }
        : resource.kind === 'connection' && resource.device !== 'lo'
          ? { path: `${resource.device}.nmconnection`, text: resource.profile.content }
          : undefined;
    if (content === undefined || !/\.nmconnection$|keepalived\/|ipvsadm/.test(content.path)) continue;
    const path = join(own, basename(content.path));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content.text);
  }
  return [`${host}=${own}`];
}

/** A model as far as the files of its directors can tell it: names of services and real servers are not in them. */
function told(cluster: Cluster, directors: readonly string[]) {
  const script = ({ name, content }: Script) => ({ name, content });
  const of = ({ virtuals, name: _name, vips: _vips, ports: _ports, arp: _arp, ...service }: Service) =>
    virtuals.map((row) => rowOf(row, service));
  const rowOf = (
    { match, family, realServers }: VirtualService,
    service: Omit<Service, 'name' | 'virtuals' | 'vips' | 'ports' | 'arp'>,
  ) => {
    const { persistence, sorryServer, healthCheck, ...rest } = service;
    const sorry =
      sorryServer?.family === family
        ? { address: sorryServer.address, port: sorryServer.port ?? (match.by === 'socket' ? match.port : 0) }
        : undefined;
    return {
      ...rest,
      mode: rest.mode === 'fullnat' ? 'nat' : rest.mode,
      directors: [...rest.directors].sort(),
      match,
      healthCheck:
        healthCheck?.check.type === 'misc_check'
          ? { ...healthCheck, check: { ...healthCheck.check, script: script(healthCheck.check.script) } }
          : healthCheck,
      sorry,
      persistence: persistence && {
        timeout: persistence.timeout,
        engine: persistence.engine,
        prefix: family === 4 ? persistence.prefix4 : persistence.prefix6,
      },
      realServers: realServers.map(({ host: _host, ...real }) => real),
    };
  };
  return {
    vrrp: cluster.vrrp.map(({ authPass, ...group }) => ({ ...group, authPass: authPass !== undefined })),
    // A mark's addresses and ports stand in no file of these.
    services: cluster.services
      .filter(({ fwmark }) => fwmark === undefined)
      .flatMap(of)
      .sort((a, b) => (JSON.stringify(a.match) < JSON.stringify(b.match) ? -1 : 1)),
    ipvs: cluster.ipvs,
    interfaces: cluster.hosts
      .filter(({ name }) => directors.includes(name))
      .map(({ name, interfaces }) => ({
        name,
        interfaces: interfaces
          // A mark’s VIPs stay what they are: addresses of the director.
          .map(({ segment: _segment, addresses, ...one }) => ({
            ...one,
            addresses: addresses.filter(({ prefix }) => prefix !== 32),
          }))
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
      })),
  };
}

function roundTrip(path: string) {
  const cluster = loadCluster([path]);
  const nodes = [...new Set(cluster.services.flatMap(({ directors }) => directors))];
  const target = join(folder, `${cluster.name}.yaml`);
  const { text, gaps, mistakes } = importFiles(
    nodes.flatMap((host) => written(cluster, host)),
    { name: cluster.name, target },
  );
  writeFileSync(target, text);
  return { nodes, cluster, gaps, mistakes, target };
}

describe.each([
  ['inventories/dr-keepalived.yaml', 0],
  ['inventories/nat-keepalived.yaml', 0],
  ['inventories/dr-wrr.yaml', 0],
  ['inventories/nat-two-nic.yaml', 0],
  ['inventories/tun.yaml', 0],
  ['inventories/dual-stack.yaml', 0],
  ['inventories/schedulers.yaml', undefined],
  ['test/roles/keepalived/all.yaml', 3],
])('%s', (path, lost) => {
  test('is imported as the cluster that it was rendered from', () => {
    const { cluster, nodes, gaps, mistakes, target } = roundTrip(file(path));
    expect(mistakes).toEqual([]);
    // Nothing but marks is lost.
    expect(gaps.filter(({ what }) => !what.startsWith('fwmark'))).toEqual([]);
    if (lost !== undefined) expect(gaps).toHaveLength(lost);
    expect(told(loadCluster([target]), nodes)).toEqual(told(cluster, nodes));
  });
});
