import type { Cluster } from '../inventory/model.ts';
import { isRecord } from '../resources/holds.ts';
import type { Staged } from './order.ts';
import type { Warning } from './plan.ts';

/**
 * What a plan for some hosts alone (`--limit`, `--skip-unreachable`) can't put in order with the others: a real server
 * that gives the VIP up while its director may still send there, and a director that begins to send to one that nobody
 * has looked at. Pure.
 * @param read the hosts that the plan was made from
 */
export function halfMoves(cluster: Cluster, read: ReadonlySet<string>, staged: readonly Staged[]): Warning[] {
  return staged.flatMap(({ host, change }): Warning[] => {
    const warn = (text: string): Warning => ({ host, key: change.key, text });
    const { resource, before } = change;
    if (resource.kind === 'connection' && resource.device === 'lo') {
      const stays = listIn(change.after, 'surplus');
      const gone = listIn(before, 'surplus').filter((cidr) => !stays.includes(cidr));
      return cluster.services
        .filter(({ vips }) => vips.some(({ address }) => gone.some((cidr) => String(cidr).startsWith(`${address}/`))))
        .flatMap(({ name, directors }) => directors.filter((one) => !read.has(one)).map((one) => ({ name, one })))
        .map(({ name, one }) =>
          warn(`the VIP goes, and ${one} takes no part: it may go on sending requests of ${name}`),
        );
    }
    if (resource.kind === 'ipvs' && resource.state === 'present') {
      const there = listIn(before, 'destinations');
      const known = new Set(there.flatMap((one) => (isRecord(one) ? [one.address] : [])));
      return resource.destinations
        .filter(({ address, weight }) => weight > 0 && !known.has(address))
        .flatMap(({ address }) => hostOf(cluster, address) ?? [])
        .filter((name) => !read.has(name))
        .map((name) => warn(`${name} takes no part: requests will be sent to it whether or not it serves them`));
    }
    return [];
  });
}

/** The managed host that has a real server's address. */
function hostOf({ hosts }: Cluster, address: string): string | undefined {
  return hosts.find(
    (host) => host.managed && host.interfaces.some(({ addresses }) => addresses.some((one) => one.address === address)),
  )?.name;
}

function listIn(state: unknown, name: string): unknown[] {
  const list = isRecord(state) ? state[name] : undefined;
  return Array.isArray(list) ? list : [];
}
