import type { IpvsDestination, IpvsMatch } from '../resources/ipvs-table.ts';
import { familyOf, type NetHost, sysctl } from './net.ts';
import type { Header } from './way.ts';

/** A real server as IPVS's table has it, with the port that the packet goes to. */
export type Balanced = IpvsDestination;

/**
 * Which real servers a packet for one of the host's addresses may go to; undefined where no virtual service is for it.
 * The scheduler chooses among those with a weight. Pure.
 */
export function balance(host: NetHost, packet: Header, mark: number): Balanced[] | undefined {
  const { marked, sockets } = tableOf(host.ipvs);
  const found =
    marked.find(({ match }) => match.protocol === 'fwmark' && mark === match.mark && fits(match, packet)) ??
    sockets.get(packet.dst)?.find(({ match }) => asked(match, packet));
  return found?.destinations
    .filter(({ weight }) => weight > 0)
    .map((one) => ({ ...one, port: one.port === 0 ? packet.dport : one.port }));
}

interface Table {
  marked: NetHost['ipvs'];
  /** By the address that is asked for. */
  sockets: Map<string, NetHost['ipvs']>;
}

const tables = new WeakMap<NetHost['ipvs'], Table>();

function tableOf(rows: NetHost['ipvs']): Table {
  const known = tables.get(rows);
  if (known !== undefined) return known;
  const table: Table = { marked: [], sockets: new Map() };
  for (const row of rows) {
    if (row.match.protocol === 'fwmark') {
      table.marked.push(row);
      continue;
    }
    const own = table.sockets.get(row.match.address);
    if (own === undefined) table.sockets.set(row.match.address, [row]);
    else own.push(row);
  }
  tables.set(rows, table);
  return table;
}

function fits(match: IpvsMatch, packet: Header): boolean {
  return match.protocol === 'fwmark' && match.family === familyOf(packet.dst);
}

function asked(match: IpvsMatch, packet: Header): boolean {
  if (match.protocol === 'fwmark') return false;
  const { protocol, address, port } = match;
  return protocol === packet.protocol && address === packet.dst && (port === packet.dport || port === 0);
}

/** Whether IPVS's connections are netfilter's too, so that a masquerade sees them (ipvs-sysctl.rst, conntrack). */
export function conntracked(host: NetHost): boolean {
  return sysctl(host, 'net.ipv4.vs.conntrack', 0) > 0;
}

/** The device that a wrapped packet comes out of; undefined where nothing unwraps it. Pure. */
export function tunnelEnd(host: NetHost, { dst }: Header, outer: NonNullable<Header['outer']>): string | undefined {
  const [inside, outside] = [familyOf(dst), familyOf(outer.dst)];
  const device = (name: string, any = false) =>
    host.tunnels.some((end) => end.type === 'module' && end.device === name && end.state === 'up' && (!any || end.any))
      ? name
      : undefined;
  const plain = outside === 4 ? device(inside === 4 ? 'tunl0' : 'sit0') : device('ip6tnl0', inside === 4);
  const { tunnel } = outer;
  switch (tunnel.type) {
    case 'ipip':
      return plain;
    case 'gue': {
      const open = host.tunnels.some(
        (end) => end.type === 'gue' && end.port === tunnel.port && end.family === outside && end.state === 'up',
      );
      return open ? plain : undefined;
    }
    case 'gre': {
      if (tunnel.checksum === 'none') return device(outside === 4 ? 'gre0' : 'ip6gre0');
      const own = host.tunnels.find(
        (end) => (end.type === 'gre' || end.type === 'ip6gre') && end.state === 'up' && end.local === outer.dst,
      );
      return own !== undefined && 'device' in own ? own.device : undefined;
    }
  }
}
