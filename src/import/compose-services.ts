/** Virtual services as an inventory's `services`, and the real servers behind them as its hosts. */
import type { Inventory, InventoryService } from '../inventory/schema.ts';
import type { Composing } from './compose.ts';
import type { ImportedReal, ImportedService } from './imported.ts';
import { unused } from './names.ts';

type Services = NonNullable<Inventory['services']>;

/** @param floating addresses that VRRP carries: their directors follow */
export function composeServices(composing: Composing, floating: ReadonlySet<string>): Services {
  const services: Services = {};
  const first = new Map<string, { host: string; service: ImportedService }>();
  for (const { name: host, services: own } of composing.imported) {
    for (const service of own) {
      const key = JSON.stringify(service.match);
      const earlier = first.get(key);
      if (earlier !== undefined) {
        compare(composing, earlier, { host, service }, floating);
        continue;
      }
      first.set(key, { host, service });
      addService(composing, services, host, service, floating);
    }
  }
  return services;
}

/** A service that another file has too: it should be the same, and have directors that share its VIP. */
function compare(
  { gaps }: Composing,
  earlier: { host: string; service: ImportedService },
  later: { host: string; service: ImportedService },
  floating: ReadonlySet<string>,
): void {
  const what = describe(later.service);
  const bare = ({ place: _place, notes: _notes, name: _name, reals, ...one }: ImportedService) =>
    // A script lies beside each of the files.
    JSON.stringify({ ...one, reals: reals.toSorted((a, b) => (a.address < b.address ? -1 : 1)) }).replace(
      /"script":"[^"]*\//g,
      '"script":"',
    );
  if (bare(earlier.service) !== bare(later.service)) {
    const words = `${what} differs between ${earlier.host} and ${later.host}`;
    gaps.add(later.service.place, words, `What ${earlier.host} has is written.`);
  }
  const { match } = later.service;
  if (earlier.host !== later.host && match.by === 'socket' && !floating.has(match.address)) {
    gaps.add(
      later.service.place,
      `${what} has several directors, and no VRRP instance carries its VIP`,
      `${earlier.host} alone is written as its director.`,
    );
  }
}

function describe({ match }: ImportedService): string {
  return match.by === 'fwmark' ? `fwmark ${match.mark}` : `${match.protocol} ${match.address} port ${match.port}`;
}

const WELL_KNOWN: Readonly<Record<string, string>> = {
  'tcp 80': 'http',
  'tcp 443': 'https',
  'tcp 25': 'smtp',
  'tcp 53': 'dns-tcp',
  'udp 53': 'dns',
  'tcp 22': 'ssh',
  'tcp 21': 'ftp',
  'tcp 3306': 'mysql',
  'tcp 5432': 'postgresql',
  'udp 5060': 'sip',
};

function addService(
  composing: Composing,
  services: Services,
  host: string,
  service: ImportedService,
  floating: ReadonlySet<string>,
): void {
  const { match } = service;
  if (match.by === 'fwmark') {
    draft(composing, host, service, match.mark);
    return;
  }
  const { protocol, address, port } = match;
  const name = unused(service.name ?? WELL_KNOWN[`${protocol} ${port}`] ?? `${protocol}-${port}`, services);
  services[name] = {
    mode: service.method.mode,
    vip: address,
    protocol,
    port,
    ...rest(composing, host, service, floating.has(address), port),
  };
  for (const text of service.notes) composing.notes.push({ path: ['services', name], text });
  if (service.reals.length === 0)
    composing.gaps.add(
      service.place,
      `${describe(service)} has no real server`,
      'An inventory’s service has one at least.',
    );
}

/** Which addresses and ports a mark stands for is said by the firewall that sets it, and by none of these files. */
function draft(composing: Composing, host: string, service: ImportedService, mark: number): void {
  composing.gaps.add(
    service.place,
    `fwmark ${mark}: which addresses and ports it stands for is not in the file`,
    'The service stands as a comment at the end: fill in vip and ports.',
  );
  composing.drafts.push({
    why: `fill in which address and ports the mark ${mark} stands for`,
    value: {
      [`mark-${mark}`]: {
        mode: service.method.mode,
        vip: '…',
        ports: ['…'],
        fwmark: mark,
        ...rest(composing, host, service, false, 0),
      },
    },
  });
}

function rest(
  composing: Composing,
  host: string,
  service: ImportedService,
  carried: boolean,
  port: number,
): Pick<InventoryService, 'real_servers'> & Partial<InventoryService> {
  const { persistence, method, sorry, check, gaps } = { ...service, gaps: composing.gaps };
  const six = service.reals.some(({ address }) => address.includes(':'));
  const all = six ? 128 : 32;
  const said: Partial<InventoryService> = { scheduler: service.scheduler as 'wrr' };
  if (service.flags.length > 0) said.scheduler_flags = service.flags as ['sh-port'];
  if (persistence !== undefined) {
    said.persistence_timeout = persistence.timeout;
    if (persistence.prefix !== undefined && persistence.prefix < all)
      said.persistence_netmask = six ? { ipv6: persistence.prefix } : { ipv4: persistence.prefix };
    if (persistence.engine !== undefined) said.persistence_engine = persistence.engine as 'sip';
  }
  if (service.onePacket) said.one_packet = true;
  if (!carried) said.directors = [host];
  if (method.mode === 'tun' && method.tunnel.type !== 'ipip') {
    const { tunnel } = method;
    said.tunnel = {
      type: tunnel.type,
      ...(tunnel.type === 'gue' ? { port: tunnel.port } : {}),
      ...(tunnel.checksum === 'none' ? {} : { checksum: tunnel.checksum }),
    };
  }
  const real = { real_servers: realServers(composing, service, port) };
  const needing = { sorry_server: sorry, quorum: service.quorum, hysteresis: service.hysteresis };
  for (const [key, value] of Object.entries(needing)) {
    if (value !== undefined && check === undefined)
      gaps.add(service.place, `${key} of ${describe(service)} is not in the inventory`, 'It needs a health check.');
  }
  const checked: Partial<InventoryService> = {};
  if (check !== undefined) {
    checked.health_check = check;
    if (sorry !== undefined)
      checked.sorry_server =
        sorry.port === undefined || sorry.port === port
          ? { address: sorry.address }
          : { address: sorry.address, port: sorry.port };
    if (service.quorum !== undefined) checked.quorum = service.quorum;
    if (service.hysteresis !== undefined) checked.hysteresis = service.hysteresis;
  }
  return { ...said, ...real, ...checked };
}

function realServers(composing: Composing, service: ImportedService, port: number): InventoryService['real_servers'] {
  const real: InventoryService['real_servers'] = {};
  for (const one of service.reals) {
    const own = one.port !== 0 && one.port !== port ? { port: one.port } : {};
    const said = {
      ...(one.weight === 1 ? {} : { weight: one.weight }),
      ...own,
      ...(one.upper === 0 ? {} : { upper_threshold: one.upper }),
      ...(one.lower === 0 ? {} : { lower_threshold: one.lower }),
    };
    const host = hostOf(composing, one);
    if (!Object.hasOwn(real, host)) real[host] = said;
    else if (service.method.mode === 'nat' && one.port !== 0) {
      // One host serves on several ports: an inventory's service names a host once.
      const twin = `${host}-${one.port}`;
      composing.hosts[twin] ??= { manage: 'none' };
      composing.notes.push({ path: ['hosts', twin], text: `${host} once more, for its port ${one.port}` });
      real[twin] = { ...said, address: one.address };
    } else {
      composing.gaps.add(service.place, `${one.address} stands twice in ${describe(service)}`, 'It is written once.');
    }
  }
  return real;
}

/** The host that has an address; one is added where the files tell of none. */
function hostOf({ hosts }: Composing, { address }: ImportedReal): string {
  const known = Object.entries(hosts).find(([, { interfaces }]) =>
    Object.values(interfaces ?? {}).some(({ addresses }) => addresses?.some((one) => one.startsWith(`${address}/`))),
  );
  if (known !== undefined) return known[0];
  let number = 1;
  while (Object.hasOwn(hosts, `rs${number}`)) number += 1;
  hosts[`rs${number}`] = {
    manage: 'none',
    interfaces: { eth0: { addresses: [`${address}/${address.includes(':') ? 64 : 24}`] } },
  };
  return `rs${number}`;
}
