import type { Tunnel } from '../../src/inventory/model.ts';
import type { NetHost } from '../../src/path/net.ts';
import { caseOf, inventory, requestsOf } from './cases.ts';
import { both, type Change, cidr, conf, device, gateway, give, noRoutes, on, set, take } from './change.ts';
import type { Case } from './kernel.ts';

/** Broken (and some mended) variants of the inventories: what people get wrong, on a net that worked. */

const LOUD = { arp_ignore: 0, arp_announce: 0 };
const loud = both(conf('all', LOUD), conf('lo', LOUD));
const segmentOf = (host: string, name: string, from: string): string =>
  inventory(from)
    .net.hosts.find((one) => one.name === host)
    ?.devices.find((one) => one.name === name)?.segment ?? '';
const onto = (name: string, segment: string) => device(name, (one) => ({ ...one, segment }));
const lo = (vip: string, prefix: number) => both(take(vip), give('lo', `${vip}/${prefix}`));
const closed = (host: NetHost): NetHost => ({ ...host, filter: { ...host.filter, input: { accepts: [] } } });
const silent = (host: NetHost): NetHost => ({ ...host, listens: [] });
const forward =
  (how: NetHost['filter']['forward']) =>
  (host: NetHost): NetHost => ({
    ...host,
    filter: { ...host.filter, forward: how },
  });
const mtu = (name: string, bytes: number) => device(name, (one) => ({ ...one, mtu: bytes }));
const table =
  (change: (ipvs: NetHost['ipvs']) => NetHost['ipvs']) =>
  (host: NetHost): NetHost => ({
    ...host,
    ipvs: change(host.ipvs),
  });
const wrapped = (tunnel: Tunnel) =>
  table((rows) =>
    rows.map((row) => ({
      ...row,
      destinations: row.destinations.map((one) => ({ ...one, method: 'tunnel' as const, tunnel })),
    })),
  );
const ports = (port: number) =>
  table((rows) => rows.map((row) => ({ ...row, destinations: row.destinations.map((one) => ({ ...one, port })) })));
const weights = (weight: number, address?: string) =>
  table((rows) =>
    rows.map((row) => ({
      ...row,
      destinations: row.destinations.map((one) =>
        address === undefined || one.address === address ? { ...one, weight } : one,
      ),
    })),
  );
const unclamped = (host: NetHost): NetHost => ({ ...host, rules: host.rules.filter(({ rule }) => rule !== 'clamp') });
const neighbour =
  (name: string, address: string, mac: string) =>
  (host: NetHost): NetHost => ({
    ...host,
    neighbours: [...host.neighbours, { device: name, address, mac }],
  });

const REAL = ['web1', 'web2'];
const RS = ['rs1', 'rs2'];
const inside = segmentOf('web1', 'ens33', 'nat-two-nic');
const insideFull = segmentOf('web1', 'ens33', 'fullnat');
const inClientNet = (address: string, via?: string) =>
  both(
    device('ens33', (one) => ({ ...one, segment: inside, addresses: [cidr(address)] })),
    via === undefined ? noRoutes : gateway(via, 'ens33'),
  );

/** Inventory, what was done to it, the change. */
const VARIANTS: [string, string, Change][] = [
  ['nat-two-nic', 'no forwarding', on('lvs', set({ 'net.ipv4.ip_forward': 0 }))],
  ['nat-two-nic', 'no gateway', on(REAL, noRoutes)],
  ['nat-two-nic', 'a gateway that nobody has', on(REAL, gateway('192.168.10.99'))],
  ['nat-two-nic', 'one real server with another gateway', on('web2', gateway('192.168.10.13'))],
  ['nat-two-nic', 'a gateway outside every network', on(REAL, gateway('200.0.0.2'))],
  ['nat-two-nic', 'the gateway is the other real server', on(REAL, gateway('192.168.10.13'))],
  ['nat-two-nic', 'client in the real servers’ subnet', on('client', inClientNet('192.168.10.50/24', '192.168.10.12'))],
  ['nat-two-nic', 'client without a way to the VIP', on('client', inClientNet('192.168.10.50/24'))],
  ['nat-two-nic', 'VIP missing', on('lvs', both(take('200.0.0.2'), give('ens33', '200.0.0.3/24')))],
  [
    'nat-two-nic',
    'no rules',
    on(
      'lvs',
      table(() => []),
    ),
  ],
  ['nat-two-nic', 'every weight 0', on('lvs', weights(0))],
  ['nat-two-nic', 'one weight 0', on('lvs', weights(0, '192.168.10.13'))],
  ['nat-two-nic', 'nobody listens', on('web1', silent)],
  ['nat-two-nic', 'real servers at another port than said', on('lvs', ports(8080))],
  ['nat-two-nic', 'firewall of the director shut', on('lvs', closed)],
  ['nat-two-nic', 'firewall of a real server shut', on('web2', closed)],
  ['nat-two-nic', 'director forwards nothing through its firewall', on('lvs', forward('closed'))],
  ['nat-two-nic', 'stateful firewall, no conntrack of IPVS', on('lvs', forward('known'))],
  [
    'nat-two-nic',
    'stateful firewall, with conntrack of IPVS',
    on('lvs', both(forward('known'), set({ 'net.ipv4.vs.conntrack': 1 }))),
  ],
  ['nat-two-nic', 'small MTU on the inside', on('lvs', mtu('ens34', 1400))],
  ['nat-two-nic', 'jumbo frames at both ends alone', on(['client', ...REAL], mtu('ens33', 9000))],
  [
    'nat-two-nic',
    'strict filter on both interfaces',
    on('lvs', both(conf('ens33', { rp_filter: 1 }), conf('ens34', { rp_filter: 1 }))),
  ],
  [
    'nat-two-nic',
    'a real server has the director’s inside address',
    on('web2', both(take('192.168.10.14'), give('ens33', '192.168.10.12/24'))),
  ],
  ['nat-two-nic', 'inside cable in another switch', on('web2', onto('ens33', 'elsewhere'))],
  [
    'nat-one-arm',
    'redirects',
    on('lvs', both(conf('all', { send_redirects: 1 }), conf('ens33', { send_redirects: 1 }))),
  ],
  ['nat-one-arm', 'stateful firewall at the router', on('route', forward('known'))],
  ['nat-one-arm', 'redirects from all alone', on('lvs', conf('all', { send_redirects: 1 }))],
  [
    'nat-one-arm',
    'redirects that nobody takes',
    (net) =>
      on(
        REAL,
        both(conf('all', { accept_redirects: 0 }), conf('ens33', { accept_redirects: 0 })),
      )(on('lvs', conf('all', { send_redirects: 1 }))(net)),
  ],
  ['nat-one-arm', 'the gateway is the router', on(REAL, gateway('192.168.10.254'))],
  ['nat-one-arm', 'client’s gateway is wrong', on('client', gateway('200.0.0.253'))],
  ['nat-one-arm', 'router doesn’t forward', on('route', set({ 'net.ipv4.ip_forward': 0 }))],
  ['nat-keepalived', 'the gateway is the backup’s own address', on(REAL, gateway('192.168.10.3'))],
  ['nat-keepalived', 'the gateway is the master’s own address', on(REAL, gateway('192.168.10.2'))],
  [
    'nat-keepalived',
    'inside address at the other node',
    (net) => on('lvs2', give('ens34', '192.168.10.1/24'))(on('lvs1', take('192.168.10.1'))(net)),
  ],
  [
    'nat-keepalived',
    'two masters',
    on('lvs2', both(give('ens33', '200.0.0.100/32'), give('ens34', '192.168.10.1/24'))),
  ],
  ['fullnat', 'no conntrack of IPVS', on('lvs', set({ 'net.ipv4.vs.conntrack': 0 }))],
  ['fullnat', 'no masquerade', on('lvs', (host) => ({ ...host, rules: [] }))],
  [
    'fullnat',
    'no masquerade, but a gateway',
    (net) => on(REAL, gateway('192.168.10.12', 'ens33'))(on('lvs', (host) => ({ ...host, rules: [] }))(net)),
  ],
  [
    'fullnat',
    'client in the real servers’ subnet',
    on(
      'client',
      both(
        device('ens33', (one) => ({ ...one, segment: insideFull, addresses: [cidr('192.168.10.50/24')] })),
        gateway('192.168.10.12', 'ens33'),
      ),
    ),
  ],
  ['fullnat', 'no forwarding', on('lvs', set({ 'net.ipv4.ip_forward': 0 }))],
  ['dr-wrr', 'no ARP suppression', on(RS, loud)],
  [
    'dr-wrr',
    'no ARP suppression, static neighbour at the router',
    (net) => on('route', neighbour('ens33', '20.20.20.20', 'director:ens33'))(on(RS, loud)(net)),
  ],
  ['dr-wrr', 'static neighbour of a real server', on('route', neighbour('ens33', '20.20.20.20', 'rs1:ens34'))],
  ['dr-wrr', 'static neighbour of nobody', on('route', neighbour('ens33', '20.20.20.20', '02:00:00:00:77:77'))],
  ['dr-wrr', 'VIP missing on real servers', on(RS, take('20.20.20.20'))],
  ['dr-wrr', 'VIP missing on one', on('rs2', take('20.20.20.20'))],
  ['dr-wrr', 'VIP on the real servers’ wire', on(RS, both(take('20.20.20.20'), give('ens34', '20.20.20.20/32')))],
  ['dr-wrr', 'VIP with a /24 on lo', on(RS, lo('20.20.20.20', 24))],
  ['dr-wrr', 'VIP with a /1 on lo', on(RS, lo('20.20.20.20', 1))],
  ['dr-wrr', 'the gateway is the director', on(RS, gateway('30.30.30.20'))],
  [
    'dr-wrr',
    'the gateway is the director, which forwards',
    (net) => on('director', set({ 'net.ipv4.ip_forward': 1 }))(on(RS, gateway('30.30.30.20'))(net)),
  ],
  ['dr-wrr', 'no gateway', on(RS, noRoutes)],
  [
    'dr-wrr',
    'a real server behind the router',
    (net) =>
      on(
        'rs2',
        both(
          device('ens34', (one) => ({ ...one, segment: 'far', addresses: [cidr('50.0.0.2/24')] })),
          gateway('50.0.0.1'),
        ),
      )(
        on('route', (host) => ({
          ...host,
          devices: [...host.devices, { name: 'ens40', segment: 'far', mtu: 1500, addresses: [cidr('50.0.0.1/24')] }],
        }))(
          on(
            'director',
            table((rows) =>
              rows.map((row) => ({
                ...row,
                destinations: row.destinations.map((one) =>
                  one.address === '30.30.30.40' ? { ...one, address: '50.0.0.2' } : one,
                ),
              })),
            ),
          )(net),
        ),
      ),
  ],
  ['dr-wrr', 'client without gateway', on('client', noRoutes)],
  ['dr-wrr', 'router doesn’t forward', on('route', set({ 'net.ipv4.ip_forward': 0 }))],
  [
    'dr-wrr',
    'router with strict filter and no way to the VIP',
    on('route', both(take('20.20.20.254'), conf('ens33', { rp_filter: 1 }))),
  ],
  ['dr-wrr', 'strict filter at the director', on('director', conf('all', { rp_filter: 1 }))],
  ['dr-wrr', 'director without gateway, strict filter', on('director', both(noRoutes, conf('all', { rp_filter: 1 })))],
  ['dr-wrr', 'director without gateway, no filter', on('director', both(noRoutes, conf('ens33', { rp_filter: 0 })))],
  ['dr-wrr', 'rules to another port', on('director', ports(8080))],
  [
    'dr-wrr',
    'real servers listen at another port',
    on(RS, (host) => ({ ...host, listens: [{ protocol: 'tcp', ports: { first: 8080, last: 8080 } }] })),
  ],
  ['dr-wrr', 'VIP missing on the director', on('director', take('20.20.20.20'))],
  [
    'dr-wrr',
    'jumbo frames beyond a small router',
    (net) => on(['client', 'route'], both(mtu('ens33', 1400), mtu('ens38', 1400)))(net),
  ],
  ['dr-one-subnet', 'no ARP suppression', on(['lvs-real01', 'lvs-real02'], loud)],
  [
    'dr-one-subnet',
    'announced by the real servers',
    on(['lvs-real01', 'lvs-real02'], both(conf('all', { arp_announce: 0 }), conf('lo', { arp_announce: 0 }))),
  ],
  [
    'dr-one-subnet',
    'VIP on the real servers’ wire',
    on(['lvs-real01', 'lvs-real02'], both(take('192.168.148.161'), give('ens32', '192.168.148.161/32'))),
  ],
  ['dr-one-subnet', 'VIP with a /24 on lo', on(['lvs-real01', 'lvs-real02'], lo('192.168.148.161', 24))],
  [
    'dr-one-subnet',
    'silent by arptables',
    on(['lvs-real01', 'lvs-real02'], (host) => ({
      ...loud(host),
      silenced: [
        { address: '192.168.148.161', source: host.name === 'lvs-real01' ? '192.168.148.131' : '192.168.148.132' },
      ],
    })),
  ],
  ['dr-one-subnet', 'director shuts its firewall', on('lvs-server', closed)],
  ['dr-keepalived', 'two masters', on('lvs2', give('ens32', '192.168.148.161/32'))],
  ['dr-keepalived', 'real servers without gateway', on(REAL, noRoutes)],
  ['fwmark-multiport', 'no mark', on('director', (host) => ({ ...host, rules: [] }))],
  ['tun', 'no tunnel device', on(RS, (host) => ({ ...host, tunnels: [] }))],
  ['tun', 'no tunnel device on one', on('rs1', (host) => ({ ...host, tunnels: [] }))],
  ['tun', 'strict filter on all', on(RS, conf('all', { rp_filter: 1 }))],
  ['tun', 'loose filter on all', on(RS, conf('all', { rp_filter: 2 }))],
  ['tun', 'strict filter on tunl0', on(RS, conf('tunl0', { rp_filter: 1 }))],
  ['tun', 'VIP missing', on(RS, take('30.30.30.100'))],
  [
    'tun',
    'VIP on tunl0',
    on(RS, (host) => ({
      ...take('30.30.30.100')(host),
      devices: [
        ...take('30.30.30.100')(host).devices,
        { name: 'tunl0', mtu: 1480, addresses: [cidr('30.30.30.100/32')] },
      ],
    })),
  ],
  [
    'tun',
    'firewall without ipencap',
    on(RS, (host) => ({
      ...host,
      filter: {
        ...host.filter,
        input: { accepts: [{ rule: 'accept', protocol: 'tcp', ports: [{ first: 80, last: 80 }] }] },
      },
    })),
  ],
  [
    'tun',
    'firewall with ipencap',
    on(RS, (host) => ({
      ...host,
      filter: {
        ...host.filter,
        input: {
          accepts: [
            { rule: 'accept', protocol: 'tcp', ports: [{ first: 80, last: 80 }] },
            { rule: 'accept', protocol: 'ipip', from: ['30.30.30.20'] },
          ],
        },
      },
    })),
  ],
  ['tun', 'no clamp', on(RS, unclamped)],
  [
    'tun',
    'no clamp, and clients are not told',
    (net) => on('director', gateway('30.30.30.253'))(on(RS, unclamped)(net)),
  ],
  ['tun', 'router doesn’t forward', on('route', set({ 'net.ipv4.ip_forward': 0 }))],
  ['tun', 'director without gateway', on('director', noRoutes)],
  ['tun', 'real server without gateway', on('rs1', noRoutes)],
  ['tun', 'wrapped as GRE', on('director', wrapped({ type: 'gre', checksum: 'none' }))],
  ['tun', 'wrapped as GUE', on('director', wrapped({ type: 'gue', port: 6080, checksum: 'none' }))],
  [
    'minimal-dr',
    'director is a real server too',
    on(
      'lvs',
      both(
        table((rows) =>
          rows.map((row) => ({
            ...row,
            destinations: row.destinations.map((one) =>
              one.address === '192.0.2.11' ? { ...one, address: '192.0.2.10' } : one,
            ),
          })),
        ),
        (host) => ({ ...host, listens: [{ protocol: 'tcp', ports: { first: 80, last: 80 } }] }),
      ),
    ),
  ],
  ['minimal-dr', 'one address on two hosts', on('web2', both(take('192.0.2.12'), give('eth0', '192.0.2.11/24')))],
  ['dual-stack', 'real servers without the VIP', on(RS, both(take('10.20.0.100'), take('2001:db8:20::100')))],
  [
    'dual-stack',
    'VIP on the real servers’ wire',
    on('rs1', both(take('2001:db8:20::100'), give('eth0', '2001:db8:20::100/128'))),
  ],
];

export function variantCases(): Case[] {
  return VARIANTS.flatMap(([name, about, change]) => {
    const { cluster, net } = inventory(name);
    const changed = change(net);
    const [service] = cluster.services;
    if (service === undefined) throw new Error(`${name} has no service`);
    return requestsOf(service).map((request) =>
      caseOf(`${name}: ${about}${request.address.includes(':') ? ' (IPv6)' : ''}`, changed, request),
    );
  });
}
