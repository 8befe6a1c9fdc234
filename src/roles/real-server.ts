import { serversAt, standsBehind } from '../inventory/derived.ts';
import type { Host, Service } from '../inventory/model.ts';
import { wantedRules } from '../resources/arptables.ts';
import { bootUnit } from './boot-unit.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { interfaceSysctl, isAsymmetric } from './ways.ts';

/**
 * A real server in dr or tun mode accepts packets for the VIP, which therefore stands on `lo` (/32: a wider mask would
 * make the VIP's whole subnet local), and must not be taken for the VIP's owner: silence comes before the VIP. That
 * holds in tun mode too: without it the server asks for its router's MAC in the VIP's name, and a router that filters
 * by source doesn't answer. IPv6 needs none: neighbour discovery answers only for addresses of the interface asked.
 * In nat and fullnat mode a real server is an ordinary host. The sorry server gets packets in the same way.
 */
export function realServer(question: Question): Part {
  const { cluster, host } = question;
  const services = standsBehind(cluster, host.name).filter(({ mode }) => mode === 'dr' || mode === 'tun');
  const vips = new Map(services.flatMap((service) => vipsAt(service, host.name).map((vip) => [vip.address, vip])));
  const bySysctl = services.some((service) => service.arp === 'sysctl' && hasIPv4(service, host.name));
  const { packages, rules } = byArptables(
    question,
    services.filter(({ arp }) => arp === 'arptables'),
  );
  return {
    ...NOTHING,
    sysctls: [...(bySysctl ? SILENCE : []), ...looseFilters(host, services)],
    addresses: [...vips.values()].map(({ address, family }) => ({
      stage: 'real-vip',
      device: 'lo',
      address: `${address}/${family === 4 ? 32 : 128}`,
    })),
    resources: [...packages, ...rules],
  };
}

/** ip-sysctl.rst: answer only for addresses of the interface asked, and ask with such an address (the higher of `all` and the interface's own counts). */
const SILENCE: Part['sysctls'] = ['all', 'lo'].flatMap((device) => [
  { stage: 'suppress', name: interfaceSysctl(device, 'arp_announce'), value: '2' },
  { stage: 'suppress', name: interfaceSysctl(device, 'arp_ignore'), value: '1' },
]);

/** The VIPs for which packets come to a host: a sorry server is of one family. */
function vipsAt(service: Service, host: string): Service['vips'] {
  const families = new Set(serversAt(service, host).map(({ row }) => row.family));
  return service.vips.filter(({ family }) => families.has(family));
}

function hasIPv4(service: Service, host: string): boolean {
  return vipsAt(service, host).some(({ family }) => family === 4);
}

/** Rules for each VIP, live and at boot; the program that writes them is a package of its own. */
function byArptables(question: Question, services: readonly Service[]): { packages: Desired[]; rules: Desired[] } {
  const { host, family } = question;
  const sources = new Map(
    services.flatMap((service) =>
      service.vips
        .filter((vip) => vip.family === 4)
        .flatMap((vip) => {
          const source = ownAddress(service, host.name);
          return source === undefined ? [] : [[vip.address, source] as const];
        }),
    ),
  );
  if (sources.size === 0) return { packages: [], rules: [] };
  const lines = [...sources].flatMap(([address, source]) => wantedRules({ address, source }));
  return {
    packages: [{ stage: 'packages', resource: { kind: 'package', name: family.packages.arptables } }],
    rules: [
      ...[...sources].map(
        ([address, source]): Desired => ({
          stage: 'suppress',
          resource: { kind: 'arptables', address, source, state: 'present' },
        }),
      ),
      ...bootUnit(question, 'suppress', {
        name: 'lvsctl-arptables.service',
        description: 'Keep ARP silent about the VIPs of this real server',
        // Deleted first: a second start must not add a rule twice.
        commands: lines.flatMap((line) => [`-/usr/sbin/arptables -D ${line}`, `/usr/sbin/arptables -I ${line}`]),
      }),
    ],
  };
}

function ownAddress(service: Service, host: string): string | undefined {
  return serversAt(service, host).find(({ row }) => row.family === 4)?.server.address;
}

/** Where requests come in at one interface and replies leave by another, strict filtering would drop the requests. */
function looseFilters(host: Host, services: readonly Service[]): Part['sysctls'] {
  const addresses = services.filter(({ mode }) => mode === 'dr').map((service) => ownAddress(service, host.name));
  return host.interfaces
    .filter((one) => one.addresses.some(({ address }) => addresses.includes(address)) && isAsymmetric(host, one))
    .map(({ name }) => ({ stage: 'suppress', name: interfaceSysctl(name, 'rp_filter'), value: '2' }));
}
