import { dirname } from 'node:path';
import { type Address, bits, notAHost, notRouted } from './addresses.ts';
import { besides, readScript } from './beside.ts';
import { hostIn } from './derived.ts';
import type { Path } from './document.ts';
import { seconds } from './duration.ts';
import type { Findings } from './findings.ts';
import { checkHost, type Names } from './groups.ts';
import { hasPath } from './merge.ts';
import type { Cidr, Host, Secret, VrrpGroup, VrrpInstance } from './model.ts';
import { anAddress, hostAddress } from './resolve-interface.ts';
import type { Inventory, InventoryVrrp } from './schema.ts';
import { suggestion } from './suggest.ts';
import { checkInstanceNames, checkNames, checkRouterIds, checkVrrp } from './vrrp-rules.ts';

/** A VIP's addresses and the VRRP instance that carries them. */
export interface NamedVip {
  addresses: Address[];
  vrrp?: { group: string; instance: string };
  path: Path;
}

/** Parses `vips`. */
export function resolveVips(inventory: Inventory, findings: Findings): Map<string, NamedVip> {
  const vips = new Map<string, NamedVip>();
  const first = new Map<string, { name: string; path: Path }>();
  for (const [name, said] of Object.entries(inventory.vips ?? {})) {
    const path: Path = ['vips', name];
    const addresses = said.addresses.flatMap((text, index) => {
      const at: Path = [...path, 'addresses', index];
      const address = anAddress(text, at, findings);
      checkVip(address, text, at, findings);
      const earlier = address && first.get(address.address);
      if (earlier !== undefined) {
        findings.add(
          at,
          'INV-DUPLICATE-ADDRESS',
          `${text} is an address of the VIP ${earlier.name} too (${findings.line(earlier.path)})`,
          'Name it once: services can share a VIP.',
          'value',
          { path: earlier.path, says: 'the first' },
        );
      } else if (address !== undefined) first.set(address.address, { name, path: at });
      return address ?? [];
    });
    const vrrp = said.vrrp === undefined ? undefined : instanceOf(said.vrrp, inventory, [...path, 'vrrp'], findings);
    vips.set(name, { addresses, path, ...(vrrp === undefined ? {} : { vrrp }) });
  }
  return vips;
}

function instanceOf(text: string, inventory: Inventory, path: Path, findings: Findings): NamedVip['vrrp'] | undefined {
  const [group = '', instance = ''] = text.split('.');
  if (text === `${group}.${instance}` && hasPath(inventory, ['vrrp', group, 'instances', instance]))
    return { group, instance };
  const groups = inventory.vrrp ?? {};
  const known = Object.entries(groups).flatMap(([name, one]) =>
    Object.keys(one.instances).map((key) => `${name}.${key}`),
  );
  if (known.includes(text)) return { group, instance };
  // Described, and wrong in itself.
  if (hasPath(findings.document.value, ['vrrp', group, 'instances', instance])) return undefined;
  findings.add(path, 'INV-UNKNOWN-NAME', `there is no VRRP instance “${text}”`, suggestion(text, known));
  return undefined;
}

/** Parses `vrrp`; the hosts are resolved already. */
export function resolveVrrp(
  inventory: Inventory,
  hosts: readonly Host[],
  names: Names,
  vips: ReadonlyMap<string, NamedVip>,
  findings: Findings,
): VrrpGroup[] {
  const vipsLost =
    findings.has(['vips']) ||
    Object.entries(inventory.vips ?? {}).some(
      ([name, said]) => said.vrrp !== undefined && vips.get(name)?.vrrp === undefined,
    );
  const carried = new Map<string, NamedVip[]>();
  for (const vip of vips.values()) {
    if (vip.vrrp === undefined) continue;
    const key = `${vip.vrrp.group}.${vip.vrrp.instance}`;
    carried.set(key, [...(carried.get(key) ?? []), vip]);
  }
  const groups = Object.entries(inventory.vrrp ?? {}).map(([name, said]) => {
    const path: Path = ['vrrp', name];
    const nodes = Object.entries(said.nodes).filter(([host]) =>
      checkHost(host, names.hosts, [...path, 'nodes', host], 'key', findings),
    );
    const instances = Object.keys(said.instances).map((instance) =>
      resolveInstance(name, instance, said, nodes, hosts, carried.get(`${name}.${instance}`) ?? [], findings),
    );
    const script = (text: string, at: Path) => readScript(text, at, findings);
    const notify = Object.fromEntries(
      Object.entries(said.notify ?? {}).flatMap(([state, text]) => {
        const read = script(text, [...path, 'notify', state]);
        return read === undefined ? [] : [[state, read]];
      }),
    );
    const authPass =
      said.auth_pass === undefined ? undefined : secretOf(said.auth_pass, [...path, 'auth_pass'], findings);
    const interval = seconds(said.advert_interval ?? 1);
    const onlyV6 = instances.some(
      ({ addresses }) => addresses.length > 0 && addresses.every(({ family }) => family === 6),
    );
    const group: VrrpGroup = {
      name,
      nodes: nodes.map(([host, node]) => ({ host, priority: node.priority ?? 100 })),
      preempt: said.preempt ?? false,
      ...(said.preempt_delay === undefined ? {} : { preemptDelay: seconds(said.preempt_delay) }),
      unicast: said.unicast ?? true,
      advertInterval: interval,
      version: said.version ?? (onlyV6 || interval < 1 ? 3 : 2),
      ...(authPass === undefined ? {} : { authPass }),
      trackScripts: Object.entries(said.track_scripts ?? {}).flatMap(([key, one]) => {
        const read = script(one.script, [...path, 'track_scripts', key, 'script']);
        if (read === undefined) return [];
        const { weight, rise, fall, timeout } = one;
        return {
          name: key,
          script: read,
          interval: seconds(one.interval ?? 1),
          ...(timeout === undefined ? {} : { timeout: seconds(timeout) }),
          ...(weight === undefined ? {} : { weight }),
          ...(rise === undefined ? {} : { rise }),
          ...(fall === undefined ? {} : { fall }),
        };
      }),
      notify,
      instances,
    };
    checkVrrp(group, said, vipsLost, findings);
    checkNames(group, said, hosts, findings);
    return group;
  });
  checkRouterIds(groups, hosts, findings);
  checkInstanceNames(groups, findings);
  return groups;
}

/** A finding where an address can't be a VIP. */
export function checkVip(vip: Address | undefined, said: string, path: Path, findings: Findings): void {
  const wrong = vip && (notAHost({ ...vip, prefix: bits(vip.family) }) ?? notRouted(vip));
  if (wrong)
    findings.add(
      path,
      'INV-NOT-A-HOST-ADDRESS',
      `${said} is ${wrong}, no VIP`,
      'Name an address that a host can have.',
    );
}

function resolveInstance(
  group: string,
  name: string,
  said: InventoryVrrp,
  nodes: readonly (readonly [string, InventoryVrrp['nodes'][string]])[],
  hosts: readonly Host[],
  vips: readonly NamedVip[],
  findings: Findings,
): VrrpInstance {
  const path: Path = ['vrrp', group, 'instances', name];
  const one = said.instances[name];
  const own = (one?.addresses ?? []).flatMap((text, index) =>
    hostAddress(text, [...path, 'addresses', index], findings),
  );
  const carried = vips
    .flatMap((vip) => vip.addresses)
    .map((address): Cidr => ({ ...address, prefix: bits(address.family) }));
  const addresses = [...own, ...carried];
  const family = addresses.length > 0 && addresses.every((each) => each.family === 6) ? 6 : 4;
  const without = new Map<string, { at: Path; device: string; hosts: string[] }>();
  const speaking = nodes.flatMap(([host, node]) => {
    const device = node.interfaces?.[name] ?? one?.interface ?? '';
    const at: Path =
      node.interfaces?.[name] === undefined
        ? [...path, 'interface']
        : ['vrrp', group, 'nodes', host, 'interfaces', name];
    const owner = hostIn(hosts, host);
    const found = owner?.interfaces.find((each) => each.name === device);
    const places = [['hosts', host], ...(owner?.groups ?? []).map((one) => ['groups', one]), ['defaults', 'host']];
    const isWrong = () => places.some((said) => findings.has([...said, 'interfaces', device]));
    if ((found?.addresses ?? []).length === 0 && isWrong()) return [];
    if (found === undefined) {
      const same = without.get(at.join()) ?? { at, device, hosts: [] };
      without.set(at.join(), { ...same, hosts: [...same.hosts, host] });
      return [];
    }
    const address = found.addresses.find((each) => each.family === family) ?? found.addresses[0];
    if (address === undefined) {
      findings.add(
        ['hosts', host, 'interfaces', device],
        'INV-NO-ADDRESS',
        `${host}’s ${device} has no address to speak VRRP from`,
        'Give it one.',
        'key',
        { path: at, says: `${group}.${name} speaks there` },
      );
      return [];
    }
    return [{ host, device, address: address.address }];
  });
  for (const { at, device, hosts: members } of without.values()) {
    const [host] = members;
    const known = hostIn(hosts, host ?? '')?.interfaces.map((each) => each.name) ?? [];
    const who = `${members.join(' and ')} ${members.length === 1 ? 'has' : 'have'}`;
    findings.add(at, 'INV-UNKNOWN-NAME', `${who} no interface “${device}”`, suggestion(device, known));
  }
  return {
    name,
    virtualRouterId: one?.virtual_router_id ?? 0,
    nodes: speaking,
    addresses,
    trackInterfaces: one?.track_interfaces ?? [],
  };
}

/** keepalived cuts what is longer (keepalived.conf(5), auth_pass). */
const AUTH_PASS_LENGTH = 8;

/** Where a secret comes from; a file's path is made absolute. */
function secretOf(said: NonNullable<InventoryVrrp['auth_pass']>, path: Path, findings: Findings): Secret | undefined {
  const { env, file, command } = said;
  const given = [env, file, command].filter((one) => one !== undefined);
  if (given.length !== 1) {
    findings.add(
      path,
      'INV-SECRET',
      `a secret comes from one of env, file and command; here are ${given.length === 0 ? 'none' : 'several'}`,
      'Give one of the three.',
      'key',
    );
    return undefined;
  }
  const { file: inventory, line, column } = findings.document.place(path, 'key');
  const place = {
    file: inventory,
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
  };
  const from =
    env !== undefined
      ? { env }
      : file !== undefined
        ? { file: besides(file, [...path, 'file'], findings) }
        : { command: command ?? '', folder: dirname(inventory) };
  return { name: path.join('.'), from, longest: AUTH_PASS_LENGTH, place };
}
