/** A host as the rules look at it: what was read, and what follows from it. */
import type { KeepalivedConf } from '../../conf/keepalived.ts';
import type { Place } from '../../errors/index.ts';
import { makeGaps } from '../../import/gaps.ts';
import { emptyHost, type ImportedHost, type ImportedInstance } from '../../import/imported.ts';
import { importKeepalived } from '../../import/keepalived.ts';
import { keepalivedOf } from '../../observed/keepalived.ts';
import type { Link, Observed } from '../../observed/observed.ts';
import { type IpvsDestination, type IpvsTable, parseTable } from '../../resources/ipvs-table.ts';

export interface View {
  seen: Observed;
  place: Place;
  /** keepalived's configuration; absent where there is none, or it can't be read. */
  conf?: KeepalivedConf;
  /** What that asks for. */
  configured: ImportedHost;
  /** IPVS's table; absent where it isn't known. */
  table?: IpvsTable;
  /** The rules that are loaded at boot; absent where there are none. */
  saved?: { path: string; table: IpvsTable; text: string };
}

export function viewOf(seen: Observed): View {
  const conf = keepalivedOf(seen);
  const saved = savedOf(seen);
  const { ipvs } = seen;
  return {
    seen,
    place: { kind: 'host', host: seen.name, phase: 'audit' },
    ...(conf === undefined ? {} : { conf }),
    configured:
      conf === undefined
        ? emptyHost(seen.name)
        : importKeepalived(seen.name, { ...conf, problems: [] }, (path) => path, makeGaps()),
    ...(ipvs.state === 'known' ? { table: ipvs.table } : ipvs.state === 'none' ? { table: new Map() } : {}),
    ...(saved === undefined ? {} : { saved }),
  };
}

/** Where Red Hat's family and Debian's keep the rules (`ipvsadm.service`). */
export const SAVED = ['/etc/sysconfig/ipvsadm', '/etc/ipvsadm.rules'];

function savedOf({ files }: Observed): View['saved'] {
  for (const path of SAVED) {
    const text = files.get(path);
    // ipvsadm takes wlc, weight 1 and five minutes where a line doesn't say them (ipvsadm(8)).
    const lines = (text ?? '').split('\n').filter((line) => /^\s*-[Aa]\s/.test(line));
    if (lines.length === 0) continue;
    const whole = lines.map((line) =>
      /^\s*-A\s/.test(line)
        ? `${line.replace(/ (-p)(?=\s+-|\s*$)/, ' -p 300')}${/\s-s\s/.test(line) ? '' : ' -s wlc'}`
        : `${line}${/\s-w\s/.test(line) ? '' : ' -w 1'}`,
    );
    return { path, table: parseTable(whole.join('\n')), text: text ?? '' };
  }
  return undefined;
}

/** Whether keepalived runs there. */
export function isRunning({ seen }: View): boolean {
  return seen.units.get('keepalived.service')?.active === true || seen.keepalived.running;
}

/** Whether keepalived's configuration makes rules of IPVS. */
export function keepsTable({ configured }: View): boolean {
  return configured.services.length > 0;
}

/** Addresses of all devices, with the device. */
export function addressesOf({
  seen,
}: View): { device: string; link: Link; address: string; prefix: number; family: 4 | 6 }[] {
  return [...seen.links].flatMap(([device, link]) =>
    link.addresses.map(({ address, prefix, family }) => ({ device, link, address, prefix, family })),
  );
}

export function hasAddress(view: View, address: string): boolean {
  return addressesOf(view).some((one) => one.address === address);
}

/** What a node has of an instance's addresses. */
export function standing(view: View, { addresses }: ImportedInstance): 'master' | 'backup' | 'partly' {
  const here = addresses.filter(({ address }) => hasAddress(view, address)).length;
  if (here === 0) return 'backup';
  return here === addresses.length ? 'master' : 'partly';
}

/** Instances of several hosts that are one virtual router: the same number, and an address in common or the same name. */
export function routers(views: readonly View[]): { view: View; instance: ImportedInstance }[][] {
  const found: { view: View; instance: ImportedInstance }[][] = [];
  for (const view of views) {
    for (const instance of view.configured.instances) {
      const group = found.find((members) => members.some(({ instance: other }) => areOne(instance, other)));
      if (group === undefined) found.push([{ view, instance }]);
      else group.push({ view, instance });
    }
  }
  return found;
}

function areOne(one: ImportedInstance, other: ImportedInstance): boolean {
  const shares = one.addresses.some(({ address }) => other.addresses.some((each) => each.address === address));
  return shares || (one.virtualRouterId === other.virtualRouterId && one.name === other.name);
}

/** One real server of one row of a director's table. */
export interface Row {
  director: View;
  /** The words of the service's name, e.g. `-t 192.0.2.100:80`. */
  key: string;
  /** The service's address; absent where it goes by firewall mark. */
  vip?: string;
  port: number;
  protocol: 'tcp' | 'udp' | 'sctp' | 'fwmark';
  destination: IpvsDestination;
}

/** All rows of all tables. */
export function rowsOf(views: readonly View[]): Row[] {
  return views.flatMap((director) =>
    [...(director.table ?? [])].flatMap(([key, { destinations }]) =>
      destinations.map((destination) => ({ director, key, ...nameOf(key), destination })),
    ),
  );
}

const PROTOCOLS = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp', '-f': 'fwmark' } as const;

/** What the words of a service's name say. */
export function nameOf(key: string): { vip?: string; port: number; protocol: Row['protocol'] } {
  const [option = '', value = ''] = key.split(' ');
  const protocol = PROTOCOLS[option as keyof typeof PROTOCOLS] ?? 'fwmark';
  const [, address, port] = /^\[?(.*?)\]?:(\d+)$/.exec(value) ?? [];
  return address === undefined ? { protocol, port: 0 } : { protocol, vip: address, port: Number(port) };
}

/** Rows whose real server a host is. */
export function servedBy(view: View, rows: readonly Row[]): Row[] {
  return rows.filter(({ director, destination }) => director !== view && hasAddress(view, destination.address));
}

/** A service in words: `tcp 192.0.2.100:80`, `mark 7`. */
export function serviceText(key: string): string {
  const { protocol } = nameOf(key);
  const rest = key.slice(key.indexOf(' ') + 1);
  return protocol === 'fwmark' ? `mark ${rest.replace(' -6', ' (IPv6)')}` : `${protocol} ${rest}`;
}

/** A parameter's value, by its path below /proc/sys. */
export function parameter({ seen }: View, path: string): number | undefined {
  const value = seen.sysctls.get(path);
  return value === undefined || !/^-?\d+$/.test(value) ? undefined : Number(value);
}

/** The larger of `all` and the device's own, which counts (ip-sysctl.rst: arp_ignore, arp_announce, rp_filter). */
export function effective(view: View, device: string, name: string): number | undefined {
  const own = parameter(view, `net/ipv4/conf/${device}/${name}`);
  const all = parameter(view, `net/ipv4/conf/all/${name}`);
  return own === undefined && all === undefined ? undefined : Math.max(own ?? 0, all ?? 0);
}

/** A parameter as sysctl(8) writes it. */
export function dotted(path: string): string {
  return path.replace(/[./]/g, (char) => (char === '/' ? '.' : '/'));
}

/** Whether a link is one that answers ARP: it has a segment. */
export function isSegment({ layer, up }: Link): boolean {
  return layer === 'ether' && up;
}

export function isTunnel({ layer, kind }: Link): boolean {
  return /^(ipip|gre|tunnel6|gre6|sit|ip6gre)$/.test(layer) || /^(ipip|gre|ip6tnl|ip6gre|sit)$/.test(kind);
}

/** Whether an address is VRRP’s to give on that host: a director’s. */
export function isCarried({ configured }: View, address: string): boolean {
  return configured.instances.some(({ addresses }) => addresses.some((one) => one.address === address));
}
