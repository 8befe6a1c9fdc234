/** Running hosts as what is imported of them: their files, their table, their addresses. */
import { parseCidr } from '../inventory/addresses.ts';
import type { InventoryHost, InventoryInterface } from '../inventory/schema.ts';
import { configIdOf, fileOf, includedOf } from '../observed/keepalived.ts';
import type { Link, Observed } from '../observed/observed.ts';
import type { FilePlace, Gaps } from './gaps.ts';
import { emptyHost, type ImportedHost } from './imported.ts';
import { tidy } from './names.ts';
import { kindOf, type Source } from './sources.ts';

/** A host that was read, and how it was reached. */
export interface ReadHost {
  seen: Observed;
  /** As the inventory is to say it; absent where its name alone leads there. */
  ssh?: NonNullable<InventoryHost['ssh']>;
}

/** What the host is called in the inventory: as ssh called it, but for an address, which says less than its own name. */
export function nameOf({ name, facts }: Observed): string {
  const isAddress = /^[0-9.]+$|:/.test(name);
  const [own = ''] = facts.hostname.split('.');
  return tidy(isAddress && own !== '' ? own : name);
}

/** The files and the table of a host. What is there and isn't used by anything that runs is left out, and told. */
export function sourcesOf(seen: Observed, gaps: Gaps): Source[] {
  const host = nameOf(seen);
  const at = (path: string): FilePlace => ({ kind: 'file', file: fileOf(seen.name, path) });
  for (const path of seen.unread)
    gaps.add(at(path), 'the file can’t be read by this user', 'Import again as root, or with --sudo.');
  const sources: Source[] = [];
  const add = (path: string, unit: string): void => {
    const text = seen.files.get(path);
    if (text === undefined || kindOf(text) === undefined) return;
    const own = seen.units.get(unit);
    const used = seen.units.size === 0 || own?.active === true || own?.enabled === true;
    if (used)
      sources.push({
        host,
        file: fileOf(seen.name, path),
        text,
        kind: kindOf(text) ?? 'keepalived',
        include: includedOf(seen),
        configId: configIdOf(seen),
      });
    else
      gaps.add(
        at(path),
        `the file is not imported: ${unit} neither runs nor is enabled`,
        'Import the file itself if it is meant: NAME=FILE.',
      );
  };
  add(seen.keepalived.file, 'keepalived.service');
  for (const path of ['/etc/ha.d/ldirectord.cf', '/etc/ldirectord.cf']) add(path, 'ldirectord.service');
  const { ipvs } = seen;
  if (ipvs.state === 'known' && ipvs.text !== '')
    sources.push({ host, file: fileOf(seen.name, 'ipvsadm -Sn'), text: ipvs.text, kind: 'ipvsadm' });
  if (ipvs.state === 'unknown')
    gaps.add(
      at('ipvsadm -Sn'),
      `IPVS’s table is not known: ${ipvs.why}`,
      'What stands in keepalived.conf alone is written.',
    );
  for (const { device, file, content } of seen.facts.profiles) {
    if (device !== '' && device !== 'lo' && file !== '' && content !== '')
      sources.push({ host, file: fileOf(seen.name, file), text: content, kind: 'keyfile' });
  }
  return sources;
}

/**
 * The host itself: its name, how it is reached, and the interfaces that no keyfile describes, as they are now.
 * @param described devices that keyfiles tell of
 */
export function hostOf({ seen, ssh }: ReadHost, described: ReadonlySet<string>): ImportedHost {
  const interfaces: Record<string, InventoryInterface> = {};
  for (const [device, link] of seen.links) {
    if (described.has(device) || !isDescribable(device, link)) continue;
    const own = interfaceOf(seen, device, link);
    if (own !== undefined) interfaces[device] = own;
  }
  const lasting = seen.facts.profiles.every(
    ({ device, file }) => device === '' || !described.has(device) || file.startsWith('/etc/'),
  );
  return {
    ...emptyHost(nameOf(seen)),
    interfaces,
    ...(ssh === undefined ? {} : { ssh }),
    // Of a network that others look after lvsctl knows no more than what is there now.
    network: Object.keys(interfaces).length === 0 && lasting ? 'keyfiles' : 'seen',
    seen: true,
  };
}

/** Interfaces that an inventory speaks of: cards, VLANs and bonds with addresses. */
function isDescribable(device: string, { layer, kind, addresses }: Link): boolean {
  if (device === 'lo' || layer !== 'ether' || addresses.length === 0) return false;
  return kind === '' || kind === 'vlan' || kind === 'bond';
}

const ETHERNET = 1500;

function interfaceOf({ routes }: Observed, device: string, link: Link): InventoryInterface | undefined {
  const addresses = link.addresses.map(({ address, prefix }) => `${address}/${prefix}`);
  const own = routes.filter(
    ({ line }) => new RegExp(`\\bdev ${escaped(device)}(\\s|$)`).test(line) && / via /.test(line),
  );
  const gateways = own.flatMap(({ line }) => /^default via (\S+)/.exec(line)?.[1] ?? []);
  const others = own.flatMap(({ line }) => {
    const [, to = '', via = ''] = /^(\S+) via (\S+)/.exec(line) ?? [];
    const metric = / metric (\d+)/.exec(line)?.[1];
    if (to === '' || to === 'default') return [];
    const cidr = parseCidr(to.includes('/') ? to : `${to}/${to.includes(':') ? 128 : 32}`);
    if (cidr === undefined) return [];
    return [{ to: `${cidr.address}/${cidr.prefix}`, via, ...(metric === undefined ? {} : { metric: Number(metric) }) }];
  });
  const vlan = /\bvlan\b.*\bid (\d+)/.exec(link.detail)?.[1];
  const [only] = gateways;
  return {
    ...(vlan === undefined ? {} : { vlan: { parent: device.replace(/\.\d+$/, ''), id: Number(vlan) } }),
    addresses,
    ...(only === undefined ? {} : { gateway: gateways.length === 1 ? only : gateways }),
    ...(others.length === 0 ? {} : { routes: others }),
    ...(link.mtu === ETHERNET || link.mtu === 0 ? {} : { mtu: link.mtu }),
  };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}
