import { isOwn, lookup } from './fib.ts';
import { confOf, deviceOf, familyOf, larger, type NetHost } from './net.ts';

/**
 * Why a host doesn't take an IPv4 packet of this sender on this device (net/ipv4/fib_frontend.c, fib_validate_source;
 * ip-sysctl.rst, rp_filter); undefined where it does. IPv6 has no such filter. Pure.
 * @param out where it would go on to; absent for what is the host's own, and for ARP requests
 */
export function refusedSource(
  host: NetHost,
  device: string,
  source: string,
  out?: string,
): 'martian-source' | 'rp-filter' | undefined {
  if (familyOf(source) === 6) return undefined;
  const strictness = larger(host, device, 'rp_filter');
  if (Math.max(...confOf(host, device, 'accept_local', 0)) > 0) return undefined;
  if (strictness === 0 && !(device === out && sendsRedirects(host, device))) {
    return isOwn(host, source) ? 'martian-source' : undefined;
  }
  const back = lookup(host, source);
  if (back?.kind === 'local') return 'martian-source';
  if (strictness === 0) return undefined;
  if (back === undefined) return 'rp-filter';
  if (back.device === device) return undefined;
  // Not even loosely, where the device has no address: tunl0 (seen with 6.1).
  const bare = deviceOf(host, device)?.addresses.every(({ family }) => family === 6) ?? true;
  return bare || strictness === 1 ? 'rp-filter' : undefined;
}

/** Either of `all` and the device's own is enough (ip-sysctl.rst, send_redirects). */
export function sendsRedirects(host: NetHost, device: string): boolean {
  return Math.max(...confOf(host, device, 'send_redirects', 1)) > 0;
}

/** Either is enough where the host doesn't forward; both are needed where it does (ip-sysctl.rst, accept_redirects). */
export function acceptsRedirects(host: NetHost, device: string): boolean {
  const values = confOf(host, device, 'accept_redirects', 1);
  return forwards(host, device, 4) ? Math.min(...values) > 0 : Math.max(...values) > 0;
}

/** Whether the host passes on what comes in there for somebody else. */
export function forwards(host: NetHost, device: string, family: 4 | 6): boolean {
  if (family === 6) return Number(host.sysctls['net.ipv6.conf.all.forwarding'] ?? 0) > 0;
  const all = Number(host.sysctls['net.ipv4.ip_forward'] ?? 0);
  return Number(host.sysctls[`net.ipv4.conf.${device.replaceAll('.', '/')}.forwarding`] ?? all) > 0;
}
