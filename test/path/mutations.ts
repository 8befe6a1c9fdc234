import type { Net, NetHost } from '../../src/path/net.ts';
import { caseOf, inventory, NAMES, requestsOf } from './cases.ts';
import { type Change, cidr, conf, device, give, on, set, take } from './change.ts';
import type { Case } from './kernel.ts';

/** Changes by chance, the same for the same seed. */

/** Numbers from 0 to below 1: mulberry32. */
function numbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

type Pick = <T>(list: readonly T[]) => T;

/** One change of a host: its name and what it does; none where the host gives no occasion for it. */
type Mutation = (
  pick: Pick,
  net: Net,
  host: NetHost,
) => { about: string; change: (host: NetHost) => NetHost } | undefined;

const wired = (host: NetHost) => host.devices.filter(({ segment }) => segment !== undefined);
const own = (host: NetHost) =>
  host.devices.flatMap(({ name, addresses }) =>
    addresses.filter(({ family, address }) => family === 4 && address !== '127.0.0.1').map((one) => ({ name, ...one })),
  );

const MUTATIONS: Mutation[] = [
  (pick, _, host) => {
    const addresses = own(host);
    if (addresses.length === 0) return undefined;
    const { address } = pick(addresses);
    return { about: `without ${address}`, change: take(address) };
  },
  (_, __, host) =>
    host.routes.length === 0 ? undefined : { about: 'without routes', change: (one) => ({ ...one, routes: [] }) },
  (pick, net, host) => {
    const one = pick(wired(host));
    const via = pick(net.hosts.flatMap(own)).address;
    const to = cidr('0.0.0.0/0');
    return {
      about: `gateway ${via}`,
      change: (each) => ({ ...each, routes: [{ to, via, device: one.name, metric: 0 }] }),
    };
  },
  (_, __, host) => {
    const value = host.sysctls['net.ipv4.ip_forward'] === '1' ? 0 : 1;
    return { about: `ip_forward ${value}`, change: set({ 'net.ipv4.ip_forward': value }) };
  },
  (pick, _, host) => {
    const name = pick(['all', ...wired(host).map((one) => one.name)]);
    const value = pick([0, 1, 2]);
    return { about: `rp_filter ${value} on ${name}`, change: conf(name, { rp_filter: value }) };
  },
  (pick, _, host) => {
    const name = pick(['all', ...wired(host).map((one) => one.name)]);
    const value = pick([0, 1, 2]);
    return { about: `arp_ignore ${value} on ${name}`, change: conf(name, { arp_ignore: value }) };
  },
  (pick) => {
    const value = pick([0, 1, 2]);
    return { about: `arp_announce ${value} on all`, change: conf('all', { arp_announce: value }) };
  },
  (pick, _, host) => {
    const addresses = own(host);
    if (addresses.length === 0) return undefined;
    const { name, address } = pick(addresses);
    const prefix = pick([16, 23, 25, 28, 32]);
    return {
      about: `${address}/${prefix}`,
      change: device(name, (one) => ({
        ...one,
        addresses: one.addresses.map((each) => (each.address === address ? { ...each, prefix } : each)),
      })),
    };
  },
  (pick, _, host) => {
    const addresses = own(host);
    if (addresses.length === 0) return undefined;
    const { address, prefix } = pick(addresses);
    const name = pick(host.devices).name;
    return {
      about: `${address} moved to ${name}`,
      change: (one) => give(name, `${address}/${prefix}`)(take(address)(one)),
    };
  },
  (pick, net, host) => {
    const one = pick(wired(host));
    const segment = pick([...net.hosts.flatMap(wired).map((each) => each.segment ?? ''), 'nowhere']);
    return { about: `${one.name} on wire ${segment}`, change: device(one.name, (each) => ({ ...each, segment })) };
  },
  (pick, _, host) => {
    const one = pick(wired(host));
    const mtu = pick([1280, 1400, 9000]);
    return { about: `MTU ${mtu} on ${one.name}`, change: device(one.name, (each) => ({ ...each, mtu })) };
  },
  (_, __, host) =>
    host.tunnels.length === 0 ? undefined : { about: 'no tunnel', change: (one) => ({ ...one, tunnels: [] }) },
  (pick, _, host) => {
    const destinations = host.ipvs.flatMap((row) => row.destinations);
    if (destinations.length === 0) return undefined;
    const { address } = pick(destinations);
    return {
      about: `weight 0 of ${address}`,
      change: (one) => ({
        ...one,
        ipvs: one.ipvs.map((row) => ({
          ...row,
          destinations: row.destinations.map((each) => (each.address === address ? { ...each, weight: 0 } : each)),
        })),
      }),
    };
  },
  (pick, net, host) => {
    const address = pick(net.hosts.flatMap(own));
    const name = pick(wired(host)).name;
    return { about: `${address.address} too`, change: give(name, `${address.address}/${address.prefix}`) };
  },
  (pick, _, host) => {
    const how = pick(['open', 'known', 'closed'] as const);
    return { about: `forwards: ${how}`, change: (one) => ({ ...one, filter: { ...host.filter, forward: how } }) };
  },
  () => ({ about: 'firewall shut', change: (one) => ({ ...one, filter: { ...one.filter, input: { accepts: [] } } }) }),
  (pick) => {
    const value = pick([0, 1]);
    return { about: `vs.conntrack ${value}`, change: set({ 'net.ipv4.vs.conntrack': value }) };
  },
  (_, __, host) =>
    host.rules.length === 0 ? undefined : { about: 'no rules of traffic', change: (one) => ({ ...one, rules: [] }) },
];

/** Nets with one or two changes each. */
export function randomCases(count: number, from = 1): Case[] {
  return Array.from({ length: count }, (_, index) => {
    const next = numbers(from + index);
    const pick: Pick = (list) => {
      const found = list[Math.floor(next() * list.length)];
      if (found === undefined) throw new Error('nothing to choose from');
      return found;
    };
    const name = pick(NAMES);
    const { cluster, net } = inventory(name);
    const service = pick(cluster.services.filter(({ protocol }) => protocol === 'tcp'));
    const request = pick(requestsOf(service));
    let changed = net;
    const said: string[] = [];
    for (const wanted = pick([1, 1, 2]); said.length < wanted; ) {
      const host = pick(changed.hosts);
      if (wired(host).length === 0) continue;
      const mutation = pick(MUTATIONS)(pick, changed, host);
      if (mutation === undefined) continue;
      const change: Change = on(host.name, mutation.change);
      changed = change(changed);
      said.push(`${host.name} ${mutation.about}`);
    }
    return caseOf(`${from + index} ${name}: ${said.join('; ')}`, changed, request);
  });
}
