import type { Node, Port } from './diagram.ts';
import { ranges, some } from './text.ts';

/** Of hosts that are alike so many are drawn each; of more the first ones, and the others as one box. */
const MOST = 16;
const FIRST = 3;

/**
 * Draws hosts that differ in nothing but name and addresses together, where there are too many to look at. The others
 * stay as they are, and in their order. Pure.
 */
export function gathered(nodes: readonly Node[]): Node[] {
  const kinds = new Map<string, Node[]>();
  for (const node of nodes) {
    const kind = kindOf(node);
    const alike = kinds.get(kind);
    if (alike === undefined) kinds.set(kind, [node]);
    else alike.push(node);
  }
  return [...kinds.values()]
    .flatMap((alike) => (alike.length <= MOST ? alike : [...alike.slice(0, FIRST), together(alike.slice(FIRST))]))
    .map((node) => ({ node, at: nodes.findIndex(({ name }) => name === node.hosts[0]) }))
    .sort((a, b) => a.at - b.at)
    .map(({ node }) => node);
}

function kindOf({ is, managed, ports, notes }: Node): string {
  const shapes = ports.map((port) => ({ ...port, addresses: port.addresses.map(({ vip }) => vip) }));
  return JSON.stringify([is, managed, shapes, notes]);
}

function together(nodes: readonly Node[]): Node {
  const [first] = nodes;
  if (first === undefined) throw new RangeError('no node');
  return {
    ...first,
    name: some(ranges(nodes.map(({ name }) => name)), 4).join(' '),
    hosts: nodes.map(({ name }) => name),
    ports: first.ports.map((port, index): Port => {
      const all = nodes.map(({ ports }) => ports[index]?.addresses ?? []);
      return {
        ...port,
        addresses: port.addresses.flatMap((address, at) => {
          const last = all.at(-1)?.[at];
          return last === undefined ? [address] : [address, { ...last, text: `… ${last.text}` }];
        }),
      };
    }),
  };
}
