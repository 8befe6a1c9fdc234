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
  /** Keys and hashes that an earlier apply recorded; absent where there is none. */
  manifest?: unknown;
}
