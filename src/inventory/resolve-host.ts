import { readBeside } from './beside.ts';
import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import type { Names } from './groups.ts';
import { checkLinks } from './link-rules.ts';
import { hasPath, withDefaults } from './merge.ts';
import type { ExtraFile, Extras, Host, Interface, Ssh } from './model.ts';
import { resolveInterface } from './resolve-interface.ts';
import type { Inventory, InventoryFile, InventoryGroup, InventoryHost } from './schema.ts';
import { AREAS } from './words.ts';

/**
 * Parses one host; what it doesn't say comes from its groups (of several the first that says it), then from
 * `defaults.host`. Reads the files that it names as sources.
 */
export function resolveHost(name: string, inventory: Inventory, names: Names, findings: Findings): Host {
  const own = inventory.hosts?.[name] ?? {};
  const groups = [...(names.groupsOf.get(name) ?? [])];
  const said = [
    ...groups.map((group) => withoutMembers(inventory.groups?.[group])),
    inventory.defaults?.host,
  ].reduce<InventoryHost>((over, under) => withDefaults(under, over), own);
  const path: Path = ['hosts', name];
  const placeOf = (...key: string[]): Path =>
    [path, ...groups.map((group): Path => ['groups', group]), ['defaults', 'host']]
      .map((at): Path => [...at, ...key])
      .find((at) => hasPath(inventory, at)) ?? path;
  const interfaces = Object.entries(said.interfaces ?? {}).map(([device, one]) =>
    resolveInterface(device, one, [...path, 'interfaces', device], findings),
  );
  checkInterfaces(interfaces, path, findings);
  checkLinks(interfaces, path, findings);
  return {
    name,
    groups,
    managed: said.manage !== 'none',
    owns: said.manage === undefined || said.manage === 'none' ? AREAS : said.manage,
    forwarding: said.forwarding ?? false,
    ...(said.platform === undefined ? {} : { platform: said.platform }),
    interfaces: withHostDns(interfaces, said.dns ?? [], placeOf('dns'), findings),
    ssh: resolveSsh(name, said.ssh ?? {}, interfaces),
    ...resolveExtras(said, placeOf, findings),
    byPlatform: Object.fromEntries(
      Object.entries(said.by_platform ?? {}).map(([platform, extras]) => [
        platform,
        resolveExtras(extras, (...key) => placeOf('by_platform', platform, ...key), findings),
      ]),
    ),
    timeServers: said.time?.servers ?? [],
    vars: said.vars ?? {},
  };
}

/** What a group says of its members, without who they are. */
function withoutMembers(group: InventoryGroup | undefined): InventoryHost {
  const { hosts: _members, ...said } = group ?? { hosts: [] };
  return said;
}

function resolveExtras(
  said: Pick<InventoryHost, 'sysctls' | 'packages' | 'modules' | 'files' | 'units'>,
  placeOf: (...key: string[]) => Path,
  findings: Findings,
): Extras {
  return {
    sysctls: Object.fromEntries(Object.entries(said.sysctls ?? {}).map(([key, value]) => [key, String(value)])),
    packages: said.packages ?? [],
    modules: said.modules ?? [],
    files: Object.entries(said.files ?? {}).flatMap(([target, file]) =>
      resolveFile(target, file, placeOf('files', target), findings),
    ),
    units: Object.entries(said.units ?? {}).map(([unit, { enabled = true, running = true }]) => ({
      name: unit,
      enabled,
      running,
    })),
  };
}

function checkInterfaces(interfaces: readonly Interface[], path: Path, findings: Findings): void {
  for (const { name } of interfaces) {
    if (name === 'lo') {
      findings.add(
        [...path, 'interfaces', name],
        'INV-LOOPBACK',
        'lo can’t be described: its addresses follow from what the host does',
        'Leave it out.',
        'key',
      );
    }
  }
  for (const family of ['v4', 'v6'] as const) {
    const [first, ...more] = interfaces.filter((one) => one.gateways[family] !== undefined);
    for (const { name } of more) {
      findings.add(
        [...path, 'interfaces', name, 'gateway'],
        'INV-SECOND-GATEWAY',
        `a second default gateway (IP${family}) of this host; the first is on ${first?.name}`,
        'Keep one; for other networks use routes.',
      );
    }
  }
}

/** Name servers said for the host count for the interface with its gateway, else the first with addresses; what that one says itself counts more. */
function withHostDns(interfaces: Interface[], dns: readonly string[], path: Path, findings: Findings): Interface[] {
  if (dns.length === 0) return interfaces;
  const parsed = resolveInterface('', { dns: [...dns] }, path.slice(0, -1), findings).dns;
  const bearer =
    interfaces.find((one) => one.gateways.v4 ?? one.gateways.v6) ?? interfaces.find((one) => one.addresses.length > 0);
  // What a default or a group says for many may find no place on one of them.
  if (bearer === undefined && path[0] === 'hosts' && parsed.length === dns.length) {
    findings.add(
      path,
      'INV-UNUSED-DNS',
      'name servers of a host without an address: no interface could carry them',
      'Describe its interfaces, or leave dns out.',
      'key',
    );
  }
  return interfaces.map((one) => (one === bearer && one.dns.length === 0 ? { ...one, dns: parsed } : one));
}

function resolveSsh(name: string, said: NonNullable<InventoryHost['ssh']>, interfaces: readonly Interface[]): Ssh {
  return {
    address: said.address ?? interfaces.flatMap((one) => one.addresses)[0]?.address ?? name,
    ...(said.user === undefined ? {} : { user: said.user }),
    ...(said.port === undefined ? {} : { port: said.port }),
    ...(said.identity_file === undefined ? {} : { identityFile: said.identity_file }),
    ...(said.jump === undefined ? {} : { jump: said.jump }),
    ...(said.known_hosts === undefined ? {} : { knownHosts: said.known_hosts }),
    ...(said.become === undefined ? {} : { become: said.become }),
  };
}

/** What is no file that somebody could put there, and whose it is. */
const NO_FILES: readonly [folder: string, whose: string, next: string][] = [
  ['/proc', 'the kernel’s', 'Name the parameter under sysctls.'],
  ['/sys', 'the kernel’s', 'Leave it out.'],
  ['/run/lvsctl', 'lvsctl’s own', 'Leave it out: lvsctl keeps its records there.'],
  ['/var/lib/lvsctl', 'lvsctl’s own', 'Leave it out: lvsctl keeps its records there.'],
];

function resolveFile(target: string, said: InventoryFile, path: Path, findings: Findings): ExtraFile[] {
  const taken = NO_FILES.find(([folder]) => target === folder || target.startsWith(`${folder}/`));
  if (taken !== undefined) {
    findings.add(path, 'INV-BAD-VALUE', `${target} is ${taken[1]}, no file of yours`, taken[2], 'key');
    return [];
  }
  const content = contentOf(said, path, findings);
  if (content === undefined) return [];
  const mode = (said.mode ?? '0644').padStart(4, '0');
  return [{ path: target, content, owner: said.owner ?? 'root', group: said.group ?? 'root', mode }];
}

function contentOf(said: InventoryFile, path: Path, findings: Findings): string | undefined {
  if ((said.source === undefined) === (said.content === undefined)) {
    findings.add(path, 'INV-FILE-CONTENT', 'a file has either “source” or “content”', 'Give one of the two.', 'key');
    return undefined;
  }
  if (said.source === undefined) return said.content;
  return readBeside(said.source, [...path, 'source'], findings);
}
