import { bits, holds, notAHost, parseAddress } from './addresses.ts';
import { hostIn } from './derived.ts';
import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import type { Host, Service } from './model.ts';
import type { NamedService } from './resolve-service.ts';
import type { InventoryService } from './schema.ts';

/** Seconds: 31 days is the longest that ipvsadm and keepalived take. */
export const LONGEST_IPVS_TIME = 2678400;

/** Whether IPVS can count so many seconds. Pure. */
export function isIpvsTime(seconds: number): boolean {
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_IPVS_TIME;
}

/** A mask that a service itself says for a family that it has no VIP of would count for nothing. */
export function checkMask(
  { persistence_netmask: mask }: InventoryService,
  { path, vips }: NamedService,
  findings: Findings,
): void {
  for (const family of [4, 6] as const) {
    if (mask?.[`ipv${family}`] === undefined || vips.some((vip) => vip.family === family)) continue;
    findings.add(
      [...path, 'persistence_netmask', `ipv${family}`],
      'INV-MIXED-FAMILIES',
      `a mask for IPv${family}, and no VIP is`,
      'Leave it out.',
      'key',
    );
  }
}

/** Where the rows of a service would send packets: to hosts, each once, that the mode can reach, and not back. */
export function checkRealServers(
  { mode, vips, virtuals, directors }: Service,
  real: NamedService['real'],
  hosts: readonly Host[],
  findings: Findings,
): void {
  const own = directors.flatMap((name) => hostIn(hosts, name) ?? []);
  for (const { host, path, said } of real) {
    const address = said.address === undefined ? undefined : parseAddress(said.address);
    if (address === undefined) continue;
    const at: Path = [...path, 'address'];
    const wrong = notAHost({ ...address, prefix: bits(address.family) });
    const director = own.find(({ interfaces }) =>
      interfaces.some((one) => one.addresses.some((each) => each.address === address.address)),
    );
    const networks = own.map(({ interfaces }) => interfaces.flatMap((one) => one.addresses));
    if (wrong) {
      findings.add(at, 'INV-NOT-A-HOST-ADDRESS', `${address.address} is ${wrong}, no real server`, 'Correct it.');
    } else if (!virtuals.some(({ family }) => family === address.family)) {
      findings.add(
        at,
        'INV-MIXED-FAMILIES',
        `the address of ${host} is IPv${address.family}, and no VIP is`,
        'Give it an address of the VIP’s family, or leave it out.',
      );
    } else if (vips.some((vip) => vip.address === address.address)) {
      findings.add(at, 'INV-LOCAL-NODE', `${address.address} is the VIP itself`, 'Give the real server’s own address.');
    } else if (director !== undefined) {
      findings.add(
        at,
        'INV-LOCAL-NODE',
        `${address.address} is the director ${director.name}’s own address`,
        'Give the real server’s own address.',
      );
    } else if (mode === 'dr' && networks.some((each) => each.length > 0 && !each.some((net) => holds(net, address)))) {
      findings.add(
        at,
        'INV-DIFFERENT-SEGMENT',
        `${address.address} is in no network of every director: in dr mode it must`,
        'Give an address in a network of the director’s, or another mode.',
      );
    }
  }
  const byHost = new Map(real.map((one) => [one.host, one]));
  const twins = new Set<string>();
  for (const { realServers } of virtuals) {
    const first = new Map<string, string>();
    for (const { host, address, port } of realServers) {
      const socket = `${address} ${port}`;
      const earlier = first.get(socket);
      const named = byHost.get(host);
      if (earlier !== undefined && named !== undefined && !twins.has(host)) {
        twins.add(host);
        findings.add(
          named.path,
          'INV-DUPLICATE-REAL-SERVER',
          `${host} and ${earlier} are one real server: both are ${address}`,
          'Leave one out, or give it an address of its own.',
          'key',
        );
      }
      first.set(socket, earlier ?? host);
    }
  }
}

/** In dr mode the sorry server has to be on a wire of each director, as real servers have. */
export function checkSorryServer(
  { name, mode, directors, sorryServer }: Service,
  hosts: readonly Host[],
  findings: Findings,
): void {
  if (sorryServer === undefined || mode !== 'dr') return;
  const { address, host } = sorryServer;
  const segment = hostIn(hosts, host ?? '')?.interfaces.find(({ addresses }) =>
    addresses.some((one) => one.address === address),
  )?.segment;
  for (const { name: director, interfaces } of directors.flatMap((one) => hostIn(hosts, one) ?? [])) {
    const near = interfaces.some((one) =>
      segment === undefined ? one.addresses.some((net) => holds(net, sorryServer)) : one.segment === segment,
    );
    if (near || interfaces.every(({ addresses }) => addresses.length === 0)) continue;
    const where = segment === undefined ? `no network of ${director}` : `no segment of ${director}`;
    findings.add(
      ['services', name, 'sorry_server', 'address'],
      'INV-DIFFERENT-SEGMENT',
      `the sorry server ${address} is on ${where}: in dr mode it must`,
      'Name a host on the director’s segment, or use another mode.',
    );
    return;
  }
}

/** What a mode, a scheduler or a protocol can't do: found before any host is touched. */
export function checkService(
  service: NamedService,
  said: InventoryService,
  sayer: (key: keyof InventoryService) => Path,
  findings: Findings,
): void {
  const { mode, scheduler, protocol, ports } = service;
  for (const flag of service.schedulerFlags) {
    const [owner = ''] = flag.split('-');
    if (owner === scheduler) continue;
    findings.add(
      sayer('scheduler_flags'),
      'INV-SCHEDULER-FLAG',
      `${flag} is a flag of ${owner}, and the scheduler is ${scheduler}`,
      `Leave it out, or use scheduler: ${owner}.`,
    );
  }
  if (service.onePacket && protocol !== 'udp') {
    findings.add(
      sayer('one_packet'),
      'INV-ONE-PACKET',
      `one-packet scheduling is for udp, and the protocol is ${protocol}`,
      'Leave it out, or use protocol: udp.',
    );
  }
  if (said.persistence_timeout === undefined) {
    for (const key of ['persistence_netmask', 'persistence_engine'] as const) {
      if (said[key] === undefined) continue;
      findings.add(
        sayer(key),
        'INV-NO-PERSISTENCE',
        `${key} without persistence_timeout`,
        'Add persistence_timeout.',
        'key',
      );
    }
  }
  const { persistence } = service;
  if (persistence !== undefined && !isIpvsTime(persistence.timeout)) {
    findings.add(
      sayer('persistence_timeout'),
      'INV-BAD-VALUE',
      `persistence is timed in whole seconds, from 1 to ${LONGEST_IPVS_TIME} (31 days)`,
      'Give whole seconds.',
    );
  }
  if (said.persistence_engine === 'sip' && protocol !== 'udp') {
    findings.add(
      sayer('persistence_engine'),
      'INV-BAD-VALUE',
      'sip tells clients apart over udp only',
      'Use protocol: udp.',
    );
  }
  if (said.tunnel !== undefined && mode !== 'tun') {
    findings.add(
      sayer('tunnel'),
      'INV-NOT-IN-MODE',
      `mode ${mode} has no tunnel`,
      'Leave it out, or use mode: tun.',
      'key',
    );
  }
  if (said.arp !== undefined && mode !== 'dr' && mode !== 'tun') {
    findings.add(
      sayer('arp'),
      'INV-NOT-IN-MODE',
      `in mode ${mode} no real server has the VIP, so none can answer ARP for it`,
      'Leave arp out.',
      'key',
    );
  }
  if (typeof service.arp === 'object' && service.vrrp !== undefined) {
    findings.add(
      sayer('arp'),
      'INV-STATIC-NEIGHBOUR-MOVES',
      'a static neighbour holds one MAC address, and a VIP that VRRP moves has another one each time',
      'Use arp: sysctl.',
      'key',
    );
  }
  const [only] = ports;
  for (const { path, said: one } of service.real) {
    if (one.port === undefined) continue;
    const rewritten =
      service.fwmark !== undefined || ports.length !== 1 || only?.first !== only?.last || one.port !== only?.first;
    if (rewritten && (mode === 'dr' || mode === 'tun')) {
      findings.add(
        [...path, 'port'],
        'INV-PORT-REWRITE',
        `mode ${mode} passes packets on as they are: the real server’s port can’t differ from the service’s`,
        'Leave it out, or use mode nat or fullnat.',
      );
    } else if (rewritten && ports.some(({ first, last }) => first !== last)) {
      findings.add(
        [...path, 'port'],
        'INV-PORT-REWRITE',
        'a range of ports can’t become one port',
        'Leave it out: each port is passed on as it is.',
      );
    }
  }
  if (service.real.length > 0 && service.real.every(({ said: one }) => one.weight === 0)) {
    findings.add(
      [...service.path, 'real_servers'],
      'INV-NO-WEIGHT',
      'every real server has weight 0: nobody would be answered',
      'Give at least one a weight.',
      'key',
    );
  }
  checkKeepalived(service, said, sayer, findings);
  for (const { path, said: one, host } of service.real) {
    const { upper_threshold: upper = 0, lower_threshold: lower = 0 } = one;
    if (lower > upper) {
      findings.add(
        [...path, 'lower_threshold'],
        'INV-THRESHOLDS',
        upper === 0
          ? `${host} has a lower threshold and no upper one`
          : `the lower threshold of ${host} (${lower}) is above the upper one (${upper})`,
        'Give it an upper_threshold that is at least as high.',
      );
    }
  }
}

/** What only keepalived does, and only with something to go by. */
function checkKeepalived(
  { healthCheck, vips, mode, ports, real }: NamedService,
  said: InventoryService,
  sayer: (key: keyof InventoryService) => Path,
  findings: Findings,
): void {
  for (const key of ['sorry_server', 'quorum', 'hysteresis'] as const) {
    if (said[key] === undefined || said.health_check !== undefined) continue;
    findings.add(
      sayer(key),
      'INV-NEEDS-HEALTH-CHECK',
      `${key} without a health check: no real server would ever count as down`,
      'Add health_check, or leave it out.',
      'key',
    );
  }
  const sorry = said.sorry_server;
  const [only] = ports;
  if (
    sorry?.port !== undefined &&
    (mode === 'dr' || mode === 'tun') &&
    (ports.length !== 1 || only?.first !== only?.last || sorry.port !== only?.first)
  ) {
    findings.add(
      [...sayer('sorry_server'), 'port'],
      'INV-PORT-REWRITE',
      `mode ${mode} passes packets on as they are: the sorry server’s port can’t differ from the service’s`,
      'Leave it out.',
    );
  }
  const address = sorry && parseAddress(sorry.address);
  if (address && vips.some((vip) => vip.address === address.address)) {
    findings.add(
      [...sayer('sorry_server'), 'address'],
      'INV-LOCAL-NODE',
      `the sorry server’s address ${address.address} is the VIP itself`,
      'Give it the address of a host.',
    );
  }
  if (address && !vips.some(({ family }) => family === address.family)) {
    findings.add(
      [...sayer('sorry_server'), 'address'],
      'INV-MIXED-FAMILIES',
      `the sorry server’s address is IPv${address.family}, and no VIP is`,
      'Give it an address of the VIP’s family.',
    );
  }
  const weights = real.reduce((sum, { said: one }) => sum + (one.weight ?? 1), 0);
  if (healthCheck !== undefined && said.quorum !== undefined && real.length > 0 && said.quorum > weights) {
    findings.add(
      sayer('quorum'),
      'INV-QUORUM',
      `a quorum of ${said.quorum} is never reached: all weights together are ${weights}`,
      'Lower it, or raise the weights.',
    );
  }
  if (said.hysteresis !== undefined && said.hysteresis >= (said.quorum ?? 1)) {
    findings.add(
      sayer('hysteresis'),
      'INV-QUORUM',
      `a hysteresis of ${said.hysteresis} is not below the quorum of ${said.quorum ?? 1}`,
      'Lower it, or raise the quorum.',
    );
  }
}
