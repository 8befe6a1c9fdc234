import { sorryServerOf } from '../inventory/derived.ts';
import type { Service, VirtualService } from '../inventory/model.ts';
import { type IpvsMatch, matchWords } from '../resources/ipvs-table.ts';
import type { Net } from './net.ts';

/**
 * The net while none of these services' real servers answers: directors send what comes to the sorry server, in the way
 * in which they sent it to the others (keepalived.conf(5), sorry_server_lvs_method). Pure.
 */
export function withoutRealServers(net: Net, services: readonly Service[]): Net {
  const sorry = new Map(
    services.flatMap((service) =>
      service.virtuals.flatMap((row) => {
        const found = sorryServerOf(service, row);
        return found === undefined ? [] : [[nameOf(row), found] as const];
      }),
    ),
  );
  return {
    hosts: net.hosts.map((host) => ({
      ...host,
      ipvs: host.ipvs.map((row) => {
        const found = sorry.get(matchWords(row.match).join(' '));
        const [first] = row.destinations;
        if (found === undefined || first === undefined) return row;
        const { address, port } = found;
        return { ...row, destinations: [{ ...first, address, port, weight: 1 }] };
      }),
    })),
  };
}

function nameOf({ match, family }: VirtualService): string {
  const named: IpvsMatch = match.by === 'fwmark' ? { protocol: 'fwmark', mark: match.mark, family } : match;
  return matchWords(named).join(' ');
}
