import { basename, dirname, relative } from 'node:path';
import { stringify } from 'yaml';
import { cidrText } from './addresses.ts';
import { serversOf } from './derived.ts';
import type { Path, SourceDocument } from './document.ts';
import { hasPath } from './merge.ts';
import type { Cluster, Extras, Host, Secret, Service, VrrpGroup } from './model.ts';
import { AREAS } from './words.ts';

type Value = string | number | boolean | readonly (string | number)[];

/** One value of a cluster, in the inventory's words, and where it comes from. */
export interface ResolvedValue {
  path: string[];
  value: Value;
  /** `said`, `group NAME`, `defaults`, `built in`, or what it follows from. */
  from: string;
  /** Where it is said. */
  file?: string;
  line?: number;
}

/** Where a value may be said, the first place that says it counting; and what it is if none does. */
interface Origin {
  at: readonly (readonly [Path, string])[];
  otherwise: string;
}

/** Everything that lvsctl takes a cluster to be. No secret is among it. Pure. */
export function resolvedValues(cluster: Cluster, document: SourceDocument): ResolvedValue[] {
  const rows: ResolvedValue[] = [];
  const add = (path: readonly string[], value: Value | undefined, { at, otherwise }: Origin) => {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return;
    const found = at.find(([place]) => hasPath(document.value, place));
    if (found === undefined) {
      rows.push({ path: [...path], value, from: otherwise });
      return;
    }
    const { file, line } = document.place(found[0], 'key');
    rows.push({ path: [...path], value, from: found[1], file, ...(line === undefined ? {} : { line }) });
  };
  add(['name'], cluster.name, said(['name']));
  for (const group of cluster.groups) {
    add(['groups', group.name, 'hosts'], group.hosts, said(['groups', group.name, 'hosts']));
  }
  for (const host of cluster.hosts) addHost(host, cluster, add);
  for (const group of cluster.vrrp) addVrrp(group, add);
  for (const service of cluster.services) addService(service, document, add);
  addAround(cluster, add);
  return rows;
}

type Add = (path: readonly string[], value: Value | undefined, origin: Origin) => void;

const BUILT_IN = 'built in';

function said(path: Path, otherwise = BUILT_IN): Origin {
  return { at: [[path, 'said']], otherwise };
}

function addHost(host: Host, cluster: Cluster, add: Add): void {
  const top = ['hosts', host.name];
  const from = (key: Path, otherwise = BUILT_IN): Origin => ({
    at: [
      [[...top, ...key], 'said'],
      ...host.groups.map((group) => [['groups', group, ...key], `group ${group}`] as const),
      [['defaults', 'host', ...key], 'defaults'],
    ],
    otherwise,
  });
  add([...top, 'groups'], host.groups, { at: [], otherwise: 'follows from groups' });
  const owns = host.owns.length === AREAS.length ? 'all' : host.owns;
  add([...top, 'manage'], host.managed ? owns : 'none', from(['manage']));
  add([...top, 'platform'], host.platform ?? 'observed', from(['platform']));
  add([...top, 'forwarding'], host.forwarding, from(['forwarding']));
  const { address, user, port, identityFile, jump, knownHosts, become } = host.ssh;
  const ssh = { address, user, port, identity_file: identityFile, jump, known_hosts: knownHosts, become };
  const known = host.interfaces.some((one) => one.addresses.length > 0);
  const addressFrom = known ? 'the first interface’s first address' : 'the host’s name';
  for (const [key, value] of Object.entries(ssh)) add([...top, 'ssh', key], value, from(['ssh', key], addressFrom));
  for (const one of host.interfaces) {
    const way = [...top, 'interfaces', one.name];
    if (one.link.type === 'bond') {
      add([...way, 'bond', 'mode'], one.link.mode, said([...way, 'bond', 'mode']));
      add([...way, 'bond', 'members'], one.link.members, said([...way, 'bond', 'members']));
      for (const [key, value] of Object.entries(one.link.options)) {
        add([...way, 'bond', 'options', key], value, said([...way, 'bond', 'options', key]));
      }
    }
    if (one.link.type === 'vlan') {
      add([...way, 'vlan', 'parent'], one.link.parent, said([...way, 'vlan', 'parent']));
      add([...way, 'vlan', 'id'], one.link.id, said([...way, 'vlan', 'id']));
    }
    add([...way, 'addresses'], one.addresses.map(cidrText), said([...way, 'addresses']));
    const gateways = [one.gateways.v4, one.gateways.v6].filter((each) => each !== undefined);
    add([...way, 'gateway'], gateways, said([...way, 'gateway'], gatewayReason(host, cluster)));
    add(
      [...way, 'routes'],
      one.routes.map(({ to, via }) => `${cidrText(to)} via ${via}`),
      said([...way, 'routes']),
    );
    const dns = from(['dns']);
    add([...way, 'dns'], one.dns, { ...dns, at: [[[...way, 'dns'], 'said'], ...dns.at] });
    add([...way, 'mtu'], one.mtu, said([...way, 'mtu']));
    const alone = one.segment === `${host.name}:${one.name}`;
    add(
      [...way, 'segment'],
      one.segment,
      said([...way, 'segment'], alone ? 'shares no subnet' : 'the subnet it shares'),
    );
  }
  addExtras(top, [], host, from, add);
  for (const [platform, extras] of Object.entries(host.byPlatform)) {
    addExtras(top, ['by_platform', platform], extras, from, add);
  }
  add([...top, 'time', 'servers'], host.timeServers, from(['time', 'servers']));
  for (const [key, value] of Object.entries(host.vars)) add([...top, 'vars', key], value, from(['vars', key]));
}

function gatewayReason({ name }: Host, { services }: Cluster): string {
  const nat = services.find(
    (one) => one.mode === 'nat' && one.virtuals.some((row) => serversOf(one, row).some(({ host }) => host === name)),
  );
  return nat === undefined ? BUILT_IN : `the director’s address: replies of ${nat.name} must pass it (nat)`;
}

function addExtras(
  top: readonly string[],
  below: readonly string[],
  extras: Extras,
  from: (key: Path) => Origin,
  add: Add,
): void {
  for (const [key, value] of Object.entries(extras.sysctls)) {
    add([...top, ...below, 'sysctls', key], value, from([...below, 'sysctls', key]));
  }
  add([...top, ...below, 'packages'], extras.packages, from([...below, 'packages']));
  add([...top, ...below, 'modules'], extras.modules, from([...below, 'modules']));
  for (const file of extras.files) {
    const way = [...below, 'files', file.path];
    const { owner, group, mode } = file;
    for (const [key, value] of Object.entries({ owner, group, mode }))
      add([...top, ...way, key], value, from([...way, key]));
    add([...top, ...way, 'bytes'], Buffer.byteLength(file.content), from(way));
  }
  for (const { name, enabled, running } of extras.units) {
    const way = [...below, 'units', name];
    add([...top, ...way, 'enabled'], enabled, from([...way, 'enabled']));
    add([...top, ...way, 'running'], running, from([...way, 'running']));
  }
}

function addVrrp(group: VrrpGroup, add: Add): void {
  const top = ['vrrp', group.name];
  const plain = (key: string, value: Value | undefined, otherwise?: string) =>
    add([...top, key], value, said([...top, key], otherwise));
  for (const { host, priority } of group.nodes) {
    add([...top, 'nodes', host, 'priority'], priority, said([...top, 'nodes', host, 'priority']));
  }
  plain('preempt', group.preempt);
  plain('preempt_delay', group.preemptDelay);
  plain('unicast', group.unicast);
  plain('advert_interval', group.advertInterval);
  plain('version', group.version, group.version === 3 ? 'needed for IPv6 or less than a second' : BUILT_IN);
  if (group.authPass !== undefined) plain('auth_pass', secretSource(group.authPass));
  for (const { name, script } of group.trackScripts) {
    add([...top, 'track_scripts', name], script.name, said([...top, 'track_scripts', name]));
  }
  for (const [state, script] of Object.entries(group.notify)) {
    add([...top, 'notify', state], script?.name, said([...top, 'notify', state]));
  }
  for (const instance of group.instances) {
    const way = [...top, 'instances', instance.name];
    add([...way, 'virtual_router_id'], instance.virtualRouterId, said([...way, 'virtual_router_id']));
    for (const { host, device, address } of instance.nodes) {
      const own: Path = [...top, 'nodes', host, 'interfaces', instance.name];
      const at = [[own, 'said'] as const, [[...way, 'interface'], 'said'] as const];
      add([...way, 'nodes', host, 'interface'], device, { at, otherwise: BUILT_IN });
      add([...way, 'nodes', host, 'address'], address, { at: [], otherwise: 'the interface’s address' });
    }
    const own = instance.addresses.filter(({ prefix, family }) => prefix < (family === 4 ? 32 : 128));
    const vips = instance.addresses.filter((each) => !own.includes(each));
    add([...way, 'addresses'], own.map(cidrText), said([...way, 'addresses']));
    add([...way, 'vips'], vips.map(cidrText), { at: [], otherwise: 'the VIPs that name it' });
    add([...way, 'track_interfaces'], instance.trackInterfaces, said([...way, 'track_interfaces']));
  }
}

/** Where a secret is read from; never what it is. */
function secretSource({ from }: Secret): string {
  if ('env' in from) return `env ${from.env}`;
  return 'file' in from ? `file ${basename(from.file)}` : `command ${from.command}`;
}

function addService(service: Service, document: SourceDocument, add: Add): void {
  const top = ['services', service.name];
  const from = (key: Path, otherwise = BUILT_IN): Origin => ({
    at: [
      [[...top, ...key], 'said'],
      [['defaults', 'service', ...key], 'defaults'],
    ],
    otherwise,
  });
  const plain = (key: string, value: Value | undefined, otherwise?: string) =>
    add([...top, key], value, from([key], otherwise));
  plain('mode', service.mode);
  plain(
    'vip',
    service.vips.map(({ address }) => address),
  );
  if (service.vrrp !== undefined) {
    const { group, instance } = service.vrrp;
    add([...top, 'vrrp'], `${group}.${instance}`, { at: [], otherwise: 'carries the VIP' });
  }
  plain('protocol', service.protocol);
  const ports = service.ports.map(({ first, last }) => (first === last ? first : `${first}-${last}`));
  add([...top, 'ports'], ports, { at: [...from(['port']).at, ...from(['ports']).at], otherwise: BUILT_IN });
  plain('fwmark', service.fwmark);
  plain('scheduler', service.scheduler);
  plain('scheduler_flags', service.schedulerFlags);
  if (service.persistence !== undefined) {
    const { timeout, prefix4, prefix6, engine } = service.persistence;
    plain('persistence_timeout', timeout);
    add([...top, 'persistence_netmask', 'ipv4'], prefix4, from(['persistence_netmask', 'ipv4']));
    add([...top, 'persistence_netmask', 'ipv6'], prefix6, from(['persistence_netmask', 'ipv6']));
    plain('persistence_engine', engine);
  }
  if (service.protocol === 'udp') plain('one_packet', service.onePacket);
  plain('directors', service.directors, `the nodes of ${service.vrrp?.group}`);
  if (service.mode === 'dr' || service.mode === 'tun') {
    const arp =
      typeof service.arp === 'string' ? service.arp : `static_neighbour at ${service.arp.staticNeighbourAt.join(', ')}`;
    plain('arp', arp);
  }
  if (service.mode === 'tun') {
    for (const [key, value] of Object.entries(service.tunnel))
      add([...top, 'tunnel', key], value, from(['tunnel', key]));
  }
  addCheck(service, top, from, add);
  for (const row of service.virtuals) {
    // Of many rows for one VIP the first tells of the real servers.
    if (row !== service.virtuals.find(({ family }) => family === row.family)) continue;
    for (const real of row.realServers) {
      const way = [...top, 'real_servers', real.host];
      const group = hasPath(document.value, way) ? undefined : realGroup(real.host, service.name, document);
      const of = (key: string, otherwise = BUILT_IN): Origin => ({
        at: [
          [[...way, key], 'said'],
          ...(group === undefined ? [] : [[[...top, 'real_servers', group, key], `group ${group}`] as const]),
        ],
        otherwise,
      });
      const suffix = service.vips.some(({ family }) => family !== row.family) ? `_ipv${row.family}` : '';
      add([...way, `address${suffix}`], real.address, of('address', 'what the director reaches'));
      if (suffix !== '' && row.family === 6 && service.vips.some(({ family }) => family === 4)) continue;
      add([...way, 'port'], real.port === 0 ? 'the one asked for' : real.port, of('port', 'the service’s'));
      add([...way, 'weight'], real.weight, of('weight'));
      add([...way, 'upper_threshold'], real.upperThreshold, of('upper_threshold'));
      add([...way, 'lower_threshold'], real.lowerThreshold, of('lower_threshold'));
    }
  }
}

/** The group through which a host is a real server. */
function realGroup(host: string, service: string, { value }: SourceDocument): string | undefined {
  const root = value as { groups?: Record<string, unknown>; services?: Record<string, { real_servers?: object }> };
  const named = Object.keys(root.services?.[service]?.real_servers ?? {});
  return named.find((name) => Object.hasOwn(root.groups ?? {}, name) && name !== host);
}

function addCheck(service: Service, top: readonly string[], from: (key: Path, otherwise?: string) => Origin, add: Add) {
  const { healthCheck, sorryServer } = service;
  if (healthCheck !== undefined) {
    const way = [...top, 'health_check'];
    const { check, interval, timeout, retries, retryInterval, startDown, inhibit } = healthCheck;
    const { type, ...rest } = check;
    const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const told = Object.entries(rest).map(([key, value]) => [
      key === 'recordType' ? 'type' : snake(key),
      typeof value === 'object' && value !== null && 'name' in value ? String(value.name) : (value as Value),
    ]) as [string, Value][];
    if (told.length === 0) add([...way, 'check'], type, from(['health_check', type]));
    for (const [key, value] of told) add([...way, type, key], value, from(['health_check', type, key]));
    const rhythm = { interval, timeout, retries, retry_interval: retryInterval, start_down: startDown, inhibit };
    for (const [key, value] of Object.entries(rhythm)) add([...way, key], value, from(['health_check', key]));
  }
  if (sorryServer !== undefined) {
    const { address, port, host } = sorryServer;
    add([...top, 'sorry_server', 'address'], address, from(['sorry_server', 'address']));
    add([...top, 'sorry_server', 'port'], port ?? 'the service’s', from(['sorry_server', 'port']));
    add([...top, 'sorry_server', 'host'], host, from(['sorry_server', 'host'], 'who has the address'));
  }
  add([...top, 'quorum'], service.quorum, from(['quorum']));
  add([...top, 'hysteresis'], service.hysteresis, from(['hysteresis']));
}

function addAround({ ipvs, webServers, proxies, applications, firewall, hooks }: Cluster, add: Add): void {
  if (ipvs.timeouts !== undefined) {
    const { tcp, tcpFin, udp } = ipvs.timeouts;
    for (const [key, value] of Object.entries({ tcp, tcp_fin: tcpFin, udp })) {
      add(['ipvs', 'timeouts', key], value, said(['ipvs', 'timeouts', key], 'the kernel’s own'));
    }
  }
  for (const [key, value] of Object.entries(ipvs.sync ?? {})) {
    add(['ipvs', 'sync', key], value, said(['ipvs', 'sync', key]));
  }
  for (const { name, software, hosts, port, index } of webServers) {
    const top = ['web_servers', name];
    for (const [key, value] of Object.entries({ software, hosts, port, index }))
      add([...top, key], value, said([...top, key]));
  }
  for (const proxy of proxies) {
    const top = ['proxies', proxy.name];
    const { software, hosts, port, serverName, upstream, healthCheck } = proxy;
    for (const [key, value] of Object.entries({ software, hosts, port, server_name: serverName })) {
      add([...top, key], value, said([...top, key]));
    }
    add([...top, 'upstream', 'method'], upstream.method, said([...top, 'upstream', 'method']));
    for (const server of upstream.servers) {
      const way = [...top, 'upstream', 'servers', server.host];
      add([...way, 'address'], server.address, { at: [], otherwise: 'what the proxies reach' });
      for (const key of ['port', 'weight', 'backup'] as const) add([...way, key], server[key], said([...way, key]));
    }
    add([...top, 'health_check', 'path'], healthCheck?.path, said([...top, 'health_check', 'path']));
    const directors = healthCheck?.allow;
    add(
      [...top, 'health_check', 'allow'],
      directors,
      said([...top, 'health_check', 'allow'], 'the directors’ addresses'),
    );
  }
  for (const { name, software, source, hosts, port, pages, index } of applications) {
    const top = ['applications', name];
    const archive = source.type === 'package' ? 'package' : basename(source.archive.file);
    for (const [key, value] of Object.entries({ software, source: archive, hosts, port })) {
      add([...top, key], value, said([...top, key]));
    }
    add(
      [...top, 'pages'],
      pages.map(({ path }) => path),
      said([...top, 'pages']),
    );
    add([...top, 'index'], index?.content, said([...top, 'index']));
  }
  add(['firewall', 'manage'], firewall.manage, said(['firewall', 'manage']));
  add(['firewall', 'trusted'], firewall.trusted.map(cidrText), said(['firewall', 'trusted']));
  for (const [key, file] of Object.entries({ before_change: hooks.beforeChange, after_change: hooks.afterChange })) {
    add(['hooks', key], file, said(['hooks', key]));
  }
}

/** Columns of a terminal. */
const WIDTH = 80;
const COMMENT_COLUMN = 42;

/** The values as YAML, each with a comment that says where it comes from. Pure. */
export function resolvedText(rows: readonly ResolvedValue[], document: SourceDocument): string {
  const lines: string[] = [];
  let open: readonly string[] = [];
  for (const row of together(rows)) {
    const parents = row.path.slice(0, -1);
    const same = parents.findIndex((part, index) => open[index] !== part);
    for (let depth = same < 0 ? parents.length : same; depth < parents.length; depth += 1) {
      if (depth === 0 || (depth === 1 && lines.at(-1) !== `${parents[0]}:`)) lines.push('');
      lines.push(`${'  '.repeat(depth)}${scalar(parents[depth] ?? '')}:`);
    }
    open = parents;
    lines.push(...written(row, document));
  }
  return `${lines.join('\n')}\n`;
}

/** The rows of one parent beside each other, in the order in which parents and rows came first. */
function together(rows: readonly ResolvedValue[], depth = 0): ResolvedValue[] {
  const parts = new Map<string, ResolvedValue[]>();
  for (const row of rows) {
    const key = row.path[depth] ?? '';
    parts.set(key, [...(parts.get(key) ?? []), row]);
  }
  return [...parts.values()].flatMap((part) => (part.length === 1 ? part : together(part, depth + 1)));
}

function written(row: ResolvedValue, document: SourceDocument): string[] {
  const indent = '  '.repeat(row.path.length - 1);
  const comment = `# ${originText(row, document)}`;
  const key = `${indent}${scalar(row.path.at(-1) ?? '')}:`;
  const beside = (text: string) => {
    const line = `${text.padEnd(COMMENT_COLUMN - 1)} ${comment}`;
    return line.length <= WIDTH ? [line] : undefined;
  };
  const inline = `${key} ${typeof row.value === 'object' ? `[${row.value.map(scalar).join(', ')}]` : scalar(row.value)}`;
  const one = beside(inline);
  if (one !== undefined) return one;
  if (inline.length <= WIDTH || typeof row.value !== 'object') return [`${indent}${comment}`, inline];
  return [`${indent}${comment}`, key, ...row.value.map((item) => `${indent}  - ${scalar(item)}`)];
}

function originText({ from, file, line }: ResolvedValue, document: SourceDocument): string {
  if (file === undefined) return from;
  const place = `${relative(dirname(document.file), file)}:${line}`;
  return from === 'said' ? place : `${from}, ${place}`;
}

/** A scalar on one line, quoted where YAML would take it for something else. */
function scalar(value: string | number | boolean): string {
  if (typeof value === 'string' && /\n/.test(value)) return JSON.stringify(value);
  const text = stringify(value, { lineWidth: 0 }).trimEnd();
  // In a list between brackets these would end it.
  return /^[^"'].*[,[\]{}]/.test(text) ? JSON.stringify(value) : text;
}
