/** Addresses as keepalived's groups write them, and masks. */
import ipaddr from 'ipaddr.js';
import { networkOf, parseAddress, parseCidr } from '../inventory/addresses.ts';

/** More addresses than that are no list that anybody would write. */
const MOST = 256;

/**
 * `10.0.0.1`, `10.0.0.1-9`, `10.0.0.1-10.0.0.9`, `ae00::2-9`, `10.0.0.8/29`: each address, canonical. undefined: it is none
 * of these, or too many.
 */
export function addressesIn(text: string): string[] | undefined {
  const single = parseAddress(text);
  if (single !== undefined) return [single.address];
  const cidr = parseCidr(text);
  if (cidr !== undefined) {
    const free = (cidr.family === 4 ? 32 : 128) - cidr.prefix;
    return free > 8 ? undefined : counted(networkOf(cidr).address, 2 ** free);
  }
  const [from = '', to = ''] = text.split('-');
  const first = parseAddress(from);
  if (first === undefined || to === '') return undefined;
  const last = parseAddress(to) ?? parseAddress(from.replace(/[^.:]*$/, to));
  if (last === undefined || last.family !== first.family) return undefined;
  const size = Number(numberOf(last.address) - numberOf(first.address)) + 1;
  return size >= 1 && size <= MOST ? counted(first.address, size) : undefined;
}

function counted(first: string, size: number): string[] {
  const start = numberOf(first);
  const bytes = ipaddr.parse(first).toByteArray().length;
  return Array.from({ length: size }, (_none, index) => addressOf(start + BigInt(index), bytes));
}

/** An address as a number. */
export function numberOf(address: string): bigint {
  return ipaddr
    .parse(address)
    .toByteArray()
    .reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

/** The address of a number, canonical. */
export function addressOf(value: bigint, bytes: number): string {
  const all = Array.from({ length: bytes }, (_none, index) =>
    Number((value >> BigInt(8 * (bytes - 1 - index))) & 255n),
  );
  const text = ipaddr.fromByteArray(all).toString();
  return parseAddress(text)?.address ?? text;
}

/** `255.255.255.0`, `24` → 24. */
export function prefixOf(mask: string): number | undefined {
  if (/^\d+$/.test(mask)) return Number(mask);
  if (!ipaddr.IPv4.isValidFourPartDecimal(mask)) return undefined;
  return ipaddr.IPv4.parse(mask).prefixLengthFromSubnetMask() ?? undefined;
}
