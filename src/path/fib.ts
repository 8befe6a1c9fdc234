import { cidrText, networkOf } from '../inventory/addresses.ts';
import type { Cidr } from '../inventory/model.ts';
import { type Device, deviceOf, familyOf, isSingle, type NetHost, within } from './net.ts';

/** Where a host's routing sends an address. */
export type Route =
  | { kind: 'local'; source: string }
  /** `source`: what stands as the sender where nothing else does. */
  | { kind: 'unicast'; device: string; via?: string; source?: string };

interface Entry {
  to: Cidr;
  device: string;
  via?: string;
  source?: string;
  metric: number;
}

const tables = new WeakMap<NetHost, Entry[]>();

/**
 * Asks a host's routing for an address: first the table of local addresses, then the longest prefix, the smaller metric,
 * the earlier one (net/ipv4/fib_trie.c; ip-rule(8)). Pure.
 * @param device only routes through that one
 */
export function lookup(host: NetHost, address: string, device?: string): Route | undefined {
  const own = localAt(host, address);
  if (own !== undefined) return { kind: 'local', source: own };
  const best = entriesOf(host)
    .filter((entry) => (device === undefined || entry.device === device) && within(entry.to, address))
    .reduce<Entry | undefined>((one, other) => (one === undefined || isBetter(other, one) ? other : one), undefined);
  if (best === undefined) return undefined;
  const { device: out, via, source } = best;
  return {
    kind: 'unicast',
    device: out,
    ...(via === undefined ? {} : { via }),
    ...(source === undefined ? {} : { source }),
  };
}

function isBetter(one: Entry, than: Entry): boolean {
  return one.to.prefix > than.to.prefix || (one.to.prefix === than.to.prefix && one.metric < than.metric);
}

/** An address of its own; on lo a whole network is (net/ipv4/fib_frontend.c, fib_add_ifaddr), for IPv4. */
export function isLocal(host: NetHost, address: string): boolean {
  return localAt(host, address) !== undefined;
}

/** The host's address that makes an address its own. */
function localAt(host: NetHost, address: string): string | undefined {
  if (isOwn(host, address)) return address;
  const lo = host.devices.find(({ name }) => name === 'lo');
  return lo?.addresses.find((own) => own.family === 4 && hasNetwork(own) && within(own, address))?.address;
}

/** A single address makes no network, nor does one that would begin with 0 (fib_add_ifaddr). */
function hasNetwork(own: Cidr): boolean {
  return !isSingle(own) && (own.family === 6 || !networkOf(own).address.startsWith('0.'));
}

/** Whether it is exactly one of the host's addresses. */
export function isOwn(host: NetHost, address: string): boolean {
  return host.devices.some(({ addresses }) => addresses.some((own) => own.address === address));
}

function entriesOf(host: NetHost): Entry[] {
  const known = tables.get(host);
  if (known !== undefined) return known;
  const connected = host.devices
    .filter(({ name }) => name !== 'lo')
    .flatMap(({ name, addresses }) =>
      addresses
        .filter(hasNetwork)
        .map((own): Entry => ({ to: networkOf(own), device: name, source: own.address, metric: 0 })),
    );
  const entries = [...connected];
  for (const { to, via, device, metric } of host.routes) {
    // The kernel takes no gateway that it can't reach on that wire, nor an address of its own.
    const reachable = connected.some((one) => one.device === device && within(one.to, via)) && !isLocal(host, via);
    const twice = entries.some((one) => one.via !== undefined && sameNetwork(one.to, to) && one.metric === metric);
    const at = deviceOf(host, device);
    if (!reachable || twice || at === undefined) continue;
    const source = selectAddress(host, at, via);
    entries.push({ to: networkOf(to), device, via, metric, ...(source === undefined ? {} : { source }) });
  }
  tables.set(host, entries);
  return entries;
}

function sameNetwork(one: Cidr, other: Cidr): boolean {
  const [a, b] = [networkOf(one), networkOf(other)];
  return a.address === b.address && a.prefix === b.prefix;
}

const primaries = new WeakMap<readonly Cidr[], Cidr[]>();

/** Of the addresses in one network the first. */
function primaryOf(addresses: readonly Cidr[]): Cidr[] {
  const known = primaries.get(addresses);
  if (known !== undefined) return known;
  const met = new Set<string>();
  const found = addresses.filter((own) => met.size < met.add(cidrText(networkOf(own))).size);
  primaries.set(addresses, found);
  return found;
}

/**
 * The address that stands for a device towards a target: the first whose network holds it, else the first; of another
 * device where it has none (net/ipv4/devinet.c, inet_select_addr). Pure.
 */
export function selectAddress(host: NetHost, device: Device, target: string): string | undefined {
  const family = familyOf(target);
  const primary = primaryOf(device.addresses).filter((own) => own.family === family);
  const found = primary.find((own) => within(own, target)) ?? primary[0];
  if (found !== undefined) return found.address;
  return host.devices
    .filter(({ name }) => name !== 'lo')
    .flatMap(({ addresses }) => addresses)
    .find((own) => own.family === family)?.address;
}
