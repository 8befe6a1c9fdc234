import { bits, cidrText, networkOf } from '../inventory/addresses.ts';
import { directedBy, heldBy, realServersOf, servedBy, standsBehind } from '../inventory/derived.ts';
import type { Cidr, Cluster, Host, Interface, VrrpGroup } from '../inventory/model.ts';
import { clientsOf, type Path } from '../path/ask.ts';
import type { Net } from '../path/net.ts';
import { gathered } from './alike.ts';
import type { Diagram, Held, Link, Node, Note, Port, Role, Segment, Ways } from './diagram.ts';
import { waysOf } from './ways.ts';

/**
 * A cluster as a diagram. Pure.
 * @param net the same cluster's (`netOf`): who holds which address
 * @param paths the ways to draw, or why there are none
 */
export function diagramOf(cluster: Cluster, net: Net, paths: readonly Path[] | { why: string }): Diagram {
  const clients = new Set(clientsOf(cluster).map(({ name }) => name));
  const single = cluster.hosts.map((host) => nodeOf(cluster, net, host, clients));
  const nodes = gathered(single);
  const ways: Ways = 'why' in paths ? { drawn: false, why: paths.why } : waysOf(paths, nodes);
  return {
    name: cluster.name,
    segments: segmentsOf(cluster, nodes),
    nodes: 'why' in paths ? nodes : withDeaths(nodes, paths),
    services: cluster.services,
    vrrp: cluster.vrrp,
    ...(cluster.ipvs.sync === undefined ? {} : { sync: cluster.ipvs.sync }),
    ways,
  };
}

function nodeOf(cluster: Cluster, net: Net, host: Host, clients: ReadonlySet<string>): Node {
  const is = rolesOf(cluster, host, clients);
  const drawn = host.interfaces.filter((one) => isDrawn(cluster, host, one));
  return {
    name: host.name,
    hosts: [host.name],
    role: is[0] ?? 'other',
    is,
    managed: host.managed,
    ports: drawn.map((one) => portOf(cluster, net, host, one)),
    notes: [
      ...notesOf(cluster, net, host),
      ...host.interfaces
        .filter((one) => !drawn.includes(one))
        .map(({ name, link }): Note => ({ note: 'device', device: name, link: linkOf(link) })),
    ],
  };
}

function rolesOf(cluster: Cluster, host: Host, clients: ReadonlySet<string>): Role[] {
  const director = directedBy(cluster, host.name).length > 0;
  const found: Role[] = [
    ...(clients.has(host.name) ? (['client'] as const) : []),
    ...(director ? (['director'] as const) : []),
    ...(servedBy(cluster, host.name).length > 0 ? (['real server'] as const) : []),
    ...(host.forwarding && !director ? (['router'] as const) : []),
  ];
  return found;
}

/** A bond's members, and what has neither an address nor a neighbour, are said and not drawn. */
function isDrawn({ hosts }: Cluster, host: Host, one: Interface): boolean {
  const member = host.interfaces.some(({ link }) => link.type === 'bond' && link.members.includes(one.name));
  if (member) return false;
  return (
    one.addresses.length > 0 ||
    hosts.some(({ name, interfaces }) =>
      interfaces.some((other) => other.segment === one.segment && (name !== host.name || other.name !== one.name)),
    )
  );
}

function linkOf(link: Interface['link']): Link {
  return link.type === 'bond' ? { type: 'bond', mode: link.mode, members: link.members } : link;
}

function portOf(cluster: Cluster, net: Net, host: Host, { name, link, segment, addresses, gateways }: Interface): Port {
  const vips = new Set(cluster.services.flatMap((service) => service.vips.map(({ address }) => address)));
  const floating = cluster.vrrp.flatMap((group) =>
    group.instances
      .filter(({ nodes }) => nodes.some((node) => node.host === host.name && node.device === name))
      .flatMap((instance) =>
        instance.addresses.map((address) => ({
          address,
          instance: instance.name,
          master: isMaster(group, host.name),
        })),
      ),
  );
  const own = new Set(addresses.map(({ address }) => address));
  const given = addressesIn(net, host.name, name).filter(
    ({ address }) => !own.has(address) && !floating.some((one) => one.address.address === address),
  );
  const held: Held[] = [
    ...floating.map(({ address, instance, master }): Held => {
      const vip = vips.has(address.address);
      return { by: 'vrrp', address: shown(address), instance, vip, master };
    }),
    ...given.map((address): Held => ({ by: 'host', address: shown(address) })),
  ];
  return {
    device: name,
    link: linkOf(link),
    segment,
    addresses: addresses.map((one) => ({ text: cidrText(one), vip: vips.has(one.address) })),
    gateways: [gateways.v4, gateways.v6].filter((one) => one !== undefined),
    held,
  };
}

function isMaster({ nodes }: VrrpGroup, host: string): boolean {
  return nodes.toSorted((a, b) => b.priority - a.priority)[0]?.host === host;
}

/** Without a prefix length that says nothing. */
function shown(one: Cidr): string {
  return one.prefix === bits(one.family) ? one.address : cidrText(one);
}

function addressesIn({ hosts }: Net, host: string, device: string): Cidr[] {
  return hosts.find(({ name }) => name === host)?.devices.find(({ name }) => name === device)?.addresses ?? [];
}

function notesOf(cluster: Cluster, net: Net, { name }: Host): Note[] {
  const serves = servedBy(cluster, name).map((service) => ({
    name: service.name,
    weight: realServersOf(service).find(({ host }) => host === name)?.weight ?? 0,
  }));
  const directs = directedBy(cluster, name).map((service) => service.name);
  const loopback = addressesIn(net, name, 'lo').filter(({ address }) => address !== '127.0.0.1' && address !== '::1');
  const tunnels = new Set(
    standsBehind(cluster, name)
      .filter(({ mode }) => mode === 'tun')
      .map(({ tunnel }) => tunnel.type),
  );
  const neighbours = heldBy(cluster, name).flatMap(({ vips }) => vips.map(({ address }) => address));
  return [
    ...(directs.length === 0 ? [] : [{ note: 'directs' as const, services: directs }]),
    ...cluster.vrrp.flatMap((group) =>
      group.nodes
        .filter(({ host }) => host === name)
        .map(
          ({ priority }): Note => ({ note: 'priority', group: group.name, priority, master: isMaster(group, name) }),
        ),
    ),
    ...(serves.length === 0 ? [] : [{ note: 'serves' as const, services: serves }]),
    ...(loopback.length === 0 ? [] : [{ note: 'loopback' as const, addresses: loopback.map(shown) }]),
    ...(tunnels.size === 0 ? [] : [{ note: 'tunnel' as const, types: [...tunnels] }]),
    ...(neighbours.length === 0 ? [] : [{ note: 'neighbour' as const, addresses: [...new Set(neighbours)] }]),
    ...sitesOf(cluster, name),
  ];
}

function sitesOf({ webServers, proxies, applications }: Cluster, host: string): Note[] {
  const at = ({ hosts }: { hosts: string[] }): boolean => hosts.includes(host);
  return [
    ...webServers.filter(at).map((one) => ({ ...one, to: [] })),
    ...proxies.filter(at).map((one) => ({
      ...one,
      to: one.upstream.servers.map(({ host: server, port }) => `${server}:${port}`),
    })),
    ...applications.filter(at).map((one) => ({ ...one, to: [] })),
  ].map(({ name, software, port, to }): Note => ({ note: 'site', name, software, port, to }));
}

/** Segments that somebody is on, as the hosts come. */
function segmentsOf({ hosts }: Cluster, nodes: readonly Node[]): Segment[] {
  const names = new Set(nodes.flatMap(({ ports }) => ports.map(({ segment }) => segment)));
  return [...names].map((name) => {
    const addresses = hosts.flatMap(({ interfaces }) =>
      interfaces.filter(({ segment }) => segment === name).flatMap((one) => one.addresses),
    );
    const networks = new Set(addresses.map((one) => cidrText(networkOf(one))));
    networks.delete(name);
    return { name, networks: [...networks] };
  });
}

/** Says on a host that packets come to nothing there. */
function withDeaths(nodes: readonly Node[], paths: readonly Path[]): Node[] {
  const faults = paths.flatMap(({ ways }) => ways.flatMap(({ fault }) => fault ?? []));
  return nodes.map((node) => {
    const here = faults.filter(({ host }) => node.hosts.includes(host));
    const said = new Map(here.map(({ leg, reason }) => [`${leg} ${reason}`, { note: 'dies' as const, leg, reason }]));
    return { ...node, notes: [...node.notes, ...said.values()] };
  });
}
