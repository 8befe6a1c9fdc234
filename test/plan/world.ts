import type { Cluster, Host } from '../../src/inventory/model.ts';
import { buildPlan, type SeenHost } from '../../src/plan/build.ts';
import { parseChanges, pastChanges, takenBack } from '../../src/plan/history.ts';
import { parseManifest, removals, type StagedResource } from '../../src/plan/manifest.ts';
import type { Plan, PlannedChange, Step } from '../../src/plan/plan.ts';
import type { Facts } from '../../src/platform/facts.ts';
import { connectionKind } from '../../src/resources/connection.ts';
import { sha256 } from '../../src/resources/file.ts';
import { isRecord } from '../../src/resources/holds.ts';
import { type ConnectionResource, keyOf, type Resource } from '../../src/resources/index.ts';
import type { FileState, Op } from '../../src/resources/kind.ts';
import { desire } from '../../src/roles/index.ts';
import { withKnown } from '../../src/survey/known.ts';
import { facts } from '../inventories/facts.ts';
import { applyOp, type Model } from '../resources/model.ts';

/** A host in plain values, as far as the order of changes can be told by it. */
export interface WorldHost {
  facts: Facts;
  /** The state of each resource by key, but for connections and IPVS. */
  states: Map<string, unknown>;
  table: Model['table'];
  files: Map<string, FileState>;
  /** Default routes and others with a router, by device: `default via 10.0.0.1`. */
  routes: Map<string, string[]>;
}

/** The hosts of a cluster. */
export type World = Map<string, WorldHost>;

/** Hosts as their administrators left them: with the addresses that the inventory gives them, and nothing else. */
export function untouched(cluster: Cluster): World {
  return new Map(cluster.hosts.filter(({ managed }) => managed).map((host, at) => [host.name, bare(host, at)]));
}

function bare(host: Host, at: number): WorldHost {
  const names = host.interfaces.map(({ name }) => name);
  const cidrs = (name: string) =>
    host.interfaces
      .filter((one) => one.name === name)
      .flatMap((one) => one.addresses.map(({ address, prefix }) => `${address}/${prefix}`));
  const device = (addresses: string[], last: number) => {
    return { mac: `02:00:00:00:0${at}:0${last}`, up: true, mtu: 1500, addresses };
  };
  const profiles = names.map((name, index) => ({
    name: `first-${name}`,
    uuid: `00000000-0000-4000-8000-0000000000${at}${index}`,
    type: '802-3-ethernet',
    device: name,
    file: `/etc/NetworkManager/system-connections/first-${name}.nmconnection`,
    content: `[connection]\nid=first-${name}\ntype=ethernet\ninterface-name=${name}\n\n[ipv4]\nmethod=manual\n${cidrs(
      name,
    )
      .map((cidr, index) => `address${index + 1}=${cidr}`)
      .join('\n')}\n`,
  }));
  const devices = {
    lo: device(['127.0.0.1/8'], 9),
    ...Object.fromEntries(names.map((name, index) => [name, device(cidrs(name), index)])),
  };
  return {
    facts: facts({ hostname: host.name, devices, profiles }),
    states: new Map(),
    table: new Map(),
    files: new Map(profiles.map(({ file }) => [file, { ...OWNED, sha256: `first ${file}` }])),
    routes: new Map(),
  };
}

const OWNED = { type: 'file', owner: 'root', group: 'root', mode: '0600' } as const;

const BARE: Partial<Record<Resource['kind'], unknown>> = {
  package: { installed: false, brought: [] },
  module: { loaded: false, available: true },
  sysctl: { value: '0', overriddenBy: null },
  file: { type: 'absent' },
  service: { load: 'loaded', enabled: false, running: false, stale: false, loaded: null },
  tunnel: { state: 'absent' },
  arptables: { rules: [] },
  neighbour: { mac: null },
  firewall: { rules: [] },
};

function stateOf(host: WorldHost, resource: Resource): unknown {
  if (resource.kind === 'ipvs') {
    const found = [...host.table].find(([name]) => keyOf(resource) === tableKey(name));
    return found === undefined ? null : structuredClone(found[1]);
  }
  if (resource.kind !== 'connection') return host.states.get(keyOf(resource)) ?? BARE[resource.kind];
  const text = [...host.routes].flatMap(([device, ways]) => ways.map((way) => `${way} dev ${device} proto static`));
  const section = { text: text.join('\n'), facts: host.facts, files: host.files };
  return connectionKind.parse(section, [resource]).get(keyOf(resource));
}

/** `-t 20.20.20.20:80` → the key of its resource. */
function tableKey(name: string): string {
  const [, address = '', port = ''] = /^-t (.*):(\d+)$/.exec(name) ?? [];
  return keyOf({ kind: 'ipvs', protocol: 'tcp', address, port: Number(port), state: 'absent' });
}

/**
 * The plan that brings the world to what an inventory says, or gives it back.
 * @param past for a rollback: the plan that is taken back
 */
export function planned(cluster: Cluster, world: World, purpose: Plan['purpose'] = 'apply', past?: Plan): Plan {
  const peers = new Map([...world].map(([name, { facts }]) => [name, facts]));
  const seen = cluster.hosts.flatMap((host): SeenHost[] => {
    const at = world.get(host.name);
    if (at === undefined) return [];
    const desired =
      past !== undefined
        ? withKnown(cluster, host, at.facts, takenBack(kept(past, host.name)))
        : purpose === 'destroy'
          ? removals(manifestOf(at), [], 'destroy')
          : asked(cluster, at, host, peers);
    const states = new Map(desired.map(({ resource }) => [keyOf(resource), stateOf(at, resource)]));
    return [{ host, facts: at.facts, desired, states }];
  });
  const draining = { timeout: 60 };
  const context = { cluster, fingerprint: 'f', engine: 'e', lab: false, created: '2026-01-01T00:00:00.000Z', draining };
  return buildPlan(context, seen, [], purpose);
}

function asked(cluster: Cluster, at: WorldHost, host: Host, peers: ReadonlyMap<string, Facts>): StagedResource[] {
  const wanted = desire(cluster, host.name, at.facts, peers);
  const own = wanted.filter(({ fallback }) => fallback !== true);
  const given = removals(manifestOf(at), own);
  const keys = new Set(given.map(({ resource }) => keyOf(resource)));
  return [...own, ...wanted.filter(({ fallback, resource }) => fallback && !keys.has(keyOf(resource))), ...given];
}

/** As a host's history keeps it. */
function kept(plan: Plan, host: string) {
  return parseChanges({ id: '', result: '', head: {}, changes: JSON.parse(JSON.stringify(pastChanges(plan, host))) });
}

function manifestOf({ facts }: WorldHost) {
  return parseManifest(facts.manifest);
}

/** Does a step, one operation or change after the other, and looks at the world after each. */
export function runStep(world: World, step: Step, look: () => void): void {
  const host = world.get(step.host);
  if (host === undefined) throw new Error(step.host);
  for (const change of step.changes) {
    if (change.resource.kind === 'ipvs') {
      for (const op of change.ops) {
        // Only real machines have connections to wait for.
        if (op.name === 'ipvs') applyOp({ table: host.table } as Model, op);
        look();
      }
    } else if (change.resource.kind === 'connection') connect(host, change.resource, change.ops);
    else host.states.set(change.key, merged(host, change));
    look();
  }
  for (const op of step.ops) {
    if (op.name === 'manifest_write') host.facts = { ...host.facts, manifest: JSON.parse(op.input ?? '') };
    if (op.name === 'manifest_forget') host.facts = { ...host.facts, manifest: undefined };
  }
}

function merged(host: WorldHost, { key, kind, resource, after }: PlannedChange): unknown {
  const state = host.states.get(key) ?? BARE[resource.kind];
  return kind !== 'file' && isRecord(state) && isRecord(after) ? { ...state, ...after } : after;
}

/** What lvsctl's profiles bring, by device and hash: one that comes back brings it again. */
const written = new Map<string, { content: string; routes: string[] }>();

function connect(host: WorldHost, resource: ConnectionResource, ops: readonly Op[]): void {
  const { device, profile, returned } = resource;
  const link = host.facts.devices[device];
  if (link === undefined) throw new Error(device);
  const others = host.facts.profiles.filter((one) => one.device !== device);
  const set = (addresses: readonly string[], profiles: Facts['profiles']) => {
    const devices = { ...host.facts.devices, [device]: { ...link, addresses: [...new Set(addresses)] } };
    host.facts = { ...host.facts, devices, profiles };
  };
  if (returned !== undefined) {
    const [hold] = ops;
    if (hold?.name === 'connection_hold') {
      set([...link.addresses, ...hold.args.slice(1)], host.facts.profiles);
      return;
    }
    const own = link.addresses.filter((one) => !resource.addresses.includes(one) || returned.addresses.includes(one));
    host.files.set(profile.file, returned.file);
    const known = returned.file.type === 'file' ? written.get(`${device} ${returned.file.sha256}`) : undefined;
    const content = known?.content ?? returned.addresses.map((cidr, index) => `address${index + 1}=${cidr}\n`).join('');
    const earlier = {
      name: profile.name,
      uuid: returned.active ?? '',
      type: resource.type,
      device,
      file: profile.file,
    };
    set([...own, ...returned.addresses], returned.active === null ? others : [...others, { ...earlier, content }]);
    if (known === undefined) host.routes.delete(device);
    else host.routes.set(device, known.routes);
    return;
  }
  let content = profile.content;
  for (const { name, args, input } of ops) {
    if (name === 'connection_put') {
      content = input ?? '';
      host.files.set(profile.file, { ...OWNED, sha256: sha256(content) });
      continue;
    }
    const words = (sign: string) => args.slice(4).flatMap((arg) => (arg.startsWith(sign) ? [arg.slice(1)] : []));
    const { uuid, file } = profile;
    set(
      [...link.addresses.filter((one) => !words('-').includes(one)), ...words('+')],
      [...others, { name: profile.name, uuid, type: resource.type, device, file, content }],
    );
    const ways = host.routes.get(device) ?? [];
    const routes = [...new Set([...ways.filter((way) => !words('<').includes(way)), ...words('>')])];
    host.routes.set(device, routes);
    written.set(`${device} ${sha256(content)}`, { content, routes });
  }
}

/** Does a plan's steps in an order that its graph allows, as `choose` picks among those that are ready. */
export function runPlan(
  world: World,
  plan: Plan,
  choose: (ready: number) => number,
  look: (done: string) => void,
  begin: (step: Step) => void = () => undefined,
): void {
  const done = new Set<string>();
  for (let left = plan.steps; left.length > 0; ) {
    const ready = left.filter(({ needs }) => needs.every((id) => done.has(id)));
    const step = ready[choose(ready.length)];
    if (step === undefined) throw new Error('the graph has a circle');
    begin(step);
    runStep(world, step, () => look(step.id));
    done.add(step.id);
    left = left.filter((one) => one !== step);
  }
}
