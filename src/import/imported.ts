/** What one host's files say, whatever their language, before it becomes part of an inventory. */

import type { Cidr, Protocol, Tunnel } from '../inventory/model.ts';
import type { InventoryHealthCheck, InventoryHost, InventoryInterface } from '../inventory/schema.ts';
import type { FilePlace } from './gaps.ts';

export interface ImportedReal {
  address: string;
  /** 0: the one that the client asked for. */
  port: number;
  weight: number;
  upper: number;
  lower: number;
}

export type ImportedMethod = { mode: 'dr' | 'nat' } | { mode: 'tun'; tunnel: Tunnel };

export interface ImportedService {
  place: FilePlace;
  /** What a comment of one word right above it calls it, as lvsctl writes them. */
  name?: string;
  match:
    | { by: 'socket'; protocol: Protocol; address: string; port: number }
    | { by: 'fwmark'; mark: number; family: 4 | 6 };
  scheduler: string;
  flags: string[];
  method: ImportedMethod;
  persistence?: { timeout: number; prefix?: number; engine?: string };
  onePacket: boolean;
  check?: InventoryHealthCheck;
  sorry?: { address: string; port?: number };
  quorum?: number;
  hysteresis?: number;
  reals: ImportedReal[];
  /** Words for the reader of the inventory. */
  notes: string[];
}

export interface ImportedScript {
  name: string;
  script: string;
  interval?: number;
  timeout?: number;
  weight?: number;
  rise?: number;
  fall?: number;
}

export type Notify = Partial<Record<'master' | 'backup' | 'fault' | 'stop' | 'any', string>>;

export interface ImportedInstance {
  name: string;
  place: FilePlace;
  device: string;
  virtualRouterId: number;
  priority: number;
  advertInterval: number;
  version?: 2 | 3;
  preempt: boolean;
  preemptDelay?: number;
  source?: string;
  peers: string[];
  /** Where a password stands. */
  password?: FilePlace;
  addresses: Cidr[];
  trackInterfaces: string[];
  trackScripts: ImportedScript[];
  notify: Notify;
}

export interface ImportedSyncGroup {
  name: string;
  place: FilePlace;
  instances: string[];
  trackScripts: ImportedScript[];
  notify: Notify;
}

export interface ImportedHost {
  name: string;
  /** From NetworkManager's keyfiles. */
  interfaces: Record<string, InventoryInterface>;
  instances: ImportedInstance[];
  syncGroups: ImportedSyncGroup[];
  services: ImportedService[];
  sync?: { interface: string; id?: number; group?: string; port?: number };
  timeouts?: { tcp?: number; tcp_fin?: number; udp?: number };
  /** How it is reached, where its name alone doesn't tell. */
  ssh?: NonNullable<InventoryHost['ssh']>;
  /** It was read itself, and not only files of it. */
  seen?: true;
  /** Where its interfaces are from; absent: from keyfiles. `seen`: from what it has now, which others look after. */
  network?: 'keyfiles' | 'seen';
}

export function emptyHost(name: string): ImportedHost {
  return { name, interfaces: {}, instances: [], syncGroups: [], services: [] };
}
