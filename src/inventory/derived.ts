import type { Cluster, Host, RealServer, Service, VirtualService } from './model.ts';

/** What services a host has to do with, by its name. */
interface Parts {
  directed: Map<string, Service[]>;
  served: Map<string, Service[]>;
  behind: Map<string, Service[]>;
  held: Map<string, Service[]>;
}

// Each host of thousands asks for its services: they are looked through once for all of them.
const parts = new WeakMap<readonly Service[], Parts>();
const named = new WeakMap<readonly Host[], Map<string, Host>>();

function partsOf({ services }: Cluster): Parts {
  const known = parts.get(services);
  if (known !== undefined) return known;
  const found: Parts = { directed: new Map(), served: new Map(), behind: new Map(), held: new Map() };
  const add = (to: Map<string, Service[]>, hosts: Iterable<string>, service: Service): void => {
    for (const host of new Set(hosts)) {
      const own = to.get(host);
      if (own === undefined) to.set(host, [service]);
      else own.push(service);
    }
  };
  for (const service of services) {
    const { directors, virtuals, arp } = service;
    add(found.directed, directors, service);
    add(
      found.served,
      virtuals.flatMap((row) => row.realServers.map(({ host }) => host)),
      service,
    );
    add(
      found.behind,
      virtuals.flatMap((row) => serversOf(service, row).map(({ host }) => host)),
      service,
    );
    if (typeof arp === 'object') add(found.held, arp.staticNeighbourAt, service);
  }
  parts.set(services, found);
  return found;
}

/** A host of a cluster by its name. Pure. */
export function hostNamed(cluster: Cluster, name: string): Host | undefined {
  return hostIn(cluster.hosts, name);
}

/** A host by its name, of a list that doesn't change any more. Pure. */
export function hostIn(hosts: readonly Host[], name: string): Host | undefined {
  const known = named.get(hosts) ?? new Map(hosts.map((host) => [host.name, host]));
  named.set(hosts, known);
  return known.get(name);
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
  return service.virtuals.some((row) => row.realServers.some((real) => real.host === host));
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

/** The services whose requests may come to a host: it is a real server of theirs, or the sorry server. Pure. */
export function standsBehind(cluster: Cluster, host: string): Service[] {
  return partsOf(cluster).behind.get(host) ?? [];
}

/** The services that a host is a director of. Pure. */
export function directedBy(cluster: Cluster, host: string): Service[] {
  return partsOf(cluster).directed.get(host) ?? [];
}

/** The services that a host is a real server of. Pure. */
export function servedBy(cluster: Cluster, host: string): Service[] {
  return partsOf(cluster).served.get(host) ?? [];
}

/** The services whose directors' MAC addresses a router holds, so that it asks nobody for the VIPs. Pure. */
export function heldBy(cluster: Cluster, host: string): Service[] {
  return partsOf(cluster).held.get(host) ?? [];
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
