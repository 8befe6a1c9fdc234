/** What directors need to be described, where the files don't tell it. */
import { bits, holds, networkOf, parseAddress, parseCidr } from '../inventory/addresses.ts';
import type { Inventory, InventoryHost } from '../inventory/schema.ts';
import type { Composing } from './compose.ts';
import type { ComposedVrrp } from './compose-vrrp.ts';
import { addressOf, numberOf } from './ranges.ts';

/** Words above a host. */
const GUESSED =
  'the files tell no address of it: this one, and maybe the interface, is invented. Correct it, then let lvsctl manage the host';
const NOT_OWNED = 'described as it is; lvsctl owns nothing here until you say so';
const OWNED = 'lvsctl owns no more here than the files tell; take more in by and by';

export function composeHosts(
  composing: Composing,
  vrrp: ComposedVrrp,
  services: NonNullable<Inventory['services']>,
): void {
  const { hosts, notes, imported } = composing;
  const guessed = new Set<string>();
  withoutVips(hosts, vrrp, services);
  for (const { host, device, source, family, near } of vrrp.speakers) {
    if (device === '' || hasFamily(hosts[host], device, family)) continue;
    const parsed = source === undefined ? undefined : parseAddress(source);
    if (parsed === undefined) guessed.add(host);
    addAddress(
      hosts,
      host,
      device,
      parsed === undefined ? spare(composing, vrrp, near, family) : withPrefix(parsed.address, near),
    );
  }
  for (const service of Object.values(services)) {
    for (const host of service.directors ?? []) {
      if (Object.keys(hosts[host]?.interfaces ?? {}).length > 0) continue;
      const near = Object.keys(service.real_servers).flatMap((one) =>
        Object.values(hosts[one]?.interfaces ?? {}).flatMap(({ addresses }) => addresses ?? []),
      );
      guessed.add(host);
      addAddress(hosts, host, 'eth0', spare(composing, vrrp, near, near[0]?.includes(':') ? 6 : 4));
    }
  }
  nameDevices(composing, vrrp);
  for (const { name, interfaces, instances, services: own, network: from, seen } of imported) {
    const entry = hosts[name] ?? {};
    const network = Object.keys(interfaces).length > 0 && from !== 'seen' ? (['network'] as const) : [];
    const areas = [
      ...network,
      ...(own.length > 0 ? (['ipvs'] as const) : []),
      ...(instances.length > 0 ? (['vrrp'] as const) : []),
    ];
    const nothing = guessed.has(name) || (seen === true && areas.length === 0);
    hosts[name] = { manage: nothing ? 'none' : [...areas], ...entry };
    notes.push({ path: ['hosts', name], text: guessed.has(name) ? GUESSED : nothing ? NOT_OWNED : OWNED });
    if (guessed.has(name)) {
      const place = instances[0]?.place ?? own[0]?.place;
      if (place !== undefined)
        composing.gaps.add(
          place,
          `the files tell no address of ${name}`,
          'Correct the invented one, or give its keyfiles too: NAME=FILE.nmconnection.',
        );
    }
  }
  const real = Object.entries(hosts).find(([name, { manage }]) => /^rs\d+$/.test(name) && manage === 'none');
  if (real !== undefined)
    notes.push({
      path: ['hosts', real[0]],
      text: 'real servers: interface and prefix length are guesses. Describe them as they are before lvsctl manages them',
    });
}

/** Interfaces that are only spoken of: those that are watched, and that the table is synchronised over. */
function nameDevices({ hosts, imported }: Composing, { groups }: ComposedVrrp): void {
  const sync = imported.find((one) => one.sync !== undefined)?.sync;
  for (const { nodes, instances } of Object.values(groups)) {
    const devices = [
      ...Object.values(instances).flatMap(({ track_interfaces: watched }) => watched ?? []),
      ...(sync === undefined ? [] : [sync.interface]),
    ];
    for (const host of Object.keys(nodes)) {
      for (const device of devices) {
        const entry = hosts[host] ?? {};
        if (entry.interfaces?.[device] === undefined)
          hosts[host] = { ...entry, interfaces: { ...entry.interfaces, [device]: {} } };
      }
    }
  }
}

/** lvsctl puts VIPs where they belong: a host's own interfaces don't name them, but where a NAT director's address is one. */
function withoutVips(
  hosts: Record<string, InventoryHost>,
  vrrp: ComposedVrrp,
  services: NonNullable<Inventory['services']>,
): void {
  const vips = new Map(Object.values(services).map(({ vip, mode }) => [vip, mode]));
  const goes = (text: string): boolean => {
    const cidr = parseCidr(text);
    if (cidr === undefined) return false;
    if (vrrp.floating.has(cidr.address)) return true;
    const mode = vips.get(cidr.address);
    return mode !== undefined && (cidr.prefix === bits(cidr.family) || mode !== 'nat');
  };
  for (const { interfaces } of Object.values(hosts)) {
    for (const one of Object.values(interfaces ?? {})) {
      if (one.addresses !== undefined) one.addresses = one.addresses.filter((address) => !goes(address));
    }
  }
}

function hasFamily(host: InventoryHost | undefined, device: string, family: 4 | 6): boolean {
  const own = host?.interfaces?.[device]?.addresses ?? [];
  return own.some((one) => one.includes(':') === (family === 6));
}

function addAddress(hosts: Record<string, InventoryHost>, host: string, device: string, address: string): void {
  const entry = hosts[host] ?? {};
  const own = entry.interfaces?.[device] ?? {};
  if (own.addresses?.includes(address)) return;
  hosts[host] = {
    ...entry,
    interfaces: { ...entry.interfaces, [device]: { ...own, addresses: [...(own.addresses ?? []), address] } },
  };
}

/** An address with the length of a network nearby that holds it, else the usual one. */
function withPrefix(address: string, near: readonly string[]): string {
  const parsed = parseAddress(address);
  const found = near
    .map(parseCidr)
    .find((one) => one !== undefined && parsed !== undefined && one.prefix < bits(one.family) && holds(one, parsed));
  return `${address}/${found?.prefix ?? (address.includes(':') ? 64 : 24)}`;
}

/** An address that nothing here has, in the network of those nearby: counted down from its end. */
function spare({ hosts }: Composing, vrrp: ComposedVrrp, near: readonly string[], family: 4 | 6): string {
  const wide = near.map(parseCidr).flatMap((one) => (one?.family === family ? [one] : []));
  const real = Object.values(hosts)
    .flatMap(({ interfaces }) => Object.values(interfaces ?? {}).flatMap(({ addresses }) => addresses ?? []))
    .map(parseCidr)
    .flatMap((one) => (one?.family === family ? [one] : []));
  const usual = family === 4 ? 24 : 64;
  const base = wide.find(({ prefix }) => prefix < bits(family)) ?? real[0] ?? wide[0];
  const network = networkOf({
    address: base?.address ?? (family === 4 ? '192.0.2.0' : '2001:db8::'),
    prefix:
      Math.min(base?.prefix ?? usual, usual) === bits(family)
        ? usual
        : base !== undefined && base.prefix < bits(family)
          ? base.prefix
          : usual,
    family,
  });
  const taken = new Set([
    ...real.map(({ address }) => address),
    ...vrrp.floating,
    ...wide.map(({ address }) => address),
  ]);
  const bytes = family === 4 ? 4 : 16;
  const size = Math.min(2 ** (bits(family) - network.prefix), 256);
  for (let offset = size - 2; offset > 0; offset -= 1) {
    const address = addressOf(numberOf(network.address) + BigInt(offset), bytes);
    if (!taken.has(address)) return `${address}/${network.prefix}`;
  }
  return `${network.address}/${network.prefix}`;
}
