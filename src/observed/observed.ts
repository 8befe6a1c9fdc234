import type { Facts } from '../platform/facts.ts';
import type { IpvsTable } from '../resources/ipvs-table.ts';

/** What a host is and does at this moment, read without an inventory. A value; made by `parse.ts`. */
export interface Observed {
  /** As it was asked for. */
  name: string;
  facts: Facts;
  /** Whether it was read as root; without, some of it is missing (`unread`, `ipvs`). */
  root: boolean;
  /** Devices by name, in the kernel's order. */
  links: Map<string, Link>;
  /** Lines of `ip route show` of the main table. */
  routes: { family: 4 | 6; line: string }[];
  /** Rules of policy routing besides the kernel's own three. */
  rules: string[];
  /** Permanent neighbours. */
  neighbours: { device: string; address: string; mac: string }[];
  /** Lines of `ip fou show`. */
  fou: string[];
  /** Kernel parameters in force: path below /proc/sys (`net/ipv4/conf/eth0/rp_filter`) → value. */
  sysctls: Map<string, string>;
  /** What files set at boot, in the order in which it takes effect. */
  boot: BootSetting[];
  /** What /etc/sysctl.conf says and nothing reads at boot. */
  forgotten: BootSetting[];
  /** Modules that are loaded, and those that files load at boot. */
  modules: { loaded: Set<string>; boot: Set<string> };
  ipvs: ObservedTable;
  /** Units of systemd by their names. */
  units: Map<string, Unit>;
  keepalived: { file: string; running: boolean };
  /** Path → text. */
  files: Map<string, string>;
  /** Files that are there, or may be, and can't be read by this user. */
  unread: string[];
  listens: Listening[];
  /** Rules of arptables, as `CHAIN WORDS`. */
  arptables: string[];
}

export interface Link {
  /** As `ip -d link` calls it, e.g. `vlan`, `bond`, `ipip`; empty for plain Ethernet and lo. */
  kind: string;
  /** Layer 2, e.g. `ether`, `loopback`, `ipip`. */
  layer: string;
  up: boolean;
  mtu: number;
  mac: string;
  /** The words that describe a tunnel, VLAN and so on, e.g. `ipip any remote any local any`. */
  detail: string;
  /** Without those of the link's own scope. */
  addresses: LinkAddress[];
}

export interface LinkAddress {
  address: string;
  prefix: number;
  family: 4 | 6;
  /** Given by DHCP or a router: it has an end. */
  dynamic: boolean;
}

export interface BootSetting {
  /** Path below /proc/sys; may hold `*`. */
  name: string;
  value: string;
  path: string;
  line: number;
}

/** IPVS's table; `why` tells, in a few words, why it isn't known. */
export type ObservedTable =
  /** The module isn't loaded: there is none. */
  | { state: 'none' }
  | { state: 'unknown'; why: string }
  /** `text`: what `ipvsadm -Sn` prints. */
  | { state: 'known'; table: IpvsTable; text: string };

export interface Unit {
  /** systemd's LoadState, e.g. `loaded`, `not-found`, `masked`. */
  load: string;
  active: boolean;
  enabled: boolean;
}

export interface Listening {
  protocol: 'tcp' | 'udp';
  /** `*` and `[::]` are empty: all addresses. */
  address: string;
  port: number;
}
