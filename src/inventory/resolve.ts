import { accessSync, constants, statSync } from 'node:fs';
import type { Problem } from '../errors/index.ts';
import { networkOf, parseCidr } from './addresses.ts';
import { besides } from './beside.ts';
import type { Path, SourceDocument } from './document.ts';
import { type Findings, makeFindings } from './findings.ts';
import { resolveGroups } from './groups.ts';
import type { Cluster, Host, VrrpGroup } from './model.ts';
import { checkNatGateways, withNatGateways } from './nat-gateways.ts';
import { checkAllowed, resolveAround, withDirectors } from './resolve-around.ts';
import { resolveHost } from './resolve-host.ts';
import { marksOf, resolveIpvs } from './resolve-ipvs.ts';
import { checkTwins, type NamedService, parseService, resolveService } from './resolve-service.ts';
import { type NamedVip, resolveVips, resolveVrrp } from './resolve-vrrp.ts';
import type { Inventory } from './schema.ts';
import { withSegments } from './segments.ts';

/**
 * Makes the cluster model: defaults in, addresses parsed, names looked up, segments derived. Reads `files.*.source`.
 * @param left what was left out of the inventory because it is wrong in itself, so that it isn't reported again as missing
 * @returns the model, or every mistake
 */
export function resolveCluster(
  document: SourceDocument,
  inventory: Inventory,
  left: ReadonlySet<string>,
): { cluster: Cluster; problems: [] } | { cluster?: undefined; problems: Problem[] } {
  const findings = makeFindings(document, left);
  const names = resolveGroups(inventory, hostNames(document), findings);
  const described = Object.keys(inventory.hosts ?? {}).map((name) => resolveHost(name, inventory, names, findings));
  if (described.length === 0 && left.size === 0) {
    findings.add(
      [],
      'INV-NO-HOSTS',
      'the inventory has no hosts',
      'Describe them under hosts, or include a file that does.',
    );
  }
  const hosts = withSegments(described);
  const vips = resolveVips(inventory, findings);
  const vrrp = resolveVrrp(inventory, hosts, names, vips, findings);
  const nodes = new Map(vrrp.map((group) => [group.name, group.nodes.map(({ host }) => host)]));
  const floating = new Map(
    vrrp.flatMap((group) =>
      group.instances.flatMap((instance) =>
        instance.addresses.map(({ address }) => [address, { group: group.name, instance: instance.name }] as const),
      ),
    ),
  );
  const known = { ...names, pruned: left, vips, nodes, floating };
  const named = Object.keys(inventory.services ?? {}).flatMap(
    (name) => parseService(name, inventory, known, findings) ?? [],
  );
  checkTwins(named, findings);
  checkAddresses(hosts, named, vips, vrrp, findings);
  const ipvs = resolveIpvs(inventory, vrrp, hosts, named, findings);
  const around = resolveAround(inventory, names, hosts, findings);
  const firewall = resolveFirewall(inventory, findings);
  if (findings.problems.length > 0 || left.size > 0) return { problems: findings.problems };
  const marks = marksOf(inventory.name, named);
  const services = named.map((one) => resolveService(one, marks.get(one.name), hosts, findings));
  const complete = withNatGateways(hosts, services, vrrp);
  checkNatGateways(complete, services, findings);
  const proxies = withDirectors(around.proxies, services, hosts);
  checkAllowed(proxies, findings);
  const hooks = resolveHooks(inventory, findings);
  if (findings.problems.length > 0) return { problems: findings.problems };
  const cluster: Cluster = {
    name: inventory.name,
    file: document.file,
    groups: [...names.groups].map(([name, members]) => ({ name, hosts: [...members] })),
    hosts: complete,
    vrrp,
    services,
    ipvs,
    ...around,
    proxies,
    firewall,
    hooks,
  };
  return { cluster, problems: [] };
}

function resolveFirewall(inventory: Inventory, findings: Findings): Cluster['firewall'] {
  const { manage = false, trusted = [] } = inventory.firewall ?? {};
  return {
    manage,
    trusted: trusted.flatMap((text, index) => {
      const cidr = parseCidr(text);
      if (cidr !== undefined) return networkOf(cidr);
      findings.add(
        ['firewall', 'trusted', index],
        'INV-BAD-ADDRESS',
        `“${text}” is no network`,
        'Write it as ADDRESS/PREFIX, for example 10.0.0.0/8.',
      );
      return [];
    }),
  };
}

function resolveHooks(inventory: Inventory, findings: Findings): Cluster['hooks'] {
  const { before_change: before, after_change: after } = inventory.hooks ?? {};
  const hookAt = (key: string, said: string) => program(said, ['hooks', key], findings);
  return {
    ...(before === undefined ? {} : { beforeChange: hookAt('before_change', before) }),
    ...(after === undefined ? {} : { afterChange: hookAt('after_change', after) }),
  };
}

/** A program beside the inventory that can be run here. */
function program(said: string, path: Path, findings: Findings): string {
  const file = besides(said, path, findings);
  try {
    if (!statSync(file).isFile()) throw new Error('it is no file');
    accessSync(file, constants.X_OK);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'it is no file';
    findings.add(
      path,
      'INV-HOOK',
      `the program ${file} can’t be run: ${why}`,
      'Correct the path (it is looked up beside the inventory), or make it executable: chmod +x.',
    );
  }
  return file;
}

/** The names of all hosts that the file describes, also of those that are wrong in some way. */
function hostNames({ value }: SourceDocument): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null || !('hosts' in value)) return new Set();
  return new Set(typeof value.hosts === 'object' && value.hosts !== null ? Object.keys(value.hosts) : []);
}

/** One address stands on one interface; a VIP on none, but that a single director's own address may be one (nat, fullnat). */
function checkAddresses(
  hosts: readonly Host[],
  services: readonly NamedService[],
  named: ReadonlyMap<string, NamedVip>,
  vrrp: readonly VrrpGroup[],
  findings: Findings,
): void {
  const floating = new Map<string, { what: string; path: Path; own?: string }>();
  for (const group of vrrp) {
    for (const instance of group.instances) {
      for (const { address } of instance.addresses) {
        floating.set(address, { what: 'a floating address', path: ['vrrp', group.name, 'instances', instance.name] });
      }
    }
  }
  for (const [name, vip] of named) {
    for (const { address } of vip.addresses) floating.set(address, { what: 'a VIP', path: ['vips', name] });
  }
  for (const service of services) {
    for (const { address } of service.vips) {
      const [only] = service.directors;
      const may = service.vrrp === undefined && (service.mode === 'nat' || service.mode === 'fullnat');
      floating.set(address, {
        what: 'a VIP',
        path: [...service.path, 'vip'],
        ...(may && only !== undefined ? { own: only } : {}),
      });
    }
  }
  const first = new Map<string, { who: string; path: Path }>();
  for (const host of hosts) {
    for (const one of host.interfaces) {
      one.addresses.forEach((own, position) => {
        const path: Path = ['hosts', host.name, 'interfaces', one.name, 'addresses', position];
        const who = `${host.name}’s ${one.name}`;
        const earlier = first.get(own.address);
        const vip = floating.get(own.address);
        if (earlier !== undefined) {
          findings.add(
            path,
            'INV-DUPLICATE-ADDRESS',
            `${own.address} stands on ${earlier.who} too (${findings.line(earlier.path)})`,
            'Give one of them another address.',
            'value',
            { path: earlier.path, says: earlier.who },
          );
        } else if (vip !== undefined && vip.own !== host.name) {
          findings.add(
            path,
            'INV-DUPLICATE-ADDRESS',
            `${own.address} is ${vip.what} (${findings.line(vip.path)}): lvsctl puts it where it belongs`,
            'Leave it out here, or choose another VIP.',
            'value',
            { path: vip.path, says: vip.what },
          );
        }
        first.set(own.address, earlier ?? { who, path });
      });
    }
  }
}
