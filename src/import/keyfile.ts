/** NetworkManager's keyfiles (nm-settings-keyfile(5)) as a host's interfaces. */
import { parseAddress, parseCidr } from '../inventory/addresses.ts';
import type { InventoryInterface } from '../inventory/schema.ts';
import { parseKeyfile } from '../roles/keyfile.ts';
import type { FilePlace, Gaps } from './gaps.ts';
import { emptyHost, type ImportedHost } from './imported.ts';

/** Whether a file looks like a keyfile. */
export function isKeyfile(text: string): boolean {
  return /^\[connection\]\s*$/m.test(text);
}

/** Keys that say nothing of addresses and links, by section; `*` for all of it. */
const SILENT: Readonly<Record<string, RegExp>> = {
  connection:
    /^(id|uuid|type|timestamp|autoconnect(-priority)?|permissions|interface-name|controller|master|port-type|slave-type)$/,
  ethernet: /^(mac-address.*|cloned-mac-address)$/,
  ipv4: /^(method|may-fail|dns-search|ignore-auto-dns)$/,
  ipv6: /^(method|addr-gen-mode|may-fail|dns-search|ip6-privacy|ignore-auto-dns)$/,
  vlan: /^flags$/,
  proxy: /./,
};

interface Pair {
  section: string;
  key: string;
  value: string;
  place: FilePlace;
}

/** A host with the one interface that a keyfile describes. */
export function importKeyfile(name: string, file: string, text: string, gaps: Gaps): ImportedHost {
  const host = emptyHost(name);
  const pairs = pairsOf(file, text);
  const value = (section: string, key: string) =>
    pairs.find((one) => one.section === section && one.key === key)?.value;
  const device = value('connection', 'interface-name') ?? value('connection', 'id');
  const place: FilePlace = { kind: 'file', file, line: 1, column: 1 };
  if (device === undefined) {
    gaps.add(place, 'the file names no interface', 'Add interface-name= to [connection].');
    return host;
  }
  const taken = new Set<Pair>();
  const own = interfaceOf(pairs, taken);
  const master = value('connection', 'controller') ?? value('connection', 'master');
  for (const one of pairs) {
    if (taken.has(one) || SILENT[one.section]?.test(one.key) === true) continue;
    gaps.add(
      one.place,
      `“${one.key}” of [${one.section}] is not in the inventory`,
      'The inventory has no word for it.',
    );
  }
  for (const section of ['ipv4', 'ipv6']) {
    if (value(section, 'method') !== 'auto' || section === 'ipv6') continue;
    gaps.add(
      place,
      `${device} has its ${section} address from DHCP`,
      'Write the address: a director’s must not change.',
    );
  }
  // A loopback holds the VIPs, which follow from the services; a member of a bond is named by its bond.
  if (device !== 'lo' && master === undefined) host.interfaces[device] = own;
  return host;
}

function pairsOf(file: string, text: string): Pair[] {
  const pairs: Pair[] = [];
  // The keyfile's own reader keeps every line, one for one.
  const { head, sections } = parseKeyfile(text);
  let line = head.length;
  for (const { name: section, lines } of sections) {
    line += 1;
    for (const one of lines) {
      line += 1;
      if ('key' in one) pairs.push({ section, ...one, place: { kind: 'file', file, line, column: 1 } });
    }
  }
  return pairs;
}

function interfaceOf(pairs: readonly Pair[], taken: Set<Pair>): InventoryInterface {
  const all = (section: string, key: RegExp): Pair[] => {
    const found = pairs.filter((one) => one.section === section && key.test(one.key));
    for (const one of found) taken.add(one);
    return found;
  };
  const one = (section: string, key: string) => all(section, new RegExp(`^${key}$`)).at(-1)?.value;
  const addresses: string[] = [];
  const gateways: string[] = [];
  const routes: NonNullable<InventoryInterface['routes']> = [];
  const dns: string[] = [];
  for (const family of ['ipv4', 'ipv6']) {
    for (const { value } of all(family, /^address(es)?\d*$/)) {
      // `10.0.0.2/24,10.0.0.1`: the older way to say the gateway.
      const [address = '', gateway] = value.split(/[,;]/);
      const cidr = parseCidr(address.trim());
      if (cidr !== undefined) addresses.push(`${cidr.address}/${cidr.prefix}`);
      if (gateway && parseAddress(gateway.trim())) gateways.push(gateway.trim());
    }
    const gateway = one(family, 'gateway');
    if (gateway) gateways.push(gateway);
    dns.push(...(one(family, 'dns') ?? '').split(/[;,]/).filter((each) => each.trim() !== ''));
    for (const { value } of all(family, /^routes?\d*$/)) {
      const [to = '', via = '', metric] = value.split(',').map((each) => each.trim());
      if (to !== '' && via !== '') routes.push({ to, via, ...(metric ? { metric: Number(metric) } : {}) });
    }
  }
  const mtu = one('ethernet', 'mtu');
  const parent = one('vlan', 'parent');
  const id = one('vlan', 'id');
  const [only] = gateways;
  return {
    ...(parent !== undefined && id !== undefined ? { vlan: { parent, id: Number(id) } } : {}),
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(only === undefined ? {} : { gateway: gateways.length === 1 ? only : gateways }),
    ...(routes.length === 0 ? {} : { routes }),
    ...(dns.length === 0 ? {} : { dns }),
    ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
  };
}
