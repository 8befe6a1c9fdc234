import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster, Service } from '../../src/inventory/model.ts';
import { netOf } from '../../src/path/build.ts';
import type { Net } from '../../src/path/net.ts';
import { type Request, walk } from '../../src/path/walk.ts';
import { connectionsFor } from './compare.ts';
import type { Case } from './kernel.ts';

const inventories = new URL('../../inventories/', import.meta.url).pathname;

/** Inventories that describe no client, and the address that one gets. */
const CLIENTS: Record<string, string> = {
  'minimal-dr': '192.0.2.9/24',
  'minimal-nat': '192.0.2.9/24',
  'minimal-tun': '192.0.2.9/24',
  'minimal-fullnat': '192.0.2.9/24',
};

export const NAMES = [
  'nat-two-nic',
  'nat-openeuler',
  'nat-one-arm',
  'nat-keepalived',
  'dr-wrr',
  'dr-one-subnet',
  'dr-keepalived',
  'dual-stack',
  'fullnat',
  'fwmark-multiport',
  'schedulers',
  'tun',
  ...Object.keys(CLIENTS),
] as const;

const known = new Map<string, { cluster: Cluster; net: Net }>();

/** An inventory of inventories/ with somebody who asks, and its net. */
export function inventory(name: string): { cluster: Cluster; net: Net } {
  const before = known.get(name);
  if (before !== undefined) return before;
  const cluster = loaded(name);
  const both = { cluster, net: netOf(cluster) };
  known.set(name, both);
  return both;
}

function loaded(name: string): Cluster {
  const client = CLIENTS[name];
  const file = join(inventories, `${name}.yaml`);
  if (client === undefined) return loadCluster([file]);
  const folder = mkdtempSync(join(tmpdir(), 'lvsctl-path-'));
  try {
    const asking = `hosts:\n  client: { manage: none, interfaces: { eth0: { addresses: [${client}] } } }`;
    const copy = join(folder, `${name}.yaml`);
    writeFileSync(copy, readFileSync(file, 'utf8').replace('hosts:', asking));
    return loadCluster([copy]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a client asks of a service: its first port at each of its VIPs. */
export function requestsOf({ vips, ports, protocol }: Service, client = 'client'): Request[] {
  if (protocol !== 'tcp') return [];
  return vips.map(({ address }) => ({ client, protocol, address, port: ports[0]?.first ?? 0 }));
}

export function caseOf(name: string, net: Net, request: Request): Case {
  return { name, net, request, connections: connectionsFor(walk(net, request)) };
}

/** Every TCP service of every inventory at every VIP, as it stands. */
export function plainCases(): Case[] {
  return NAMES.flatMap((name) => {
    const { cluster, net } = inventory(name);
    return cluster.services.flatMap((service) =>
      requestsOf(service).map((request) => caseOf(`${name} ${service.name} ${request.address}`, net, request)),
    );
  });
}
