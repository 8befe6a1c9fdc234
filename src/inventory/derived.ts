import type {
  Application,
  Cluster,
  Host,
  RealServer,
  ReverseProxy,
  Service,
  VirtualService,
  VrrpGroup,
  WebServer,
} from './model.ts';

/**
 * Finds in a list, which doesn't change any more, what has to do with a host: each of thousands of hosts asks, so that
 * the list is looked through once for all of them.
 */
function byHost<T>(hostsOf: (one: T) => Iterable<string>): (list: readonly T[], host: string) => T[] {
  const indexes = new WeakMap<readonly T[], Map<string, T[]>>();
  return (list, host) => {
    let index = indexes.get(list);
    if (index === undefined) {
      index = new Map();
      for (const one of list) {
        for (const name of new Set(hostsOf(one))) {
          const own = index.get(name);
          if (own === undefined) index.set(name, [one]);
          else own.push(one);
        }
      }
      indexes.set(list, index);
    }
    return index.get(host) ?? [];
  };
}

const directed = byHost<Service>(({ directors }) => directors);
const served = byHost<Service>(({ virtuals }) =>
  virtuals.flatMap(({ realServers }) => realServers.map(({ host }) => host)),
);
const behind = byHost<Service>((service) =>
  service.virtuals.flatMap((row) => serversOf(service, row).map(({ host }) => host)),
);
const held = byHost<Service>(({ arp }) => (typeof arp === 'object' ? arp.staticNeighbourAt : []));
const rows = byHost<VirtualService>(({ realServers }) => realServers.map(({ host }) => host));

/** The web servers that run on a host. Pure. */
export const webServersOn = byHost<WebServer>(({ hosts }) => hosts);
/** The proxies that run on a host. Pure. */
export const proxiesOn = byHost<ReverseProxy>(({ hosts }) => hosts);
/** The proxies that ask a host. Pure. */
export const proxiesAsking = byHost<ReverseProxy>(({ upstream }) => upstream.servers.map(({ host }) => host));
/** The applications that run on a host. Pure. */
export const applicationsOn = byHost<Application>(({ hosts }) => hosts);
/** The VRRP groups that a host is a node of. Pure. */
export const vrrpOn = byHost<VrrpGroup>(({ nodes }) => nodes.map(({ host }) => host));

const named = new WeakMap<readonly Host[], Map<string, Place>>();
const owners = new WeakMap<readonly Host[], Map<string, Host>>();

/** A host, and which one of the list it is. */
interface Place {
  host: Host;
  position: number;
}

/** A host of a cluster by its name. Pure. */
export function hostNamed(cluster: Cluster, name: string): Host | undefined {
  return hostIn(cluster.hosts, name);
}

/** A host by its name, of a list that doesn't change any more. Pure. */
export function hostIn(hosts: readonly Host[], name: string): Host | undefined {
  return placesOf(hosts).get(name)?.host;
}

/** The hosts of these names, each once, in the order of the list, which doesn't change any more. Pure. */
export function hostsIn(hosts: readonly Host[], names: Iterable<string>): Host[] {
  const places = placesOf(hosts);
  return [...new Set(names)]
    .flatMap((name) => places.get(name) ?? [])
    .sort((a, b) => a.position - b.position)
    .map(({ host }) => host);
}

/** The first host of a list, which doesn't change any more, that has an address on an interface. Pure. */
export function hostWith(hosts: readonly Host[], address: string): Host | undefined {
  let known = owners.get(hosts);
  if (known === undefined) {
    known = new Map();
    for (const host of hosts)
      for (const one of host.interfaces)
        for (const own of one.addresses) if (!known.has(own.address)) known.set(own.address, host);
    owners.set(hosts, known);
  }
  return known.get(address);
}

function placesOf(hosts: readonly Host[]): Map<string, Place> {
  const known = named.get(hosts) ?? new Map(hosts.map((host, position) => [host.name, { host, position }]));
  named.set(hosts, known);
  return known;
}

/** A real server in a row of IPVS's table. */
interface Row {
  row: VirtualService;
  real: RealServer;
}

/** The rows of a service that a host is a real server in, in their order. Pure. */
export function rowsOf({ virtuals }: Pick<Service, 'virtuals'>, host: string): Row[] {
  return rows(virtuals, host).flatMap((row) => {
    const real = realIn(row, host);
    return real === undefined ? [] : [{ row, real }];
  });
}

const reals = new WeakMap<VirtualService, Map<string, RealServer>>();

function realIn(row: VirtualService, host: string): RealServer | undefined {
  const known = reals.get(row) ?? new Map(row.realServers.map((real) => [real.host, real]));
  reals.set(row, known);
  return known.get(host);
}

/** A service's real servers, each once, with its address in the first row that has it. Pure. */
export function realServersOf(service: Service): RealServer[] {
  const byHost = new Map<string, RealServer>();
  for (const { realServers } of service.virtuals)
    for (const real of realServers) if (!byHost.has(real.host)) byHost.set(real.host, real);
  return [...byHost.values()];
}

/** Whether a host is a real server of a service. Pure. */
export function isRealServer(service: Service, host: string): boolean {
  return rows(service.virtuals, host).length > 0;
}

/** Where directors send requests of a row. */
export type Server = Pick<RealServer, 'host' | 'address' | 'port'>;

/** Where a row's requests go while no real server answers, if anywhere; its host, where the inventory has it. Pure. */
export function sorryServerOf(
  { sorryServer }: Service,
  { family, match }: VirtualService,
): (Pick<Server, 'address' | 'port'> & { host?: string }) | undefined {
  if (sorryServer?.family !== family) return undefined;
  const { address, host, port = match.by === 'socket' ? match.port : 0 } = sorryServer;
  return { address, port, ...(host === undefined ? {} : { host }) };
}

/** The hosts that a row's requests may come to: its real servers and, where the inventory has it, the sorry server. Pure. */
export function serversOf(service: Service, row: VirtualService): Server[] {
  const sorry = sorryServerOf(service, row);
  const { realServers } = row;
  if (sorry?.host === undefined || realServers.some(({ host }) => host === sorry.host)) return realServers;
  return [...realServers, { ...sorry, host: sorry.host }];
}

const placed = new WeakMap<Service, Map<string, { row: VirtualService; server: Server }[]>>();

/** The rows of a service whose requests may come to a host, and where there, in their order. Pure. */
export function serversAt(service: Service, host: string): { row: VirtualService; server: Server }[] {
  let known = placed.get(service);
  if (known === undefined) {
    known = new Map();
    for (const row of service.virtuals) {
      for (const server of serversOf(service, row)) {
        const own = known.get(server.host);
        if (own === undefined) known.set(server.host, [{ row, server }]);
        else own.push({ row, server });
      }
    }
    placed.set(service, known);
  }
  return known.get(host) ?? [];
}

/** The services whose requests may come to a host: it is a real server of theirs, or the sorry server. Pure. */
export function standsBehind(cluster: Cluster, host: string): Service[] {
  return behind(cluster.services, host);
}

/** The services that a host is a director of. Pure. */
export function directedBy(cluster: Cluster, host: string): Service[] {
  return directed(cluster.services, host);
}

/** The services that a host is a real server of. Pure. */
export function servedBy(cluster: Cluster, host: string): Service[] {
  return served(cluster.services, host);
}

/** The services whose directors' MAC addresses a router holds, so that it asks nobody for the VIPs. Pure. */
export function heldBy(cluster: Cluster, host: string): Service[] {
  return held(cluster.services, host);
}

/** The directors of the services that any of these hosts is a real server of. Pure. */
export function directorsOf(cluster: Cluster, hosts: readonly string[]): Set<string> {
  return new Set(hosts.flatMap((host) => servedBy(cluster, host).flatMap(({ directors }) => directors)));
}

/** Hosts that send requests to a host, and for what. */
export interface Asking {
  by: string[];
  host: string;
  /** E.g. `service web`. */
  what: string;
}

/** Who would go on sending requests to these hosts if they alone were given back. Pure. */
export function stillAsked(cluster: Cluster, hosts: readonly string[]): Asking[] {
  const staying = (names: readonly string[]) => names.filter((name) => !hosts.includes(name));
  const asking = hosts.flatMap((host): Asking[] => [
    ...cluster.services
      .filter((service) => isRealServer(service, host))
      .map(({ name, directors }) => ({ by: staying(directors), host, what: `service ${name}` })),
    ...cluster.proxies
      .filter(({ upstream }) => upstream.servers.some((server) => server.host === host))
      .map(({ name, hosts: proxies }) => ({ by: staying(proxies), host, what: `proxy ${name}` })),
  ]);
  return asking.filter(({ by }) => by.length > 0);
}

/** Pages where the port is one of lvsctl's web servers, proxies or applications, or is checked by a page. Pure. */
export function howToAsk(cluster: Cluster, service: Service, port: number): 'http' | 'connect' {
  const checked = service.healthCheck?.check;
  if (checked?.type === 'http_get' && checked.port === undefined) return 'http';
  const real = realServersOf(service);
  const ports = new Set(real.filter((one) => one.port !== 0).map((one) => one.port));
  const sites = [...cluster.webServers, ...cluster.proxies, ...cluster.applications];
  const served = sites.some(
    (site) => (site.port === port || ports.has(site.port)) && real.some(({ host }) => site.hosts.includes(host)),
  );
  return served ? 'http' : 'connect';
}
