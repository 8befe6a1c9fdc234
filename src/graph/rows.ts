import type { Diagram, Node, Role } from './diagram.ts';

/** What stands where, from clients down to real servers. */
export interface Rows {
  /** Segment → how many hosts a packet from outside passes to get there. It lies below the row of this number. */
  level: ReadonlyMap<string, number>;
  /** The row of each node, counted from 0; some may be empty. */
  row: number[];
}

/**
 * Puts segments and hosts in rows, so that each host is beside all its segments: these are found from the outside in,
 * hence those of one host differ by one at most. A host between two levels stands between them; one on a single level
 * stands above it, or below it where it only serves. Pure.
 */
export function rowsOf({ segments, nodes }: Pick<Diagram, 'segments' | 'nodes'>): Rows {
  const level = new Map<string, number>();
  const starts = [
    ...segmentsOfFirst(nodes, ({ role }) => role === 'client'),
    ...segmentsOfVips(nodes),
    ...segmentsOfFirst(nodes, ({ role }) => role === 'router'),
    ...segments.map(({ name }) => [name]),
  ];
  for (const start of starts) if (start.every((name) => !level.has(name))) spread(start, nodes, level);
  const last = Math.max(0, ...level.values());
  return { level, row: nodes.map((node) => rowOf(node, level, last)) };
}

function segmentsOfFirst(nodes: readonly Node[], is: (node: Node) => boolean): string[][] {
  const all = nodes.filter(is).flatMap(({ ports }) => ports.map(({ segment }) => segment));
  return all.length === 0 ? [] : [[...new Set(all)]];
}

/** Where nobody is described who asks, the outside is where the VIPs are. */
function segmentsOfVips(nodes: readonly Node[]): string[][] {
  return nodes
    .filter(({ is }) => is.includes('director'))
    .flatMap(({ ports }) => ports)
    .filter(
      ({ addresses, held }) => addresses.some(({ vip }) => vip) || held.some((one) => one.by === 'host' || one.vip),
    )
    .map(({ segment }) => [segment]);
}

/** Breadth first, over hosts from segment to segment. */
function spread(start: readonly string[], nodes: readonly Node[], level: Map<string, number>): void {
  let edge = new Set(start);
  for (let depth = 0; edge.size > 0; depth += 1) {
    for (const name of edge) level.set(name, depth);
    const next = nodes
      .filter(({ ports }) => ports.some(({ segment }) => edge.has(segment)))
      .flatMap(({ ports }) => ports.map(({ segment }) => segment))
      .filter((name) => !level.has(name));
    edge = new Set(next);
  }
}

const ABOVE: ReadonlySet<Role> = new Set(['client', 'router', 'director']);

function rowOf({ ports, role }: Node, level: ReadonlyMap<string, number>, last: number): number {
  const levels = ports.map(({ segment }) => level.get(segment) ?? 0);
  if (levels.length === 0) return ABOVE.has(role) ? 0 : last + 1;
  const low = Math.min(...levels);
  return low < Math.max(...levels) || !ABOVE.has(role) ? low + 1 : low;
}
