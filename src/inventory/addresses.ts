import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Cidr } from './model.ts';

type Parsed = ReturnType<typeof ipaddr.parse>;

/** An address in canonical text: IPv4 as four decimal parts, IPv6 as RFC 5952 has it. */
export interface Address {
  address: string;
  family: 4 | 6;
}

/** Reads an IPv4 or IPv6 address, without zone. Only four decimal parts count as IPv4 (inet_aton's `10.1` doesn't). Pure. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { address: text, family: 4 };
  if (!text.includes('%') && ipaddr.IPv6.isValid(text))
    return { address: ipaddr.IPv6.parse(text).toRFC5952String(), family: 6 };
  return undefined;
}

/** An address as Java writes it: all eight groups of IPv6, without leading zeros (java.net.Inet6Address). Pure. */
export function expanded(address: string): string {
  return ipaddr.parse(address).toNormalizedString();
}

/** Reads `ADDRESS/PREFIX`. Pure. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const parsed = match?.[1] === undefined ? undefined : parseAddress(match[1]);
  const prefix = Number(match?.[2]);
  if (parsed === undefined || prefix > bits(parsed.family)) return undefined;
  return { ...parsed, prefix };
}

/** `10.0.0.2/24`. */
export function cidrText(cidr: Cidr): string {
  return `${cidr.address}/${cidr.prefix}`;
}

/** The number of bits of a family's addresses. */
export function bits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The network that an address with prefix stands in, e.g. `30.30.30.0/24`. Pure. */
export function networkOf(cidr: Cidr): Cidr {
  return { ...cidr, address: masked(cidr, 'first') };
}

/** Whether a network holds an address. Pure. */
export function holds(network: Cidr, address: Address): boolean {
  if (network.family !== address.family) return false;
  if (network.family === 4) {
    const mask = mask4(network.prefix);
    return (number4(network.address) & mask) === (number4(address.address) & mask);
  }
  return masked(network, 'first') === masked({ ...address, prefix: network.prefix }, 'first');
}

/** What is wrong with an address as a host's own or a VIP; undefined where nothing is. Pure. */
export function notAHost(cidr: Cidr): string | undefined {
  const range = rangeOf(cidr);
  if (range === 'multicast') return 'a multicast address';
  if (range === 'broadcast') return 'the broadcast address';
  if (range === 'loopback') return 'a loopback address';
  if (range === 'unspecified') return 'the unspecified address';
  if (cidr.family === 4 && cidr.prefix < 31) {
    if (cidr.address === masked(cidr, 'first')) return 'its network’s own address';
    if (cidr.address === masked(cidr, 'last')) return 'its network’s broadcast address';
  }
  return undefined;
}

/** Why nobody but neighbours, or nobody at all, can send to an address; undefined where others can. Pure. */
export function notRouted({ address }: Address): string | undefined {
  const parsed = ipaddr.parse(address);
  if (parsed.range() === 'linkLocal') return 'a link-local address';
  return parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()
    ? `an IPv4 address in IPv6’s writing (${parsed.toIPv4Address().toString()})`
    : undefined;
}

function rangeOf({ address, family }: Address): string {
  const first = family === 4 ? number4(address) >>> 24 : 0;
  // What nearly all hosts have needs no further look.
  if ((first > 0 && first < 127) || (first > 127 && first < 224)) return 'unicast';
  return ipaddr.parse(address).range();
}

// An inventory of thousands of hosts asks for networks all the time: IPv4 as a number takes a tenth of the time.

/** The 32 bits of an IPv4 address. */
function number4(address: string): number {
  let bits = 0;
  let part = 0;
  for (let at = 0; at < address.length; at += 1) {
    const code = address.charCodeAt(at);
    if (code === 46) {
      bits = (bits << 8) | part;
      part = 0;
    } else part = part * 10 + code - 48;
  }
  return (bits << 8) | part;
}

/** The bits that a prefix of that length covers. */
function mask4(prefix: number): number {
  return prefix === 0 ? 0 : -1 << (32 - prefix);
}

function text4(bits: number): string {
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

function masked(cidr: Cidr, end: 'first' | 'last'): string {
  if (cidr.family === 4) {
    const mask = mask4(cidr.prefix);
    return text4(end === 'first' ? number4(cidr.address) & mask : number4(cidr.address) | ~mask);
  }
  const bytes = ipaddr
    .parse(cidr.address)
    .toByteArray()
    .map((byte, index) => {
      const kept = Math.min(8, Math.max(0, cidr.prefix - index * 8));
      const mask = (0xff << (8 - kept)) & 0xff;
      return end === 'first' ? byte & mask : byte | (~mask & 0xff);
    });
  return text(ipaddr.fromByteArray(bytes));
}

function text(address: Parsed): string {
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}
