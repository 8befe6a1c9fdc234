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
  const segmentOf = new Map<string, Set<string>>();
  const uses = new Map<string, number>();
  for (const networks of interfaces) {
    const joined = new Set(networks.flatMap((network) => [...(segmentOf.get(network) ?? [network])]));
    for (const network of networks) uses.set(network, (uses.get(network) ?? 0) + 1);
    const known = networks.map((network) => segmentOf.get(network)).find((segment) => segment?.size === joined.size);
    for (const network of known === undefined ? joined : []) segmentOf.set(network, joined);
  }
  const order = new Map([...uses.keys()].map((network, position) => [network, position]));
  const rank = (network: string) => [-(uses.get(network) ?? 0), order.get(network) ?? 0] as const;
  return new Map(
    [...segmentOf].map(([network, segment]) => {
      const [name] = [...segment].sort((a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1]);
      return [network, name ?? network];
    }),
  );
}
