/** A virtual service whose real servers a checker (keepalived) takes out and puts back. */
import { byEndpoint, endpoint, type IpvsDestination, type IpvsService } from './ipvs-table.ts';

/** What the checker may do to the table by itself. */
export interface IpvsChecker {
  /** A failed server stays, with weight 0; otherwise it is missing. */
  inhibit: boolean;
  /** Weights are the checks' own results. */
  dynamic: boolean;
  /** Stands in the table while no other server does. */
  sorryServer?: { address: string; port: number };
}

/**
 * The nearest state to the live one that is as asked for: what differs from it can't be the checker's doing. A missing
 * service or server stays missing: adding it is the checker's matter, and so is the time. Pure.
 */
export function permitted(wanted: IpvsService, live: IpvsService | null, checker: IpvsChecker): IpvsService | null {
  if (live === null) return null;
  const asked = new Map(wanted.destinations.map((each) => [endpoint(each), each]));
  const sorry = checker.sorryServer === undefined ? undefined : endpoint(checker.sorryServer);
  const destinations = live.destinations.flatMap((there): IpvsDestination[] => {
    const each = asked.get(endpoint(there));
    if (each === undefined) return endpoint(there) === sorry ? [there] : [];
    const own = checker.dynamic || (checker.inhibit && there.weight === 0);
    return [own ? { ...each, weight: there.weight } : each];
  });
  return { scheduler: wanted.scheduler, flags: wanted.flags, destinations: destinations.sort(byEndpoint) };
}
