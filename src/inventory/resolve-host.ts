import { readFileSync } from 'node:fs';
import { dirname, resolve as resolvePath } from 'node:path';
import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import { withDefaults } from './merge.ts';
import type { ExtraFile, Host, Interface, Ssh } from './model.ts';
import { resolveInterface } from './resolve-interface.ts';
import type { Inventory, InventoryFile, InventoryHost } from './schema.ts';

/** Parses one host, defaults in. Reads the files that it names as sources. */
export function resolveHost(name: string, inventory: Inventory, findings: Findings): Host {
  const own = inventory.hosts[name] ?? {};
  const said: InventoryHost = withDefaults(inventory.defaults?.host, own);
  const path: Path = ['hosts', name];
  const interfaces = Object.entries(said.interfaces ?? {}).map(([device, one]) =>
    resolveInterface(device, one, [...path, 'interfaces', device], findings),
  );
  checkInterfaces(interfaces, path, findings);
  const dnsPath: Path = own.dns === undefined ? ['defaults', 'host', 'dns'] : [...path, 'dns'];
  return {
    name,
    managed: said.manage !== 'none',
    forwarding: said.forwarding ?? false,
    ...(said.platform === undefined ? {} : { platform: said.platform }),
    interfaces: withHostDns(interfaces, said.dns ?? [], dnsPath, findings),
    ssh: resolveSsh(name, said.ssh ?? {}, interfaces),
    sysctls: Object.fromEntries(Object.entries(said.sysctls ?? {}).map(([key, value]) => [key, String(value)])),
    packages: said.packages ?? [],
    modules: said.modules ?? [],
    files: Object.entries(said.files ?? {}).flatMap(([target, file]) => {
      const at: Path =
        own.files?.[target] === undefined ? ['defaults', 'host', 'files', target] : [...path, 'files', target];
      return resolveFile(target, file, at, findings);
    }),
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

/** Name servers said for the host count for its first interface with addresses that names none of its own. */
function withHostDns(interfaces: Interface[], dns: readonly string[], path: Path, findings: Findings): Interface[] {
  if (dns.length === 0) return interfaces;
  const parsed = resolveInterface('', { dns: [...dns] }, path.slice(0, -1), findings).dns;
  const bearer =
    interfaces.find((one) => one.gateways.v4 ?? one.gateways.v6) ?? interfaces.find((one) => one.addresses.length > 0);
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

function resolveFile(target: string, said: InventoryFile, path: Path, findings: Findings): ExtraFile[] {
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
  const source = resolvePath(dirname(findings.document.file), said.source);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(source));
  } catch (error) {
    const why =
      error instanceof TypeError
        ? 'it is not UTF-8 text'
        : error instanceof Error && 'code' in error
          ? String(error.code)
          : String(error);
    findings.add(
      [...path, 'source'],
      'INV-FILE-SOURCE',
      `the file ${source} can’t be read: ${why}`,
      'Correct the path (it is looked up beside the inventory) or the file.',
    );
    return undefined;
  }
}
