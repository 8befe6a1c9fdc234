import type { Service, VrrpGroup } from '../inventory/model.ts';

/** What a cluster looks like, before anything is said of places, colours or syntax. A value: made by `model.ts`. */
export interface Diagram {
  /** The cluster's name. */
  name: string;
  segments: Segment[];
  nodes: Node[];
  services: Service[];
  vrrp: VrrpGroup[];
  /** Connections between directors that outlive a change of masters. */
  sync?: { interface: string; id: number; group: string };
  ways: Ways;
}

/** A layer-2 segment. */
export interface Segment {
  name: string;
  /** Networks besides the one that it is called after. */
  networks: string[];
}

/** What a host is drawn as: the first that is true of it, from the outside in. */
export const ROLES = ['client', 'router', 'director', 'real server', 'other'] as const;
export type Role = (typeof ROLES)[number];

/** A box: one host, or several that are alike. */
export interface Node {
  /** The host's name; of several their ranges, e.g. `web[04-60]`. */
  name: string;
  /** The hosts that it stands for. */
  hosts: string[];
  role: Role;
  /** All that it is, e.g. `director`, `real server`. */
  is: string[];
  managed: boolean;
  ports: Port[];
  notes: Note[];
}

/** An interface that is on a segment. */
export interface Port {
  device: string;
  link: Link;
  segment: string;
  /** Its own, with prefix length. */
  addresses: { text: string; vip: boolean }[];
  gateways: string[];
  held: Held[];
}

export type Link =
  | { type: 'ethernet' }
  | { type: 'bond'; mode: string; members: string[] }
  | { type: 'vlan'; parent: string; id: number };

/** An address that an interface has besides its own. */
export type Held =
  | { by: 'host'; address: string }
  /** Of the master, which is the node with the highest priority as long as all are well. `vip`: clients ask for it. */
  | { by: 'vrrp'; address: string; instance: string; vip: boolean; master: boolean };

/** What else there is to say of a host. */
export type Note =
  | { note: 'priority'; group: string; priority: number; master: boolean }
  | { note: 'directs'; services: string[] }
  | { note: 'serves'; services: { name: string; weight: number }[] }
  /** Addresses on lo, for which it answers no ARP. */
  | { note: 'loopback'; addresses: string[] }
  /** It unwraps what directors wrapped. */
  | { note: 'tunnel'; types: string[] }
  /** It knows the director's MAC address for these VIPs, and asks nobody. */
  | { note: 'neighbour'; addresses: string[] }
  | { note: 'site'; name: string; software: string; port: number; to: string[] }
  | { note: 'device'; device: string; link: Link }
  /** A packet of the ways that are drawn comes to nothing here. */
  | { note: 'dies'; leg: Leg; reason: string };

export type Leg = 'request' | 'reply';

/** The ways of a client's packet. */
export type Ways =
  | { drawn: false; why: string }
  | { drawn: true; from: string; to: string; steps: Step[]; faults: { via?: string; why: string }[] };

/** From one host to others, or from several to one, over a segment. */
export interface Step {
  /** Counted over both legs; steps of ways that part have the same number. */
  number: number;
  leg: Leg;
  segment: string;
  from: End[];
  to: End[];
  /** What stands in the packets’ headers, each once. */
  headers: string[];
  /** What the sender did with the packet. */
  did: string[];
}

/** A port of a node. */
export interface End {
  /** Index in the diagram's nodes. */
  node: number;
  device: string;
}
