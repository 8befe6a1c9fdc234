import { howToAsk, realServersOf } from '../inventory/derived.ts';
import type { Check, Cluster, Service, Ssh, VirtualService } from '../inventory/model.ts';
import { matchWords } from '../resources/ipvs-table.ts';
import type { SeenHost } from './build.ts';
import { type Floating, floatingOf } from './floating.ts';
import { isTaken, type Step } from './plan.ts';

/**
 * What is asked when a host's changes are made and before they are confirmed: a change that breaks what it touches goes
 * back, and no further.
 */
export interface Health {
  /** Directors and clients, who ask: they need not be hosts of the plan. */
  askers: { name: string; ssh: Ssh }[];
  /** By host: its units that are to run, and ports that something is to listen on. */
  hosts: { host: string; units: string[]; ports: number[] }[];
  questions: Question[];
  /** What VRRP moves between nodes of which one is changed. */
  floating: Floating[];
}

/** Where a service is to answer that answered before. */
export interface Question {
  service: string;
  /** Who asks. */
  from: string;
  address: string;
  port: number;
  /** How often, one request after the other: all of them are to be answered. */
  count: number;
  how: HowToAsk;
  /** Seconds after a change until an answer tells of it; absent: at once. */
  settle?: number;
  /** `real-server`: this one of the service's. `vip`: the service as clients see it. */
  of: { what: 'real-server'; host: string } | { what: 'vip' };
  /** The service's directors, and the hosts behind them or on the way to them. */
  directors: string[];
  others: string[];
}

/**
 * `http`: an answer with one of these status codes; without any, one that isn't the server's own failure (below 500).
 * `table`: who asks looks into its own IPVS table, where the row (`-u 192.0.2.100:53`) is to have it with a weight.
 */
export type HowToAsk =
  | { by: 'connect' }
  | { by: 'http'; tls: boolean; path: string; status: number[]; name?: string }
  | { by: 'table'; row: string };

/** Most requests to a VIP, whatever the weights. */
const MOST = 20;

/**
 * What the plan's hosts, and the services that they take part in, are asked for. Pure.
 * @param seen the hosts that were read
 */
export function healthOf(cluster: Cluster, seen: readonly SeenHost[], steps: readonly Step[]): Health | undefined {
  const changed = new Set(steps.filter(isTaken).map(({ host }) => host));
  const hosts = seen.flatMap((one) => {
    const { name } = one.host;
    if (!changed.has(name)) return [];
    const units = one.desired.flatMap(({ resource, leaving }) =>
      resource.kind === 'service' && resource.running === true && leaving !== true ? [resource.unit] : [],
    );
    const { owns } = one.host;
    const sites = [
      ...(owns.includes('web') ? [...cluster.webServers, ...cluster.proxies] : []),
      ...(owns.includes('applications') ? cluster.applications : []),
    ];
    const ports = new Set(sites.filter((site) => site.hosts.includes(name)).map(({ port }) => port));
    return units.length + ports.size === 0 ? [] : [{ host: name, units, ports: [...ports] }];
  });
  const questions = cluster.services.flatMap((service) =>
    (service.protocol === 'tcp' ? questionsOf : checkedOf)(cluster, service, changed),
  );
  const floating = floatingOf(cluster, seen, steps);
  if (hosts.length + questions.length + floating.length === 0) return undefined;
  const asking = new Set([
    ...questions.map(({ from }) => from),
    ...floating.flatMap(({ nodes }) => nodes.map(({ host }) => host)),
  ]);
  const askers = cluster.hosts.filter(({ name }) => asking.has(name)).map(({ name, ssh }) => ({ name, ssh }));
  return { askers, hosts, questions, floating };
}

/**
 * Over UDP and SCTP no request suits every server. keepalived's checks know how to ask, and the director's table holds
 * what they found: a server that failed is out of it, or has weight 0.
 */
function checkedOf(cluster: Cluster, service: Service, changed: ReadonlySet<string>): Question[] {
  const { name, directors, healthCheck, virtuals } = service;
  // A weight that the check itself sets can be 0 for a server that is well.
  if (healthCheck === undefined || (healthCheck.check.type === 'misc_check' && healthCheck.check.dynamic)) return [];
  const settle = settleOf(service);
  const involved = { service: name, directors, others: behind(cluster, service) };
  return virtuals.flatMap((row) =>
    row.realServers
      .filter(({ weight }) => weight > 0)
      .flatMap(({ host, address, port }) =>
        directors
          .filter((from) => changed.has(host) || changed.has(from))
          .map((from): Question => {
            const how: HowToAsk = { by: 'table', row: wordsOf(row) };
            const asked = { from, address, port, count: 1, how, settle };
            return { ...involved, ...asked, of: { what: 'real-server', host } };
          }),
      ),
  );
}

/** Seconds in which keepalived's check of a service has found whether a real server is well; 0 where there is none. Pure. */
export function settleOf(service: Service | undefined): number {
  if (service?.healthCheck === undefined) return 0;
  const { interval, timeout, retries, retryInterval } = service.healthCheck;
  return interval + (retries + 1) * timeout + retries * retryInterval;
}

/** A row's name as ipvsadm has it. */
function wordsOf({ match, family }: VirtualService): string {
  return matchWords(match.by === 'fwmark' ? { protocol: 'fwmark', mark: match.mark, family } : match).join(' ');
}

function questionsOf(cluster: Cluster, service: Service, changed: ReadonlySet<string>): Question[] {
  const { name, directors } = service;
  const real = realServersOf(service);
  const others = behind(cluster, service);
  const involved = { service: name, directors, others };
  const toRealServers = real.flatMap(({ host, address, port: own }) => {
    const port = own || (service.ports[0]?.first ?? 0);
    return directors
      .filter((from) => changed.has(host) || changed.has(from))
      .map((from): Question => {
        const asked = { from, address, count: 1, of: { what: 'real-server', host } } as const;
        return { ...involved, ...asked, ...checkOf(cluster, service, port) };
      });
  });
  if (![...directors, ...others].some((host) => changed.has(host))) return toRealServers;
  const count = Math.min(MOST, Math.max(1, 2 * real.reduce((sum, { weight }) => sum + weight, 0)));
  const clients = cluster.hosts.filter(({ managed }) => !managed);
  const toVips = clients.flatMap((client) =>
    service.vips.flatMap(({ address }) =>
      service.ports.map(({ first: port }): Question => {
        const how: HowToAsk =
          howToAsk(cluster, service, port) === 'http'
            ? { by: 'http', tls: false, path: '/', status: [] }
            : { by: 'connect' };
        return { ...involved, from: client.name, address, port, count, how, of: { what: 'vip' } };
      }),
    ),
  );
  return [...toRealServers, ...toVips];
}

/** The service's own check where lvsctl can ask the same. */
function checkOf(cluster: Cluster, service: Service, port: number): { port: number; how: HowToAsk } {
  const check: Check | undefined = service.healthCheck?.check;
  if (check?.type === 'http_get' || check?.type === 'ssl_get') {
    const { path, status, host } = check;
    const tls = check.type === 'ssl_get';
    const name = host === undefined ? {} : { name: host };
    return { port: check.port ?? port, how: { by: 'http', tls, path, status, ...name } };
  }
  if (check?.type === 'tcp_check' || check?.type === 'smtp_check')
    return { port: check.port ?? port, how: { by: 'connect' } };
  const page = howToAsk(cluster, service, port) === 'http';
  return { port, how: page ? { by: 'http', tls: false, path: '/', status: [] } : { by: 'connect' } };
}

/** Real servers, what their proxies pass requests on to, and routers. */
function behind(cluster: Cluster, service: Service): string[] {
  const real = realServersOf(service).map(({ host }) => host);
  const upstream = cluster.proxies
    .filter(({ hosts }) => hosts.some((host) => real.includes(host)))
    .flatMap((proxy) => proxy.upstream.servers.map(({ host }) => host));
  const routers = cluster.hosts.filter(({ forwarding, managed }) => forwarding && managed).map(({ name }) => name);
  return [...new Set([...real, ...upstream, ...routers])].filter((host) => !service.directors.includes(host));
}
