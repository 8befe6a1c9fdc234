import { parseCidr } from '../inventory/addresses.ts';
import { type Atom, atomsOf, type FirewallRule, ICMP, ICMP6 } from '../resources/firewall-rules.ts';
import { familyOf, type NetHost, within } from './net.ts';
import type { Header } from './way.ts';

const taken = new WeakMap<readonly FirewallRule[], Atom[]>();

function atoms(rules: readonly FirewallRule[]): Atom[] {
  const known = taken.get(rules) ?? atomsOf(rules);
  taken.set(rules, known);
  return known;
}

/** A packet as a filter sees it. */
interface Seen {
  leg: 'request' | 'reply';
  client: string;
  packet: Header;
}

/** Whether the packet filter keeps out what is for the host itself. Pure. */
export function inputRefuses(host: NetHost, { leg, client, packet }: Seen): boolean {
  const { input } = host.filter;
  if (input === 'open') return false;
  // Replies to what the host itself asked are known; ICMP always comes in.
  if ((leg === 'reply' && client === host.name) || packet.protocol === 'icmp') return false;
  return !atoms(input.accepts).some((atom) => {
    if (atom.rule !== 'accept') return false;
    const { protocol, source, family } = carried(packet);
    if (atom.family !== null && atom.family !== family) return false;
    if (atom.from !== null && !isFrom(atom.from, source)) return false;
    if (atom.protocol !== null && atom.protocol !== protocol) return false;
    if (atom.ports === null) return true;
    const port = packet.outer?.tunnel.type === 'gue' ? packet.outer.tunnel.port : packet.dport;
    return atom.ports.first <= port && port <= atom.ports.last;
  });
}

function carried({ protocol, src, dst, outer }: Header) {
  if (outer === undefined) {
    const family = familyOf(src);
    return { family, source: src, protocol: protocol === 'icmp' ? (family === 4 ? ICMP : ICMP6) : protocol };
  }
  const numbers = { ipip: familyOf(dst) === 4 ? 4 : 41, gre: 47, gue: 'udp' } as const;
  return { family: familyOf(outer.src), source: outer.src, protocol: numbers[outer.tunnel.type] };
}

function isFrom(network: string, address: string): boolean {
  const cidr = parseCidr(network.includes('/') ? network : `${network}/${network.includes(':') ? 128 : 32}`);
  return cidr !== undefined && within(cidr, address);
}

/**
 * Whether the packet filter stops what is passed on. Pure.
 * @param known whether connection tracking there has seen the connection begin: not where IPVS went past it
 */
export function forwardRefuses(host: NetHost, { packet, known }: Seen & { known: boolean }): boolean {
  switch (host.filter.forward) {
    case 'open':
      return false;
    case 'closed':
      return true;
    case 'known':
      return packet.protocol === 'tcp' && !known;
  }
}

/** The firewall mark that a packet gets as it comes in; 0: none. Pure. */
export function markOf(host: NetHost, packet: Header): number {
  if (packet.outer !== undefined) return 0;
  const found = atoms(host.rules).find(
    (atom) =>
      atom.rule === 'mark' &&
      atom.address === packet.dst &&
      atom.protocol === packet.protocol &&
      atom.ports.first <= packet.dport &&
      packet.dport <= atom.ports.last,
  );
  return found?.rule === 'mark' ? found.mark : 0;
}

/** Whether the host sends it on in its own name. Pure. */
export function masqueradeFor(host: NetHost, packet: Header): boolean {
  return atoms(host.rules).some(
    (atom) =>
      atom.rule === 'masquerade' &&
      atom.address === packet.dst &&
      atom.protocol === packet.protocol &&
      atom.ports.first <= packet.dport &&
      packet.dport <= atom.ports.last,
  );
}

/** The largest segment that a host's rules let its SYN-ACKs ask for; undefined where none does. Pure. */
export function clampOf(host: NetHost, { src, sport }: Header): number | undefined {
  const found = atoms(host.rules).find(
    (atom) => atom.rule === 'clamp' && atom.address === src && atom.ports.first <= sport && sport <= atom.ports.last,
  );
  return found?.rule === 'clamp' ? found.mss : undefined;
}
