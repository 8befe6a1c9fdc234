import { cidrText, networkOf } from './addresses.ts';
import type { Host, Interface } from './model.ts';

/**
 * Fills in the layer-2 segment of every interface: what it says, else derived: interfaces that share a subnet are on
 * one segment, which is called after the subnet that most of them share. Pure.
 */
export function withSegments(hosts: readonly Host[]): Host[] {
  const derived = hosts.flatMap((host) => host.interfaces.filter((one) => one.segment === '').map(networksOf));
  const names = segmentNames(derived);
  return hosts.map((host) => ({
    ...host,
    interfaces: host.interfaces.map((one) => {
      if (one.segment !== '') return one;
      const [network] = networksOf(one);
      const alone = `${host.name}:${one.name}`;
      return { ...one, segment: network === undefined ? alone : (names.get(network) ?? alone) };
    }),
  }));
}

function networksOf(one: Interface): string[] {
  return [...new Set(one.addresses.map((own) => cidrText(networkOf(own))))];
}

/** Network → its segment's name, for networks that stand together on interfaces. Of equally shared ones the first named. */
function segmentNames(interfaces: readonly (readonly string[])[]): Map<string, string> {
  const uses = new Map<string, number>();
  // Each network leads, over others, to the one that stands for its segment.
  const towards = new Map<string, string>();
  const standIn = (network: string): string => {
    let end = network;
    for (let next = towards.get(end); next !== undefined && next !== end; next = towards.get(end)) end = next;
    // The next time the way is short.
    for (let at = network; at !== end; ) {
      const next = towards.get(at) ?? end;
      towards.set(at, end);
      at = next;
    }
    return end;
  };
  for (const networks of interfaces) {
    const [first] = networks;
    for (const network of networks) {
      uses.set(network, (uses.get(network) ?? 0) + 1);
      if (first !== undefined) towards.set(standIn(network), standIn(first));
    }
  }
  const names = new Map<string, string>();
  for (const [network, count] of uses) {
    const best = names.get(standIn(network));
    if (best === undefined || count > (uses.get(best) ?? 0)) names.set(standIn(network), network);
  }
  return new Map([...uses.keys()].map((network) => [network, names.get(standIn(network)) ?? network]));
}
