import { directedBy, realServersOf } from '../inventory/derived.ts';
import type { Host, RealServer, Service } from '../inventory/model.ts';
import type { IpvsResource } from '../resources/resource.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';

type Present = Extract<IpvsResource, { state: 'present' }>;

/**
 * A director holds the rules, live and saved for boot, and then the VIP, on the interface that faces its real
 * servers. In dr mode it needs no ip_forward: IPVS sends to the real server without routing the packet.
 */
export function director(question: Question): Part {
  const { cluster, host, family } = question;
  const services = directedBy(cluster, host.name);
  if (services.length === 0) return NOTHING;
  const rules = services.flatMap(ipvsOf);
  return {
    // Both exist once ip_vs is loaded. Without them connections of a removed real server get no answer, and
    // persistence keeps feeding a drained one (ipvs-sysctl.rst).
    sysctls: ['expire_nodest_conn', 'expire_quiescent_template'].map((name) => ({
      stage: 'rules',
      name: `net.ipv4.vs.${name}`,
      value: '1',
    })),
    modules: ['ip_vs', ...new Set(services.map(({ scheduler }) => `ip_vs_${scheduler}`))].map((name) => ({
      stage: 'rules',
      name,
    })),
    addresses: services.flatMap((service) =>
      service.vips.map((vip) => ({
        stage: 'vip' as const,
        device: facing(host, cluster.hosts, realServersOf(service)),
        address: `${vip.address}/${vip.family === 4 ? 32 : 128}`,
      })),
    ),
    firewall: [],
    resources: [
      { stage: 'packages', resource: { kind: 'package', name: family.packages.ipvsadm } },
      ...rules.map((resource): Desired => ({ stage: 'rules', resource })),
      ...saved(question, rules),
    ],
  };
}

function ipvsOf(service: Service): Present[] {
  return service.virtuals.flatMap(({ match, realServers }): Present[] =>
    match.by === 'fwmark'
      ? []
      : [
          {
            kind: 'ipvs',
            state: 'present',
            protocol: match.protocol,
            address: match.address,
            port: match.port,
            scheduler: service.scheduler,
            flags: [],
            destinations: realServers.map(({ address, port, weight }) => ({
              address,
              port,
              method: METHODS[service.mode],
              weight,
            })),
          },
        ],
  );
}

/** What IPVS does with a packet in each mode; fullnat is NAT plus a masquerade that netfilter does. */
const METHODS = { dr: 'gate', nat: 'masq', fullnat: 'masq', tun: 'tunnel' } as const;

/** What brings the rules back at boot. The unit is enabled and not touched while it runs: stopping it clears the live table. */
function saved({ family, template }: Question, rules: readonly Present[]): Desired[] {
  const services = rules.map((rule) => ({
    option: OPTIONS[rule.protocol],
    socket: socketText(rule),
    scheduler: rule.scheduler,
    destinations: rule.destinations.map((one) => ({ socket: socketText(one), weight: one.weight })),
  }));
  const { rules: path, settings, unit } = family.ipvsadm;
  const rulesFile = { ...textFile(path, template('ipvsadm/ipvsadm.rules', { services })), mode: '0600' };
  return [
    { stage: 'rules', resource: rulesFile },
    ...(settings === null
      ? []
      : [{ stage: 'rules' as const, resource: textFile(settings, template('ipvsadm/default', {})) }]),
    {
      stage: 'rules',
      resource: { kind: 'service', unit, enabled: true, running: null, config: [], activate: 'restart' },
    },
  ];
}

/** ipvsadm's words for protocols (ipvsadm(8)). */
const OPTIONS = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;

function socketText({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
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
