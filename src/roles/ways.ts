import { holds } from '../inventory/addresses.ts';
import { hostNamed, realServersOf } from '../inventory/derived.ts';
import type { Cluster, Host, Interface, Service } from '../inventory/model.ts';
import type { Part } from './desired.ts';

type Vip = Service['vips'][number];

/**
 * The interface of a director that holds a VIP, and whether the VIP is the director's own address there, which needs
 * no other. Else, the first of: the interface in the VIP's network; in dr mode the one on the real servers' segment,
 * from which requests go on; the one with the default gateway, where requests come from; the one towards the real
 * servers. Pure.
 */
export function vipInterface(
  cluster: Cluster,
  host: Host,
  service: Service,
  vip: Vip,
): { at: Interface; own: boolean } | undefined {
  const own = host.interfaces.find((one) => one.addresses.some(({ address }) => address === vip.address));
  if (own !== undefined) return { at: own, own: true };
  const [first] = host.interfaces;
  const facing = facingInterface(cluster, host, service);
  const at =
    host.interfaces.find((one) => one.addresses.some((address) => holds(address, vip))) ??
    (service.mode === 'dr' ? facing : undefined) ??
    host.interfaces.find(({ gateways }) => gateways[vip.family === 4 ? 'v4' : 'v6'] !== undefined) ??
    facing ??
    first;
  return at && { at, own: false };
}

/** The interface of a director on a segment of the service's real servers; undefined where a router is between. Pure. */
export function facingInterface(cluster: Cluster, host: Host, service: Service): Interface | undefined {
  const segments = new Set(
    realServersOf(service).flatMap((real) =>
      (hostNamed(cluster, real.host)?.interfaces ?? [])
        .filter((one) => one.addresses.some(({ address }) => address === real.address))
        .map(({ segment }) => segment),
    ),
  );
  return host.interfaces.find((one) => segments.has(one.segment));
}

/** Whether packets from afar come in here though the way back begins at another interface. Pure. */
export function isAsymmetric(host: Host, at: Interface): boolean {
  return at.gateways.v4 === undefined && host.interfaces.some((one) => one !== at && one.gateways.v4 !== undefined);
}

/** The name of an interface's own parameter; a dot in the interface's name is written `/` (sysctl.d(5)). Pure. */
export function interfaceSysctl(device: string, parameter: string): string {
  return `net.ipv4.conf.${device.replaceAll('.', '/')}.${parameter}`;
}

/**
 * Forwarding of packets of a family. Switching it on for IPv4 makes the kernel set accept_redirects on `all` to 0, at
 * every boot too (ip-sysctl.rst, ip_forward): said here as well, so that it is the same at all times, and given back. Pure.
 */
export function forwardingSysctls(family: 4 | 6): Part['sysctls'] {
  return family === 4
    ? [
        { stage: 'reach', name: 'net.ipv4.ip_forward', value: '1' },
        { stage: 'reach', name: interfaceSysctl('all', 'accept_redirects'), value: '0' },
      ]
    : [{ stage: 'reach', name: 'net.ipv6.conf.all.forwarding', value: '1' }];
}
