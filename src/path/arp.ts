import { isLocal, selectAddress } from './fib.ts';
import { type Device, familyOf, isSingle, larger, macOf, type Net, type NetHost, within } from './net.ts';
import { refusedSource } from './source.ts';

/** A device that a frame for an address may go to. */
export interface Answer {
  host: NetHost;
  device: Device;
}

/** What came of asking for an address on a wire. */
export interface Asked {
  /** Whoever answers; several: it is chance who is believed. */
  answers: Answer[];
  /** True: nobody was asked, the entry is permanent. */
  permanent: boolean;
  /** In whose name it was asked (ARP's sender address). */
  sender?: string;
}

/** Who may answer for an address, found without asking every host. */
interface Index {
  /** Hosts by the addresses that they hold. */
  owners: Map<string, Set<NetHost>>;
  /** Hosts that hold whole networks. */
  wide: NetHost[];
  macs: Map<string, Answer>;
}

const indexes = new WeakMap<Net, Index>();

function indexOf(net: Net): Index {
  const known = indexes.get(net);
  if (known !== undefined) return known;
  const index: Index = { owners: new Map(), wide: [], macs: new Map() };
  for (const host of net.hosts) {
    for (const device of host.devices) {
      index.macs.set(macOf(host.name, device.name), { host, device });
      for (const { address } of device.addresses) {
        const owners = index.owners.get(address) ?? new Set();
        index.owners.set(address, owners.add(host));
      }
    }
    const lo = host.devices.find(({ name }) => name === 'lo');
    if (lo?.addresses.some((own) => !isSingle(own) && own.address !== '127.0.0.1')) index.wide.push(host);
  }
  indexes.set(net, index);
  return index;
}

/**
 * Who takes the frames that a host sends to an address on its wire: the permanent neighbour, or who answers. Pure.
 * @param from the sender in the packet that waits for the answer
 */
export function resolve(net: Net, host: NetHost, device: Device, address: string, from: string): Asked {
  const index = indexOf(net);
  const fixed = host.neighbours.find((one) => one.device === device.name && one.address === address);
  if (fixed !== undefined) {
    const found = index.macs.get(fixed.mac.toLowerCase());
    const there = found !== undefined && found.device !== device && found.device.segment === device.segment;
    return { answers: there ? [found] : [], permanent: true };
  }
  const others = [...new Set([...(index.owners.get(address) ?? []), ...index.wide])].flatMap((one) =>
    one.devices
      .filter((each) => each !== device && each.segment !== undefined && each.segment === device.segment)
      .map((each): Answer => ({ host: one, device: each })),
  );
  if (familyOf(address) === 6) {
    // Neighbour discovery answers only for addresses of the interface that is asked (net/ipv6/ndisc.c).
    const answers = others.filter((one) => one.device.addresses.some((own) => own.address === address));
    return { answers, permanent: false };
  }
  const sender = senderOf(host, device, address, from);
  const answers = others.filter((one) => answersFor(one, sender, address));
  return { answers, permanent: false, ...(sender === undefined ? {} : { sender }) };
}

/** The sender that an ARP request names (ip-sysctl.rst, arp_announce; net/ipv4/arp.c, arp_solicit). */
function senderOf(host: NetHost, device: Device, target: string, from: string): string | undefined {
  const level = larger(host, device.name, 'arp_announce');
  const own = isLocal(host, from);
  // The kernel knows 0, 1 and 2; what else stands there counts as 0.
  const known = device.addresses.some((one) => !isSingle(one) && within(one, target) && within(one, from));
  const sender = own && (level === 1 ? known : level !== 2) ? from : selectAddress(host, device, target);
  return host.silenced.find(({ address }) => address === sender)?.source ?? sender;
}

/** Whether a host answers an ARP request (net/ipv4/arp.c, arp_process; ip-sysctl.rst, arp_ignore). */
function answersFor({ host, device }: Answer, sender: string | undefined, target: string): boolean {
  if (!isLocal(host, target)) return false;
  if (host.silenced.some(({ address }) => address === target)) return false;
  if (sender !== undefined && refusedSource(host, device.name, sender) !== undefined) return false;
  const there = device.addresses.find(({ address }) => address === target);
  switch (larger(host, device.name, 'arp_ignore')) {
    case 1:
      return there !== undefined;
    case 2:
      return there !== undefined && (sender === undefined || within(there, sender));
    case 8:
      return false;
    // 3 answers for every address but those of scope host, and what has no meaning as 0 does (arp.test.ts asks a kernel).
    default:
      return true;
  }
}

/** Whoever has an address on the wire and would answer, were it not forbidden to answer ARP there at all. Pure. */
export function silentOwner(net: Net, host: string, device: string, address: string): NetHost | undefined {
  const asking = net.hosts.find(({ name }) => name === host)?.devices.find(({ name }) => name === device);
  if (asking?.segment === undefined || familyOf(address) === 6) return undefined;
  return net.hosts.find(
    (one) =>
      isLocal(one, address) &&
      one.devices.some(
        (each) => each !== asking && each.segment === asking.segment && larger(one, each.name, 'arp_ignore') === 8,
      ),
  );
}
