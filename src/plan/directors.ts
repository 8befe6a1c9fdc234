import type { Cluster } from '../inventory/model.ts';
import { FAMILIES } from '../platform/families.ts';
import { sha256 } from '../resources/file.ts';
import { isRecord } from '../resources/holds.ts';
import {
  diffOne,
  type FileResource,
  type IpvsResource,
  keyOf,
  type Resource,
  type ServiceResource,
} from '../resources/index.ts';
import { byEndpoint, endpoint, type IpvsDestination, type IpvsService, matchWords } from '../resources/ipvs-table.ts';
import { endpointsIn, withoutWeight } from '../resources/keepalived-conf.ts';
import type { Change, FileState, Op } from '../resources/kind.ts';
import type { ServiceState } from '../resources/service.ts';
import type { SeenHost } from './build.ts';
import type { StagedResource } from './manifest.ts';
import type { Staged } from './order.ts';
import type { PlannedChange } from './plan.ts';

/** What a director's table is made of at some moment of a plan. */
export interface Held {
  rows: Row[];
  /** Where keepalived runs with a configuration that is known: what is to hold there, too. */
  keepalived?: {
    file: FileResource;
    fileState: Extract<FileState, { type: 'file' }>;
    text: string;
    service: ServiceResource;
    serviceState: ServiceState;
  };
  /** Whether keepalived has the table at all: what its checks took out is its own matter. */
  watched: boolean;
}

export interface Row {
  resource: IpvsResource;
  service: IpvsService;
  /** Needed, and not lvsctl's matter there. */
  foreign: boolean;
  /** Real servers (`ADDRESS:PORT`) that checks have taken out: they may be as described, and serve nobody. */
  out?: ReadonlySet<string>;
}

/**
 * A director in a rollback, as the functions below take it: it is to have what it has, but for what the rollback changes.
 * The text of a keepalived.conf that comes back is known to the host alone. Pure.
 */
export function directorBack(seen: SeenHost, staged: readonly Staged[]): SeenHost {
  const own = staged.filter(({ host }) => host === seen.host.name);
  const changes = new Map(own.map(({ change }) => [change.key, change]));
  const { unit, config } = FAMILIES[seen.facts.platform].keepalived;
  const found = seen.states.get(`file ${config}`);
  const desired = seen.desired.flatMap(({ stage, resource, foreign, undoes }): StagedResource[] => {
    const state = seen.states.get(keyOf(resource));
    const change = changes.get(keyOf(resource));
    const staying = (one: Resource) => [{ stage, resource: one, ...(foreign ? { foreign } : {}) }];
    if (resource.kind === 'ipvs') {
      const checker = checkerOf(resource) ?? checkerOf(undoes?.resource);
      const then = change === undefined ? state : resource.state === 'present' ? resource : null;
      if (!isService(then)) return change === undefined ? [] : staying(resource);
      const { scheduler, flags, destinations } = then;
      const row = { ...plain(resource), state: 'present', scheduler, flags, destinations } as const;
      return staying(checker === undefined ? row : { ...row, checker });
    }
    if (resource.kind === 'file' && resource.path === config) {
      const known = change === undefined && isFile(found) && typeof found.content === 'string';
      return known ? staying(withText(resource, found, found.content ?? '')) : [];
    }
    if (resource.kind === 'service' && resource.unit === unit) {
      const after = isRecord(change?.after) ? change.after.running : undefined;
      const running = after ?? (isRecord(state) ? state.running : undefined);
      const loaded = isFile(found) ? [{ path: config, sha256: found.sha256 }] : [];
      return running === true
        ? staying({ kind: 'service', unit, enabled: null, running, config: loaded, activate: 'reload' })
        : [];
    }
    return [];
  });
  return { ...seen, desired };
}

function checkerOf(resource: Resource | undefined) {
  return resource?.kind === 'ipvs' && resource.state === 'present' ? resource.checker : undefined;
}

/** A director's table as it was observed. Pure. */
export function heldNow(seen: SeenHost): Held {
  const rows = seen.desired.flatMap(({ resource, foreign }): Row[] => {
    const state = resource.kind === 'ipvs' ? seen.states.get(keyOf(resource)) : undefined;
    return resource.kind === 'ipvs' && isService(state)
      ? [{ resource, service: state, foreign: foreign === true }]
      : [];
  });
  return held(seen, rows, (file) => seen.states.get(keyOf(file)), 'now');
}

/** The table as it shall be. Pure. */
export function heldThen(seen: SeenHost): Held {
  const { keepalived } = heldNow(seen);
  const configured = new Set(keepalived === undefined ? [] : endpointsIn(keepalived.text));
  const rows = seen.desired.flatMap(({ resource, foreign }): Row[] => {
    if (resource.kind !== 'ipvs' || resource.state !== 'present') return [];
    const { scheduler, flags, destinations } = resource;
    const service = { scheduler, flags, destinations: destinations.toSorted(byEndpoint) };
    return [{ resource, service, foreign: foreign === true, out: outOf(seen, resource, configured) }];
  });
  return held(seen, rows, fileAsWanted, 'then');
}

/** What checks have taken out of a live row: configured by now, and not in it. */
function outOf({ states }: SeenHost, resource: IpvsResource, configured: ReadonlySet<string>): Set<string> {
  const live = states.get(keyOf(resource));
  const checker = checkerOf(resource);
  if (checker === undefined || resource.state !== 'present' || !isService(live)) return new Set();
  const serving = new Set(live.destinations.filter(({ weight }) => weight > 0 || !checker.inhibit).map(endpoint));
  return new Set(resource.destinations.map(endpoint).filter((place) => configured.has(place) && !serving.has(place)));
}

function held(seen: SeenHost, rows: Row[], stateOf: (file: FileResource) => unknown, when: 'now' | 'then'): Held {
  const { unit, config } = FAMILIES[seen.facts.platform].keepalived;
  const own = seen.desired.filter(({ leaving, foreign }) => leaving !== true && foreign !== true);
  const [service] = own.flatMap(({ resource }) =>
    resource.kind === 'service' && resource.unit === unit && resource.running === true ? [resource] : [],
  );
  const [file] = own.flatMap(({ resource }) =>
    resource.kind === 'file' && resource.path === config ? [resource] : [],
  );
  const running = seen.states.get(`service ${unit}`);
  const watched = service !== undefined && (when === 'then' || (isRecord(running) && running.running === true));
  if (service === undefined || file?.state !== 'present' || !isServiceState(running)) return { rows, watched };
  const fileState = stateOf(file);
  if (!isFile(fileState)) return { rows, watched };
  const text = fileState.content ?? (fileState.sha256 === sha256(file.content) ? file.content : undefined);
  const loaded = [`${fileState.sha256}  ${config}`];
  const serviceState = when === 'then' ? { ...running, running: true, stale: false, loaded } : running;
  // What somebody wrote there and keepalived hasn't taken up is not brought into force in passing; a line that is hidden
  // can't be written again.
  const known =
    serviceState.running && serviceState.loaded?.join() === loaded.join() && text?.includes('<hidden>') === false;
  if (!known || text === undefined) return { rows, watched };
  return { rows, watched, keepalived: { file, fileState, text, service, serviceState } };
}

function fileAsWanted(file: FileResource): unknown {
  if (file.state !== 'present') return undefined;
  const { content, owner, group, mode } = file;
  return { type: 'file', sha256: sha256(content), content, owner, group, mode };
}

/** Some real servers out of some rows, and back: changes that are gone when both were made. */
export interface Away {
  away: PlannedChange[];
  back: PlannedChange[];
}

/**
 * Takes new requests from a real server: weight 0 in the live table at once and, where keepalived has it, in its
 * configuration too, so that neither a reload nor a check that succeeds again gives it requests meanwhile. Pure.
 * @param isMeant among the rows' destinations
 */
export function takenAway(
  { facts }: SeenHost,
  { rows, keepalived, watched }: Held,
  isMeant: (row: Row, destination: IpvsDestination) => boolean,
): Away {
  const away: PlannedChange[] = [];
  const back: PlannedChange[] = [];
  for (const row of rows) {
    const { resource, service } = row;
    const destinations = service.destinations.map((each) => (isMeant(row, each) ? { ...each, weight: 0 } : each));
    const without = { ...service, destinations };
    const change = (from: IpvsService, to: IpvsService) =>
      diffOne({ ...plain(resource), state: 'present', ...to }, from, facts).map((one) => ({ ...one, resource }));
    away.push(...change(service, without));
    back.push(...change(without, service).map((one) => ({ ...one, ops: watched ? one.ops.map(repairing) : one.ops })));
  }
  const meant = new Set(
    rows.flatMap((row) => row.service.destinations.filter((each) => isMeant(row, each)).map(endpoint)),
  );
  const text = keepalived && withoutWeight(keepalived.text, (place) => meant.has(place));
  if (keepalived === undefined || text === undefined || away.length === 0) return { away, back };
  const { file, fileState, service, serviceState } = keepalived;
  const there = withText(file, fileState, text);
  const gone = diffOne(there, { ...fileState, content: keepalived.text }, facts);
  const loads = (content: string): ServiceResource => {
    return { ...service, enabled: null, config: [{ path: file.path, sha256: sha256(content) }] };
  };
  const loaded: ServiceState = { ...serviceState, stale: false, loaded: [`${sha256(text)}  ${file.path}`] };
  const here: FileState = { ...fileState, sha256: sha256(text), content: text };
  const told = (changes: readonly Change[], resource: FileResource | ServiceResource) =>
    changes.map((one): PlannedChange => ({ ...one, resource }));
  return {
    away: [...away, ...told(gone, file), ...told(diffOne(loads(text), serviceState, facts), service)],
    // keepalived gives the weight back to a server that it counts as up; then the table is looked at.
    back: [
      ...told(diffOne(withText(file, fileState, keepalived.text), here, facts), file),
      ...told(diffOne(loads(keepalived.text), loaded, facts), service),
      ...back,
    ],
  };
}

function withText(
  { path }: FileResource,
  { owner, group, mode }: Extract<FileState, { type: 'file' }>,
  content: string,
): FileResource {
  return { kind: 'file', path, state: 'present', content, owner, group, mode };
}

/** A row of its own, whoever checks its servers. */
function plain(resource: IpvsResource) {
  if (resource.protocol === 'fwmark')
    return { kind: resource.kind, protocol: resource.protocol, mark: resource.mark, family: resource.family };
  return { kind: resource.kind, protocol: resource.protocol, address: resource.address, port: resource.port };
}

function repairing(op: Op): Op {
  return op.name === 'ipvs' && op.args[0] === '-e' ? { ...op, name: 'keepalived_repair' } : op;
}

/** A real server in a director's row. */
interface Place {
  row: Row;
  destination: IpvsDestination;
}

/** What waits until real servers serve nothing any more. Pure. */
export function drainedOp(cluster: Cluster, seconds: number, places: readonly Place[]): Op {
  return { name: 'ipvs_drained', args: [String(seconds), ...entriesOf(cluster, places)] };
}

/** What refuses to drain real servers where no other one gets requests at that moment. Pure. */
export function othersOp(cluster: Cluster, places: readonly Place[]): Op {
  return { name: 'ipvs_others', args: entriesOf(cluster, places) };
}

function entriesOf(cluster: Cluster, places: readonly Place[]): string[] {
  return places.map(({ row, destination }) =>
    [vipOf(cluster, row.resource), endpoint(destination), ...matchWords(row.resource)].join(' '),
  );
}

/** An address that tells who has the service; `*` where none is known. */
function vipOf({ services }: Cluster, resource: IpvsResource): string {
  if (resource.protocol !== 'fwmark') return resource.address;
  const { mark, family } = resource;
  const found = services.find(({ fwmark }) => fwmark === mark)?.vips.find((vip) => vip.family === family);
  return found?.address ?? '*';
}

/** Whether this is a row's state. Pure. */
export function isService(value: unknown): value is IpvsService {
  return isRecord(value) && typeof value.scheduler === 'string' && Array.isArray(value.destinations);
}

function isServiceState(value: unknown): value is ServiceState {
  return isRecord(value) && typeof value.running === 'boolean' && 'loaded' in value && 'stale' in value;
}

function isFile(value: unknown): value is Extract<FileState, { type: 'file' }> {
  return isRecord(value) && value.type === 'file' && typeof value.sha256 === 'string';
}
