import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, cidrText, holds, networkOf, parseAddress, parseCidr } from './addresses.ts';
import { besides, readBeside } from './beside.ts';
import { hostIn, hostsIn, isRealServer } from './derived.ts';
import type { Path } from './document.ts';
import type { Also, Findings } from './findings.ts';
import { hostsOf, membersOf, type Names } from './groups.ts';
import type { Application, Archive, Cidr, Host, ReverseProxy, Service, WebServer } from './model.ts';
import type { Inventory, InventoryApplication, InventoryProxy } from './schema.ts';

/** Web servers, proxies and applications: one port of a host belongs to one of them. */
export function resolveAround(
  inventory: Inventory,
  names: Names,
  hosts: readonly Host[],
  findings: Findings,
): { webServers: WebServer[]; proxies: ReverseProxy[]; applications: Application[] } {
  const taken = new Map<string, string>();
  const take = (name: string, path: Path, members: readonly string[], port: number) => {
    for (const host of members) {
      const socket = `port ${port} of ${host}`;
      const other = taken.get(socket);
      if (other !== undefined)
        findings.add(path, 'INV-PORT-TAKEN', `${name} and ${other} both want ${socket}`, 'Give one another port.');
      taken.set(socket, name);
    }
  };
  const webServers = Object.entries(inventory.web_servers ?? {}).map(([name, said]): WebServer => {
    const path: Path = ['web_servers', name];
    const members = hostsOf(said.hosts, names, [...path, 'hosts'], findings);
    take(name, [...path, 'hosts'], members, said.port);
    const { software, port, index } = said;
    return { name, software, hosts: members, port, index, indexPlace: findings.document.textPlace([...path, 'index']) };
  });
  const proxies = Object.entries(inventory.proxies ?? {}).map(([name, said]) => {
    const proxy = resolveProxy(name, said, names, hosts, findings);
    take(name, ['proxies', name, 'hosts'], proxy.hosts, proxy.port);
    return proxy;
  });
  const applications = Object.entries(inventory.applications ?? {}).map(([name, said]) => {
    const application = resolveApplication(name, said, names, findings);
    take(name, ['applications', name, 'hosts'], application.hosts, application.port);
    return application;
  });
  return { webServers, proxies, applications };
}

/** Who may ask for the proxies' health is filled in by `withDirectors`, once the directors are known. */
function resolveProxy(
  name: string,
  said: InventoryProxy,
  names: Names,
  hosts: readonly Host[],
  findings: Findings,
): ReverseProxy {
  const path: Path = ['proxies', name];
  const members = hostsOf(said.hosts, names, [...path, 'hosts'], findings);
  const byHost = new Map<string, { at: Path; one: (typeof said.upstream.servers)[string] }>();
  // A host's own entry overrides its group's, wherever the two stand.
  const entries = Object.entries(said.upstream.servers);
  const isGroup = ([server]: readonly [string, unknown]) => names.groups.has(server);
  for (const [server, one] of [...entries.filter(isGroup), ...entries.filter((entry) => !isGroup(entry))]) {
    const at: Path = [...path, 'upstream', 'servers', server];
    for (const host of membersOf(server, names, at, 'key', findings)) {
      byHost.set(host, { at, one: { ...byHost.get(host)?.one, ...one } });
    }
  }
  const asking = askingFrom(hostsIn(hosts, members));
  const servers = [...byHost].flatMap(([host, { at, one }]) => {
    const address = addressTowards(hosts, host, asking);
    if (address === undefined) {
      noAddress(host, { path: at, of: 'key', says: `asked by ${name}` }, hosts, findings);
      return [];
    }
    return { host, address, port: one.port, weight: one.weight ?? 1, backup: one.backup ?? false };
  });
  if (said.upstream.method === 'ip_hash' && servers.some(({ backup }) => backup)) {
    findings.add(
      [...path, 'upstream', 'method'],
      'INV-NOT-IN-MODE',
      'ip_hash has no backup servers (nginx refuses them)',
      'Leave backup out, or use least_conn.',
    );
  }
  const allow = said.health_check?.allow;
  const listed = Array.isArray(allow)
    ? allow.flatMap((text, index) => {
        const cidr = parseCidr(text);
        if (cidr !== undefined) return cidrText(cidr);
        const address = parseAddress(text);
        if (address !== undefined) return address.address;
        findings.add(
          [...path, 'health_check', 'allow', index],
          'INV-BAD-ADDRESS',
          `“${text}” is no address and no network`,
          'Write 192.168.148.130 or 192.168.148.0/24.',
        );
        return [];
      })
    : [];
  return {
    name,
    software: said.software,
    hosts: members,
    port: said.port,
    ...(said.server_name === undefined ? {} : { serverName: said.server_name }),
    upstream: { method: said.upstream.method ?? 'round_robin', servers },
    ...(said.health_check === undefined ? {} : { healthCheck: { path: said.health_check.path, allow: listed } }),
  };
}

/** Told once, however many ask; and not where its interfaces are wrong, which is why it has none. */
function noAddress(name: string, asking: Also, hosts: readonly Host[], findings: Findings): void {
  const groups = hosts.find((host) => host.name === name)?.groups ?? [];
  const said: Path[] = [['hosts', name], ...groups.map((group): Path => ['groups', group]), ['defaults', 'host']];
  if (said.some((path) => findings.has([...path, 'interfaces']))) return;
  findings.add(
    ['hosts', name, 'interfaces'],
    'INV-NO-ADDRESS',
    `${name} has no address, and others ask it`,
    'Give one of its interfaces an address.',
    'key',
    asking,
  );
}

/** Where `allow` says nothing or `directors`: the addresses of the directors whose services these proxies stand behind. */
export function withDirectors(
  proxies: readonly ReverseProxy[],
  services: readonly Service[],
  hosts: readonly Host[],
): ReverseProxy[] {
  return proxies.map((proxy) => {
    if (proxy.healthCheck === undefined || proxy.healthCheck.allow.length > 0) return proxy;
    const directors = services
      .filter((service) => proxy.hosts.some((host) => isRealServer(service, host)))
      .flatMap((service) => service.directors);
    const allow = hostsIn(hosts, directors).flatMap((host) =>
      host.interfaces.flatMap((one) => one.addresses.map(({ address }) => address)),
    );
    return { ...proxy, healthCheck: { ...proxy.healthCheck, allow: [...new Set(allow)] } };
  });
}

/** Nobody could ask a proxy's health that only directors may ask, where there are none. */
export function checkAllowed(proxies: readonly ReverseProxy[], findings: Findings): void {
  for (const { name, healthCheck } of proxies) {
    if (healthCheck === undefined || healthCheck.allow.length > 0) continue;
    findings.add(
      ['proxies', name, 'health_check'],
      'INV-NO-DIRECTORS',
      `only directors may ask for the health of ${name}, and no service has its hosts as real servers`,
      'List who may ask under allow, or make the hosts real servers of a service.',
      'key',
    );
  }
}

/** Where hosts stand: their networks, each once, and the families that all with addresses have. */
interface Asking {
  networks: Cidr[];
  families: number[];
}

function askingFrom(hosts: readonly Host[]): Asking {
  const addresses = hosts.map((host) => host.interfaces.flatMap((one) => one.addresses));
  return {
    networks: [...new Map(addresses.flat().map((own) => [cidrText(networkOf(own)), own])).values()],
    families: [4, 6].filter((family) =>
      addresses.every((own) => own.length === 0 || own.some((one) => one.family === family)),
    ),
  };
}

/** The address by which some hosts reach another: one in a network of theirs, else one of a family that all of them have, else its first. */
function addressTowards(hosts: readonly Host[], name: string, { networks, families }: Asking): string | undefined {
  const own = hostIn(hosts, name)?.interfaces.flatMap((one) => one.addresses) ?? [];
  const near = own.find((address: Address) => networks.some((network) => holds(network, address)));
  const spoken = own.find(({ family }) => families.includes(family));
  return (near ?? spoken ?? own[0])?.address;
}

function resolveApplication(name: string, said: InventoryApplication, names: Names, findings: Findings): Application {
  const path: Path = ['applications', name];
  const { source } = said;
  return {
    name,
    software: said.software,
    source:
      source === undefined || source === 'package'
        ? { type: 'package' }
        : {
            type: 'archive',
            archive: archiveOf(source, [...path, 'source'], findings),
            java:
              source.java === undefined || source.java === 'package'
                ? 'package'
                : archiveOf(source.java, [...path, 'source', 'java'], findings),
          },
    hosts: hostsOf(said.hosts, names, [...path, 'hosts'], findings),
    port: said.port,
    pages: said.pages === undefined ? [] : readPages(said.pages, [...path, 'pages'], findings),
    ...(said.index === undefined
      ? {}
      : { index: { content: said.index, place: findings.document.textPlace([...path, 'index']) } }),
  };
}

/** An archive beside the inventory; its hash is compared now, before any host is asked. */
function archiveOf(said: { archive: string; sha256: string }, path: Path, findings: Findings): Archive {
  const file = besides(said.archive, [...path, 'archive'], findings);
  try {
    const found = sha256Of(file);
    if (found !== said.sha256) {
      findings.add(
        [...path, 'sha256'],
        'INV-ARCHIVE-SHA256',
        `${file} has another SHA-256: ${found}`,
        'Take the hash from where the archive was published: if it is this one, write it here; if not, fetch the archive again.',
      );
    }
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    findings.add(
      [...path, 'archive'],
      'INV-FILE-SOURCE',
      `the file ${file} can’t be read: ${why}`,
      'Correct the path (it is looked up beside the inventory) or the file.',
    );
  }
  return { file, sha256: said.sha256 };
}

/** SHA-256 of a file of any length, hex: a piece at a time. */
function sha256Of(file: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(1024 * 1024);
  const opened = openSync(file, 'r');
  try {
    for (let read = readSync(opened, piece); read > 0; read = readSync(opened, piece))
      hash.update(piece.subarray(0, read));
  } finally {
    closeSync(opened);
  }
  return hash.digest('hex');
}

function readPages(said: string, path: Path, findings: Findings): Application['pages'] {
  const folder = besides(said, path, findings);
  let entries: ReturnType<typeof list>;
  try {
    entries = list(folder);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    findings.add(
      path,
      'INV-FILE-SOURCE',
      `the folder ${folder} can’t be read: ${why}`,
      'Correct the path (it is looked up beside the inventory) or the folder.',
    );
    return [];
  }
  return entries.flatMap((relative) => {
    const content = readBeside(join(folder, relative), path, findings);
    return content === undefined ? [] : { path: relative, content };
  });
}

/** The files below a folder, by their paths from there. */
function list(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
