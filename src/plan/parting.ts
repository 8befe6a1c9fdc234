import type { Cluster } from '../inventory/model.ts';
import { FAMILIES } from '../platform/families.ts';
import { sha256 } from '../resources/file.ts';
import { diffOne, keyOf, type Resource } from '../resources/index.ts';
import { byEndpoint, endpoint, type IpvsDestination } from '../resources/ipvs-table.ts';
import { withParting } from '../resources/keepalived-conf.ts';
import type { Change, Op } from '../resources/kind.ts';
import type { SeenHost } from './build.ts';
import { drainedOp, heldNow, isService, type Row } from './directors.ts';
import { type Draining, refusesDrained } from './drain.ts';

/** A resource that becomes as desired in two steps: what comes in the additive half, what goes in the subtractive one. */
export interface Parted {
  between: Resource;
  /** Before the first change of the second step. */
  wait?: Op;
  /** In place of the whole difference, for those who read the plan. */
  shown?: string;
}

/**
 * Real servers that leave a service stay in it with weight 0 until what they serve has come to its end: in the live
 * table, and in keepalived's configuration where it has that. Their director's other changes come before that. Pure.
 * @returns by key
 */
export function partings(cluster: Cluster, seen: SeenHost, draining: Draining | undefined): Map<string, Parted> {
  const parted = new Map<string, Parted>();
  if (draining === undefined) return parted;
  const { rows, keepalived, watched } = heldNow(seen);
  const leaving = rows.flatMap((row) => leavingOf(row).map((destination) => ({ row, destination })));
  if (leaving.length === 0) return parted;
  const places = new Set(leaving.map(({ destination }) => endpoint(destination)));
  if (watched) {
    const file = keepalived?.file;
    if (keepalived === undefined || file?.state !== 'present') return parted;
    const content = withParting(file.content, keepalived.text, (place) => places.has(place));
    if (content === file.content) return parted;
    const { unit } = FAMILIES[seen.facts.platform].keepalived;
    const config = [{ path: file.path, sha256: sha256(content) }];
    parted.set(keyOf(file), {
      between: { ...file, content },
      shown: `take ${namesOf(cluster, leaving)} out of ${file.path}`,
    });
    parted.set(`service ${unit}`, { between: { ...keepalived.service, config } });
  }
  for (const { resource } of new Set(leaving.map(({ row }) => row))) {
    if (resource.state !== 'present') continue;
    const own = leaving.flatMap(({ row, destination }) =>
      row.resource === resource ? [{ ...destination, weight: 0 }] : [],
    );
    const destinations = [...resource.destinations, ...own].sort(byEndpoint);
    parted.set(keyOf(resource), { between: { ...resource, destinations } });
  }
  const [first] = [...parted.values()];
  if (first !== undefined) first.wait = drainedOp(cluster, draining.timeout, leaving);
  return parted;
}

/** The changes of a resource that is parted: those of the additive half, and those that come later. Pure. */
export function changesInTwo(
  resource: Resource,
  state: unknown,
  { facts }: SeenHost,
  { between, wait, shown }: Parted,
): { first: Change[]; later: Change[] } {
  const first = diffOne(between, state, facts);
  const after = first.at(-1)?.after;
  const later = diffOne(resource, after === undefined ? state : merged(between, state, after), facts);
  return {
    first,
    later: later.map((change, at) => ({
      ...change,
      ...(shown === undefined ? {} : { shown: [{ as: 'action', text: shown }] }),
      ops: at === 0 && wait !== undefined ? [wait, ...change.ops] : change.ops,
    })),
  };
}

/**
 * A row's change in a rollback, which takes real servers out in one step: those that leave it have weight 0 by then, and
 * go when what they serve has come to its end. Pure.
 * @param state the row as it was observed
 */
export function partingInOne(
  cluster: Cluster,
  resource: Resource,
  state: unknown,
  change: Change,
  draining: Draining | undefined,
): Change {
  const at = change.ops.findIndex(({ name, args }) => name === 'ipvs' && args[0] === '-d');
  if (draining === undefined || resource.kind !== 'ipvs' || !isService(state) || at < 0) return change;
  const row: Row = { resource, service: state, foreign: false };
  const leaving = leavingOf(row).map((destination) => ({ row, destination }));
  if (leaving.length === 0) return change;
  const wait = drainedOp(cluster, draining.timeout, leaving);
  return { ...change, ops: [...change.ops.slice(0, at), wait, ...change.ops.slice(at)] };
}

function merged(between: Resource, state: unknown, after: unknown): unknown {
  if (between.kind === 'ipvs') return after;
  return { ...(state as object), ...(after as object), ...('content' in between ? { content: between.content } : {}) };
}

function leavingOf({ resource, service, foreign }: Row): IpvsDestination[] {
  if (foreign || resource.state !== 'present') return [];
  if (refusesDrained(service) || refusesDrained(resource)) return [];
  const stay = new Set(resource.destinations.map(endpoint));
  const { sorryServer } = resource.checker ?? {};
  if (sorryServer !== undefined) stay.add(endpoint(sorryServer));
  return service.destinations.filter((each) => each.weight > 0 && !stay.has(endpoint(each)));
}

/** The hosts whose addresses these are, as far as they are known. */
function namesOf(cluster: Cluster, leaving: readonly { destination: IpvsDestination }[]): string {
  const names = leaving.map(({ destination: { address } }) => {
    const known = cluster.hosts.find(({ interfaces }) =>
      interfaces.some(({ addresses }) => addresses.some((one) => one.address === address)),
    );
    return known?.name ?? address;
  });
  return [...new Set(names)].join(', ');
}
