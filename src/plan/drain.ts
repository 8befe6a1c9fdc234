import type { Cluster, Service } from '../inventory/model.ts';
import { disturbs } from '../resources/index.ts';
import { endpoint, type IpvsDestination, matchWords } from '../resources/ipvs-table.ts';
import type { SeenHost, UnseenHost } from './build.ts';
import { drainedOp, type Held, heldNow, heldThen, othersOp, type Row, takenAway } from './directors.ts';
import { settleOf } from './health.ts';
import { type Around, type Beside, LANES, type Lane, type Staged } from './order.ts';
import type { Warning } from './plan.ts';

/** How real servers are drained. */
export interface Draining {
  /** Seconds to wait for the end of what a real server serves. */
  timeout: number;
}

/** Seconds in which a real server answers again after its change. */
const ANSWER_SECONDS = 30;

/** Seconds that keepalived may need for its checks beyond what they are told to take. */
const CHECK_SECONDS = 10;

/**
 * What stands around the changes of real servers that would cut requests or refuse them: on each director the real server
 * gets no new ones, its connections come to their end, and after the change it gets requests again when it answers. Where
 * nobody else could serve them, there is no drain but a warning. Pure.
 * @param staged what the plan changes; a drain in the additive half goes by the directors' tables as they are, one in the
 *   subtractive half by what they are to be
 */
export function drains(
  cluster: Cluster,
  { seen, unseen }: { seen: readonly SeenHost[]; unseen: readonly UnseenHost[] },
  staged: readonly Staged[],
  draining: Draining | undefined,
): { around: Around; beside: Beside; warnings: Warning[] } {
  const found = new Map<string, ReturnType<Around>>();
  const alone = new Map<string, Set<string>>();
  const unread = namesByAddress(cluster, unseen);
  const warnings: Warning[] = [];
  const tables = tablesOf(seen);
  for (const one of seen) {
    const host = one.host.name;
    for (const { lane, key } of disturbing(staged, host)) {
      const warn = (text: string) => warnings.push({ host, key, text });
      for (const name of unreadDirectors(cluster, seen, host))
        warn(`${name} was not read: it may go on sending requests there, which are lost while this changes`);
      const parts = tables(lane).flatMap(({ director, held }) => {
        const addresses = addressesOf(cluster, one);
        const places = placesOf(held, addresses).filter(({ row, destination }) => {
          const others = othersOf(row, addresses);
          const why = whyNot(cluster, row, destination, others);
          const service = nameOf(cluster, row);
          if (why !== undefined) {
            warn(`requests of ${service} are lost while this changes: ${why}`);
            const name = nameOfLane(host, lane);
            if (others.length > 0) alone.set(name, new Set(alone.get(name)).add(director.host.name));
            return false;
          }
          const names = others.map(({ address }) => unread.get(address));
          if (!held.watched && !names.includes(undefined))
            warn(
              `meanwhile only ${[...new Set(names)].join(', ')} could take requests of ${service}, and could not be read`,
            );
          return true;
        });
        return places.length === 0 ? [] : [{ director, held, places }];
      });
      if (draining === undefined) continue;
      const around = parts.map((part) => aroundOf(cluster, draining, host, part));
      if (around.length > 0) found.set(nameOfLane(host, lane), around);
    }
  }
  return {
    around: (host, lane) => found.get(nameOfLane(host, lane)) ?? [],
    beside: (host, lane) => (draining === undefined ? [] : [...(alone.get(nameOfLane(host, lane)) ?? [])]),
    warnings: distinct(warnings),
  };
}

interface Place {
  row: Row;
  destination: IpvsDestination;
}

interface Part {
  director: SeenHost;
  held: Held;
  places: readonly Place[];
}

function aroundOf(cluster: Cluster, { timeout }: Draining, host: string, { director, held, places }: Part) {
  const { name } = director.host;
  const { away, back } = takenAway(director, held, (row, each) =>
    places.some((place) => place.row === row && place.destination === each),
  );
  const asked = places.filter(({ row, destination }) => isTcp(row) && destination.port > 0);
  const ports = [...new Set(asked.map(({ destination: { address, port } }) => `${address} ${port}`))];
  const [first, ...others] = back;
  const [taken, ...more] = away;
  const again = Math.max(ANSWER_SECONDS, ...places.map(({ row }) => settleOf(serviceOf(cluster, row)) + CHECK_SECONDS));
  const services = [...new Set(places.map(({ row }) => nameOf(cluster, row)))].join(', ');
  return {
    before: {
      host: name,
      stage: 'drain' as const,
      changes: taken === undefined ? [] : [{ ...taken, ops: [othersOp(cluster, places), ...taken.ops] }, ...more],
      ops: [{ name: 'ipvs_answering', args: ports }, drainedOp(cluster, timeout, places)],
      drains: {
        host,
        text: `${host} gets no new requests of ${services}; wait until those it serves have ended, ${timeout} s at most`,
      },
    },
    after: {
      host: name,
      stage: 'undrain' as const,
      changes:
        first === undefined
          ? []
          : [{ ...first, ops: [{ name: 'ipvs_answers', args: [String(ANSWER_SECONDS)] }, ...first.ops] }, ...others],
      // The next one is drained when this one is in the table again, from which checks may have taken it meanwhile.
      ops: held.watched ? [{ name: 'ipvs_again', args: [String(again)] }] : [],
      drains: { host, text: `${host} gets requests of ${services} again, once it answers` },
    },
  };
}

/** The real servers of a table that are one host's, and get requests. */
function placesOf({ rows }: Held, addresses: ReadonlySet<string>): Place[] {
  return rows.flatMap((row) =>
    row.service.destinations
      .filter(({ address, weight }) => addresses.has(address) && weight > 0)
      .map((destination) => ({ row, destination })),
  );
}

/** The real servers of other hosts that get requests. */
function othersOf({ service, out }: Row, addresses: ReadonlySet<string>): IpvsDestination[] {
  return service.destinations.filter(
    (each) => !addresses.has(each.address) && each.weight > 0 && out?.has(endpoint(each)) !== true,
  );
}

/** Why a real server can't be drained; undefined where others take its requests. */
function whyNot(
  cluster: Cluster,
  { resource, service, foreign }: Row,
  { address }: IpvsDestination,
  others: readonly IpvsDestination[],
): string | undefined {
  const described = serviceOf(cluster, { resource });
  if (foreign) return 'the table of its director is not lvsctl’s (manage)';
  if (others.length === 0) return 'no other real server could take them';
  if (refusesDrained(service))
    return `the scheduler ${service.scheduler} refuses clients of a server with weight 0; ${service.scheduler}-fallback would let it be drained`;
  const sum = others.reduce((total, { weight }) => total + weight, 0);
  if (described?.quorum !== undefined && sum < described.quorum)
    return `without ${address} the service has less than its quorum of ${described.quorum}`;
  const check = described?.healthCheck?.check;
  if (check?.type === 'misc_check' && check.dynamic) return 'its check sets its weight by itself';
  return undefined;
}

/**
 * Whether clients that such a scheduler sends to a server with weight 0 are refused, in place of going to another one
 * (ipvsadm(8), sh-fallback; dh has nothing of the kind).
 */
export function refusesDrained({ scheduler, flags }: { scheduler: string; flags: readonly string[] }): boolean {
  if (scheduler === 'dh') return true;
  return scheduler === 'sh' && !flags.some((word) => word.split(',').includes('sh-fallback'));
}

/** The lanes in which a host's changes would cut what it serves, each with the first such change. */
function disturbing(staged: readonly Staged[], host: string): { lane: Lane; key: string }[] {
  return LANES.flatMap((lane) => {
    const found = staged.find(
      ({ host: at, stage, change, late }) =>
        at === host &&
        stage === lane.stage &&
        (change.direction === 'remove' || late === true ? 'remove' : 'add') === lane.direction &&
        (change.kind !== 'service' || stage === 'application' || stage === 'web') &&
        disturbs(change, change.resource),
    );
    return found === undefined ? [] : [{ lane, key: found.change.key }];
  });
}

/** The directors' tables in a lane: before their own rules change they are as observed, after the last of that as desired. */
function tablesOf(seen: readonly SeenHost[]) {
  const some = ({ held }: { held: Held }) => held.rows.length > 0;
  const now = seen.map((director) => ({ director, held: heldNow(director) })).filter(some);
  const then = seen.map((director) => ({ director, held: heldThen(director) })).filter(some);
  const place = ({ stage, direction }: Lane) =>
    LANES.findIndex((one) => one.stage === stage && one.direction === direction);
  const [first, last] = [place({ stage: 'rules', direction: 'add' }), place({ stage: 'rules', direction: 'remove' })];
  return (lane: Lane) => {
    const at = place(lane);
    return at < first ? now : at > last ? then : [];
  };
}

/** Every address that is a host's, by what the inventory says and by what the host does. */
function addressesOf({ services }: Cluster, { host, facts }: SeenHost): Set<string> {
  const live = Object.entries(facts.devices).filter(([device]) => device !== 'lo');
  const listed = services.flatMap(({ virtuals }) => virtuals.flatMap(({ realServers }) => realServers));
  return new Set([
    ...host.interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address)),
    ...live.flatMap(([, { addresses }]) => addresses.map((cidr) => cidr.replace(/\/.*/, ''))),
    ...listed.filter((real) => real.host === host.name).map(({ address }) => address),
  ]);
}

/** The names of hosts that could not be read, by each address that the inventory has for them. */
function namesByAddress({ services }: Cluster, unseen: readonly UnseenHost[]): Map<string, string> {
  const names = new Set(unseen.map(({ host }) => host.name));
  const listed = services.flatMap(({ virtuals }) => virtuals.flatMap(({ realServers }) => realServers));
  return new Map([
    ...unseen.flatMap(({ host }) =>
      host.interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => [address, host.name] as const)),
    ),
    ...listed.flatMap(({ host, address }) => (host !== undefined && names.has(host) ? [[address, host] as const] : [])),
  ]);
}

function unreadDirectors(cluster: Cluster, seen: readonly SeenHost[], host: string): string[] {
  const read = new Set(seen.map((one) => one.host.name));
  const serves = ({ virtuals }: Service) =>
    virtuals.some(({ realServers }) => realServers.some((real) => real.host === host && real.weight > 0));
  const managed = new Set(cluster.hosts.filter((one) => one.managed).map(({ name }) => name));
  const directors = cluster.services.filter(serves).flatMap((service) => service.directors);
  return [...new Set(directors)].filter((name) => !read.has(name) && managed.has(name));
}

/** The service of the inventory that a row belongs to, if any does any more. */
export function serviceOf({ services }: Cluster, { resource }: Pick<Row, 'resource'>): Service | undefined {
  return services.find(({ virtuals }) =>
    virtuals.some(({ match, family }) =>
      match.by === 'fwmark'
        ? resource.protocol === 'fwmark' && resource.mark === match.mark && resource.family === family
        : resource.protocol === match.protocol && resource.address === match.address && resource.port === match.port,
    ),
  );
}

function nameOf(cluster: Cluster, row: Pick<Row, 'resource'>): string {
  const service = serviceOf(cluster, row);
  return service === undefined ? matchWords(row.resource).join(' ') : `service ${service.name}`;
}

function isTcp({ resource }: Row): boolean {
  return resource.protocol === 'tcp';
}

function nameOfLane(host: string, { stage, direction }: Lane): string {
  return `${host}/${stage}/${direction}`;
}

function distinct(warnings: readonly Warning[]): Warning[] {
  return [...new Map(warnings.map((one) => [JSON.stringify(one), one])).values()];
}
