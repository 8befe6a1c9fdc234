import type { Problem } from '../errors/index.ts';
import type { Path, SourceDocument } from './document.ts';
import { type Findings, makeFindings } from './findings.ts';
import type { Cluster, Host, WebServer } from './model.ts';
import { resolveHost } from './resolve-host.ts';
import { checkHost, checkTwins, parseService, resolveService } from './resolve-service.ts';
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
  const findings = makeFindings(document);
  const hosts = Object.keys(inventory.hosts).map((name) => resolveHost(name, inventory, findings));
  const known = { hosts: hostNames(document), pruned: left };
  const services = Object.keys(inventory.services ?? {}).flatMap(
    (name) => parseService(name, inventory, known, findings) ?? [],
  );
  checkTwins(services, findings);
  const vips = new Map(services.map((service) => [service.vip.address, [...service.path, 'vip'] satisfies Path]));
  checkAddresses(hosts, vips, findings);
  const webServers = resolveWebServers(inventory, known.hosts, findings);
  if (findings.problems.length > 0 || left.size > 0) return { problems: findings.problems };
  const placed = withSegments(hosts);
  const resolved = services.map((service) => resolveService(service, placed, findings));
  if (findings.problems.length > 0) return { problems: findings.problems };
  const cluster: Cluster = { name: inventory.name, file: document.file, hosts: placed, services: resolved, webServers };
  return { cluster, problems: [] };
}

/** The names of all hosts that the file describes, also of those that are wrong in some way. */
function hostNames(document: SourceDocument): string[] {
  const value = document.value;
  if (typeof value !== 'object' || value === null || !('hosts' in value)) return [];
  return typeof value.hosts === 'object' && value.hosts !== null ? Object.keys(value.hosts) : [];
}

/** One address stands on one interface, and a VIP on none. */
function checkAddresses(hosts: readonly Host[], vips: ReadonlyMap<string, Path>, findings: Findings): void {
  const first = new Map<string, { who: string; path: Path }>();
  for (const host of hosts) {
    for (const one of host.interfaces) {
      one.addresses.forEach((own, position) => {
        const path: Path = ['hosts', host.name, 'interfaces', one.name, 'addresses', position];
        const who = `${host.name}’s ${one.name}`;
        const earlier = first.get(own.address);
        const vip = vips.get(own.address);
        if (earlier !== undefined) {
          findings.add(
            path,
            'INV-DUPLICATE-ADDRESS',
            `${own.address} stands on ${earlier.who} too (${findings.line(earlier.path)})`,
            'Give one of them another address.',
          );
        } else if (vip !== undefined) {
          findings.add(
            path,
            'INV-DUPLICATE-ADDRESS',
            `${own.address} is a VIP (${findings.line(vip)}): lvsctl puts it where it belongs`,
            'Leave it out here, or choose another VIP.',
          );
        }
        first.set(own.address, earlier ?? { who, path });
      });
    }
  }
}

function resolveWebServers(inventory: Inventory, hosts: readonly string[], findings: Findings): WebServer[] {
  const taken = new Map<string, string>();
  return Object.entries(inventory.web_servers ?? {}).map(([name, said]) => {
    said.hosts.forEach((host, index) => {
      const path: Path = ['web_servers', name, 'hosts', index];
      checkHost(host, hosts, path, 'value', findings);
      const socket = `port ${said.port} of ${host}`;
      const other = taken.get(socket);
      if (other !== undefined) {
        findings.add(path, 'INV-PORT-TAKEN', `${name} and ${other} both want ${socket}`, 'Give one another port.');
      }
      taken.set(socket, name);
    });
    const { software, port, index } = said;
    return {
      name,
      software,
      hosts: said.hosts,
      port,
      index,
      indexPlace: findings.document.textPlace(['web_servers', name, 'index']),
    };
  });
}
