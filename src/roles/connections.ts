import { failure } from '../errors/index.ts';
import { applicationsOn, directedBy, proxiesAsking, proxiesOn, standsBehind } from '../inventory/derived.ts';
import type { Cidr, Cluster, Host, Interface, Link } from '../inventory/model.ts';
import type { Profile } from '../platform/facts.ts';
import type { ConnectionResource } from '../resources/resource.ts';
import { type Desired, earliest, type Part, type Question } from './desired.ts';
import { type Keyfile, type Owned, overlay, parseKeyfile, printKeyfile } from './keyfile.ts';
import { uuidOf } from './uuid.ts';

const FOLDER = '/etc/NetworkManager/system-connections';
const MARK = '# lvsctl manages the addresses';
const V4_LOOPBACK = '127.0.0.1/8';

/** What a device is to have, from the inventory and the roles together. */
interface Wanted {
  device: string;
  type: ConnectionResource['type'];
  /** What a bond or VLAN is made of. */
  link?: Exclude<Link, { type: 'ethernet' }>;
  /** The bond that it is a part of. */
  bond?: string;
  /** CIDRs, own ones first. */
  addresses: string[];
  gateways: Interface['gateways'];
  routes: Interface['routes'];
  dns: string[];
  mtu?: number;
}

/**
 * NetworkManager profiles: one for each interface that the inventory says anything of, and lo's for the VIPs of a
 * real server. VIPs are added to the interface's own addresses.
 * @throws HOST-NO-NETWORKMANAGER, HOST-OLD-NETWORKMANAGER, HOST-NO-KEYFILE
 */
export function connectionResources(question: Question, part: Part): Desired[] {
  const { cluster, host, facts } = question;
  const bonds = membersOf(host.interfaces);
  const extra = (device: string) => part.addresses.filter((one) => one.device === device);
  const interfaces = host.interfaces
    .map((one): Wanted => {
      const addresses = [...one.addresses.map(cidr), ...extra(one.name).map(({ address }) => address)];
      const { name, link, gateways, routes, dns, mtu } = one;
      return {
        device: name,
        type: link.type,
        ...(link.type === 'ethernet' ? {} : { link }),
        addresses: unique(addresses),
        gateways,
        routes,
        dns,
        ...(mtu === undefined ? {} : { mtu }),
      };
    })
    .filter(({ device }) => !bonds.some(({ member }) => member === device))
    .filter((one) => one.addresses.length > 0 || one.dns.length > 0 || one.mtu !== undefined || one.link !== undefined);
  const wanted = [
    // Members and parents first: a bond or a VLAN comes up once it has them.
    ...bonds.map(({ member, bond }) => memberOf(host.interfaces, member, bond)),
    ...interfaces.toSorted((a, b) => rank(a) - rank(b)),
    ...loopback(
      question,
      extra('lo').map(({ address }) => address),
    ),
  ];
  if (wanted.length === 0) return [];
  checkNetworkManager(question, wanted);
  return wanted.map((one) => {
    const active = facts.profiles.find(({ device }) => device === one.device);
    if (active !== undefined) checkKeyfile(question, active);
    const stage = one.device === 'lo' ? 'real-vip' : earliest(extra(one.device).map((address) => address.stage));
    const resource = resourceOf(question, one, active);
    if (one.device === 'lo') return { stage, resource, ...(extra('lo').length === 0 ? { fallback: true } : {}) };
    return isIdle(cluster, host) ? { stage, resource, idle: true } : { stage, resource };
  });
}

/**
 * Whether no part of the cluster reaches others by this host's interfaces. It may have been a real server until now: to
 * give it another gateway before its director has dropped it would lose the replies.
 */
function isIdle(cluster: Cluster, { name, forwarding }: Host): boolean {
  const { proxies, applications } = cluster;
  return !(
    forwarding ||
    directedBy(cluster, name).length + standsBehind(cluster, name).length > 0 ||
    proxiesOn(proxies, name).length + applicationsOn(applications, name).length > 0 ||
    proxiesAsking(proxies, name).length > 0
  );
}

/** The members of bonds, each with its bond. */
function membersOf(interfaces: readonly Interface[]): { member: string; bond: string }[] {
  return interfaces.flatMap(({ name, link }) =>
    link.type === 'bond' ? link.members.map((member) => ({ member, bond: name })) : [],
  );
}

/** A member has no addresses of its own: NetworkManager would drop them. */
function memberOf(interfaces: readonly Interface[], member: string, bond: string): Wanted {
  const mtu = interfaces.find(({ name }) => name === bond)?.mtu;
  const nothing = { addresses: [], gateways: {}, routes: [], dns: [] };
  return { device: member, type: 'ethernet', bond, ...nothing, ...(mtu === undefined ? {} : { mtu }) };
}

function rank({ type }: Wanted): number {
  return type === 'vlan' ? 1 : 0;
}

/** lo's profile: wanted with VIPs, and without them where an earlier apply wrote one that may still hold some. */
function loopback({ facts }: Question, vips: readonly string[]): Wanted[] {
  const ours = facts.profiles.some(({ device, content }) => device === 'lo' && content.startsWith(MARK));
  if (vips.length === 0 && !ours) return [];
  const local = vips.some((vip) => vip.includes(':')) ? [V4_LOOPBACK, '::1/128'] : [V4_LOOPBACK];
  return [
    { device: 'lo', type: 'loopback', addresses: unique([...local, ...vips]), gateways: {}, routes: [], dns: [] },
  ];
}

function checkNetworkManager({ host, facts }: Question, wanted: readonly Wanted[]): void {
  const place = { kind: 'host', host: host.name, phase: 'desire' } as const;
  const version = facts.networkManager;
  if (version === undefined) {
    throw failure({
      code: 'HOST-NO-NETWORKMANAGER',
      place,
      what: `${wanted.map(({ device }) => device).join(', ')} would be set up through NetworkManager, which doesn’t run there`,
      next: 'Install and start NetworkManager there, let it manage these devices, and try again.',
    });
  }
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (wanted.some(({ type }) => type === 'loopback') && (major < 1 || (major === 1 && minor < 42))) {
    throw failure({
      code: 'HOST-OLD-NETWORKMANAGER',
      place,
      what: `NetworkManager ${version} can’t put a VIP on lo: loopback profiles came with 1.42`,
      next: 'Upgrade NetworkManager there to 1.42 or later.',
    });
  }
}

/** NetworkManager also reads ifcfg files on the RHEL family; lvsctl writes keyfiles alone. */
function checkKeyfile({ host }: Question, { name, device, file }: Profile): void {
  if (file === '' || file.endsWith('.nmconnection')) return;
  throw failure({
    code: 'HOST-NO-KEYFILE',
    place: { kind: 'host', host: host.name, phase: 'desire' },
    what: `the profile “${name}” of ${device} stands in ${file}, which is no keyfile`,
    next: `Turn it into one: nmcli connection migrate "${name}"`,
  });
}

function resourceOf(question: Question, wanted: Wanted, active: Profile | undefined): ConnectionResource {
  const name = active?.name ?? `lvsctl-${wanted.device}`;
  const uuid = active?.uuid ?? uuidOf(`${question.cluster.name}/${question.host.name}/${wanted.device}`);
  const template = parseKeyfile(render(question, wanted, { name, uuid, fresh: active === undefined }));
  const file = overlay(
    active === undefined ? template : withoutRuntime(parseKeyfile(active.content)),
    template,
    ownedBy(wanted),
  );
  return {
    kind: 'connection',
    device: wanted.device,
    type: wanted.type,
    profile: { name, uuid, file: pathOf(wanted.device, active), content: printKeyfile(file) },
    addresses: wanted.addresses,
    routes: routesOf(wanted),
  };
}

/** As `ip route` prints them. */
function routesOf({ gateways, routes }: Wanted): string[] {
  const defaults = [gateways.v4, gateways.v6].flatMap((via) => (via === undefined ? [] : [`default via ${via}`]));
  const others = routes.map(({ to, via, metric }) => {
    const network = to.prefix === 0 ? 'default' : to.prefix === (to.family === 4 ? 32 : 128) ? to.address : cidr(to);
    return `${network} via ${via}${metric === undefined ? '' : ` metric ${metric}`}`;
  });
  return unique([...defaults, ...others]);
}

/**
 * A profile in /etc keeps its file. One that lives in /run, in /usr/lib or in memory gets one in /etc, with the same
 * UUID: NetworkManager lets that one hide it (NetworkManager.conf(5), keyfile).
 */
function pathOf(device: string, active: Profile | undefined): string {
  const path = active?.file ?? '';
  const base = path.slice(path.lastIndexOf('/') + 1);
  return `${FOLDER}/${base === '' ? `lvsctl-${device}.nmconnection` : base}`;
}

/** Without what NetworkManager notes of profiles that it made itself for as long as it runs. */
function withoutRuntime(file: Keyfile): Keyfile {
  return {
    head: file.head,
    sections: file.sections
      .filter(({ name }) => name !== '.nmmeta')
      .map((section) =>
        section.name === 'connection'
          ? { ...section, lines: section.lines.filter((line) => !('key' in line && line.key === 'timestamp')) }
          : section,
      ),
  };
}

function render(question: Question, wanted: Wanted, profile: { name: string; uuid: string; fresh: boolean }): string {
  const families = ([4, 6] as const).flatMap((family) => {
    const is = (address: string) => address.includes(':') === (family === 6);
    const addresses = wanted.addresses.filter(is);
    const gateway = family === 4 ? wanted.gateways.v4 : wanted.gateways.v6;
    const routes = wanted.routes
      .filter(({ to }) => to.family === family)
      .map(({ to, via, metric }) => ({
        to: cidr(to),
        via,
        metric: metric ?? null,
      }));
    const dns = wanted.dns.filter(is);
    if (wanted.bond !== undefined || (addresses.length === 0 && dns.length === 0 && !profile.fresh)) return [];
    const method = addresses.length > 0 ? 'manual' : family === 4 && wanted.addresses.length > 0 ? 'disabled' : 'auto';
    return [{ section: `ipv${family}`, method, addresses, gateway: gateway ?? null, dns, routes }];
  });
  return question.template('networkmanager/connection.nmconnection', {
    id: profile.name,
    uuid: profile.uuid,
    type: wanted.type,
    device: wanted.device,
    mtu: wanted.mtu ?? null,
    bond: wanted.bond ?? null,
    link: wanted.link ?? null,
    families,
  });
}

/** Which keys of an adopted profile are replaced: only what the inventory speaks of. */
function ownedBy(wanted: Wanted): Owned {
  const family = (is: 4 | 6) => {
    const of = (address: string) => address.includes(':') === (is === 6);
    const addressed = wanted.addresses.some(of);
    const gateway = is === 4 ? wanted.gateways.v4 : wanted.gateways.v6;
    return (key: string) =>
      (addressed && /^(method|gateway|(address|addresses|route|routes)\d*(_options)?)$/.test(key)) ||
      (gateway !== undefined && key === 'never-default') ||
      (key === 'dns' && wanted.dns.some(of));
  };
  return {
    connection: (key) =>
      key === 'interface-name' ||
      key === 'autoconnect' ||
      (wanted.bond !== undefined && /^(master|controller|slave-type|port-type)$/.test(key)),
    bond: () => true,
    vlan: (key) => key === 'id' || key === 'parent' || key === 'flags',
    ethernet: (key) => key === 'mtu' && wanted.mtu !== undefined,
    ipv4: family(4),
    ipv6: family(6),
  };
}

function cidr({ address, prefix }: Cidr): string {
  return `${address}/${prefix}`;
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}
