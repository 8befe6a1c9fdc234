/** Instances of several hosts as an inventory's `vrrp` and `vips`. */
import { bits } from '../inventory/addresses.ts';
import type { InventoryVrrp } from '../inventory/schema.ts';
import type { Composing } from './compose.ts';
import type { ImportedHost, ImportedInstance, ImportedScript, ImportedSyncGroup, Notify } from './imported.ts';
import { tidy, unused } from './names.ts';

export interface ComposedVrrp {
  groups: Record<string, InventoryVrrp>;
  vips: Record<string, { addresses: string[]; vrrp?: string }>;
  /** Addresses that an instance carries. */
  floating: Set<string>;
  /** Who speaks on which interface, and from where as far as it is known. */
  speakers: { host: string; device: string; source?: string; family: 4 | 6; near: string[] }[];
}

/** One virtual router, on each host that has it. */
interface Router {
  on: { host: string; instance: ImportedInstance }[];
}

/** Routers that move together, under the name that keepalived knows. */
interface Group {
  name: string;
  routers: Router[];
  /** Scripts of the group, or of its instances. */
  scripts: ImportedScript[];
  notify: Notify;
}

export function composeVrrp(composing: Composing): ComposedVrrp {
  const result: ComposedVrrp = { groups: {}, vips: {}, floating: new Set(), speakers: [] };
  const routers = sameRouters(composing.imported);
  const groups = grouped(composing.imported, routers);
  const prefixes = groups.map(commonPrefix);
  for (const [index, group] of groups.entries()) {
    const prefix = prefixes[index];
    const alone = prefix !== undefined && prefixes.filter((one) => one === prefix).length === 1;
    addGroup(composing, result, group, alone ? prefix : undefined);
  }
  return result;
}

/** Instances of several hosts are one virtual router where number and name, or number and an address, are the same. */
function sameRouters(imported: readonly ImportedHost[]): Router[] {
  const routers: Router[] = [];
  for (const { name: host, instances } of imported) {
    for (const instance of instances) {
      const known = routers.find(
        ({ on }) => on.every((one) => one.host !== host) && on.some((one) => isSame(one.instance, instance)),
      );
      if (known === undefined) routers.push({ on: [{ host, instance }] });
      else known.on.push({ host, instance });
    }
  }
  return routers;
}

function isSame(a: ImportedInstance, b: ImportedInstance): boolean {
  if (a.virtualRouterId !== b.virtualRouterId) return false;
  return a.name === b.name || a.addresses.some(({ address }) => b.addresses.some((one) => one.address === address));
}

function grouped(imported: readonly ImportedHost[], routers: readonly Router[]): Group[] {
  const groups: Group[] = [];
  const placed = new Set<Router>();
  for (const { name: host, syncGroups } of imported) {
    for (const sync of syncGroups) {
      const members = routers.filter(
        (one) =>
          !placed.has(one) && one.on.some((each) => each.host === host && sync.instances.includes(each.instance.name)),
      );
      for (const one of members) placed.add(one);
      if (members.length > 0) groups.push(groupOf(sync.name, members, sync));
    }
  }
  for (const one of routers.filter((each) => !placed.has(each))) groups.push(groupOf(nameOf(one), [one]));
  return groups;
}

function groupOf(name: string, routers: Router[], sync?: ImportedSyncGroup): Group {
  const leads = routers.flatMap(({ on }) => on[0]?.instance ?? []);
  const scripts = [...(sync?.trackScripts ?? []), ...leads.flatMap(({ trackScripts }) => trackScripts)];
  return {
    name,
    routers,
    scripts: scripts.filter((one, index) => index === scripts.findIndex((each) => each.name === one.name)),
    notify: Object.assign({}, ...leads.map(({ notify }) => notify), sync?.notify),
  };
}

const nameOf = ({ on }: Router): string => on[0]?.instance.name ?? 'vrrp';

/** lvsctl calls an instance GROUP_INSTANCE: where the names at hand are already so, they stay. */
function commonPrefix(group: Group): string | undefined {
  const names = group.routers.map(nameOf);
  const fits = (prefix: string) =>
    /^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$/.test(prefix) &&
    names.every(
      (name) =>
        name.startsWith(`${prefix}_`) &&
        /^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$/.test(name.slice(prefix.length + 1)),
    );
  const [first = ''] = names;
  const cuts = [...first.matchAll(/_/g)].map(({ index }) => first.slice(0, index));
  return [group.name, ...cuts].find(fits);
}

function addGroup(composing: Composing, result: ComposedVrrp, group: Group, prefix: string | undefined): void {
  const name = unused(prefix ?? tidy(group.name.replaceAll('.', '_')), result.groups);
  const [first] = group.routers;
  const [lead] = first?.on ?? [];
  if (first === undefined || lead === undefined) return;
  const { notes, gaps } = composing;
  const said: InventoryVrrp = { nodes: {}, instances: {} };
  const hosts = [...new Set(group.routers.flatMap(({ on }) => on.map(({ host }) => host)))];
  for (const host of hosts) said.nodes[host] = nodeOf(composing, group, host);
  shared(composing, said, group, name, lead.instance);
  for (const router of group.routers) {
    const whole = nameOf(router);
    const instance =
      prefix !== undefined
        ? whole.slice(prefix.length + 1)
        : group.routers.length === 1
          ? 'vrrp'
          : tidy(whole.replaceAll('.', '_'));
    const key = unused(instance, said.instances);
    if (`${name}_${key}` !== whole)
      notes.push({ path: ['vrrp', name, 'instances', key], text: `${whole} so far; lvsctl calls it ${name}_${key}` });
    addRouter(composing, result, { said, name, key, several: group.routers.length > 1 }, router);
  }
  unknownPeers(composing, result, { said, name }, group);
  result.groups[name] = said;
  if (Object.keys(said.nodes).length === 1)
    gaps.add(lead.instance.place, `${whole(group)} has one node here`, 'Name the other nodes’ files too: NAME=FILE.');
}

function whole(group: Group): string {
  return group.routers.map(nameOf).join(', ');
}

function nodeOf({ gaps }: Composing, group: Group, host: string): InventoryVrrp['nodes'][string] {
  const own = group.routers.flatMap(({ on }) => on.filter((one) => one.host === host));
  const [first] = own;
  for (const { instance } of own) {
    if (instance.priority !== first?.instance.priority)
      gaps.add(
        instance.place,
        `priority ${instance.priority} of ${instance.name} is not in the inventory`,
        'There instances that move together have one priority a node: the first one’s is written.',
      );
  }
  return { priority: first?.instance.priority ?? 100 };
}

/** What all nodes and instances of a group have in common in an inventory. */
function shared(
  { gaps, notes }: Composing,
  said: InventoryVrrp,
  group: Group,
  name: string,
  lead: ImportedInstance,
): void {
  const all = group.routers.flatMap(({ on }) => on);
  const differ = (key: string, of: (one: ImportedInstance) => unknown): void => {
    for (const { host, instance } of all) {
      if (JSON.stringify(of(instance)) === JSON.stringify(of(lead))) continue;
      gaps.add(
        instance.place,
        `${key} of ${instance.name} on ${host} differs`,
        `${String(of(lead))} is written for all of ${name}.`,
      );
    }
  };
  differ('advert_int', ({ advertInterval }) => advertInterval);
  differ('preemption', ({ preempt }) => preempt);
  differ('version', ({ version }) => version ?? 2);
  // lvsctl's own words in its own order: what is as it would be anyway is left out.
  if (lead.preempt) said.preempt = true;
  if (lead.preempt && lead.preemptDelay !== undefined) said.preempt_delay = lead.preemptDelay;
  if (lead.peers.length === 0 && all.every(({ instance }) => instance.peers.length === 0)) said.unicast = false;
  if (lead.advertInterval !== 1) said.advert_interval = lead.advertInterval;
  if (lead.version !== undefined && !(lead.version === 2 && lead.advertInterval >= 1)) said.version = lead.version;
  const password = all.find(({ instance }) => instance.password !== undefined)?.instance.password;
  if (password !== undefined && lead.version !== 3) {
    said.auth_pass = { env: 'LVS_VRRP_PASS' };
    notes.push({
      path: ['vrrp', name, 'auth_pass'],
      text: `a secret: its value stands in ${password.file}:${password.line}, and is not copied`,
    });
  }
  const { scripts, notify } = group;
  if (scripts.length > 0)
    said.track_scripts = Object.fromEntries(scripts.map((one) => [scriptName(one, name), scriptOf(one)]));
  if (Object.keys(notify).length > 0) said.notify = notify;
}

/** keepalived's names are GROUP_SCRIPT where lvsctl wrote them. */
function scriptName({ name }: ImportedScript, group: string): string {
  return tidy(name.startsWith(`${group}_`) ? name.slice(group.length + 1) : name);
}

function scriptOf({ name: _name, ...said }: ImportedScript) {
  return said;
}

function addRouter(
  composing: Composing,
  result: ComposedVrrp,
  at: { said: InventoryVrrp; name: string; key: string; several: boolean },
  { on }: Router,
): void {
  const [lead, ...others] = on;
  if (lead === undefined) return;
  const { instance } = lead;
  const fixed = instance.addresses.filter(({ prefix, family }) => prefix < bits(family));
  const vips = instance.addresses.filter(({ prefix, family }) => prefix === bits(family));
  for (const other of others) {
    const list = (one: ImportedInstance) =>
      one.addresses
        .map(({ address }) => address)
        .toSorted()
        .join(' ');
    if (list(other.instance) !== list(instance))
      composing.gaps.add(
        other.instance.place,
        `${other.host} and ${lead.host} have other addresses in ${instance.name}`,
        `Those of ${lead.host} are written.`,
      );
    if (other.instance.device === instance.device) continue;
    const node = at.said.nodes[other.host];
    if (node !== undefined) node.interfaces = { ...node.interfaces, [at.key]: other.instance.device };
  }
  at.said.instances[at.key] = {
    virtual_router_id: instance.virtualRouterId,
    interface: instance.device,
    ...(fixed.length === 0 ? {} : { addresses: fixed.map(({ address, prefix }) => `${address}/${prefix}`) }),
    ...(instance.trackInterfaces.length === 0 ? {} : { track_interfaces: instance.trackInterfaces }),
  };
  if (vips.length > 0) {
    const vip = unused(at.several ? `${at.name}-${at.key}` : at.name, result.vips);
    result.vips[vip] = { addresses: vips.map(({ address }) => address), vrrp: `${at.name}.${at.key}` };
  }
  for (const { address } of instance.addresses) result.floating.add(address);
  const only6 = instance.addresses.length > 0 && instance.addresses.every(({ family }) => family === 6);
  for (const { host, instance: own } of on) {
    result.speakers.push({
      host,
      device: own.device,
      ...(own.source === undefined ? {} : { source: own.source }),
      family: only6 ? 6 : 4,
      near: own.addresses.map(({ address, prefix }) => `${address}/${prefix}`),
    });
  }
}

/** Peers whose files aren't here: nodes all the same, as far as the others tell. */
function unknownPeers(
  composing: Composing,
  result: ComposedVrrp,
  { said, name }: { said: InventoryVrrp; name: string },
  group: Group,
): void {
  // The first unknown peer of each router is one host, the second another one.
  const strangers = new Map<number, string>();
  for (const { on } of group.routers) {
    const [lead] = on;
    if (lead === undefined) continue;
    const { host, instance } = lead;
    const sources = new Set(on.flatMap(({ instance: own }) => own.source ?? []));
    const peers = [...new Set(instance.peers)].filter((peer) => !sources.has(peer));
    for (const [index, peer] of peers.entries()) {
      const node = strangers.get(index) ?? owner(composing, peer) ?? unused(`${host}-peer`, composing.hosts);
      strangers.set(index, node);
      const { device, priority } = instance;
      result.speakers.push({ host: node, device, source: peer, family: peer.includes(':') ? 6 : 4, near: [] });
      if (said.nodes[node] !== undefined) continue;
      composing.hosts[node] ??= { manage: 'none' };
      said.nodes[node] = { priority: Math.max(1, Math.min(254, priority) - 10) };
      composing.notes.push({
        path: ['vrrp', name, 'nodes', node],
        text: `a peer at ${peer}, whose file was not given: its name and priority are guesses`,
      });
      composing.gaps.add(
        instance.place,
        `the peer ${peer} of ${instance.name} is known by its address alone`,
        'Name its file too: NAME=FILE.',
      );
    }
  }
}

function owner({ hosts }: Composing, address: string): string | undefined {
  const has = (one: string) => one.startsWith(`${address}/`);
  return Object.entries(hosts).find(([, { interfaces }]) =>
    Object.values(interfaces ?? {}).some(({ addresses }) => addresses?.some(has)),
  )?.[0];
}
