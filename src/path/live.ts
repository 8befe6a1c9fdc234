import { parseCidr } from '../inventory/addresses.ts';
import type { Host } from '../inventory/model.ts';
import type { Link, Observed } from '../observed/observed.ts';
import type { IpvsMatch } from '../resources/ipvs-table.ts';
import type { TunnelResource } from '../resources/resource.ts';
import { sysctlName } from '../resources/sysctl.ts';
import { type Device, macOf, type Net, type NetHost, type NetRoute } from './net.ts';

/** A managed host as the inventory describes it, and as it was read. */
export interface Live {
  host: Host;
  seen: Observed;
}

/**
 * The net as it is: hosts that were read are as they were found, all others as the net of the cluster has them. Which
 * segment an interface is on, and what a packet filter does, is taken from there too. Pure.
 */
export function liveNet(described: Net, read: readonly Live[]): Net {
  const macs = new Map(
    read.flatMap(({ host, seen }) =>
      [...seen.links].map(([device, { mac }]) => [mac.toLowerCase(), macOf(host.name, device)] as const),
    ),
  );
  return {
    hosts: described.hosts.map((one) => {
      const live = read.find(({ host }) => host.name === one.name);
      return live === undefined ? one : hostOf(one, live, macs);
    }),
  };
}

function hostOf(described: NetHost, { host, seen }: Live, macs: ReadonlyMap<string, string>): NetHost {
  const segments = new Map(host.interfaces.map(({ name, segment }) => [name, segment]));
  const members = new Set(host.interfaces.flatMap(({ link }) => (link.type === 'bond' ? link.members : [])));
  return {
    name: described.name,
    devices: [...seen.links].flatMap(([name, link]) =>
      members.has(name) ? [] : [deviceOf(name, link, segments.get(name))],
    ),
    routes: seen.routes.flatMap(routeOf),
    sysctls: Object.fromEntries([...seen.sysctls].map(([path, value]) => [sysctlName(path), value])),
    neighbours: seen.neighbours.map(({ device, address, mac }) => ({
      device,
      address,
      mac: macs.get(mac.toLowerCase()) ?? mac,
    })),
    ipvs:
      seen.ipvs.state === 'known'
        ? [...seen.ipvs.table].flatMap(([key, { destinations }]) => {
            const match = matchOf(key);
            return match === undefined ? [] : [{ match, destinations }];
          })
        : [],
    tunnels: [...tunnelsOf(seen.links), ...seen.fou.flatMap(gueOf)],
    silenced: silencedBy(seen.arptables),
    rules: described.rules,
    filter: described.filter,
    listens:
      seen.listens.length === 0
        ? described.listens
        : seen.listens
            .filter(({ address }) => !/^(127\.|::1$)/.test(address))
            .map(({ protocol, port }) => ({ protocol, ports: { first: port, last: port } })),
  };
}

/** One that is down is on no segment. */
function deviceOf(name: string, { up, mtu, addresses }: Link, segment: string | undefined): Device {
  return {
    name,
    ...(up && segment !== undefined ? { segment } : {}),
    mtu,
    addresses: addresses.map(({ address, prefix, family }) => ({ address, prefix, family })),
  };
}

/** `default via 10.0.0.1 dev eth0 proto static metric 100`; those without a gateway follow from addresses. */
function routeOf({ family, line }: Observed['routes'][number]): NetRoute[] {
  const [, to = '', via = '', device = ''] = /^(\S+) via (\S+) dev (\S+)/.exec(line) ?? [];
  const all = family === 4 ? '0.0.0.0/0' : '::/0';
  const cidr = parseCidr(to === 'default' ? all : to.includes('/') ? to : `${to}/${family === 4 ? 32 : 128}`);
  const metric = Number(/ metric (\d+)/.exec(line)?.[1] ?? 0);
  return cidr === undefined || via === '' ? [] : [{ to: cidr, via, device, metric }];
}

const PROTOCOLS = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp' } as const;

/** The words of a service's name (`matchWords`) as what they say. */
function matchOf(key: string): IpvsMatch | undefined {
  const [option = '', value = '', six] = key.split(' ');
  if (option === '-f') return { protocol: 'fwmark', mark: Number(value), family: six === '-6' ? 6 : 4 };
  const protocol = PROTOCOLS[option as keyof typeof PROTOCOLS];
  const [, address, port] = /^\[?(.*?)\]?:(\d+)$/.exec(value) ?? [];
  return protocol === undefined || address === undefined ? undefined : { protocol, address, port: Number(port) };
}

/** Devices that modules bring by themselves, and that take what no other one takes. */
const OWN = /^(tunl0|sit0|ip6tnl0|gre0|ip6gre0)$/;

function tunnelsOf(links: ReadonlyMap<string, Link>): TunnelResource[] {
  return [...links].flatMap(([device, { up, kind, detail }]): TunnelResource[] => {
    if (!up) return [];
    if (OWN.test(device))
      return [{ kind: 'tunnel', type: 'module', device, any: detail.startsWith('ip6tnl any'), state: 'up' }];
    const local = / local (\S+)/.exec(detail)?.[1];
    if ((kind !== 'gre' && kind !== 'ip6gre') || local === undefined) return [];
    return [{ kind: 'tunnel', type: kind, device, local, state: 'up' }];
  });
}

/** `port 6080 gue`, `port 6080 gue -6`. */
function gueOf(line: string): TunnelResource[] {
  const port = /^port (\d+) .*\bgue\b/.exec(line)?.[1];
  return port === undefined
    ? []
    : [{ kind: 'tunnel', type: 'gue', port: Number(port), family: / -6\b/.test(line) ? 6 : 4, state: 'up' }];
}

/** Silence and another sender belong together: a rule alone does half. */
function silencedBy(rules: readonly string[]): NetHost['silenced'] {
  const mangled = new Map(
    rules.flatMap((rule) => {
      const [, address, source] = /^OUTPUT .*-s (\S+) --mangle-ip-s (\S+)/.exec(rule) ?? [];
      return address === undefined || source === undefined ? [] : [[address, source] as const];
    }),
  );
  return rules.flatMap((rule) => {
    const address = /^INPUT .*-d (\S+)/.exec(rule)?.[1];
    const source = address === undefined ? undefined : mangled.get(address);
    return address === undefined || source === undefined || !/-j DROP/.test(rule) ? [] : [{ address, source }];
  });
}
