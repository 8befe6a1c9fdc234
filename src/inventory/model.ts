import type { AREAS, MODES, PROTOCOLS } from './words.ts';

/** The cluster model: the inventory with defaults filled in, names resolved and addresses parsed. */

/** An address with its prefix length, both canonical, e.g. `{ address: '30.30.30.20', prefix: 24, family: 4 }`. */
export interface Cidr {
  address: string;
  prefix: number;
  family: 4 | 6;
}

export interface Route {
  to: Cidr;
  via: string;
  metric?: number;
}

/** What an interface is made of. */
export type Link =
  | { type: 'ethernet' }
  | { type: 'bond'; mode: string; members: string[]; options: Record<string, string> }
  | { type: 'vlan'; parent: string; id: number };

export interface Interface {
  name: string;
  link: Link;
  addresses: Cidr[];
  /** Default gateways, at most one a family. */
  gateways: { v4?: string; v6?: string };
  routes: Route[];
  dns: string[];
  mtu?: number;
  /** Name of the layer-2 segment: what the inventory says, else derived from shared subnets. */
  segment: string;
}

/** How SSH reaches the host; what is absent comes from the operator's own ssh_config. */
export interface Ssh {
  /** Host name or address to connect to. */
  address: string;
  user?: string;
  port?: number;
  identityFile?: string;
  jump?: string;
  knownHosts?: string;
  become?: 'sudo';
}

export type Platform = 'rhel' | 'debian';

export interface ExtraFile {
  path: string;
  /** The bytes, as UTF-8 text (read from the source beside the inventory). */
  content: string;
  owner: string;
  group: string;
  /** Octal with leading zero, e.g. `0644`. */
  mode: string;
}

export interface Unit {
  name: string;
  enabled: boolean;
  running: boolean;
}

/** What lvsctl can own on a host. */
export type Area = (typeof AREAS)[number];

/** What a host has beyond its roles. */
export interface Extras {
  sysctls: Record<string, string>;
  packages: string[];
  modules: string[];
  files: ExtraFile[];
  units: Unit[];
}

export interface Host extends Extras {
  name: string;
  /** The groups that it is in, in the order of the inventory. */
  groups: string[];
  /** False: described only, asked for traffic, never configured. */
  managed: boolean;
  /** What lvsctl owns there. */
  owns: readonly Area[];
  /** True: a router. */
  forwarding: boolean;
  /** What the inventory says; absent: observed. */
  platform?: Platform;
  interfaces: Interface[];
  ssh: Ssh;
  /** What it has besides `Extras` where it is of that family, which may be known only from the host itself. */
  byPlatform: Partial<Record<Platform, Extras>>;
  /** Time servers, where the clock is lvsctl's matter. */
  timeServers: string[];
  /** Values for templates. */
  vars: Record<string, string | number | boolean>;
}

/** A value that never stands in the model: where it comes from (`secrets.ts`). */
export interface Secret {
  /** Where the inventory asks for it, e.g. `vrrp.edge.auth_pass`. */
  name: string;
  /** A file by its absolute path; a command of the shell with the folder that it is run in. */
  from: { env: string } | { file: string } | { command: string; folder: string };
  /** How many characters count. */
  longest: number;
  place: { file: string; line?: number; column?: number };
}

/** A file that is read beside the inventory and lands on hosts. */
export interface Script {
  /** Its name without folders. */
  name: string;
  content: string;
}

/** Directors that share floating addresses; with several instances these move together. */
export interface VrrpGroup {
  name: string;
  nodes: { host: string; priority: number }[];
  preempt: boolean;
  /** Seconds. */
  preemptDelay?: number;
  unicast: boolean;
  /** Seconds; whole ones in version 2. */
  advertInterval: number;
  version: 2 | 3;
  authPass?: Secret;
  trackScripts: TrackScript[];
  notify: Partial<Record<'master' | 'backup' | 'fault' | 'stop' | 'any', Script>>;
  instances: VrrpInstance[];
}

export interface TrackScript {
  name: string;
  script: Script;
  /** Seconds. */
  interval: number;
  timeout?: number;
  weight?: number;
  rise?: number;
  fall?: number;
}

/** One virtual router on one segment. */
export interface VrrpInstance {
  name: string;
  virtualRouterId: number;
  /** Each node's interface and its own address there, in the order of the group's nodes. */
  nodes: { host: string; device: string; address: string }[];
  /** All floating addresses: VIPs as /32 or /128, others with their network's prefix. */
  addresses: Cidr[];
  trackInterfaces: string[];
}

export type Mode = (typeof MODES)[number];
export type Protocol = (typeof PROTOCOLS)[number];

export interface RealServer {
  host: string;
  /** The address the director forwards to. */
  address: string;
  /** 0: the port asked for (services by firewall mark). */
  port: number;
  weight: number;
  /** Connections above which it gets no new ones. */
  upperThreshold?: number;
  lowerThreshold?: number;
}

/** How the real servers of a service are checked. Times in seconds. */
export interface HealthCheck {
  check: Check;
  interval: number;
  timeout: number;
  retries: number;
  retryInterval: number;
  /** Down until the first check. */
  startDown: boolean;
  /** A failed server stays in the table with weight 0. */
  inhibit: boolean;
}

export type Check =
  | { type: 'http_get' | 'ssl_get'; path: string; status: number[]; digest?: string; port?: number; host?: string }
  | { type: 'tcp_check'; port?: number }
  | { type: 'smtp_check'; port?: number; heloName?: string }
  | { type: 'dns_check'; port?: number; name?: string; recordType: string }
  | { type: 'ping_check' }
  | { type: 'udp_check'; port?: number; payload?: string; requireReply: boolean }
  | { type: 'misc_check'; script: Script; arguments: string[]; dynamic: boolean }
  | { type: 'bfd'; minRx?: number; minTx?: number; multiplier?: number };

export interface SorryServer {
  address: string;
  family: 4 | 6;
  /** Absent: that of each row. */
  port?: number;
  /** The host of the inventory that has the address, and isn't one of the service's directors. */
  host?: string;
}

/** How the director's peers are kept from taking somebody else for the VIP. */
export type Arp = 'sysctl' | 'arptables' | { staticNeighbourAt: string[] };

export type Tunnel =
  | { type: 'ipip' }
  | { type: 'gre'; checksum: 'none' | 'csum' }
  | { type: 'gue'; port: number; checksum: 'none' | 'csum' | 'remcsum' };

/** What IPVS calls a service: one row of its table. */
export interface VirtualService {
  family: 4 | 6;
  /** What packets belong to it. */
  match: { by: 'socket'; protocol: Protocol; address: string; port: number } | { by: 'fwmark'; mark: number };
  realServers: RealServer[];
}

/** A port or, with `last`, a range. */
export interface PortRange {
  first: number;
  last: number;
}

/** A service of the inventory: what clients know. Its rows in IPVS's table follow: one for each address and port. */
export interface Service {
  name: string;
  mode: Mode;
  /** Its VIPs: one address, or those of a named VIP. */
  vips: { address: string; family: 4 | 6 }[];
  /** The VRRP instance that carries the VIPs. */
  vrrp?: { group: string; instance: string };
  protocol: Protocol;
  ports: PortRange[];
  /** All ports together are one virtual service, through this firewall mark. */
  fwmark?: number;
  scheduler: string;
  schedulerFlags: string[];
  persistence?: { timeout: number; prefix4: number; prefix6: number; engine?: 'sip' };
  onePacket: boolean;
  directors: string[];
  virtuals: VirtualService[];
  arp: Arp;
  tunnel: Tunnel;
  healthCheck?: HealthCheck;
  /** Answers when no real server does, for the rows of its family. */
  sorryServer?: SorryServer;
  quorum?: number;
  hysteresis?: number;
}

/** Where a template stands, for its errors; `block`: each of its lines is a line there, from that column on. */
export interface TextPlace {
  file: string;
  line?: number;
  column?: number;
  block?: boolean;
}

export interface WebServer {
  name: string;
  software: 'nginx' | 'apache';
  hosts: string[];
  port: number;
  /** A template, rendered per host. */
  index: string;
  indexPlace: TextPlace;
}

export interface ReverseProxy {
  name: string;
  software: 'nginx';
  hosts: string[];
  port: number;
  serverName?: string;
  upstream: {
    method: 'round_robin' | 'least_conn' | 'ip_hash';
    servers: { host: string; address: string; port: number; weight: number; backup: boolean }[];
  };
  /** `allow`: addresses and networks. */
  healthCheck?: { path: string; allow: string[] };
}

/** A file that is sent to a host as it is: absolute path where lvsctl runs, and SHA-256 (hex). */
export interface Archive {
  file: string;
  sha256: string;
}

export interface Application {
  name: string;
  software: 'tomcat';
  source: { type: 'package' } | { type: 'archive'; archive: Archive; java: Archive | 'package' };
  hosts: string[];
  port: number;
  /** The site's files: path relative to its root, and content. */
  pages: { path: string; content: string }[];
  /** The start page, a template rendered per host. */
  index?: { content: string; place: TextPlace };
}

/** What holds for all directors' IPVS. Times in seconds. */
export interface IpvsSettings {
  timeouts?: { tcp: number; tcpFin: number; udp: number };
  sync?: { interface: string; id: number; group: string; port: number };
}

export interface Firewall {
  /** True: what isn't asked for is dropped. False: an existing firewall is opened, none is made. */
  manage: boolean;
  trusted: Cidr[];
}

export interface Cluster {
  name: string;
  /** Absolute path of the (first) inventory file: templates and sources are looked up beside it. */
  file: string;
  groups: { name: string; hosts: string[] }[];
  hosts: Host[];
  vrrp: VrrpGroup[];
  services: Service[];
  ipvs: IpvsSettings;
  webServers: WebServer[];
  proxies: ReverseProxy[];
  applications: Application[];
  firewall: Firewall;
  /** Absolute paths of programs that run where lvsctl runs. */
  hooks: { beforeChange?: string; afterChange?: string };
}
