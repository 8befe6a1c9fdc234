import { holds } from './addresses.ts';
import { hostIn, serversOf } from './derived.ts';
import type { Findings } from './findings.ts';
import type { Cidr, Host, Service, VrrpGroup } from './model.ts';

/**
 * In nat mode replies must pass the director: a real server, or the sorry server, without a gateway gets the director's address on their
 * common network, with a pair the floating one there. What the inventory says stays as it says. Pure.
 */
export function withNatGateways(
  hosts: readonly Host[],
  services: readonly Service[],
  vrrp: readonly VrrpGroup[],
): Host[] {
  const candidatesOf = new Map<string, Cidr[]>();
  const groups = new Map(vrrp.map((group) => [group.name, group]));
  for (const service of services.filter(({ mode }) => mode === 'nat')) {
    const gateways = gatewaysOf(service, hosts, groups);
    for (const host of new Set(service.virtuals.flatMap((row) => serversOf(service, row).map(({ host }) => host))))
      candidatesOf.set(host, [...(candidatesOf.get(host) ?? []), ...gateways]);
  }
  return hosts.map((host) => {
    const candidates = candidatesOf.get(host.name);
    if (candidates === undefined) return host;
    return withGateway(withGateway(host, 4, candidates), 6, candidates);
  });
}

/** A server of a nat service without any way back: no gateway, none that follows, no route. */
export function checkNatGateways(hosts: readonly Host[], services: readonly Service[], findings: Findings): void {
  for (const service of services.filter(({ mode }) => mode === 'nat')) {
    for (const row of service.virtuals) {
      const { family, realServers } = row;
      for (const server of serversOf(service, row)) {
        const host = hostIn(hosts, server.host);
        if (host === undefined || !host.managed || hasWay(host, family)) continue;
        const real = realServers.some((one) => one === server);
        findings.add(
          ['services', service.name, ...(real ? ['real_servers', host.name] : ['sorry_server'])],
          'INV-NO-WAY-BACK',
          `${host.name} has no IPv${family} gateway and no network in common with its director, through which replies must pass`,
          'Give it a gateway that leads to the director, or use mode fullnat.',
          'key',
        );
      }
    }
  }
}

function hasWay({ interfaces }: Host, family: 4 | 6): boolean {
  return interfaces.some(
    ({ gateways, routes }) =>
      gateways[family === 4 ? 'v4' : 'v6'] !== undefined || routes.some(({ to }) => to.family === family),
  );
}

function withGateway(host: Host, family: 4 | 6, candidates: readonly Cidr[]): Host {
  const key = family === 4 ? 'v4' : 'v6';
  if (host.interfaces.some(({ gateways }) => gateways[key] !== undefined)) return host;
  for (const one of host.interfaces) {
    const found = candidates.find(
      (address) => address.family === family && one.addresses.some((own) => holds(own, address)),
    );
    if (found === undefined) continue;
    const interfaces = host.interfaces.map((each) =>
      each === one ? { ...each, gateways: { ...each.gateways, [key]: found.address } } : each,
    );
    return { ...host, interfaces };
  }
  return host;
}

/** The director's inside addresses: floating ones where a VRRP group carries the VIP. */
function gatewaysOf(service: Service, hosts: readonly Host[], groups: ReadonlyMap<string, VrrpGroup>): Cidr[] {
  const group = groups.get(service.vrrp?.group ?? '');
  if (group !== undefined) return group.instances.flatMap(({ addresses }) => addresses);
  return service.directors
    .flatMap((name) => hostIn(hosts, name) ?? [])
    .flatMap((host) => host.interfaces.flatMap(({ addresses }) => addresses));
}
