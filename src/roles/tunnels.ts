import { hostsIn, serversAt, standsBehind } from '../inventory/derived.ts';
import type { Cluster, Host, Interface, Service, Tunnel } from '../inventory/model.ts';
import type { FirewallRule } from '../resources/firewall.ts';
import type { TunnelResource } from '../resources/resource.ts';
import { bootUnit } from './boot-unit.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { interfaceSysctl } from './ways.ts';

/** One way in which packets come wrapped: families inside and outside, the tunnel, and the address that it ends at. */
interface Way {
  inner: 4 | 6;
  outer: 4 | 6;
  tunnel: Tunnel;
  local: string;
}

/**
 * What a real server (or the sorry server) in tun mode needs to unwrap packets: modules, devices and ports, now and at boot; no reverse
 * path filtering, as no way back begins at a tunnel; segments that fit into it. Directors need none of this: IPVS
 * wraps packets itself.
 */
export function tunnels(question: Question): Part {
  const { cluster, host } = question;
  const services = standsBehind(cluster, host.name).filter(({ mode }) => mode === 'tun');
  const ways = services.flatMap((service) => waysTo(service, host.name));
  if (ways.length === 0) return NOTHING;
  const ends = unique(ways.flatMap(endsOf));
  const devices = ends.flatMap((end) => (end.type === 'gue' ? [] : [end.device]));
  return {
    ...NOTHING,
    modules: unique(ways.flatMap(modulesOf)).map((name) => ({ stage: 'suppress', name })),
    sysctls: unfiltered(devices.filter((device) => !['sit0', 'ip6tnl0', 'ip6gre0'].includes(device))),
    firewall: services.flatMap((service) => clamps(cluster, host, service)),
    resources: [
      ...ends.map((resource): Desired => ({ stage: 'suppress', resource })),
      ...bootUnit(question, 'suppress', {
        name: 'lvsctl-tunnels.service',
        description: 'Unwrap what LVS directors send through tunnels',
        commands: ends.flatMap(commandsOf),
      }),
    ],
  };
}

/**
 * What comes out of a device without an address passes no filter by source, not even a loose one (seen with 6.1;
 * fib_frontend.c, __fib_validate_source); and the larger of `all` and the device's own value counts (ip-sysctl.rst).
 */
function unfiltered(devices: readonly string[]): Part['sysctls'] {
  if (devices.length === 0) return [];
  return ['all', ...devices].map((device) => ({
    stage: 'suppress',
    name: interfaceSysctl(device, 'rp_filter'),
    value: '0',
  }));
}

function waysTo(service: Service, host: string): Way[] {
  return serversAt(service, host).map(({ row: { family }, server: { address } }): Way => {
    return { inner: family, outer: address.includes(':') ? 6 : 4, tunnel: service.tunnel, local: address };
  });
}

/** The module and its own device that take packets of one family inside another (ip-tunnel(8)). */
function plain({ inner, outer }: Way): { module: string; device: string; any: boolean } {
  if (outer === 6) return { module: 'ip6_tunnel', device: 'ip6tnl0', any: inner === 4 };
  return inner === 4 ? { module: 'ipip', device: 'tunl0', any: false } : { module: 'sit', device: 'sit0', any: false };
}

function modulesOf(way: Way): string[] {
  switch (way.tunnel.type) {
    case 'ipip':
      return [plain(way).module];
    case 'gre':
      return [way.outer === 4 ? 'ip_gre' : 'ip6_gre'];
    case 'gue':
      return [way.outer === 4 ? 'fou' : 'fou6', plain(way).module];
  }
}

function endsOf(way: Way): TunnelResource[] {
  const { outer, tunnel, local } = way;
  const { device, any } = plain(way);
  switch (tunnel.type) {
    case 'ipip':
      return [{ kind: 'tunnel', type: 'module', device, any, state: 'up' }];
    case 'gre':
      // The module's own device drops packets with checksums (seen on Linux 6.1).
      return tunnel.checksum === 'none'
        ? [{ kind: 'tunnel', type: 'module', device: outer === 4 ? 'gre0' : 'ip6gre0', any: false, state: 'up' }]
        : [outer === 4 ? gre('gre', 'lvs-gre', local) : gre('ip6gre', 'lvs-gre6', local)];
    case 'gue':
      return [
        { kind: 'tunnel', type: 'gue', port: tunnel.port, family: outer, state: 'up' },
        { kind: 'tunnel', type: 'module', device, any, state: 'up' },
      ];
  }
}

function gre(type: 'gre' | 'ip6gre', device: string, local: string): TunnelResource {
  return { kind: 'tunnel', type, device, local, state: 'up' };
}

const IP = '/sbin/ip';

function commandsOf(end: TunnelResource): string[] {
  switch (end.type) {
    case 'module':
      return [
        ...(end.any ? [`${IP} -6 tunnel change ${end.device} mode any`] : []),
        `${IP} link set dev ${end.device} up`,
      ];
    case 'gre':
    case 'ip6gre':
      return [
        `-${IP} link add dev ${end.device} type ${end.type} local ${end.local} icsum`,
        `${IP} link set dev ${end.device} up`,
      ];
    case 'gue':
      return [`-${IP} -${end.family} fou add port ${end.port} gue`];
  }
}

/** Keeps the segments of clients' uploads small enough for the tunnel. */
function clamps(cluster: Cluster, host: Host, service: Service): FirewallRule[] {
  if (service.protocol !== 'tcp') return [];
  const ways = waysTo(service, host.name);
  const directors = hostsIn(cluster.hosts, service.directors);
  return service.vips.flatMap(({ address, family }): FirewallRule[] => {
    const way = ways.find(({ inner }) => inner === family);
    if (way === undefined) return [];
    const mtu = Math.min(...[host, ...directors].map((one) => mtuOf(one, way.outer)));
    const mss = mtu - overhead(way) - (family === 4 ? 40 : 60);
    return [{ rule: 'clamp', family, address, ports: service.ports, mss }];
  });
}

/** The smallest MTU of a host's interfaces with addresses of a family; Ethernet's where the inventory says none. */
function mtuOf({ interfaces }: Host, family: 4 | 6): number {
  const has = (one: Interface) => one.addresses.some((address) => address.family === family);
  return Math.min(...interfaces.filter(has).map(({ mtu }) => mtu ?? 1500), 1500 * 6);
}

/** Bytes that a tunnel puts before a packet (net/netfilter/ipvs/ip_vs_xmit.c): the outer header, and its own. */
export function overhead({ outer, tunnel }: Pick<Way, 'outer' | 'tunnel'>): number {
  const ip = outer === 4 ? 20 : 40;
  switch (tunnel.type) {
    case 'ipip':
      return ip;
    case 'gre':
      return ip + (tunnel.checksum === 'csum' ? 8 : 4);
    case 'gue':
      // UDP 8, GUE 4, and for remote checksums its flags 4 and its option 4.
      return ip + 12 + (tunnel.checksum === 'remcsum' ? 8 : 0);
  }
}

/** Each once, by content. */
function unique<T>(list: readonly T[]): T[] {
  return [...new Map(list.map((one) => [JSON.stringify(one), one])).values()];
}
