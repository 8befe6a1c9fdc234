import { failure, type Problem } from '../errors/index.ts';
import { parseAddress } from '../inventory/addresses.ts';
import { directedBy, hostWith, realServersOf, standsBehind } from '../inventory/derived.ts';
import type { Cluster, Host, Protocol, Service } from '../inventory/model.ts';
import { suggestion } from '../inventory/suggest.ts';
import { isOwn } from './fib.ts';
import { type Fault, faultOf } from './judge.ts';
import type { Net } from './net.ts';
import { withoutRealServers } from './sorry.ts';
import { walk } from './walk.ts';
import type { Way } from './way.ts';

/** What is asked: from where, and for what. */
export interface Asking {
  /** A described or managed host; absent: the only described one that is no router. */
  from?: string;
  /** A service, a host, or an address, with `:port` where it matters. */
  to: string;
  /** Only the ways through this real server; the sorry server's are those while no real server answers. */
  via?: string;
}

/** All ways from a client to one address and port. */
export interface Path {
  from: string;
  protocol: Protocol;
  address: string;
  port: number;
  /** The service that stands there, if one does. */
  service?: string;
  ways: JudgedWay[];
}

export interface JudgedWay {
  way: Way;
  /** The real server's host, where IPVS chose one that is known. */
  real?: string;
  /** Absent: the packet arrives and the reply returns. */
  fault?: Fault;
}

/** A place that is asked for. */
interface Target {
  protocol: Protocol;
  address: string;
  port: number;
  service?: Service;
}

/**
 * Walks what is asked. Pure.
 * @throws LvsctlError PATH-NO-CLIENT, PATH-WHICH-CLIENT, PATH-UNKNOWN-HOST, PATH-UNKNOWN-TARGET, PATH-NO-PORT,
 *   PATH-OWN-ADDRESS, PATH-UNKNOWN-REAL-SERVER
 */
export function pathsOf(cluster: Cluster, net: Net, asking: Asking): Path[] {
  const from = clientOf(cluster, asking.from);
  const { via } = asking;
  return targetsOf(cluster, asking.to).map((target): Path => {
    const { protocol, address, port, service } = target;
    refuseOwn(net, from, address);
    const sorry = via !== undefined && service?.sorryServer?.host === via;
    const request = { client: from, protocol, address, port };
    const ways = walk(sorry ? withoutRealServers(net, [service]) : net, request).map((way) =>
      judged(cluster, way, service),
    );
    const chosen = via === undefined ? ways : ways.filter(({ real }) => real === via);
    if (chosen.length === 0) throw failure(noSuchWay(via ?? '', ways));
    return { from, protocol, address, port, ways: chosen, ...(service === undefined ? {} : { service: service.name }) };
  });
}

/** The ways of one request, each with what is wrong with it. Pure. */
export function judged(cluster: Cluster, way: Way, service: Service | undefined): JudgedWay {
  const chosen = way.request.flatMap(({ did }) => did).findLast((act) => act.act === 'chosen');
  const real = chosen?.act === 'chosen' ? hostWith(cluster.hosts, chosen.address)?.name : undefined;
  const fault = faultOf(way, service);
  return { way, ...(real === undefined ? {} : { real }), ...(fault === undefined ? {} : { fault }) };
}

/** Who can stand for clients: described hosts that neither route nor serve. */
export function clientsOf(cluster: Cluster): Host[] {
  return cluster.hosts.filter(
    ({ name, managed, forwarding, interfaces }) =>
      !managed &&
      !forwarding &&
      interfaces.some(({ addresses }) => addresses.length > 0) &&
      directedBy(cluster, name).length + standsBehind(cluster, name).length === 0,
  );
}

function clientOf(cluster: Cluster, from: string | undefined): string {
  const names = cluster.hosts.map(({ name }) => name);
  if (from !== undefined) {
    if (names.includes(from)) return from;
    throw failure({
      code: 'PATH-UNKNOWN-HOST',
      place: { kind: 'file', file: cluster.file },
      what: `there is no host ${from} in ${cluster.name}`,
      next: suggestion(from, names),
    });
  }
  const clients = clientsOf(cluster).map(({ name }) => name);
  if (clients.length === 1 && clients[0] !== undefined) return clients[0];
  throw failure(
    clients.length === 0
      ? {
          code: 'PATH-NO-CLIENT',
          place: { kind: 'file', file: cluster.file },
          what: `no host of ${cluster.name} stands for a client: it would be described with manage: none`,
          next: 'Describe one under hosts, e.g. client: { manage: none, interfaces: { eth0: { addresses: [192.0.2.9/24], gateway: 192.0.2.1 } } }, and the routers between, with forwarding: true.',
        }
      : {
          code: 'PATH-WHICH-CLIENT',
          place: { kind: 'none' },
          what: `several hosts may be the client: ${clients.join(', ')}`,
          next: `Say which: --from ${clients[0]}`,
        },
  );
}

/** Splits `10.0.0.1:80`, `[2001:db8::1]:80`, `web:80`; a bare IPv6 address has no port. */
function split(text: string): { name: string; port?: number } {
  if (parseAddress(text) !== undefined) return { name: text };
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/u.exec(text);
  const name = match?.[1] ?? match?.[2] ?? text;
  return match?.[3] === undefined ? { name } : { name, port: Number(match[3]) };
}

function targetsOf(cluster: Cluster, to: string): Target[] {
  const { name, port } = split(to);
  const address = parseAddress(name)?.address;
  const service = cluster.services.find((one) => one.name === name);
  if (service !== undefined)
    return ofService(
      service,
      service.vips.map((vip) => vip.address),
      port,
    );
  const host = cluster.hosts.find((one) => one.name === name);
  if (address === undefined && host === undefined) throw failure(unknown(cluster, name));
  const asked = address ?? host?.interfaces.flatMap(({ addresses }) => addresses)[0]?.address;
  if (asked === undefined) throw failure(unknown(cluster, name));
  const served = cluster.services.find(
    ({ vips, ports }) =>
      vips.some((vip) => vip.address === asked) &&
      (port === undefined || ports.some(({ first, last }) => first <= port && port <= last)),
  );
  if (served !== undefined) return ofService(served, [asked], port);
  const guess = port ?? portAt(cluster, asked);
  if (guess === undefined) {
    throw failure({
      code: 'PATH-NO-PORT',
      place: { kind: 'none' },
      what: `nothing in ${cluster.name} says at which port ${name} listens`,
      next: `Say it: --to ${asked.includes(':') ? `[${asked}]` : asked}:80`,
    });
  }
  return [{ protocol: 'tcp', address: asked, port: guess }];
}

function ofService(service: Service, addresses: readonly string[], port: number | undefined): Target[] {
  const { protocol, ports } = service;
  return addresses.map((address) => ({ protocol, address, port: port ?? ports[0]?.first ?? 0, service }));
}

function portAt(cluster: Cluster, address: string): number | undefined {
  const host = hostWith(cluster.hosts, address);
  if (host === undefined) return undefined;
  const sites = [...cluster.webServers, ...cluster.proxies, ...cluster.applications];
  return (
    sites.find(({ hosts }) => hosts.includes(host.name))?.port ??
    cluster.services.flatMap(realServersOf).find((real) => real.host === host.name && real.port !== 0)?.port
  );
}

function unknown(cluster: Cluster, name: string): Problem {
  const names = [...cluster.services, ...cluster.hosts].map((one) => one.name);
  return {
    code: 'PATH-UNKNOWN-TARGET',
    place: { kind: 'file', file: cluster.file },
    what: `${name} is no service, host or address of ${cluster.name}`,
    next: suggestion(name, names),
  };
}

function refuseOwn(net: Net, from: string, address: string): void {
  const host = net.hosts.find(({ name }) => name === from);
  if (host === undefined || !isOwn(host, address)) return;
  throw failure({
    code: 'PATH-OWN-ADDRESS',
    place: { kind: 'host', host: from, phase: 'path' },
    what: `${address} is an address of ${from} itself: what it asks there never leaves it, and says nothing of the way of clients`,
    next: 'Ask from a client: a host that is described with manage: none.',
  });
}

function noSuchWay(via: string, ways: readonly JudgedWay[]): Problem {
  const names = [...new Set(ways.flatMap(({ real }) => real ?? []))];
  return {
    code: 'PATH-UNKNOWN-REAL-SERVER',
    place: { kind: 'none' },
    what: `no way goes through ${via}`,
    next:
      names.length === 0
        ? 'Leave out --via: the packet reaches no real server.'
        : `Ways go through ${names.join(', ')}.`,
  };
}
