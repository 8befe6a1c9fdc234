import { bits, holds, parseAddress } from '../inventory/addresses.ts';
import type { Cidr, Protocol } from '../inventory/model.ts';
import type { AcceptRule, FirewallRule, Ports } from '../resources/firewall-rules.ts';
import type { IpvsDestination, IpvsMatch } from '../resources/ipvs-table.ts';
import type { TunnelResource } from '../resources/resource.ts';

/**
 * Hosts and wires as far as they decide which way a packet goes. A value: built from a cluster (`build.ts`), changed by
 * tests, walked by `walk.ts`, and brought to life as network namespaces to compare both.
 */
export interface Net {
  hosts: NetHost[];
}

export interface NetHost {
  name: string;
  /** `lo` among them; in the order in which they were made. */
  devices: Device[];
  /** Besides those that follow from addresses. */
  routes: NetRoute[];
  /** By name as sysctl.d writes it, e.g. `net.ipv4.conf.ens33.rp_filter`; what is absent is the kernel's own default. */
  sysctls: Record<string, string>;
  /** Permanent neighbours. */
  neighbours: { device: string; address: string; mac: string }[];
  /** The table of virtual services. */
  ipvs: { match: IpvsMatch; destinations: IpvsDestination[] }[];
  /** Ends of tunnels that are up. */
  tunnels: TunnelResource[];
  /** arptables: no answer for the address, and `source` in its place where the host itself asks. */
  silenced: { address: string; source: string }[];
  /** What the packet filter does besides letting in. */
  rules: FirewallRule[];
  filter: Filter;
  /** What a program waits at. */
  listens: { protocol: Protocol; ports: Ports }[];
}

export interface Filter {
  /** `open`: everything comes in. Else what these let in, what belongs to a known connection, and ICMP. */
  input: 'open' | { accepts: AcceptRule[] };
  /** `known`: what connection tracking takes for the middle of a connection whose beginning it has not seen is dropped. */
  forward: 'open' | 'known' | 'closed';
}

export interface Device {
  name: string;
  /** The layer-2 segment; absent: none (lo, tunnels). */
  segment?: string;
  mtu: number;
  /** In the order in which they were given. */
  addresses: Cidr[];
}

export interface NetRoute {
  to: Cidr;
  via: string;
  device: string;
  metric: number;
}

const named = new WeakMap<Net['hosts'], Map<string, NetHost>>();

/** A host of a net by its name. Pure. */
export function netHost({ hosts }: Net, name: string | undefined): NetHost | undefined {
  const known = named.get(hosts) ?? new Map(hosts.map((host) => [host.name, host]));
  named.set(hosts, known);
  return name === undefined ? undefined : known.get(name);
}

/** The symbolic link-layer address of a device. */
export function macOf(host: string, device: string): string {
  return `${host}:${device}`.toLowerCase();
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** Whether a network holds an address given as text. */
export function within(network: Cidr, address: string): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && holds(network, parsed);
}

/** Whether an address stands for itself alone. */
export function isSingle({ prefix, family }: Cidr): boolean {
  return prefix === bits(family);
}

export function deviceOf(host: NetHost, name: string): Device | undefined {
  return host.devices.find((one) => one.name === name);
}

/** A kernel parameter as a number; the kernel's own default where nobody set it. */
export function sysctl(host: NetHost, name: string, otherwise: number): number {
  const value = host.sysctls[name];
  return value === undefined ? otherwise : Number(value);
}

/** An IPv4 parameter of a device and of `all`, in this order. */
export function confOf(host: NetHost, device: string, parameter: string, otherwise: number): [number, number] {
  const own = `net.ipv4.conf.${device.replaceAll('.', '/')}.${parameter}`;
  return [sysctl(host, own, otherwise), sysctl(host, `net.ipv4.conf.all.${parameter}`, otherwise)];
}

/** Where the larger of `all` and the device's own value counts: rp_filter, arp_ignore, arp_announce (ip-sysctl.rst). */
export function larger(host: NetHost, device: string, parameter: string): number {
  return Math.max(...confOf(host, device, parameter, 0));
}
