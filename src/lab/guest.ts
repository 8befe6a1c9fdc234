import { createHash } from 'node:crypto';
import type { Cidr } from '../inventory/model.ts';
import type { LabHost, LabLayer, LabNic, LabProfile } from './layout.ts';
import { NO_SEGMENTATION_OFFLOAD } from './network.ts';

/** A file of a host's configuration disk; paths are relative to /run/lvsctl-lab. */
export interface GuestFile {
  path: string;
  content: string;
  mode: number;
}

export interface GuestKeys {
  /** The host's private key and the lab user's public key, as OpenSSH writes them. */
  hostKey: string;
  authorizedKey: string;
}

/** A version-5-shaped UUID made of names, so that a lab host's profiles are the same on each power-on. */
function uuidOf(...names: string[]): string {
  const bits = createHash('sha1').update(names.join('\n')).digest('hex');
  return [
    bits.slice(0, 8),
    bits.slice(8, 12),
    `5${bits.slice(13, 16)}`,
    `a${bits.slice(17, 20)}`,
    bits.slice(20, 32),
  ].join('-');
}

const cidr = (value: Cidr): string => `${value.address}/${value.prefix}`;

function ipSection({ addresses, gateways, routes, dns }: LabProfile, family: 4 | 6): string[] {
  const own = addresses.filter((address) => address.family === family);
  const gateway = family === 4 ? gateways.v4 : gateways.v6;
  if (own.length === 0) return [`[ipv${family}]`, 'method=disabled', ''];
  const servers = dns.filter((server) => server.includes(':') === (family === 6));
  return [
    `[ipv${family}]`,
    ...own.map((address, index) => `address${index + 1}=${cidr(address)}`),
    ...(servers.length === 0 ? [] : [`dns=${servers.join(';')};`]),
    ...(gateway === undefined ? [] : [`gateway=${gateway}`]),
    'method=manual',
    ...routes
      .filter((route) => route.to.family === family)
      .map((route, index) => `route${index + 1}=${cidr(route.to)},${route.via}`),
    '',
  ];
}

// What an interface is, after [connection]'s own keys.
function kind(nic: LabNic | LabLayer): { type: string; section: string[] } {
  if (!('link' in nic)) return { type: 'ethernet', section: [] };
  if (nic.link.type === 'vlan') {
    return { type: 'vlan', section: ['[vlan]', `id=${nic.link.id}`, `parent=${nic.link.parent}`, ''] };
  }
  const options = Object.entries({ ...nic.link.options, mode: nic.link.mode }).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { type: 'bond', section: ['[bond]', ...options.map(([key, value]) => `${key}=${value}`), ''] };
}

/**
 * The NetworkManager profile that somebody who set the machine up by hand would have written: the interface's plain
 * addresses, gateway and routes, in the order in which NetworkManager writes them (nm-settings-keyfile(5)). Nothing of
 * what lvsctl adds. Pure.
 */
export function firstProfile(host: string, nic: LabNic | LabLayer): string {
  const { mtu } = nic.profile;
  const { type, section } = kind(nic);
  const bond = 'bond' in nic ? nic.bond : undefined;
  return [
    '[connection]',
    `id=${nic.name}`,
    `uuid=${uuidOf('lab', host, nic.name)}`,
    `type=${type}`,
    `interface-name=${nic.name}`,
    ...(bond === undefined ? [] : [`master=${bond}`, 'slave-type=bond']),
    '',
    ...(mtu === undefined ? [] : ['[ethernet]', `mtu=${mtu}`, '']),
    ...section,
    ...(bond === undefined ? [...ipSection(nic.profile, 4), ...ipSection(nic.profile, 6)] : []),
  ].join('\n');
}

/** Lines for `ip -batch` in the guest, before udev starts: the kernel's vec0, vec1 … get their names. Pure. */
export function links(host: LabHost): string[] {
  const all = [...host.nics.map((nic) => nic.name), host.management.name];
  return [
    ...all.map((name, index) => `link set dev vec${index} name ${name}`),
    ...all.map((name) => `link set dev ${name} ${NO_SEGMENTATION_OFFLOAD}`),
    `addr add ${host.management.guest}/30 dev ${host.management.name}`,
    `link set dev ${host.management.name} up`,
  ];
}

/** What stands on a host's configuration disk. Pure. */
export function guestFiles(host: LabHost, keys: GuestKeys): GuestFile[] {
  return [
    { path: 'hostname', content: `${host.name}\n`, mode: 0o644 },
    { path: 'links', content: `${links(host).join('\n')}\n`, mode: 0o644 },
    ...(host.managed ? [] : [{ path: 'unmanaged', content: '', mode: 0o644 }]),
    { path: 'ssh/ssh_host_ed25519_key', content: keys.hostKey, mode: 0o600 },
    { path: 'ssh/authorized_keys', content: keys.authorizedKey, mode: 0o644 },
    ...[...host.nics, ...host.layers].map((nic) => ({
      path: `network/${nic.name}.nmconnection`,
      content: firstProfile(host.name, nic),
      mode: 0o600,
    })),
  ];
}

/** Where a host's power comes from: the files and folders that its kernel is started with. */
export interface Disks {
  /** The host's own changes, a copy-on-write file upon `base`. */
  cow: string;
  base: string;
  packages: string;
  config: string;
  /** A folder for the kernel's own sockets. */
  run: string;
}

/** The arguments of one host's kernel (Linux Documentation/virt/uml/user_mode_linux_howto_v2.rst). Pure. */
export function kernelArguments(host: LabHost, disks: Disks): string[] {
  const nics = [...host.nics, host.management];
  return [
    `umid=${host.name}`,
    `uml_dir=${disks.run}`,
    `mem=${host.memory}M`,
    `ubd0=${disks.cow},${disks.base}`,
    // r: read-only, c: shared between the hosts.
    `ubd1rc=${disks.packages}`,
    `ubd2rc=${disks.config}`,
    'root=/dev/ubda',
    'rw',
    // A power cut of ours leaves all that the kernel has handed to its disk: flushing that further gains nothing.
    'rootflags=barrier=0',
    ...nics.map((nic, index) => `vec${index}:transport=raw,ifname=${nic.raw},depth=128,mac=${nic.mac}`),
    'con=null',
    'con0=null,fd:1',
    'ssl=null',
    'net.ifnames=0',
    'selinux=0',
    'quiet',
    'systemd.show_status=0',
    `systemd.hostname=${host.name}`,
    `systemd.machine_id=${createHash('md5').update(`lab\n${host.name}`).digest('hex')}`,
  ];
}
