import { isDeepStrictEqual } from 'node:util';
import { type Place, type Problem, placeText } from '../errors/index.ts';
import { directedBy, heldBy, isRealServer, standsBehind } from '../inventory/derived.ts';
import type { Path, SourceDocument } from '../inventory/document.ts';
import { alsoAt } from '../inventory/findings.ts';
import { hasPath } from '../inventory/merge.ts';
import type { Extras, Host, Platform, Service } from '../inventory/model.ts';
import { hostSays, realServerSays, type Said, serviceSays } from '../inventory/places.ts';
import { keyOf } from '../resources/key.ts';
import type { Desired, Part } from './desired.ts';
import { parameterOf } from './kernel.ts';

/** What a host can be. */
export type RoleName =
  | 'router'
  | 'real server'
  | 'tunnels'
  | 'director'
  | 'keepalived'
  | 'nginx'
  | 'apache'
  | 'application'
  | 'time'
  | 'firewall'
  | 'extras';

/** One thing of a host that is wanted in two ways. */
export interface Conflict {
  /** The resource's key; of a kernel parameter its path, which all its names have. */
  key: string;
  /** The thing in words: `sysctl net.ipv4.ip_forward (1 and 0)`, `file /etc/motd`. */
  thing: string;
  /** Whose wishes there are; nobody's where roles have a file in common. */
  by: readonly RoleName[];
}

/** What roles want of a host, each by its name. */
export interface Wishes {
  role: RoleName;
  part: Part;
}

/** Kernel parameters for which there are two values. Pure. */
export function sysctlConflicts({ sysctls }: Part, wishes: readonly Wishes[]): Conflict[] {
  const first = new Map<string, string>();
  return sysctls.flatMap(({ name, value }) => {
    const key = parameterOf(name);
    const earlier = first.get(key) ?? value;
    first.set(key, earlier);
    if (earlier === value) return [];
    const by = wishes.filter(({ part }) => part.sysctls.some((one) => parameterOf(one.name) === key));
    return { key, thing: `sysctl ${name} (${earlier} and ${value})`, by: by.map(({ role }) => role) };
  });
}

/** Resources that are not the same though their key is. Pure. */
export function resourceConflicts(wanted: readonly Desired[], wishes: readonly Wishes[]): Conflict[] {
  const first = new Map<string, Desired['resource']>();
  const found = new Map<string, Conflict>();
  for (const { resource } of wanted) {
    const key = keyOf(resource);
    const earlier = first.get(key) ?? resource;
    first.set(key, earlier);
    if (earlier === resource || isDeepStrictEqual(earlier, resource)) continue;
    const by = wishes.filter(({ part }) => part.resources.some((one) => keyOf(one.resource) === key));
    found.set(key, { key, thing: key, by: by.map(({ role }) => role) });
  }
  return [...found.values()];
}

/** A host that is to have something in two ways, of the family that was looked at. */
export interface HostConflict extends Conflict {
  host: Host;
  platform: Platform;
}

/**
 * Conflicts as errors: with the document at the places where the inventory asks for both, and once for all hosts that
 * one place is about; without it at the host. Pure.
 */
export function conflictProblems(
  conflicts: readonly HostConflict[],
  where?: Said & { document: SourceDocument },
): Problem[] {
  const found = new Map<string, { one: HostConflict; place: Place; also: Problem['also']; hosts: Set<string> }>();
  for (const one of conflicts) {
    const { place, also } = placesOf(one, where);
    const id = `${place.kind} ${placeText(place)} ${one.thing}`;
    const known = found.get(id) ?? { one, place, also, hosts: new Set() };
    found.set(id, known);
    known.hosts.add(one.host.name);
  }
  return [...found.values()].map(({ one, place, also, hosts }) => ({
    code: 'ROLE-CONFLICT',
    place,
    what: `${one.thing} is wanted in two different ways${place.kind === 'file' ? ` on ${listed([...hosts])}` : ''}`,
    next: 'Take it out of the host’s own sysctls, files or units, or give the two roles to two hosts.',
    ...(also === undefined || also.length === 0 ? {} : { also }),
  }));
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(' and ') : `${names.slice(0, 2).join(', ')} and ${names.length - 2} more`;
}

/** A place of the inventory, and what stands there. */
interface Saying {
  path: Path;
  of?: 'key' | 'value';
  says: string;
}

/** The host's own wish first: that is the one to take out. */
function placesOf(
  conflict: HostConflict,
  where: (Said & { document: SourceDocument }) | undefined,
): { place: Place; also?: Problem['also'] } {
  const nowhere: Place = { kind: 'host', host: conflict.host.name, phase: 'desire' };
  if (where === undefined) return { place: nowhere };
  const roles = conflict.by.filter((role) => role !== 'extras');
  const sayings = [
    ...ownSayings(where, conflict),
    ...roles.flatMap((role) => roleSays(where, conflict.host.name, role) ?? []),
  ].filter(({ path }) => hasPath(where.said, path));
  const [first, ...others] = [...new Map(sayings.map((one) => [one.path.join('\0'), one])).values()];
  if (first === undefined) return { place: nowhere };
  return { place: where.document.place(first.path, first.of), also: others.map((one) => alsoAt(where.document, one)) };
}

/** Where the host’s own sysctls, files and units ask for it; by each name that it has there. */
function ownSayings(where: Said, { host, platform, key }: HostConflict): Saying[] {
  const more = host.byPlatform[platform];
  const at = (section: string, namesOf: (extras: Extras) => readonly string[]): Saying[] => {
    const special = more === undefined ? [] : namesOf(more);
    const general = namesOf(host).filter((name) => !special.includes(name));
    return [
      ...special.map((name) => hostSays(where, host.name, 'by_platform', platform, section, name)),
      ...general.map((name) => hostSays(where, host.name, section, name)),
    ].map((path) => ({ path, of: 'key', says: 'the host’s own' }));
  };
  return [
    ...at('sysctls', ({ sysctls }) => Object.keys(sysctls).filter((name) => parameterOf(name) === key)),
    ...at('files', ({ files }) => files.flatMap(({ path }) => (`file ${path}` === key ? [path] : []))),
    ...at('units', ({ units }) => units.flatMap(({ name }) => (`service ${name}` === key ? [name] : []))),
  ];
}

/** What makes a host play a role. */
function roleSays(where: Said, host: string, role: Exclude<RoleName, 'extras'>): Saying | undefined {
  const { cluster } = where;
  const of = 'key';
  switch (role) {
    case 'router': {
      const path = hostSays(where, host, 'forwarding');
      if (path.at(-1) === 'forwarding') return { path, of, says: `makes ${host} a router` };
      const [held] = heldBy(cluster, host);
      return held && { path: serviceSays(where, held.name, 'arp'), of, says: `gives ${host} a static neighbour` };
    }
    case 'real server':
    case 'tunnels':
      return serverSays(where, host) ?? directorSays(where, host);
    case 'director':
      return directorSays(where, host);
    case 'keepalived': {
      const group = cluster.vrrp.find(({ nodes }) => nodes.some((node) => node.host === host));
      const path = ['vrrp', group?.name ?? '', 'nodes', host];
      return group === undefined
        ? directorSays(where, host)
        : { path, of, says: `makes ${host} a node of ${group.name}` };
    }
    case 'nginx':
      return (
        listSays(
          'web_servers',
          cluster.webServers.filter(({ software }) => software === 'nginx'),
          host,
        ) ?? listSays('proxies', cluster.proxies, host)
      );
    case 'apache':
      return listSays(
        'web_servers',
        cluster.webServers.filter(({ software }) => software === 'apache'),
        host,
      );
    case 'application':
      return listSays('applications', cluster.applications, host);
    case 'time':
      return { path: hostSays(where, host, 'time'), of, says: `sets the clock of ${host}` };
    case 'firewall':
      return { path: ['firewall'], of, says: 'sets the packet filters' };
  }
}

/** Modes in which more is asked of a host come first. */
function first(services: readonly Service[], ...modes: Service['mode'][]): Service | undefined {
  return services.find(({ mode }) => modes.includes(mode)) ?? services[0];
}

function serverSays(where: Said, host: string): Saying | undefined {
  const service = first(standsBehind(where.cluster, host), 'tun', 'dr');
  if (service === undefined) return undefined;
  const { name, mode } = service;
  const real = isRealServer(service, host);
  return {
    path: real ? realServerSays(where, name, host) : serviceSays(where, name, 'sorry_server'),
    of: 'key',
    says: `makes ${host} ${real ? 'a real server' : 'the sorry server'} of ${name} (${mode})`,
  };
}

function directorSays(where: Said, host: string): Saying | undefined {
  const service = first(directedBy(where.cluster, host), 'nat', 'fullnat');
  if (service === undefined) return undefined;
  const { name, mode } = service;
  return {
    path: serviceSays(where, name, 'directors'),
    of: 'key',
    says: `makes ${host} a director of ${name} (${mode})`,
  };
}

function listSays(section: string, sites: readonly { name: string; hosts: readonly string[] }[], host: string) {
  const site = sites.find(({ hosts }) => hosts.includes(host));
  return site && { path: [section, site.name, 'hosts'], of: 'key' as const, says: `puts ${site.name} on ${host}` };
}
