import { directedBy } from '../inventory/derived.ts';
import type { Cluster, RealServer, Service, VirtualService } from '../inventory/model.ts';
import type { MarkRule } from '../resources/firewall-rules.ts';
import {
  type IpvsDestination,
  type IpvsForwarding,
  type IpvsMatch,
  ruleLines,
  serviceFlags,
} from '../resources/ipvs-table.ts';
import type { IpvsResource } from '../resources/resource.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';

/** A virtual service that the table is to hold. */
export type IpvsRule = Extract<IpvsResource, { state: 'present' }>;

/**
 * Who writes a director's IPVS table: keepalived, as soon as one of its services has a pair, a health check or what
 * keepalived alone can do; else ipvsadm. Never both: each would take the other's rules for drift. Pure.
 */
export function tableOwner(cluster: Cluster, host: string): 'ipvsadm' | 'keepalived' {
  return directedBy(cluster, host).some(
    ({ vrrp, healthCheck, sorryServer, quorum, hysteresis }) =>
      vrrp !== undefined ||
      healthCheck !== undefined ||
      sorryServer !== undefined ||
      quorum !== undefined ||
      hysteresis !== undefined,
  )
    ? 'keepalived'
    : 'ipvsadm';
}

/** The rows of the table that services ask for. Pure. */
export function ipvsRules(services: readonly Service[]): IpvsRule[] {
  return services.flatMap((service) => service.virtuals.map((row) => ruleOf(service, row)));
}

function ruleOf(service: Service, { match, family, realServers }: VirtualService): IpvsRule {
  const { scheduler, schedulerFlags, persistence, onePacket } = service;
  const what: IpvsMatch =
    match.by === 'fwmark'
      ? { protocol: 'fwmark', mark: match.mark, family }
      : { protocol: match.protocol, address: match.address, port: match.port };
  const flags = serviceFlags({
    family,
    schedulerFlags,
    onePacket,
    engine: persistence?.engine,
    persistence: persistence && {
      timeout: persistence.timeout,
      prefix: family === 4 ? persistence.prefix4 : persistence.prefix6,
    },
  });
  const destinations = realServers.map((real) => destinationOf(service, real));
  return { kind: 'ipvs', state: 'present', ...what, scheduler, flags, destinations };
}

function destinationOf(service: Service, real: RealServer): IpvsDestination {
  const { address, port, weight, upperThreshold = 0, lowerThreshold = 0 } = real;
  return { ...forwardingOf(service), address, port, weight, upper: upperThreshold, lower: lowerThreshold };
}

/** What IPVS does with a packet in each mode; fullnat is NAT plus a masquerade that netfilter does. */
function forwardingOf({ mode, tunnel }: Service): IpvsForwarding {
  switch (mode) {
    case 'dr':
      return { method: 'gate' };
    case 'nat':
    case 'fullnat':
      return { method: 'masq' };
    case 'tun':
      return { method: 'tunnel', tunnel };
  }
}

/** What every director's kernel needs, whoever writes its table. Pure. */
export function ipvsKernel(services: readonly Service[]): Part {
  const modules = [
    'ip_vs',
    ...services.map(({ scheduler }) => `ip_vs_${scheduler}`),
    ...services.flatMap(({ persistence }) =>
      persistence?.engine === undefined ? [] : [`ip_vs_pe_${persistence.engine}`],
    ),
  ];
  return {
    ...NOTHING,
    // Both exist once ip_vs is loaded. Without them connections of a removed real server get no answer, and
    // persistence keeps feeding a drained one (ipvs-sysctl.rst).
    sysctls: ['expire_nodest_conn', 'expire_quiescent_template'].map((name) => ({
      stage: 'rules',
      name: `net.ipv4.vs.${name}`,
      value: '1',
    })),
    modules: [...new Set(modules)].map((name) => ({ stage: 'rules', name })),
    firewall: services.flatMap(marks),
  };
}

/** A service by firewall mark takes what carries the mark, and nothing else says which packets do. */
function marks({ fwmark, vips, protocol, ports, virtuals }: Service): MarkRule[] {
  if (fwmark === undefined || virtuals.length === 0) return [];
  return vips.map(({ address, family }) => ({ rule: 'mark', family, address, protocol, ports, mark: fwmark }));
}

/** A table that ipvsadm writes: live, and saved for boot. */
export function ipvsadmTable({ cluster, family, template }: Question, services: readonly Service[]): Desired[] {
  const rules = ipvsRules(services);
  const { timeouts } = cluster.ipvs;
  const { rules: path, settings, unit, savesOnStop } = family.ipvsadm;
  const lines = rules.flatMap((rule) => ruleLines(rule, rule));
  const content = template('ipvsadm/ipvsadm.rules', { rules: lines, timeouts: timeouts ?? null });
  const files = [
    { ...textFile(path, content), mode: '0600' },
    ...(settings === null ? [] : [textFile(settings, template('ipvsadm/default', {}))]),
    ...(savesOnStop ? [textFile(`/etc/systemd/system/${unit}.d/lvsctl.conf`, template('ipvsadm/unit.conf', {}))] : []),
  ];
  return [
    { stage: 'packages', resource: { kind: 'package', name: family.packages.ipvsadm } },
    ...rules.map((resource): Desired => ({ stage: 'rules', resource })),
    ...(timeouts === undefined
      ? []
      : [{ stage: 'rules' as const, resource: { kind: 'ipvs_timeouts' as const, ...timeouts } }]),
    ...files.map((resource): Desired => ({ stage: 'rules', resource })),
    // Enabled, and not touched while it runs: stopping it clears the live table.
    {
      stage: 'rules',
      resource: { kind: 'service', unit, enabled: true, running: null, config: [], activate: 'restart', quiet: true },
    },
  ];
}
