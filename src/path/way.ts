import type { Protocol, Tunnel } from '../inventory/model.ts';

/** What stands in a packet's headers; `outer` where it is wrapped. */
export interface Header {
  protocol: Protocol | 'icmp';
  src: string;
  sport: number;
  dst: string;
  dport: number;
  outer?: { src: string; dst: string; tunnel: Tunnel };
}

/** `20.20.20.20:80`, `[2001:db8::100]:80`. Pure. */
export function socketText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `40.40.40.10:40000 → 20.20.20.20:80`, with the outer addresses before it where it is wrapped. Pure. */
export function headerText({ src, sport, dst, dport, outer }: Header): string {
  const inner = `${socketText(src, sport)} → ${socketText(dst, dport)}`;
  return outer === undefined ? inner : `[${outer.src} → ${outer.dst}] ${inner}`;
}

/** What a host does with a packet. */
export type Act =
  | { act: 'sent' }
  | { act: 'routed'; via?: string }
  /** IPVS chose this real server. */
  | { act: 'chosen'; address: string; method: 'nat' | 'dr' | 'tun' }
  | { act: 'wrapped'; in: Tunnel['type']; to: string }
  | { act: 'unwrapped'; device: string }
  | { act: 'masqueraded'; as: string }
  /** A translation taken back in a reply, by whom. */
  | { act: 'restored'; by: 'ipvs' | 'masquerade' }
  | { act: 'delivered' };

/** One host on a packet's way. MAC addresses are symbolic: `host:interface`. */
export interface Hop {
  host: string;
  /** Where it came in, and from whom; absent: it was made here. */
  in?: { device: string; from: string };
  /** Where it left, and for whom; absent: it ends here. */
  out?: { device: string; to: string };
  before: Header;
  after: Header;
  did: Act[];
}

/** Why a packet, or the connection that it belongs to, comes to nothing. */
export const REASONS = [
  'no-route',
  'kept-local',
  'no-arp-answer',
  'no-forwarding',
  'martian-source',
  'rp-filter',
  'input-filtered',
  'forward-filtered',
  'loop',
  'no-tunnel',
  'no-real-server',
  'nobody-listens',
  'other-source',
  'other-host',
  'redirected',
  'mtu',
] as const;
export type Reason = (typeof REASONS)[number];

/** Something on the way that may be the cause of what becomes of the packet later. */
export type Omen =
  /** The director hands a dr packet to a router, which does not know that it is meant for a real server. */
  | { omen: 'behind-router'; host: string; address: string; via: string }
  /** Several hosts answer for an address; it is chance who is believed. */
  | { omen: 'several-answers'; host: string; address: string; hosts: string[] }
  /** A real server asks in the VIP's name: whoever hears it takes the real server for the VIP's owner. */
  | { omen: 'announced'; host: string; address: string; to: string[] }
  /** The director tells a real server on its own wire of a shorter way, which is past itself. */
  | { omen: 'redirect'; host: string; device: string; address: string }
  /** A large packet doesn't fit; who sent it is told to make smaller ones, and hears of it. */
  | { omen: 'too-large'; leg: 'request' | 'reply'; host: string; device: string; size: number; mtu: number };

/** How a way ends. */
export type End =
  /** The reply came back, from what was asked. */
  | { answered: true; by: string }
  | { answered: false; leg: 'request' | 'reply'; host: string; device?: string; reason: Reason; about?: string };

/** One way that a connection may take, there and back. */
export interface Way {
  request: Hop[];
  reply: Hop[];
  omens: Omen[];
  end: End;
}
