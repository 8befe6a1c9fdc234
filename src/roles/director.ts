import { directedBy, realServersOf } from '../inventory/derived.ts';
import type { Host, RealServer } from '../inventory/model.ts';
import { NOTHING, type Part, type Question } from './desired.ts';
import { ipvsadmTable, ipvsKernel, tableOwner } from './ipvs.ts';

/**
 * A director holds the rules, live and saved for boot, and then the VIP, on the interface that faces its real
 * servers. In dr mode it needs no ip_forward: IPVS sends to the real server without routing the packet.
 */
export function director(question: Question): Part {
  const { cluster, host } = question;
  const services = directedBy(cluster, host.name);
  if (services.length === 0) return NOTHING;
  const kernel = ipvsKernel(services);
  return {
    ...kernel,
    addresses: services.flatMap((service) =>
      service.vips.map((vip) => ({
        stage: 'vip' as const,
        device: facing(host, cluster.hosts, realServersOf(service)),
        address: `${vip.address}/${vip.family === 4 ? 32 : 128}`,
      })),
    ),
    resources: tableOwner(cluster, host.name) === 'ipvsadm' ? ipvsadmTable(question, services) : [],
  };
}

/** The interface on the real servers' segment. */
function facing(host: Host, hosts: readonly Host[], realServers: readonly RealServer[]): string {
  const segments = new Set(
    realServers.flatMap((real) =>
      (hosts.find(({ name }) => name === real.host)?.interfaces ?? [])
        .filter((one) => one.addresses.some(({ address }) => address === real.address))
        .map(({ segment }) => segment),
    ),
  );
  const found = host.interfaces.find((one) => segments.has(one.segment));
  if (found === undefined)
    throw new Error(`no interface of ${host.name} faces its real servers, though the inventory was resolved`);
  return found.name;
}
