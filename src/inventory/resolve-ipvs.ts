import { createHash } from 'node:crypto';
import { type Address, holds } from './addresses.ts';
import { hostIn } from './derived.ts';
import { seconds } from './duration.ts';
import type { Findings } from './findings.ts';
import type { Host, IpvsSettings, VrrpGroup } from './model.ts';
import { anAddress } from './resolve-interface.ts';
import type { NamedService } from './resolve-service.ts';
import type { Inventory } from './schema.ts';
import { isIpvsTime, LONGEST_IPVS_TIME } from './service-rules.ts';

/** The kernel's own timeouts (net/netfilter/ipvs/ip_vs_proto_*.c), in seconds. */
const KERNEL = { tcp: 900, tcpFin: 120, udp: 300 };

/** Parses `ipvs`. */
export function resolveIpvs(
  inventory: Inventory,
  vrrp: readonly VrrpGroup[],
  hosts: readonly Host[],
  services: readonly NamedService[],
  findings: Findings,
): IpvsSettings {
  const { timeouts, sync } = inventory.ipvs ?? {};
  for (const [key, said] of Object.entries(timeouts ?? {})) {
    if (isIpvsTime(seconds(said))) continue;
    findings.add(
      ['ipvs', 'timeouts', key],
      'INV-BAD-VALUE',
      `ipvsadm sets timeouts in whole seconds, from 1 to ${LONGEST_IPVS_TIME} (31 days)`,
      'Give whole seconds.',
    );
  }
  if (sync !== undefined && !vrrp.some(({ nodes }) => nodes.length > 1)) {
    findings.add(
      ['ipvs', 'sync'],
      'INV-SYNC-WITHOUT-PAIR',
      'connections are synchronised between directors of a VRRP group, and there is none with two nodes',
      'Leave sync out, or describe the pair under vrrp.',
      'key',
    );
  }
  if (sync !== undefined) {
    const group = sync.group === undefined ? undefined : anAddress(sync.group, ['ipvs', 'sync', 'group'], findings);
    if (group !== undefined && !isMulticast(group)) {
      findings.add(
        ['ipvs', 'sync', 'group'],
        'INV-BAD-ADDRESS',
        `${sync.group} is no multicast address`,
        'Use one from 224.0.0.0/4 (or ff00::/8), or leave it out for 224.0.0.81.',
      );
    }
    for (const name of new Set(services.flatMap(({ directors }) => directors))) {
      const host = hostIn(hosts, name);
      if (host === undefined || host.interfaces.some((one) => one.name === sync.interface)) continue;
      findings.add(
        ['ipvs', 'sync', 'interface'],
        'INV-UNKNOWN-NAME',
        `${name} has no interface “${sync.interface}”`,
        `Its interfaces are ${host.interfaces.map((one) => one.name).join(', ')}.`,
      );
    }
  }
  return {
    ...(timeouts === undefined
      ? {}
      : {
          timeouts: {
            tcp: seconds(timeouts.tcp ?? KERNEL.tcp),
            tcpFin: seconds(timeouts.tcp_fin ?? KERNEL.tcpFin),
            udp: seconds(timeouts.udp ?? KERNEL.udp),
          },
        }),
    ...(sync === undefined
      ? {}
      : {
          sync: {
            interface: sync.interface,
            id: sync.id ?? 0,
            group: sync.group ?? '224.0.0.81',
            port: sync.port ?? 8848,
          },
        }),
  };
}

function isMulticast(address: Address): boolean {
  return (
    holds({ address: '224.0.0.0', prefix: 4, family: 4 }, address) ||
    holds({ address: 'ff00::', prefix: 8, family: 6 }, address)
  );
}

/**
 * The firewall mark of every service that has one. `auto` ones follow from the cluster's and the service's name, so
 * that they stay as they are when other services come and go; those that others chose are passed over. Pure.
 */
export function marksOf(cluster: string, services: readonly NamedService[]): Map<string, number> {
  const marks = new Map<string, number>();
  const taken = new Set<number>();
  for (const { name, fwmark } of services) {
    if (typeof fwmark !== 'number') continue;
    marks.set(name, fwmark);
    taken.add(fwmark);
  }
  for (const { name, fwmark } of services) {
    if (fwmark !== 'auto') continue;
    const hash = createHash('sha256').update(`${cluster}/${name}`).digest();
    let mark = 0x10000 + (hash.readUInt32BE() % 0xffff);
    while (taken.has(mark)) mark += 1;
    marks.set(name, mark);
    taken.add(mark);
  }
  return marks;
}
