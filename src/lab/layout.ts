import { createHash } from 'node:crypto';
import { failure } from '../errors/index.ts';
import type { Cidr, Cluster, Host, Interface, Link, Platform } from '../inventory/model.ts';

/** One of a lab host's network interfaces and the pair of virtual Ethernet ends that carries it. */
export interface LabNic {
  /** The interface's name on the host, as the inventory says. */
  name: string;
  mac: string;
  /** The bridge that is its segment, inside the lab's namespace. */
  bridge: string;
  /** The end that is a port of the bridge; taking it down is pulling the cable. */
  port: string;
  /** The end that the host's kernel reads and writes raw. */
  raw: string;
  /** VLANs that it carries with their tags, each with the bridge that is its segment. */
  vlans: { id: number; bridge: string }[];
  /** The bond that it is a part of. */
  bond?: string;
  profile: LabProfile;
}

/** What somebody who set the machine up by hand would have given an interface. */
export interface LabProfile {
  addresses: Cidr[];
  gateways: Interface['gateways'];
  routes: Interface['routes'];
  dns: string[];
  mtu?: number;
}

/** An interface that the host makes of others. */
export interface LabLayer {
  name: string;
  link: Exclude<Link, { type: 'ethernet' }>;
  profile: LabProfile;
}

/**
 * A host's management link: a pair of its own, on no bridge, with link-local addresses and no route beyond.
 * It is there so that the lab can always be controlled, whatever an apply or a cut does to the host's own network,
 * and isolated so that no traffic between hosts can ever take it.
 */
export interface LabManagement {
  name: string;
  mac: string;
  port: string;
  raw: string;
  /** The lab's side; the host's side is `guest`. Both /30. */
  controller: string;
  guest: string;
}

export interface LabHost {
  name: string;
  managed: boolean;
  /** The image that it starts from. */
  platform: Platform;
  nics: LabNic[];
  /** Bonds and VLANs. */
  layers: LabLayer[];
  management: LabManagement;
  /** MiB. */
  memory: number;
}

/** Everything the lab's machines are made of; derived from the inventory alone. */
export interface Layout {
  name: string;
  /** Absolute path of the inventory. */
  file: string;
  /** Names this inventory's lab among the user's labs. */
  key: string;
  /** Changes when a running lab can no longer stand for the inventory. */
  fingerprint: string;
  segments: { name: string; bridge: string }[];
  hosts: LabHost[];
}

/** The management link's interface on every lab host; no inventory can use it. */
export const MANAGEMENT = 'lab0';
/** MiB: an ordinary host, and one with a JVM. */
const MEMORY = { host: 256, application: 768 } as const;
const MOST_HOSTS = 250;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The name of an inventory's lab: the same for the same file and cluster name. */
export function labKey(cluster: Pick<Cluster, 'file' | 'name'>): string {
  return digest(`${cluster.file}\n${cluster.name}`).slice(0, 12);
}

// A managed host's addresses may change while its lab is up: that is what an apply is for. What lvsctl doesn't
// configure can only come from the lab.
function shape(host: Host): unknown {
  return {
    name: host.name,
    managed: host.managed,
    platform: host.platform,
    interfaces: host.interfaces.map((nic) => ({
      name: nic.name,
      segment: nic.segment,
      link: nic.link,
      ...(host.managed ? {} : { addresses: nic.addresses, gateways: nic.gateways, routes: nic.routes }),
    })),
  };
}

function memoryOf(cluster: Cluster, host: Host): number {
  const runs = cluster.applications.some((application) => application.hosts.includes(host.name));
  return runs ? MEMORY.application : MEMORY.host;
}

const BARE: LabProfile = { addresses: [], gateways: {}, routes: [], dns: [] };

function profileOf({
  addresses,
  gateways,
  routes,
  dns,
  mtu,
}: Omit<Interface, 'name' | 'link' | 'segment'>): LabProfile {
  return { addresses, gateways, routes, dns, ...(mtu === undefined ? {} : { mtu }) };
}

interface Card {
  name: string;
  segment: string;
  bond?: string;
  carried: { id: number; segment: string }[];
}

/** The network cards that a host has: its plain interfaces, its bonds' members, and what its VLANs ride on. Pure. */
function cards(host: Host): Card[] {
  const bonds = host.interfaces.flatMap(({ name, link, segment }) =>
    link.type === 'bond' ? link.members.map((member) => ({ name: member, segment, bond: name })) : [],
  );
  const vlans = host.interfaces.flatMap(({ link, segment }) => (link.type === 'vlan' ? [{ ...link, segment }] : []));
  const plain = host.interfaces.flatMap(({ name, link, segment }) =>
    link.type === 'ethernet' && !bonds.some((member) => member.name === name) ? [{ name, segment }] : [],
  );
  const named = new Set([...host.interfaces, ...bonds].map(({ name }) => name));
  const parents = [...new Set(vlans.map(({ parent }) => parent))].filter((parent) => !named.has(parent));
  // Untagged, nobody else is on the wire of a card that the inventory knows only from its VLANs.
  const unnamed = parents.map((name) => ({ name, segment: `${host.name} ${name}` }));
  return [...plain, ...bonds, ...unnamed].map((card) => ({
    ...card,
    carried: vlans.filter(({ parent }) => parent === card.name || ('bond' in card && parent === card.bond)),
  }));
}

const hex = (value: number): string => value.toString(16).padStart(2, '0');
// 52:54:00 is the locally administered prefix that virtual machines commonly use.
const mac = (host: number, nic: number): string => `52:54:00:${hex(host >> 8)}:${hex(host & 255)}:${hex(nic)}`;

/**
 * Derives the lab of a cluster. Pure.
 * @throws LvsctlError `LAB-TOO-MANY-HOSTS`, `LAB-INTERFACE-NAME`
 */
export function layout(cluster: Cluster): Layout {
  if (cluster.hosts.length > MOST_HOSTS) {
    throw failure({
      code: 'LAB-TOO-MANY-HOSTS',
      place: { kind: 'file', file: cluster.file },
      what: `the lab takes at most ${MOST_HOSTS} hosts and the inventory has ${cluster.hosts.length}`,
      next: 'Rehearse a part of the inventory in a file of its own',
    });
  }
  const bridges = new Map<string, string>();
  const bridgeOf = (segment: string): string => {
    const known = bridges.get(segment);
    if (known !== undefined) return known;
    const bridge = `seg${bridges.size}`;
    bridges.set(segment, bridge);
    return bridge;
  };
  const hosts = cluster.hosts.map((host, index): LabHost => {
    const number = index + 1;
    return {
      name: host.name,
      managed: host.managed,
      platform: host.platform ?? 'debian',
      memory: memoryOf(cluster, host),
      nics: cards(host).map(({ name, carried, segment, bond }, at): LabNic => {
        if (name === MANAGEMENT) throw reservedName(cluster, host);
        const own = host.interfaces.find((one) => one.name === name);
        return {
          name,
          mac: mac(number, at + 1),
          bridge: bridgeOf(segment),
          port: `h${number}p${at}`,
          raw: `h${number}r${at}`,
          vlans: carried.map((vlan) => ({ id: vlan.id, bridge: bridgeOf(vlan.segment) })),
          ...(bond === undefined ? {} : { bond }),
          profile: own === undefined ? BARE : profileOf(own),
        };
      }),
      layers: host.interfaces.flatMap(({ name, link, ...rest }) =>
        link.type === 'ethernet' ? [] : [{ name, link, profile: profileOf(rest) }],
      ),
      management: {
        name: MANAGEMENT,
        mac: mac(number, 0xff),
        port: `h${number}pm`,
        raw: `h${number}rm`,
        controller: `169.254.${number}.1`,
        guest: `169.254.${number}.2`,
      },
    };
  });
  return {
    name: cluster.name,
    file: cluster.file,
    key: labKey(cluster),
    fingerprint: digest(JSON.stringify(cluster.hosts.map(shape))).slice(0, 16),
    segments: [...bridges].map(([name, bridge]) => ({ name, bridge })),
    hosts,
  };
}

function reservedName(cluster: Cluster, host: Host) {
  return failure({
    code: 'LAB-INTERFACE-NAME',
    place: { kind: 'file', file: cluster.file },
    what: `host ${host.name} has an interface ${MANAGEMENT}, a name that the lab uses for its own link`,
    next: 'Give the interface another name',
  });
}
