import { hostNamed, hostWith } from '../inventory/derived.ts';
import type { Cluster, Service } from '../inventory/model.ts';
import { silentOwner } from './arp.ts';
import { clientsOf, judged } from './ask.ts';
import { netOf } from './build.ts';
import type { Fault } from './judge.ts';
import type { Net } from './net.ts';
import { withoutRealServers } from './sorry.ts';
import { walk } from './walk.ts';

/** A described client that gets no answer of a service, or none that it should rely on. */
export interface PathFinding {
  service: Service;
  client: string;
  /** The VIP that it asks. */
  address: string;
  /** The real server's host, where the packet got as far as to be given to one. */
  real?: string;
  fault: Fault;
  /** The host that has the address for which nobody answers, where it is told to answer nothing. */
  silent?: string;
}

/**
 * Whether the packets of each described client arrive at each service and their replies return: what doesn't, once for
 * each real server and for the sorry server, which gets them while no real server answers. Nothing where no client is
 * described. Pure.
 * @throws LvsctlError as `netOf` does
 */
export function pathFindings(cluster: Cluster, made?: Net): PathFinding[] {
  const clients = clientsOf(cluster);
  if (clients.length === 0 || cluster.services.length === 0) return [];
  const net = made ?? netOf(cluster);
  const sorry = cluster.services.filter(({ sorryServer }) => sorryServer?.host !== undefined);
  const without = sorry.length === 0 ? net : withoutRealServers(net, sorry);
  return clients.flatMap(({ name: client, interfaces }) =>
    cluster.services.flatMap((service) =>
      service.vips
        .filter(({ family }) => interfaces.some(({ addresses }) => addresses.some((own) => own.family === family)))
        .flatMap(({ address, family }) => [
          ...ofVip(cluster, net, client, service, address),
          ...(sorry.includes(service) && service.sorryServer?.family === family
            ? ofVip(cluster, without, client, service, address)
                .filter(({ fault }) => fault.given || fault.leg === 'reply')
                .map((one) => ({
                  ...one,
                  fault: { ...one.fault, why: `when no real server answers: ${one.fault.why}` },
                }))
            : []),
        ]),
    ),
  );
}

function ofVip(cluster: Cluster, net: Net, client: string, service: Service, address: string): PathFinding[] {
  const { protocol, ports } = service;
  if (hostNamed(cluster, client)?.interfaces.some((one) => one.addresses.some((own) => own.address === address)))
    return [];
  const ways = walk(net, { client, protocol, address, port: ports[0]?.first ?? 0 });
  const found = ways.flatMap((way): PathFinding[] => {
    const { fault, real } = judged(cluster, way, service);
    if (fault === undefined || isUnknown(cluster, fault)) return [];
    const silent = silentFor(net, fault);
    const owner = silent === undefined ? elsewhere(cluster, fault) : `; ${silent} has it, and its arp_ignore is 8`;
    const told = { ...fault, why: `${fault.why}${owner}` };
    return [
      {
        service,
        client,
        address,
        fault: told,
        ...(real === undefined ? {} : { real }),
        ...(silent === undefined ? {} : { silent }),
      },
    ];
  });
  return [...new Map(found.map((one) => [`${one.real} ${one.fault.reason}`, one])).values()];
}

function silentFor(net: Net, { reason, host, device, about }: Fault): string | undefined {
  if (reason !== 'no-arp-answer' || device === undefined || about === undefined) return undefined;
  return silentOwner(net, host, device, about)?.name;
}

/** Who has the address that nobody answers for, on another wire. */
function elsewhere({ hosts }: Cluster, { reason, about }: Fault): string {
  if (reason !== 'no-arp-answer') return '';
  const owner = hostWith(hosts, about ?? '');
  const at = owner?.interfaces.find(({ addresses }) => addresses.some(({ address }) => address === about));
  return owner === undefined || at === undefined ? '' : `; ${owner.name} has it, on segment ${at.segment}`;
}

/** Whoever isn't described may well answer: a gateway that nobody wrote down, say. */
function isUnknown({ hosts, vrrp, services }: Cluster, { reason, about }: Fault): boolean {
  if (reason !== 'no-arp-answer') return false;
  const is = ({ address }: { address: string }) => address === about;
  return !(
    hostWith(hosts, about ?? '') !== undefined ||
    vrrp.some(({ instances }) => instances.some(({ addresses }) => addresses.some(is))) ||
    services.some(({ vips }) => vips.some(is))
  );
}
