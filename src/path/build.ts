import { parseCidr } from '../inventory/addresses.ts';
import { applicationsOn, proxiesOn, serversAt, standsBehind, vrrpOn, webServersOn } from '../inventory/derived.ts';
import type { Cidr, Cluster, Host } from '../inventory/model.ts';
import { AREAS } from '../inventory/words.ts';
import type { Facts } from '../platform/facts.ts';
import type { Resource } from '../resources/index.ts';
import { sysctlName } from '../resources/sysctl.ts';
import { desire, madeUpFacts } from '../roles/index.ts';
import { parameterOf } from '../roles/kernel.ts';
import { type Device, type Filter, macOf, type Net, type NetHost, type NetRoute } from './net.ts';

/** The MTU of Ethernet, where nobody says otherwise. */
const MTU = 1500;

/**
 * The net that lvsctl would make of a cluster: each host with what its roles want. Described hosts are as the inventory
 * says; what others look after on a host (`manage`) is taken to be as it is needed. Of a pair the node with the highest
 * priority is master. Pure: no file's text decides a packet's way.
 * @throws LvsctlError as `desire` does
 */
export function netOf(cluster: Cluster): Net {
  const owned: Cluster = {
    ...cluster,
    hosts: cluster.hosts.map((host) => ({
      ...host,
      owns: AREAS.filter((area) => host.managed || area !== 'firewall'),
    })),
  };
  const facts = new Map(owned.hosts.map((host) => [host.name, factsOf(host)]));
  return {
    hosts: owned.hosts.map((host) => {
      const wanted = desire(owned, host.name, facts.get(host.name) ?? factsOf(host), facts, () => '');
      return hostOf(
        owned,
        host,
        wanted.map(({ resource }) => resource),
      );
    }),
  };
}

function factsOf(host: Host): Facts {
  const facts = madeUpFacts(host);
  const devices = Object.fromEntries(
    Object.entries(facts.devices).map(([name, device]) => [name, { ...device, mac: macOf(host.name, name) }]),
  );
  return { ...facts, devices };
}

function hostOf(cluster: Cluster, host: Host, resources: readonly Resource[]): NetHost {
  const of = <K extends Resource['kind']>(kind: K) =>
    resources.filter((one): one is Extract<Resource, { kind: K }> => one.kind === kind);
  const connections = of('connection');
  const floating = of('keepalived')
    .flatMap(({ instances }) => instances)
    .filter(isMaster(cluster, host));
  const members = new Set(host.interfaces.flatMap(({ link }) => (link.type === 'bond' ? link.members : [])));
  const addresses = (device: string): Cidr[] =>
    [
      ...(connections.find((one) => one.device === device)?.addresses ?? (device === 'lo' ? ['127.0.0.1/8'] : [])),
      ...floating.filter((one) => one.device === device).flatMap((one) => one.addresses),
    ].flatMap((text) => parseCidr(text) ?? []);
  const filters = of('firewall');
  return {
    name: host.name,
    devices: [
      { name: 'lo', mtu: 65536, addresses: addresses('lo') },
      ...host.interfaces
        .filter(({ name }) => !members.has(name))
        .map(({ name, segment, mtu }): Device => ({ name, segment, mtu: mtu ?? MTU, addresses: addresses(name) })),
    ],
    routes: connections.flatMap(({ device, routes }) => routes.flatMap((text) => routeOf(device, text))),
    sysctls: {
      ...defaults(host),
      // A parameter has several names; the walk knows one of each.
      ...Object.fromEntries(of('sysctl').map(({ name, value }) => [sysctlName(parameterOf(name)), value])),
    },
    neighbours: of('neighbour').map(({ device, address, mac }) => ({ device, address, mac })),
    ipvs: of('ipvs').flatMap((one) => {
      if (one.state !== 'present') return [];
      const match =
        one.protocol === 'fwmark'
          ? { protocol: one.protocol, mark: one.mark, family: one.family }
          : { protocol: one.protocol, address: one.address, port: one.port };
      return [{ match, destinations: one.destinations }];
    }),
    tunnels: of('tunnel').filter(({ state }) => state === 'up'),
    silenced: of('arptables').map(({ address, source }) => ({ address, source })),
    rules: filters.filter(({ purpose }) => purpose === 'traffic').flatMap(({ rules }) => rules),
    filter: filterOf(filters),
    listens: listensOf(cluster, host.name),
  };
}

/** Red Hat's family filters strictly by source from the start (its 50-redhat.conf); the kernel's own default is not to. */
function defaults(host: Host): Record<string, string> {
  if (host.platform !== 'rhel') return {};
  return Object.fromEntries(
    host.interfaces.map(({ name }) => [`net.ipv4.conf.${name.replaceAll('.', '/')}.rp_filter`, '1']),
  );
}

function isMaster(cluster: Cluster, host: Host) {
  return ({ device, addresses }: { device: string; addresses: string[] }): boolean =>
    vrrpOn(cluster.vrrp, host.name).some(
      ({ nodes, instances }) =>
        nodes.toSorted((a, b) => b.priority - a.priority)[0]?.host === host.name &&
        instances.some(
          (one) =>
            one.nodes.some((node) => node.host === host.name && node.device === device) &&
            one.addresses.every(({ address, prefix }) => addresses.includes(`${address}/${prefix}`)),
        ),
    );
}

/** Reads `default via 10.0.0.1` and `10.9.0.0/16 via 10.0.0.1 metric 100`, as a connection has them. */
function routeOf(device: string, text: string): NetRoute[] {
  const words = text.split(' ');
  const [network = '', , via = ''] = words;
  const six = via.includes(':');
  const cidr = parseCidr(
    network === 'default'
      ? six
        ? '::/0'
        : '0.0.0.0/0'
      : network.includes('/')
        ? network
        : `${network}/${six ? 128 : 32}`,
  );
  const metric = words.includes('metric') ? Number(words[words.indexOf('metric') + 1]) : 0;
  return cidr === undefined ? [] : [{ to: cidr, via, device, metric }];
}

function filterOf(filters: readonly Extract<Resource, { kind: 'firewall' }>[]): Filter {
  const own = filters.find(({ purpose }) => purpose === 'filter');
  const accepts = own?.rules.filter((rule) => rule.rule === 'accept') ?? [];
  return { input: own === undefined || own.closed === null ? 'open' : { accepts }, forward: 'open' };
}

/** A real server is taken to have a program at the port that its service names. */
function listensOf(cluster: Cluster, host: string): NetHost['listens'] {
  const { webServers, proxies, applications } = cluster;
  const real = standsBehind(cluster, host).flatMap((service) =>
    serversAt(service, host).flatMap(({ server: { port } }) =>
      (port === 0 ? service.ports : [{ first: port, last: port }]).map((range) => ({
        protocol: service.protocol,
        ports: range,
      })),
    ),
  );
  const sites = [
    ...webServersOn(webServers, host),
    ...proxiesOn(proxies, host),
    ...applicationsOn(applications, host),
  ].map(({ port }) => ({ protocol: 'tcp' as const, ports: { first: port, last: port } }));
  return [...new Map([...real, ...sites].map((one) => [JSON.stringify(one), one])).values()];
}
