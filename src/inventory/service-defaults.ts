import { withDefaults } from './merge.ts';
import type { InventoryService } from './schema.ts';

type Defaults = Partial<InventoryService>;

/** The health checks that a service can name; it has one of them. */
export const CHECKS = [
  'http_get',
  'ssl_get',
  'tcp_check',
  'smtp_check',
  'dns_check',
  'ping_check',
  'udp_check',
  'misc_check',
  'bfd',
] as const;

/**
 * A service with the defaults under it. A default holds for the services that it can hold for: what one says of its
 * mode, protocol, scheduler, ports or check puts those aside that belong to another. Pure.
 * @param floats a VRRP instance carries its VIP, so that its directors are known
 */
export function withServiceDefaults(
  defaults: Defaults | undefined,
  own: InventoryService,
  floats: boolean,
): InventoryService {
  if (defaults === undefined) return own;
  const mode = own.mode ?? defaults.mode;
  const scheduler = own.scheduler ?? defaults.scheduler ?? 'wlc';
  const udp = (own.protocol ?? defaults.protocol) === 'udp';
  const persistent = (own.persistence_timeout ?? defaults.persistence_timeout) !== undefined;
  const { port, ports, directors, arp, tunnel, scheduler_flags: flags, health_check: check, ...rest } = defaults;
  const { one_packet, persistence_netmask: mask, persistence_engine: engine, ...shared } = rest;
  const kept: Defaults = {
    ...shared,
    ...(own.ports === undefined && port !== undefined ? { port } : {}),
    ...(own.port === undefined && ports !== undefined ? { ports } : {}),
    ...(floats || directors === undefined ? {} : { directors }),
    ...(arp !== undefined && (mode === 'dr' || mode === 'tun') && !(floats && typeof arp === 'object') ? { arp } : {}),
    ...(tunnel !== undefined && mode === 'tun' && (own.tunnel?.type ?? tunnel.type) === tunnel.type ? { tunnel } : {}),
    ...(flags === undefined ? {} : { scheduler_flags: flags.filter((flag) => flag.startsWith(`${scheduler}-`)) }),
    ...(udp && one_packet !== undefined ? { one_packet } : {}),
    ...(persistent && mask !== undefined ? { persistence_netmask: mask } : {}),
    ...(persistent && udp && engine !== undefined ? { persistence_engine: engine } : {}),
    ...(check === undefined ? {} : { health_check: withoutOthers(check, own.health_check) }),
  };
  const wholeArp = own.arp === undefined ? kept : { ...kept, arp: own.arp };
  return withDefaults(wholeArp, own);
}

type Check = NonNullable<InventoryService['health_check']>;

function withoutOthers(defaults: Check, own: Check | undefined): Check {
  if (own === undefined || !CHECKS.some((check) => own[check] !== undefined)) return defaults;
  const kept = { ...defaults };
  for (const check of CHECKS) if (own[check] === undefined) delete kept[check];
  return kept;
}
