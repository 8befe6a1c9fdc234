import type { Cluster } from '../inventory/model.ts';
import { FAMILIES } from '../platform/families.ts';
import { isRecord } from '../resources/holds.ts';
import { endpoint, type IpvsForwarding, type IpvsService } from '../resources/ipvs-table.ts';
import type { SeenHost } from './build.ts';
import type { Staged } from './order.ts';
import type { Warning } from './plan.ts';

/** What a plan can't do without losing requests, whatever its order, with what that costs. Pure. */
export function losses(cluster: Cluster, seen: readonly SeenHost[], staged: readonly Staged[]): Warning[] {
  return [
    ...staged.flatMap((one) => [...turnedServers(one), ...movedClients(one), ...applications(cluster, one)]),
    ...handovers(cluster, seen, staged),
    ...movedVips(cluster, staged),
  ];
}

function warningOf({ host, change }: Staged, text: string): Warning {
  return { host, key: change.key, text };
}

const WORDS = { gate: 'direct routing', masq: 'NAT', tunnel: 'a tunnel' } as const;

/** Real servers that stay and are sent to in another way: what is on its way comes back by the other one. */
function turnedServers(one: Staged): Warning[] {
  const [before, after] = [serviceIn(one.change.before), serviceIn(one.change.after)];
  if (one.change.kind !== 'ipvs' || before === undefined || after === undefined) return [];
  const old = new Map(before.destinations.map((each) => [endpoint(each), each]));
  const turned = after.destinations.flatMap((each) => {
    const was = old.get(endpoint(each));
    return was === undefined || was.method === each.method ? [] : [{ from: was.method, to: each.method }];
  });
  const [first] = turned;
  if (first === undefined) return [];
  const text = `${WORDS[first.from]} becomes ${WORDS[first.to]}: open connections are lost${refusedMeanwhile(first)}`;
  return [warningOf(one, text)];
}

/** From NAT to direct routing a server is out of the table until the kernel has forgotten the old ways (ipvs.ts). */
function refusedMeanwhile({ from, to }: Record<'from' | 'to', IpvsForwarding['method']>): string {
  const more = from === 'masq' && to === 'gate' ? ', and 10 s more' : '';
  return `, and requests fail until real servers and director agree${more}`;
}

const HASHING = ['sh', 'dh', 'mh'];

/** These schedulers send a client where its address says. */
function movedClients(one: Staged): Warning[] {
  const [before, after] = [serviceIn(one.change.before), serviceIn(one.change.after)];
  if (one.change.kind !== 'ipvs' || before === undefined || after === undefined) return [];
  const names = [before.scheduler, after.scheduler];
  if (before.scheduler === after.scheduler || !names.some((name) => HASHING.includes(name))) return [];
  return [
    warningOf(
      one,
      `the scheduler ${names.join(' becomes ')}: clients come to other real servers than before, and what one of them kept for them isn’t there`,
    ),
  ];
}

/** An application behind proxies is none of IPVS's real servers: nobody takes requests from it before it restarts. */
function applications(cluster: Cluster, one: Staged): Warning[] {
  const { host, stage, change } = one;
  const ends = change.ops.some(({ name }) => name === 'service_restart' || name === 'service_stop');
  if (change.kind !== 'service' || stage !== 'application' || !ends) return [];
  return cluster.proxies
    .filter(({ upstream }) => upstream.servers.some((server) => server.host === host))
    .map(({ name, upstream }) => {
      const others = new Set(upstream.servers.map((server) => server.host).filter((each) => each !== host));
      const meanwhile =
        others.size === 0 ? 'new ones fail until it answers again' : `the proxy ${name} passes new ones to the others`;
      return warningOf(one, `requests that it is serving then are lost; ${meanwhile}`);
    });
}

/**
 * What a destroy of some hosts costs those that stay: where a node goes, the moment until its peer has the VIP. A cluster
 * that goes as a whole has nothing to keep. Pure.
 */
export function handedOver(cluster: Cluster, seen: readonly SeenHost[], staged: readonly Staged[]): Warning[] {
  const given = new Set(seen.map(({ host }) => host.name));
  const left = cluster.vrrp.filter(({ nodes }) => nodes.some(({ host }) => !given.has(host)));
  const nodes = new Set(left.flatMap((group) => group.nodes.map(({ host }) => host)));
  return handovers(
    { ...cluster, vrrp: left },
    seen,
    staged.filter(({ host }) => nodes.has(host)),
  );
}

/** keepalived that ends, for a moment or for good, gives the VIPs up. */
function handovers(cluster: Cluster, seen: readonly SeenHost[], staged: readonly Staged[]): Warning[] {
  const units = new Map(seen.map(({ host, facts }) => [host.name, FAMILIES[facts.platform].keepalived.unit]));
  return staged
    .filter(({ host, change }) => change.key === `service ${units.get(host)}`)
    .filter(({ change }) => change.ops.some(({ name }) => name === 'service_restart' || name === 'service_stop'))
    .map((one) => {
      const peers = cluster.vrrp
        .filter(({ nodes }) => nodes.some((node) => node.host === one.host))
        .flatMap(({ nodes }) => nodes.filter((node) => node.host !== one.host));
      const best = Math.max(...peers.map(({ priority }) => priority));
      // keepalived.conf(5): what stops sends priority 0, and its peer takes over after its skew time.
      const text =
        peers.length === 0
          ? 'keepalived ends: what it held up is gone until it runs again'
          : `keepalived ends: if it is master then, nobody answers for ${((256 - best) / 256).toFixed(1)} s until its peer does${cut(cluster)}`;
      return warningOf(one, text);
    });
}

function cut({ ipvs }: Cluster): string {
  return ipvs.sync === undefined ? ', and open connections are cut' : '';
}

/** A VIP that no VRRP carries, from one director to another. */
function movedVips(cluster: Cluster, staged: readonly Staged[]): Warning[] {
  const vips = new Set(cluster.services.flatMap((service) => service.vips.map(({ address }) => address)));
  const links = staged.filter(({ change: { resource } }) => resource.kind === 'connection' && resource.device !== 'lo');
  return links.flatMap((one) =>
    difference(one, 'surplus')
      .filter((cidr) => vips.has(cidr.replace(/\/.*/, '')))
      .flatMap((cidr) => {
        const there = links.find((other) => other.host !== one.host && difference(other, 'missing').includes(cidr));
        return there === undefined
          ? []
          : [
              warningOf(
                one,
                `${cidr.replace(/\/.*/, '')} moves to ${there.host}: both have it for a moment, and open connections are cut`,
              ),
            ];
      }),
  );
}

/** What of a list in a connection's state goes with a change. */
function difference({ change }: Staged, name: string): string[] {
  const [before, after] = [change.before, change.after].map((state) => {
    const list = isRecord(state) ? state[name] : undefined;
    return Array.isArray(list) ? list.map(String) : [];
  });
  return (before ?? []).filter((each) => after?.includes(each) !== true);
}

function serviceIn(state: unknown): IpvsService | undefined {
  return isRecord(state) && Array.isArray(state.destinations) && typeof state.scheduler === 'string'
    ? { scheduler: state.scheduler, flags: [], destinations: state.destinations }
    : undefined;
}
