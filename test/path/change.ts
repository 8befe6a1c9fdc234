import { parseCidr } from '../../src/inventory/addresses.ts';
import type { Cidr } from '../../src/inventory/model.ts';
import type { Device, Net, NetHost } from '../../src/path/net.ts';

/** Changes of a net, to be put one after the other. */
export type Change = (net: Net) => Net;

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no address with prefix`);
  return parsed;
}

/** Changes hosts by name; each name must be there. */
export function on(names: string | readonly string[], change: (host: NetHost) => NetHost): Change {
  const list = typeof names === 'string' ? [names] : names;
  return (net) => {
    for (const name of list) if (!net.hosts.some((host) => host.name === name)) throw new Error(`no host ${name}`);
    return { hosts: net.hosts.map((host) => (list.includes(host.name) ? change({ ...host }) : host)) };
  };
}

export const set =
  (values: Record<string, number>) =>
  (host: NetHost): NetHost => ({
    ...host,
    sysctls: {
      ...host.sysctls,
      ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)])),
    },
  });

export const conf = (device: string, values: Record<string, number>) =>
  set(Object.fromEntries(Object.entries(values).map(([name, value]) => [`net.ipv4.conf.${device}.${name}`, value])));

export const device =
  (name: string, change: (one: Device) => Device) =>
  (host: NetHost): NetHost => ({
    ...host,
    devices: host.devices.map((one) => (one.name === name ? change(one) : one)),
  });

export const give = (name: string, ...addresses: string[]) =>
  device(name, (one) => ({ ...one, addresses: [...one.addresses, ...addresses.map(cidr)] }));

export const take =
  (address: string) =>
  (host: NetHost): NetHost => ({
    ...host,
    devices: host.devices.map((one) => ({ ...one, addresses: one.addresses.filter((own) => own.address !== address) })),
  });

export const gateway =
  (via: string, name?: string) =>
  (host: NetHost): NetHost => ({
    ...host,
    routes: [
      {
        to: cidr('0.0.0.0/0'),
        via,
        device: name ?? host.routes[0]?.device ?? host.devices.find((one) => one.segment !== undefined)?.name ?? '',
        metric: 0,
      },
    ],
  });

export const noRoutes = (host: NetHost): NetHost => ({ ...host, routes: [] });

export const both =
  (...changes: ((host: NetHost) => NetHost)[]) =>
  (host: NetHost): NetHost =>
    changes.reduce((one, change) => change(one), host);
