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

/** Lets something in through a filter: used only where the host filters, or is to. */
export interface AcceptRule {
  rule: 'accept';
  /** `any`: whatever comes from `from`. */
  protocol: Protocol | 'vrrp' | 'ah' | 'icmp' | 'ipip' | 'ip6ip' | 'gre' | 'any';
  /** For tcp, udp and sctp; absent: all. */
  ports?: Ports[];
  /** Addresses or networks (CIDR); absent: from everywhere. */
  from?: string[];
  /** Absent: both, or what `from` says. */
  family?: 4 | 6;
}

/** What a host's packet filter is to do, whichever program it belongs to. */
export type FirewallRule = MarkRule | MasqueradeRule | ClampRule | UntrackedRule | AcceptRule;
