import type { Platform } from '../inventory/model.ts';

/** One NetworkManager profile as it stands on a host. */
export interface Profile {
  name: string;
  uuid: string;
  type: string;
  /** The device it is active on, empty when inactive. */
  device: string;
  /** Path of its keyfile; empty for one that exists in memory alone. */
  file: string;
  /** The keyfile's text, for profiles active on a device. */
  content: string;
}

/** What filters or rewrites packets on a host. */
export interface FirewallFacts {
  /** Present where firewalld runs: its default zone, and those that interfaces or sources are in. */
  firewalld?: { zones: string[] };
  /** Whether the kernel takes rules of nftables for IPv4 and IPv6. */
  nft: boolean;
  /** The objects of `nft -j list ruleset` (libnftables-json(5)); of ours alone where firewalld runs. */
  ruleset: Record<string, unknown>[];
  /** Lines of iptables-save and ip6tables-save, where there are rules of that variant. */
  iptables: { variant: 'legacy' | 'nft'; v4: string[]; v6: string[] }[];
  /** Whether it has IPv6 at all. */
  ipv6: boolean;
  /** The port at which this connection's SSH came in, where that can be told. */
  sshPort?: number;
}

/** One run as a host keeps it. */
export interface PastRun {
  id: string;
  /** `confirmed`, `done`, `open`; `reverted REASON`, `failed REASON`. */
  result: string;
  /** What is told of it, as JSON brings it back. */
  head: unknown;
  /** Its changes, as JSON brings them back; only where the whole run was asked for. */
  changes?: unknown;
}

/** What a host says of itself before anything is desired of it: the observation's first half. */
export interface Facts {
  platform: Platform;
  osId: string;
  osVersion: string;
  kernel: string;
  arch: string;
  bootId: string;
  hostname: string;
  /** Whether systemd is pid 1. */
  systemd: boolean;
  /** NetworkManager's version, absent where it does not run. */
  networkManager?: string;
  /** Device → its link-layer address, state and global or host addresses (CIDR text). */
  devices: Record<string, { mac: string; up: boolean; mtu: number; addresses: string[] }>;
  profiles: Profile[];
  /** Absent where nobody asked for it. */
  firewall?: FirewallFacts;
  /** Keys and hashes that an earlier apply recorded; absent where there is none. */
  manifest?: unknown;
  /** The run whose changes are open there: neither confirmed nor taken back. */
  transaction?: string;
  /** What was done there, oldest first; absent where nobody asked for it. */
  history?: PastRun[];
  /** The run that was asked for, with its changes. */
  run?: PastRun;
}
