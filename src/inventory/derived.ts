import type { Cluster, RealServer, Service } from './model.ts';

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

/** The services that a host is a director of. Pure. */
export function directedBy(cluster: Cluster, host: string): Service[] {
  return cluster.services.filter((service) => service.directors.includes(host));
}

/** The services whose directors' MAC addresses a router holds, so that it asks nobody for the VIPs. Pure. */
export function heldBy(cluster: Cluster, host: string): Service[] {
  return cluster.services.filter(({ arp }) => typeof arp === 'object' && arp.staticNeighbourAt.includes(host));
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
