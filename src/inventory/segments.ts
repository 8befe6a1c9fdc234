import { cidrText, networkOf } from './addresses.ts';
import type { Host } from './model.ts';

/**
 * Fills in the layer-2 segment of every interface: what it says, else derived: interfaces that share a subnet are on
 * one segment, which is called after the subnet that most of them share. Pure.
 */
export function withSegments(hosts: readonly Host[]): Host[] {
  const derived = hosts.flatMap((host) =>
    host.interfaces
      .filter((one) => one.segment === '')
      .map((one) => ({
        id: `${host.name}:${one.name}`,
        networks: one.addresses.map((own) => cidrText(networkOf(own))),
      })),
  );
  const uses = new Map<string, number>();
  for (const network of derived.flatMap((one) => [...new Set(one.networks)]))
    uses.set(network, (uses.get(network) ?? 0) + 1);
  const names = new Map(derived.map((one) => [one.id, joined(one.networks, derived)]));
  return hosts.map((host) => ({
    ...host,
    interfaces: host.interfaces.map((one) => {
      if (one.segment !== '') return one;
      const id = `${host.name}:${one.name}`;
      const [name] = [...(names.get(id) ?? [])].sort((a, b) => (uses.get(b) ?? 0) - (uses.get(a) ?? 0));
      return { ...one, segment: name ?? id };
    }),
  }));
}

/** All networks that hang together with these, in the order in which the inventory first names them. */
function joined(start: readonly string[], all: readonly { networks: readonly string[] }[]): string[] {
  const reached = new Set(start);
  for (let size = -1; size !== reached.size; ) {
    size = reached.size;
    for (const { networks } of all) {
      if (networks.some((network) => reached.has(network))) for (const network of networks) reached.add(network);
    }
  }
  const order = all.flatMap(({ networks }) => networks);
  return [...reached].sort((a, b) => order.indexOf(a) - order.indexOf(b));
}
