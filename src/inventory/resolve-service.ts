import { type Address, bits, notAHost } from './addresses.ts';
import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import { withDefaults } from './merge.ts';
import type { Host, Protocol, Service } from './model.ts';
import { anAddress } from './resolve-interface.ts';
import type { Inventory, InventoryService } from './schema.ts';
import { suggest, suggestion } from './suggest.ts';

/** A service whose names are not looked up yet. */
export interface NamedService {
  name: string;
  path: Path;
  vip: Address;
  protocol: Protocol;
  port: number;
  scheduler: string;
  directors: string[];
  weights: { host: string; weight: number }[];
}

/** Parses one service, defaults in, and checks what can be checked without the others. */
export function parseService(
  name: string,
  inventory: Inventory,
  known: { hosts: readonly string[]; pruned: ReadonlySet<string> },
  findings: Findings,
): NamedService | undefined {
  const path: Path = ['services', name];
  const own = inventory.services?.[name];
  if (own === undefined) return undefined;
  const said: InventoryService = withDefaults(inventory.defaults?.service, own);
  const sayer = (key: keyof InventoryService): Path =>
    own[key] === undefined ? ['defaults', 'service', key] : [...path, key];
  const missing = (['mode', 'protocol', 'port', 'scheduler', 'directors'] as const).filter(
    (key) => said[key] === undefined && ![path, ['defaults', 'service']].some((at) => isLeftOut(known.pruned, at, key)),
  );
  for (const key of missing) {
    findings.add(
      path,
      'INV-MISSING-KEY',
      `“${key}” is missing in ${path.join('.')}`,
      'Add it there or in defaults.service.',
      'key',
    );
  }
  if (said.mode !== undefined && said.mode !== 'dr') {
    findings.add(
      sayer('mode'),
      'INV-UNSUPPORTED',
      `mode ${said.mode} is not supported by this version of lvsctl`,
      'Use mode dr, or a version that has it.',
    );
  }
  if (said.arp === 'arptables') {
    findings.add(
      sayer('arp'),
      'INV-UNSUPPORTED',
      'arp: arptables is not supported by this version of lvsctl',
      'Use arp: sysctl.',
    );
  }
  const directors = said.directors ?? [];
  const listed = Array.isArray(own.directors) ? [...path, 'directors'] : ['defaults', 'service', 'directors'];
  for (const [index, host] of directors.entries()) checkHost(host, known.hosts, [...listed, index], 'value', findings);
  if (directors.length > 1) {
    findings.add(
      sayer('directors'),
      'INV-UNSUPPORTED',
      'several directors of one service need VRRP, which this version of lvsctl does not set up',
      'Name one director.',
    );
  }
  const weights = Object.entries(said.real_servers).map(([host, { weight = 1 }]) => ({ host, weight }));
  for (const { host } of weights) {
    const at = [...path, 'real_servers', host];
    checkHost(host, known.hosts, at, 'key', findings);
    if (directors.includes(host)) {
      findings.add(
        at,
        'INV-UNSUPPORTED',
        `${host} is director and real server of one service, which this version of lvsctl does not set up`,
        'Use another host for one of the two.',
        'key',
      );
    }
  }
  if (weights.length === 0 && !hasBelow(known.pruned, [...path, 'real_servers'])) {
    findings.add(
      [...path, 'real_servers'],
      'INV-NO-REAL-SERVER',
      'the service has no real server',
      'Name at least one.',
      'key',
    );
  }
  const vip = anAddress(said.vip, [...path, 'vip'], findings);
  const wrong = vip && notAHost({ ...vip, prefix: bits(vip.family) });
  if (wrong)
    findings.add(
      [...path, 'vip'],
      'INV-NOT-A-HOST-ADDRESS',
      `${said.vip} is ${wrong}, no VIP`,
      'Name an address that a host can have.',
    );
  if (!vip || !said.protocol || !said.port || !said.scheduler) return undefined;
  return { name, path, vip, protocol: said.protocol, port: said.port, scheduler: said.scheduler, directors, weights };
}

/** Whether a key, or one that was probably meant as it, was there and is wrong in itself. */
function isLeftOut(pruned: ReadonlySet<string>, path: Path, key: string): boolean {
  const start = `${path.join('\0')}\0`;
  return [...pruned].some((one) => {
    const rest = one.startsWith(start) ? one.slice(start.length) : '';
    return rest === key || (rest !== '' && suggest(rest, [key]) === key);
  });
}

function hasBelow(pruned: ReadonlySet<string>, path: Path): boolean {
  const start = path.join('\0');
  return [...pruned].some((one) => one === start || one.startsWith(`${start}\0`));
}

/** A finding where a name is no host's. */
export function checkHost(
  name: string,
  hosts: readonly string[],
  path: Path,
  of: 'key' | 'value',
  findings: Findings,
): void {
  if (!hosts.includes(name))
    findings.add(path, 'INV-UNKNOWN-NAME', `there is no host “${name}”`, suggestion(name, hosts), of);
}

/** Two services on one protocol, VIP and port. */
export function checkTwins(services: readonly NamedService[], findings: Findings): void {
  const first = new Map<string, NamedService>();
  for (const service of services) {
    const key = `${service.protocol} ${service.vip.address} port ${service.port}`;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, service);
    else {
      findings.add(
        service.path,
        'INV-DUPLICATE-SERVICE',
        `${service.name} and ${earlier.name} (${findings.line(earlier.path, 'key')}) are both on ${key}`,
        'Give one another VIP, port or protocol, or make them one service.',
        'key',
      );
    }
  }
}

/** Looks the hosts up and finds the address by which the director reaches each real server: the one on its own segment. */
export function resolveService(service: NamedService, hosts: readonly Host[], findings: Findings): Service {
  const director = hosts.find((host) => host.name === service.directors[0]);
  const { family } = service.vip;
  const facing = new Set(
    (director?.interfaces ?? [])
      .filter((one) => one.addresses.some((own) => own.family === family))
      .map((one) => one.segment),
  );
  const realServers = service.weights.flatMap(({ host: name, weight }) => {
    const host = hosts.find((one) => one.name === name);
    const shared = host?.interfaces.find(
      (one) => facing.has(one.segment) && one.addresses.some((own) => own.family === family),
    );
    const address = shared?.addresses.find((own) => own.family === family)?.address;
    if (address === undefined) {
      findings.add(
        [...service.path, 'real_servers', name],
        'INV-DIFFERENT-SEGMENT',
        `${name} has no IPv${family} address on a segment of the director ${director?.name}: in dr mode it must`,
        'Give both an address in one network, or another mode.',
        'key',
      );
      return [];
    }
    return [{ host: name, address, port: service.port, weight }];
  });
  const { name, vip, protocol, port, scheduler, directors } = service;
  return { name, mode: 'dr', vip, protocol, port, scheduler, directors, realServers, arp: 'sysctl' };
}
