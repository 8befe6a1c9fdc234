import { parseAddress } from './addresses.ts';
import { hostIn } from './derived.ts';
import type { Path } from './document.ts';
import { seconds } from './duration.ts';
import type { Findings } from './findings.ts';
import { hostsOf, membersOf, type Names } from './groups.ts';
import type {
  Arp,
  HealthCheck,
  Host,
  PortRange,
  RealServer,
  Service,
  SorryServer,
  Tunnel,
  VirtualService,
} from './model.ts';
import { checkProtocol, resolveHealthCheck } from './resolve-check.ts';
import { anAddress } from './resolve-interface.ts';
import { checkVip, type NamedVip } from './resolve-vrrp.ts';
import type { Inventory, InventoryService } from './schema.ts';
import { withServiceDefaults } from './service-defaults.ts';
import { checkMask, checkRealServers, checkService, checkSorryServer } from './service-rules.ts';
import { suggest, suggestion } from './suggest.ts';

/** Of one service at most so many ports become rows of IPVS's table; more are one row through a firewall mark. */
const PORT_LIMIT = 128;

/** What is known of names before services are read. */
export interface Known extends Names {
  /** Paths (joined by NUL) of what was left out because it is wrong in itself. */
  pruned: ReadonlySet<string>;
  vips: ReadonlyMap<string, NamedVip>;
  /** Address → the VRRP instance that carries it. */
  floating: ReadonlyMap<string, { group: string; instance: string }>;
  /** VRRP group → its nodes. */
  nodes: ReadonlyMap<string, readonly string[]>;
}

/** A service before its real servers' addresses are looked up. */
export interface NamedService extends Omit<Service, 'virtuals' | 'fwmark'> {
  path: Path;
  fwmark?: number | 'auto';
  real: { host: string; path: Path; said: InventoryService['real_servers'][string] }[];
}

/** Parses one service, defaults in, and checks what can be checked without the others. */
export function parseService(
  name: string,
  inventory: Inventory,
  known: Known,
  findings: Findings,
): NamedService | undefined {
  const path: Path = ['services', name];
  const own = inventory.services?.[name];
  if (own === undefined) return undefined;
  const sayer = (key: keyof InventoryService): Path =>
    own[key] === undefined ? ['defaults', 'service', key] : [...path, key];
  const vip = vipOf(own.vip, [...path, 'vip'], known, findings);
  const vrrp = vip?.vrrp;
  const said = withServiceDefaults(inventory.defaults?.service, own, vrrp !== undefined);
  const ports = portsOf(said, sayer, findings);
  const wanted = [
    ['mode', said.mode],
    ['port', said.port ?? said.ports],
    ['directors', vrrp ?? said.directors],
  ] as const;
  const missing = wanted.filter(
    ([key, value]) =>
      value === undefined && ![path, ['defaults', 'service']].some((at) => isLeftOut(known.pruned, at, key)),
  );
  for (const [key] of missing) {
    // A VIP that is unknown may have brought its directors with it.
    if (key === 'directors' && vip === undefined) continue;
    findings.add(
      path,
      'INV-MISSING-KEY',
      `“${key}” is missing in ${path.join('.')}`,
      'Add it there or in defaults.service.',
      'key',
    );
  }
  const directors = directorsOf(said, vrrp, sayer('directors'), known, findings);
  const real = realOf(said, path, directors, known, findings);
  const arp = arpOf(said.arp, sayer('arp'), known, findings);
  const healthCheck =
    said.health_check === undefined
      ? undefined
      : withPort(
          resolveHealthCheck(
            said.health_check,
            sayer('health_check'),
            hasBelow(known.pruned, sayer('health_check')),
            findings,
          ),
          said,
          ports,
        );
  const sorry = sorryServer(said, sayer('sorry_server'), findings);
  if (vip === undefined || said.mode === undefined || ports === undefined) return undefined;
  const service: NamedService = {
    name,
    path,
    mode: said.mode,
    vips: vip.addresses,
    ...(vrrp === undefined ? {} : { vrrp }),
    protocol: said.protocol ?? 'tcp',
    ports,
    ...(said.fwmark === undefined ? {} : { fwmark: said.fwmark }),
    scheduler: said.scheduler ?? 'wlc',
    schedulerFlags: said.scheduler_flags ?? [],
    ...persistenceOf(said),
    onePacket: said.one_packet ?? false,
    directors,
    arp,
    tunnel: tunnelOf(said, sayer('tunnel'), findings),
    ...(healthCheck === undefined ? {} : { healthCheck }),
    ...(sorry === undefined ? {} : { sorryServer: sorry }),
    ...(said.quorum === undefined ? {} : { quorum: said.quorum }),
    ...(said.hysteresis === undefined ? {} : { hysteresis: said.hysteresis }),
    real,
  };
  checkService(service, said, sayer, findings);
  checkMask(own, service, findings);
  if (said.health_check !== undefined) checkProtocol(service, said.health_check, sayer('health_check'), findings);
  return service;
}

function vipOf(said: string, path: Path, known: Known, findings: Findings): Omit<NamedVip, 'path'> | undefined {
  const named = known.vips.get(said);
  if (named !== undefined) return named;
  if (parseAddress(said) === undefined && !/^[0-9.]+$|:/.test(said)) {
    const names = [...known.vips.keys()];
    const next = names.length === 0 ? 'Write an address, or describe the VIP under vips.' : suggestion(said, names);
    findings.add(path, 'INV-UNKNOWN-NAME', `there is no VIP “${said}”`, next);
    return undefined;
  }
  const vip = anAddress(said, path, findings);
  checkVip(vip, said, path, findings);
  if (vip === undefined) return undefined;
  const vrrp = known.floating.get(vip.address);
  return { addresses: [vip], ...(vrrp === undefined ? {} : { vrrp }) };
}

function portsOf(
  said: InventoryService,
  sayer: (key: keyof InventoryService) => Path,
  findings: Findings,
): PortRange[] | undefined {
  if (said.port !== undefined && said.ports !== undefined) {
    findings.add(
      sayer('ports'),
      'INV-PORT-TWICE',
      'a service has either “port” or “ports”',
      'Give one of the two.',
      'key',
    );
    return undefined;
  }
  if (said.port !== undefined) return [{ first: said.port, last: said.port }];
  const ranges = said.ports?.map((one, index): PortRange => {
    const [first = 0, last = first] = String(one).split('-').map(Number);
    if (last < first || last > 65535)
      findings.add(
        [...sayer('ports'), index],
        'INV-BAD-RANGE',
        `“${one}” is no range of ports`,
        'Write it as 8000-8010.',
      );
    return { first, last };
  });
  if (ranges === undefined) return undefined;
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  const overlap = sorted.find((one, index) => (sorted[index + 1]?.first ?? Number.POSITIVE_INFINITY) <= one.last);
  if (overlap !== undefined) {
    findings.add(
      sayer('ports'),
      'INV-PORT-TWICE',
      `port ${sorted[sorted.indexOf(overlap) + 1]?.first} is named twice`,
      'Name each port once.',
      'key',
    );
  }
  const count = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (said.fwmark === undefined && count > PORT_LIMIT) {
    findings.add(
      sayer('ports'),
      'INV-TOO-MANY-PORTS',
      `${count} ports would be ${count} rows of the IPVS table; lvsctl makes at most ${PORT_LIMIT}`,
      'Add fwmark: auto, which makes all ports one virtual service.',
      'key',
    );
  }
  return ranges;
}

function directorsOf(
  said: InventoryService,
  vrrp: NamedVip['vrrp'],
  path: Path,
  known: Known,
  findings: Findings,
): string[] {
  const named = hostsOf(said.directors ?? [], known, path, findings);
  if (vrrp === undefined) {
    if (named.length > 1) {
      findings.add(
        path,
        'INV-DIRECTORS-WITHOUT-VRRP',
        `${named.length} directors share a VIP that no VRRP instance carries: all of them would hold it at once`,
        'Name the VIP under vips with vrrp: GROUP.INSTANCE, or name one director.',
        'key',
      );
    }
    return named;
  }
  const nodes = [...(known.nodes.get(vrrp.group) ?? [])];
  const strange = named.filter((host) => !nodes.includes(host));
  if (strange.length > 0) {
    findings.add(
      path,
      'INV-DIRECTOR-NOT-A-NODE',
      `${strange.join(', ')} is no node of ${vrrp.group}, which carries the VIP`,
      'Leave directors out: they are the nodes of the VIP’s VRRP group.',
      'key',
    );
  }
  return nodes;
}

function realOf(
  said: InventoryService,
  path: Path,
  directors: readonly string[],
  known: Known,
  findings: Findings,
): NamedService['real'] {
  const entries = Object.entries(said.real_servers);
  const byHost = new Map<string, NamedService['real'][number]>();
  // A host's own entry overrides its group's, wherever the two stand.
  const ordered = [
    ...entries.filter(([name]) => known.groups.has(name)),
    ...entries.filter(([name]) => !known.groups.has(name)),
  ];
  for (const [name, one] of ordered) {
    const at: Path = [...path, 'real_servers', name];
    for (const host of membersOf(name, known, at, 'key', findings)) {
      byHost.set(host, { host, path: at, said: { ...byHost.get(host)?.said, ...one } });
      if (directors.includes(host)) {
        findings.add(
          at,
          'INV-LOCAL-NODE',
          `${host} is director and real server of one service, which lvsctl does not set up`,
          'Use another host for one of the two.',
          'key',
        );
      }
    }
  }
  if (entries.length === 0 && !hasBelow(known.pruned, [...path, 'real_servers'])) {
    findings.add(
      [...path, 'real_servers'],
      'INV-NO-REAL-SERVER',
      'the service has no real server',
      'Name at least one.',
      'key',
    );
  }
  return [...byHost.values()];
}

function arpOf(said: InventoryService['arp'], path: Path, known: Known, findings: Findings): Arp {
  if (said === undefined || typeof said === 'string') return said ?? 'sysctl';
  const at = hostsOf(said.static_neighbour.at, known, [...path, 'static_neighbour', 'at'], findings);
  return { staticNeighbourAt: at };
}

function persistenceOf(said: InventoryService): Pick<Service, 'persistence'> {
  const { persistence_timeout: timeout, persistence_netmask: mask, persistence_engine: engine } = said;
  if (timeout === undefined) return {};
  const persistence = { timeout: seconds(timeout), prefix4: mask?.ipv4 ?? 32, prefix6: mask?.ipv6 ?? 128 };
  return { persistence: { ...persistence, ...(engine === undefined ? {} : { engine }) } };
}

function tunnelOf(said: InventoryService, path: Path, findings: Findings): Tunnel {
  const { type = 'ipip', port, checksum = 'none' } = said.tunnel ?? {};
  const wrong = (what: string, next: string) => findings.add(path, 'INV-TUNNEL', what, next, 'key');
  if (type !== 'gue' && port !== undefined) wrong(`${type} has no port`, 'Leave port out, or use gue.');
  switch (type) {
    case 'ipip':
      if (checksum !== 'none') wrong('ipip has no checksum', 'Leave checksum out.');
      return { type };
    case 'gre':
      if (checksum === 'remcsum') wrong('gre has no remcsum', 'Use checksum: csum, or gue.');
      return { type, checksum: checksum === 'csum' ? 'csum' : 'none' };
    case 'gue':
      if (port === undefined) wrong('gue needs a port', 'Add port: the UDP port on which real servers unwrap (6080).');
      return { type, port: port ?? 0, checksum };
  }
}

/** Through a firewall mark a real server has no port that could be asked: its first one is. */
function withPort(
  check: HealthCheck | undefined,
  { fwmark }: InventoryService,
  ports: readonly PortRange[] | undefined,
): HealthCheck | undefined {
  if (check === undefined || fwmark === undefined || ports?.[0] === undefined) return check;
  const { first } = ports[0];
  switch (check.check.type) {
    case 'ping_check':
    case 'misc_check':
    case 'bfd':
      return check;
    default:
      return { ...check, check: { ...check.check, port: check.check.port ?? first } };
  }
}

function sorryServer(said: InventoryService, path: Path, findings: Findings): Service['sorryServer'] {
  if (said.sorry_server === undefined) return undefined;
  const address = anAddress(said.sorry_server.address, [...path, 'address'], findings);
  return address && { ...address, ...(said.sorry_server.port === undefined ? {} : { port: said.sorry_server.port }) };
}

/** Whether a key, or one that was probably meant as it, was there and is wrong in itself. */
function isLeftOut(pruned: ReadonlySet<string>, path: Path, key: string): boolean {
  const start = `${path.join('\0')}\0`;
  return [...pruned].some((one) => {
    const rest = one.startsWith(start) ? one.slice(start.length) : '';
    return rest === key || (rest !== '' && suggest(rest, [key]) === key);
  });
}

function hasBelow(pruned: ReadonlySet<string>, path: Path): boolean {
  const start = path.join('\0');
  return [...pruned].some((one) => one === start || one.startsWith(`${start}\0`));
}

/** Two services on one protocol, VIP and port, or on one firewall mark. */
export function checkTwins(services: readonly NamedService[], findings: Findings): void {
  const twins = (service: NamedService, earlier: NamedService, what: string) =>
    findings.add(
      service.path,
      'INV-DUPLICATE-SERVICE',
      `${service.name} and ${earlier.name} (${findings.line(earlier.path, 'key')}) are both on ${what}`,
      'Give one another VIP, port or protocol, or make them one service.',
      'key',
      { path: earlier.path, of: 'key', says: earlier.name },
    );
  const marks = new Map<number, NamedService>();
  const sockets = new Map<string, Sockets>();
  for (const service of services) {
    const marked = typeof service.fwmark === 'number' ? marks.get(service.fwmark) : undefined;
    const shared = service.vips
      .flatMap(({ address }) => service.ports.map((range) => ({ key: `${service.protocol} ${address}`, range })))
      .map(({ key, range }) => ({ key, range, other: firstOn(sockets.get(key), range) }));
    const clash = shared.find(({ other }) => other !== undefined);
    if (clash?.other !== undefined) {
      twins(service, clash.other.service, `${clash.key} port ${Math.max(clash.range.first, clash.other.range.first)}`);
    } else if (marked !== undefined) twins(service, marked, `firewall mark ${service.fwmark}`);
    if (typeof service.fwmark === 'number') marks.set(service.fwmark, service);
    for (const { key, range } of shared) {
      const taken: Sockets = sockets.get(key) ?? { all: [], wide: [], single: new Map() };
      sockets.set(key, taken);
      const one = { service, range, position: taken.all.length };
      taken.all.push(one);
      if (range.first !== range.last) taken.wide.push(one);
      else if (!taken.single.has(range.first)) taken.single.set(range.first, one);
    }
  }
}

/** Ports that services have at one address, so that a single port is found without a look at all of them. */
interface Sockets {
  all: Taken[];
  wide: Taken[];
  single: Map<number, Taken>;
}

interface Taken {
  service: NamedService;
  range: PortRange;
  position: number;
}

/** The first that has one of these ports. */
function firstOn(taken: Sockets | undefined, range: PortRange): Taken | undefined {
  if (range.first !== range.last) return taken?.all.find((one) => overlap(one.range, range));
  const wide = taken?.wide.find((one) => overlap(one.range, range));
  const single = taken?.single.get(range.first);
  if (wide === undefined || single === undefined) return wide ?? single;
  return wide.position < single.position ? wide : single;
}

function overlap(a: PortRange, b: PortRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}

function portsIn({ first, last }: PortRange): number[] {
  return Array.from({ length: Math.max(0, Math.min(last - first + 1, 65536)) }, (_none, index) => first + index);
}

/** Looks the real servers' addresses up and makes the rows of IPVS's table. */
export function resolveService(
  { path: _path, real, fwmark, ...service }: NamedService,
  mark: number | undefined,
  hosts: readonly Host[],
  findings: Findings,
): Service {
  const rowOf = (family: 4 | 6, match: VirtualService['match']): VirtualService => ({
    family,
    match,
    realServers: real.flatMap((one) => {
      const address = addressOf(one, family, service, hosts, findings);
      if (address === undefined) return [];
      const { weight = 1, port, upper_threshold: upper, lower_threshold: lower } = one.said;
      const found: RealServer = {
        host: one.host,
        address,
        port: match.by === 'fwmark' ? (port ?? 0) : (port ?? match.port),
        weight,
        ...(upper === undefined ? {} : { upperThreshold: upper }),
        ...(lower === undefined ? {} : { lowerThreshold: lower }),
      };
      return [found];
    }),
  });
  const { protocol } = service;
  const families = [...new Set(service.vips.map(({ family }) => family))];
  const virtuals =
    fwmark === undefined || mark === undefined
      ? service.vips.flatMap(({ address, family }) =>
          service.ports.flatMap((range) =>
            portsIn(range).map((port) => rowOf(family, { by: 'socket', protocol, address, port })),
          ),
        )
      : families.map((family) => rowOf(family, { by: 'fwmark', mark }));
  const { sorryServer } = service;
  const resolved = {
    ...service,
    ...(mark === undefined ? {} : { fwmark: mark }),
    ...(sorryServer === undefined ? {} : { sorryServer: withHost(sorryServer, service.directors, hosts) }),
    virtuals,
  };
  checkRealServers(resolved, real, hosts, findings);
  checkSorryServer(resolved, hosts, findings);
  return resolved;
}

/** With the host that has its address. A director that has it takes the requests itself. */
function withHost(sorry: SorryServer, directors: readonly string[], hosts: readonly Host[]): SorryServer {
  const host = hosts.find(({ interfaces }) =>
    interfaces.some(({ addresses }) => addresses.some(({ address }) => address === sorry.address)),
  );
  return host === undefined || directors.includes(host.name) ? sorry : { ...sorry, host: host.name };
}

/** The address that the director forwards to: what is said, else one on a segment of the director's, else (where a route will do) the first. */
function addressOf(
  { host: name, path, said }: NamedService['real'][number],
  family: 4 | 6,
  service: Pick<Service, 'mode' | 'directors'>,
  hosts: readonly Host[],
  findings: Findings,
): string | undefined {
  const host = hostIn(hosts, name);
  const director = hostIn(hosts, service.directors[0] ?? '');
  // What is said is of one family; where a service has the other too, the obvious address of that one is taken.
  const given = said.address === undefined ? undefined : anAddress(said.address, [...path, 'address'], findings);
  if (said.address !== undefined && given === undefined) return undefined;
  if (given?.family === family) return given.address;
  const has = (one: Host['interfaces'][number]) => one.addresses.some((own) => own.family === family);
  const facing = new Set((director?.interfaces ?? []).filter(has).map((one) => one.segment));
  const shared = host?.interfaces.find((one) => facing.has(one.segment) && has(one));
  const routed = service.mode === 'dr' ? undefined : host?.interfaces.find(has);
  const address = (shared ?? routed)?.addresses.find((own) => own.family === family)?.address;
  if (address === undefined) {
    const [what, next] =
      service.mode === 'dr'
        ? [
            `${name} has no IPv${family} address on a segment of the director ${director?.name}: in dr mode it must`,
            'Give both an address in one network, or another mode.',
          ]
        : [`${name} has no IPv${family} address that the director could forward to`, 'Give it one.'];
    findings.add(path, 'INV-DIFFERENT-SEGMENT', what, next, 'key');
  }
  return address;
}
