import type { Protocol } from '../inventory/model.ts';

/** An inclusive range of ports; one port is a range of its own. */
export interface Ports {
  first: number;
  last: number;
}

/** Sets a firewall mark on what arrives for an address and ports: a service through that mark takes it (ipvsadm(8), -f). */
export interface MarkRule {
  rule: 'mark';
  family: 4 | 6;
  /** The VIP. */
  address: string;
  protocol: Protocol;
  ports: Ports[];
  mark: number;
}

/** FULLNAT: a real server sees the director's own address as the source of what is sent to it. */
export interface MasqueradeRule {
  rule: 'masquerade';
  family: 4 | 6;
  /** The real server's. */
  address: string;
  protocol: Protocol;
  /** The real server's. */
  ports: Ports[];
}

/** A real server behind a tunnel tells clients, in its SYN-ACK, to send segments that fit into the tunnel. */
export interface ClampRule {
  rule: 'clamp';
  family: 4 | 6;
  /** The VIP, the source of the SYN-ACK. */
  address: string;
  ports: Ports[];
  /** Bytes. */
  mss: number;
}

/** What arrives for an address and ports is not followed by connection tracking. */
export interface UntrackedRule {
  rule: 'untracked';
  family: 4 | 6;
  address: string;
  protocol: Protocol;
  ports: Ports[];
}

export type AcceptProtocol = Protocol | 'vrrp' | 'ah' | 'icmp' | 'ipip' | 'ip6ip' | 'gre' | 'any';

/** Lets something in through a filter: used only where the host filters, or is to. */
export interface AcceptRule {
  rule: 'accept';
  /** `any`: whatever comes from `from`. */
  protocol: AcceptProtocol;
  /** For tcp, udp and sctp; absent: all. */
  ports?: Ports[];
  /** Addresses or networks (CIDR); absent: from everywhere. */
  from?: string[];
  /** Absent: both, or what `from` says. */
  family?: 4 | 6;
}

/** What a host's packet filter is to do, whichever program it belongs to. */
export type FirewallRule = MarkRule | MasqueradeRule | ClampRule | UntrackedRule | AcceptRule;

/** One packet match of one rule: what a line of any back end says. */
export type Atom =
  | { rule: 'mark'; family: 4 | 6; address: string; protocol: Protocol; ports: Ports; mark: number }
  | { rule: 'masquerade'; family: 4 | 6; address: string; protocol: Protocol; ports: Ports }
  | { rule: 'clamp'; family: 4 | 6; address: string; ports: Ports; mss: number }
  | { rule: 'untracked'; family: 4 | 6; address: string; protocol: Protocol; ports: Ports }
  | {
      rule: 'accept';
      /** null: both. */
      family: 4 | 6 | null;
      /** A number as IANA assigns it; null: any. */
      protocol: Protocol | number | null;
      ports: Ports | null;
      from: string | null;
    };

/** IANA's numbers: a host without /etc/protocols knows no names for most of them. */
const NUMBERS = { vrrp: 112, ah: 51, ipip: 4, ip6ip: 41, gre: 47 } as const;
export const ICMP = 1;
export const ICMP6 = 58;

/** Rules taken apart, each once, in their order. Pure. */
export function atomsOf(rules: readonly FirewallRule[]): Atom[] {
  const atoms = new Map<string, Atom>();
  for (const atom of rules.flatMap(atomsOfRule)) atoms.set(JSON.stringify(atom), atom);
  return [...atoms.values()];
}

function atomsOfRule(rule: FirewallRule): Atom[] {
  switch (rule.rule) {
    case 'mark': {
      const { family, address, protocol, mark } = rule;
      return rule.ports.map((ports) => ({ rule: 'mark', family, address, protocol, ports, mark }));
    }
    case 'masquerade':
    case 'untracked': {
      const { rule: what, family, address, protocol } = rule;
      return rule.ports.map((ports) => ({ rule: what, family, address, protocol, ports }));
    }
    case 'clamp': {
      const { family, address, mss } = rule;
      return rule.ports.map((ports) => ({ rule: 'clamp', family, address, ports, mss }));
    }
    case 'accept':
      return (rule.from ?? [null]).flatMap((from) =>
        (rule.ports ?? [null]).flatMap((ports) => accept(rule, from, ports)),
      );
  }
}

function accept(rule: AcceptRule, from: string | null, ports: Ports | null): Atom[] {
  const family = from === null ? (rule.family ?? null) : familyOf(from);
  if (rule.family !== undefined && family !== rule.family) return [];
  const shared = { rule: 'accept', ports, from: from === null ? null : withoutHostPrefix(from) } as const;
  switch (rule.protocol) {
    case 'tcp':
    case 'udp':
    case 'sctp':
      return [{ ...shared, family, protocol: rule.protocol }];
    case 'any':
      return [{ ...shared, family, protocol: null }];
    case 'icmp':
      return ([4, 6] as const)
        .filter((one) => family === null || family === one)
        .map((one) => ({ ...shared, family: one, protocol: one === 4 ? ICMP : ICMP6 }));
    default:
      return [{ ...shared, family, protocol: NUMBERS[rule.protocol] }];
  }
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** `10.0.0.1/32` is `10.0.0.1`: each back end writes single addresses in its own way. */
function withoutHostPrefix(cidr: string): string {
  return cidr.replace(cidr.includes(':') ? /\/128$/ : /\/32$/, '');
}
