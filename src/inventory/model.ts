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
}

export interface Interface {
  name: string;
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

export interface Host {
  name: string;
  /** False: described only, asked for traffic, never configured. */
  managed: boolean;
  /** True: a router. */
  forwarding: boolean;
  /** What the inventory says; absent: observed. */
  platform?: Platform;
  interfaces: Interface[];
  ssh: Ssh;
  sysctls: Record<string, string>;
  packages: string[];
  modules: string[];
  files: ExtraFile[];
  units: Unit[];
}

export type Mode = 'dr';
export type Protocol = 'tcp' | 'udp' | 'sctp';

export interface RealServer {
  host: string;
  /** The address the director forwards to. */
  address: string;
  port: number;
  weight: number;
}

export interface Service {
  name: string;
  mode: Mode;
  vip: { address: string; family: 4 | 6 };
  protocol: Protocol;
  port: number;
  scheduler: string;
  directors: string[];
  realServers: RealServer[];
  /** DR's answer to the ARP question. */
  arp: 'sysctl';
}

export interface WebServer {
  name: string;
  software: 'nginx';
  hosts: string[];
  port: number;
  /** A template, rendered per host. */
  index: string;
  /** Where the template stands, for its errors; `block`: each of its lines is a line there, from that column on. */
  indexPlace: { file: string; line?: number; column?: number; block?: boolean };
}

export interface Cluster {
  name: string;
  /** Absolute path of the (first) inventory file: templates and sources are looked up beside it. */
  file: string;
  hosts: Host[];
  services: Service[];
  webServers: WebServer[];
}
