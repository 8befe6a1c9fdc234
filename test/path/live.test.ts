import { describe, expect, it } from 'vitest';
import type { Host } from '../../src/inventory/model.ts';
import type { Link } from '../../src/observed/observed.ts';
import { parseObserved } from '../../src/observed/parse.ts';
import { type Live, liveNet } from '../../src/path/live.ts';
import { macOf, type Net, type NetHost } from '../../src/path/net.ts';
import { walk } from '../../src/path/walk.ts';
import { definitionWords, destinationWords, matchWords } from '../../src/resources/ipvs-table.ts';
import { DEBIAN } from '../resources/facts.ts';
import { inventory, plainCases } from './cases.ts';
import { verdictOf } from './compare.ts';
import { variantCases } from './variants.ts';

// What a host of a net would answer, read back as a host of a net: the same ways.

/** The MAC that a device would really have. */
const mac = (host: string, device: string): string => {
  const name = [...macOf(host, device)].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 0xffffff, 7);
  return `02:00:00:${(name.toString(16).padStart(6, '0').match(/../gu) ?? []).join(':')}`;
};

/** The host's own text, as its programs print it. */
function answers(host: NetHost, net: Net): Parameters<typeof parseObserved>[1] {
  const tunnels = host.tunnels.map((one, at) => {
    if (one.type === 'gue') return '';
    const detail =
      one.type === 'module'
        ? one.any
          ? 'ip6tnl any remote any'
          : 'ipip any remote any'
        : `${one.type} remote any local ${one.local}`;
    return `${at + 50}: ${one.device}@NONE: <NOARP,UP> mtu 1480\\    link/ipip 0.0.0.0\\    ${detail}`;
  });
  const known = new Map(
    net.hosts.flatMap((each) => each.devices.map(({ name }) => [macOf(each.name, name), mac(each.name, name)])),
  );
  const route = (family: 4 | 6) =>
    host.routes
      .filter(({ to }) => to.family === family)
      .map(
        ({ to, via, device, metric }) =>
          `${to.prefix === 0 ? 'default' : `${to.address}/${to.prefix}`} via ${via} dev ${device} proto static metric ${metric} `,
      );
  const parts: Record<string, string[]> = {
    link: [
      ...host.devices
        .filter(({ name }) => !host.tunnels.some((one) => 'device' in one && one.device === name))
        .map(
          ({ name, mtu }, at) =>
            `${at + 1}: ${name}: <BROADCAST,UP,LOWER_UP> mtu ${mtu}\\    link/ether ${mac(host.name, name)} brd ff:ff:ff:ff:ff:ff`,
        ),
      ...tunnels,
    ],
    addr: host.devices.flatMap(({ name, addresses }, at) =>
      addresses.map(
        ({ address, prefix, family }) =>
          `${at + 1}: ${name}    ${family === 4 ? 'inet' : 'inet6'} ${address}/${prefix} scope global ${name}`,
      ),
    ),
    'route 4': route(4),
    'route 6': route(6),
    sysctls: Object.entries(host.sysctls).map(
      ([name, value]) => `./${name.replace(/[./]/gu, (char) => (char === '.' ? '/' : '.'))}:${value}`,
    ),
    neighbour: host.neighbours.map(
      ({ device, address, mac: lladdr }) => `${address} dev ${device} lladdr ${known.get(lladdr) ?? lladdr} PERMANENT`,
    ),
    fou: host.tunnels.flatMap((one) =>
      one.type === 'gue' ? [`port ${one.port} gue${one.family === 6 ? ' -6' : ''}`] : [],
    ),
    ipvs: [
      ...host.ipvs.flatMap(({ match, destinations }) => [
        ['-A', ...matchWords(match), ...definitionWords({ scheduler: 'rr', flags: [] })].join(' '),
        ...destinations.map((one) => ['-a', ...matchWords(match), ...destinationWords(one)].join(' ')),
      ]),
      'IP Virtual Server version 1.2.1 (size=4096)',
    ],
    arptables: [
      'Chain INPUT (policy ACCEPT)',
      ...host.silenced.map(({ address }) => `-j DROP -d ${address} `),
      'Chain OUTPUT (policy ACCEPT)',
      ...host.silenced.map(({ address, source }) => `-j mangle -s ${address} --mangle-ip-s ${source} `),
    ],
    listen: host.listens.flatMap(({ protocol, ports }) =>
      ports.last - ports.first > 100
        ? []
        : Array.from(
            { length: ports.last - ports.first + 1 },
            (_, at) => `${protocol} LISTEN 0 511 0.0.0.0:${ports.first + at} 0.0.0.0:*`,
          ),
    ),
  };
  return Object.entries(parts).map(([words, lines]) => ({ words: words.split(' '), text: `${lines.join('\n')}\n` }));
}

function read(net: Net, host: NetHost): Live {
  const seen = parseObserved(host.name, answers(host, net), DEBIAN);
  // The model's devices of tunnels may have addresses and sizes of their own.
  for (const { name, mtu } of host.devices) {
    const link: Link | undefined = seen.links.get(name);
    if (link !== undefined) seen.links.set(name, { ...link, mtu });
  }
  const interfaces = host.devices.map(({ name, segment }) => ({ name, segment, link: { type: 'ethernet' } }));
  return { host: { name: host.name, interfaces } as unknown as Host, seen };
}

/** The net with all of its hosts read. */
const observed = (net: Net): Net =>
  liveNet(
    net,
    net.hosts.map((host) => read(net, host)),
  );

describe('a net that is read from its hosts', () => {
  it.each([...plainCases(), ...variantCases()].map((one) => [one.name, one] as const))('%s: the same end', (_, one) => {
    expect(verdictOf({ ...one, net: observed(one.net) })).toBe(verdictOf(one));
  });

  it('hosts that were not read are as they are described', () => {
    const { net } = inventory('nat-two-nic');
    const [client, ...others] = net.hosts;
    expect(liveNet(net, []).hosts).toEqual([client, ...others]);
  });

  it('what a host really has counts, whatever is described', () => {
    const { net, cluster } = inventory('nat-two-nic');
    const [service] = cluster.services;
    const lvs = net.hosts.find(({ name }) => name === service?.directors[0]);
    if (lvs === undefined || service === undefined) throw new Error('no director');
    const live = read(net, lvs);
    live.seen.sysctls.set('net/ipv4/ip_forward', '0');
    for (const device of live.seen.links.keys()) live.seen.sysctls.set(`net/ipv4/conf/${device}/forwarding`, '0');
    const request = { client: 'client', protocol: 'tcp', address: service.vips[0]?.address ?? '', port: 80 } as const;
    expect(walk(liveNet(net, [live]), request).map(({ end }) => ('reason' in end ? end.reason : 'answered'))).toEqual(
      walk(net, request).map(() => 'no-forwarding'),
    );
  });
});
