/** What an inventory says of VIPs, VRRP and virtual services. */
import { Type } from '@sinclair/typebox';
import { closed, duration, hostList, list, NAME, named, port, Secret, text, words } from './schema-parts.ts';
import { MODES, PROTOCOLS, SCHEDULER_FLAGS, SCHEDULERS } from './words.ts';

const DEVICE = '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$';
const count = (description: string, maximum: number, examples: number[], minimum = 0) =>
  Type.Integer({ minimum, maximum, description, examples });
const cidr = (description: string, examples: string[]) => text(description, examples);

/** A script that keepalived runs: a file beside the inventory that lands on the host. */
const Script = text('A script beside the inventory; it is put on the hosts.', ['./scripts/check.sh']);

const TrackScript = Type.Object(
  {
    script: Script,
    interval: Type.Optional(duration('Between two runs; 1 s when left out.', [1])),
    timeout: Type.Optional(duration('After which it counts as failed.', [1])),
    weight: Type.Optional(
      Type.Integer({
        minimum: -253,
        maximum: 253,
        description: 'Added to the priority while it succeeds (or, negative, while it fails); 0: failure is a fault.',
        examples: [-20],
      }),
    ),
    rise: Type.Optional(count('Successes until it counts as up.', 1000, [2], 1)),
    fall: Type.Optional(count('Failures until it counts as down.', 1000, [2], 1)),
  },
  { ...closed, description: 'A script whose success decides about the priority.' },
);

const VrrpInstance = Type.Object(
  {
    virtual_router_id: count('Number of the virtual router on its segment.', 255, [51], 1),
    interface: text('The interface that speaks VRRP; a node may name another of its own.', ['ens32'], DEVICE),
    addresses: Type.Optional(
      list(
        cidr('A floating address with prefix length.', ['192.168.10.12/24']),
        'Floating addresses besides the VIPs.',
      ),
    ),
    track_interfaces: Type.Optional(
      Type.Array(text('An interface.', ['ens33'], DEVICE), {
        uniqueItems: true,
        description: 'Interfaces whose loss is a fault.',
      }),
    ),
  },
  { ...closed, description: 'A VRRP instance: one virtual router on one segment.' },
);

const VrrpNode = Type.Object(
  {
    priority: Type.Optional(count('Who has the highest is master; 100 when left out.', 255, [100, 90], 1)),
    interfaces: Type.Optional(
      named(text('An interface.', ['ens33'], DEVICE), {
        pattern: NAME,
        description: 'By instance: the interface that this node uses, where it is another.',
      }),
    ),
  },
  { ...closed, description: 'A node.' },
);

/** Directors that share addresses. */
export const Vrrp = Type.Object(
  {
    nodes: { ...named(VrrpNode, { pattern: NAME, description: 'The directors.' }), minProperties: 1 },
    preempt: Type.Optional(
      Type.Boolean({
        description: 'Whether a node with a higher priority takes over from a working master; false when left out.',
        examples: [false],
      }),
    ),
    preempt_delay: Type.Optional(duration('With preempt: how long it waits first.', [30])),
    unicast: Type.Optional(
      Type.Boolean({ description: 'Adverts go to the peers’ addresses; true when left out.', examples: [true] }),
    ),
    advert_interval: Type.Optional(duration('Between two adverts; 1 s when left out.', [1])),
    version: Type.Optional(
      Type.Union([Type.Literal(2), Type.Literal(3)], {
        description: 'VRRP’s version; 3 with IPv6 addresses alone or an interval below 1 s, else 2.',
        examples: [2, 3],
      }),
    ),
    auth_pass: Type.Optional(Secret),
    track_scripts: Type.Optional(named(TrackScript, { pattern: NAME, description: 'Scripts by name.' })),
    notify: Type.Optional(
      Type.Object(
        {
          master: Type.Optional(Script),
          backup: Type.Optional(Script),
          fault: Type.Optional(Script),
          stop: Type.Optional(Script),
          any: Type.Optional(Script),
        },
        { ...closed, description: 'Scripts run when a node changes its state.' },
      ),
    ),
    instances: {
      ...named(VrrpInstance, { pattern: NAME, description: 'Virtual routers by name; several move together.' }),
      minProperties: 1,
    },
  },
  { ...closed, description: 'Directors that share floating addresses.' },
);

export const Vip = Type.Object(
  {
    addresses: Type.Array(text('An address.', ['192.168.148.161', '2001:db8::161']), {
      minItems: 1,
      uniqueItems: true,
      description: 'The VIP’s addresses.',
    }),
    vrrp: Type.Optional(
      text(
        'The VRRP instance that carries it: GROUP.INSTANCE.',
        ['edge.outside'],
        '^[A-Za-z0-9._-]+\\.[A-Za-z0-9_-]+$',
      ),
    ),
  },
  { ...closed, description: 'A virtual IP.' },
);

const status = Type.Union(
  [
    Type.Integer({ minimum: 100, maximum: 599 }),
    Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), { minItems: 1, uniqueItems: true }),
  ],
  { description: 'The status that is well; 200 when left out.', examples: [200, [200, 204]] },
);
const http = Type.Object(
  {
    path: text(
      'The path asked for; without quotes, backslashes and $.',
      ['/health_check'],
      '^/[!#%&(-\\[\\]-~]{0,800}$',
    ),
    status: Type.Optional(status),
    digest: Type.Optional(
      text('MD5 of the page (genhash prints it).', ['9b3a0c85a887a256d6939da88aabd8cd'], '^[0-9a-f]{32}$'),
    ),
    port: Type.Optional(port('Another port than the real server’s.')),
    host: Type.Optional(text('The Host header.', ['www.example.net'], '^[A-Za-z0-9.:-]+$')),
  },
  { ...closed, description: 'A page that must answer.' },
);
const tcp = Type.Object(
  { port: Type.Optional(port('Another port than the real server’s.')) },
  { ...closed, description: 'A connection that must open.', examples: [{}] },
);

/** How real servers are checked: one check, and its rhythm. */
export const HealthCheck = Type.Object(
  {
    http_get: Type.Optional(http),
    ssl_get: Type.Optional({ ...http, description: 'A page that must answer over TLS.' }),
    tcp_check: Type.Optional(tcp),
    smtp_check: Type.Optional(
      Type.Object(
        {
          port: Type.Optional(port('Another port than the real server’s.', [25])),
          helo_name: Type.Optional(text('The name in HELO.', ['lvs.example.net'], '^[A-Za-z0-9.-]+$')),
        },
        { ...closed, description: 'A mail server that must greet.' },
      ),
    ),
    dns_check: Type.Optional(
      Type.Object(
        {
          port: Type.Optional(port('Another port than the real server’s.', [53])),
          name: Type.Optional(
            text('The name asked for; the root when left out.', ['example.net'], '^[A-Za-z0-9._-]+$'),
          ),
          type: Type.Optional(
            words(['A', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'AAAA'], 'The record’s type; SOA when left out.'),
          ),
        },
        { ...closed, description: 'A name server that must answer.' },
      ),
    ),
    ping_check: Type.Optional(
      Type.Object({}, { ...closed, description: 'An echo that must come back.', examples: [{}] }),
    ),
    udp_check: Type.Optional(
      Type.Object(
        {
          port: Type.Optional(port('Another port than the real server’s.', [53])),
          payload: Type.Optional(
            text('What is sent, in hexadecimal; at most 400 bytes.', ['00ff'], '^([0-9a-f]{2}){1,400}$'),
          ),
          require_reply: Type.Optional(Type.Boolean({ description: 'Silence is failure.', examples: [true] })),
        },
        { ...closed, description: 'A datagram that must not be refused.' },
      ),
    ),
    misc_check: Type.Optional(
      Type.Object(
        {
          script: Script,
          arguments: Type.Optional(list(text('An argument.', ['-q']), 'Its arguments.')),
          dynamic: Type.Optional(Type.Boolean({ description: 'Its exit status is the weight.', examples: [true] })),
        },
        { ...closed, description: 'A script that must succeed.' },
      ),
    ),
    bfd: Type.Optional(
      Type.Object(
        {
          min_rx: Type.Optional(duration('Least time between two packets received.', ['10ms'])),
          min_tx: Type.Optional(duration('Least time between two packets sent.', ['10ms'])),
          multiplier: Type.Optional(count('Packets missed until it is down.', 255, [5], 1)),
        },
        { ...closed, description: 'A BFD session that must be up.' },
      ),
    ),
    interval: Type.Optional(duration('Between two checks; 6 s when left out.', [6])),
    timeout: Type.Optional(duration('For one answer; 3 s when left out.', [3])),
    retries: Type.Optional(count('Further tries before it counts as down; 3 when left out.', 1000, [3])),
    retry_interval: Type.Optional(duration('Between two tries; 2 s when left out.', [2])),
    start_down: Type.Optional(
      Type.Boolean({
        description: 'A server counts as down until its first check; true when left out.',
        examples: [true],
      }),
    ),
    inhibit: Type.Optional(
      Type.Boolean({ description: 'A failed server stays in the table with weight 0.', examples: [false] }),
    ),
  },
  { ...closed, description: 'How real servers are checked: one check, and its rhythm.' },
);

const Ports = Type.Array(
  Type.Union(
    [Type.Integer({ minimum: 1, maximum: 65535 }), Type.String({ pattern: '^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$' })],
    {
      description: 'A port or a range.',
      examples: [80, '8000-8010'],
    },
  ),
  { minItems: 1, uniqueItems: true, description: 'Ports of the VIP.' },
);

/** What a service can say, and `defaults.service` can say for all. */
export const serviceDefaults = {
  mode: Type.Optional(words(MODES, 'Forwarding mode.')),
  protocol: Type.Optional(words(PROTOCOLS, 'Transport protocol; tcp when left out.')),
  port: Type.Optional(port('Port of the VIP.')),
  ports: Type.Optional(Ports),
  fwmark: Type.Optional(
    Type.Union([Type.Literal('auto'), Type.Integer({ minimum: 1, maximum: 2147483647 })], {
      description: 'All ports together are one virtual service, through this firewall mark; auto: lvsctl chooses it.',
      examples: ['auto', 7],
    }),
  ),
  scheduler: Type.Optional(
    words(SCHEDULERS, 'How the director chooses a real server (ipvsadm(8)); wlc when left out.'),
  ),
  scheduler_flags: Type.Optional(
    Type.Array(words(SCHEDULER_FLAGS, 'A flag of the scheduler.'), {
      uniqueItems: true,
      description: 'Flags of the scheduler: sh-port, sh-fallback, mh-port, mh-fallback.',
    }),
  ),
  persistence_timeout: Type.Optional(duration('How long a client stays with its real server.', [30, '5m'])),
  persistence_netmask: Type.Optional(
    Type.Object(
      {
        ipv4: Type.Optional(count('Bits of an IPv4 address.', 32, [24], 1)),
        ipv6: Type.Optional(count('Bits of an IPv6 address.', 128, [64], 1)),
      },
      { ...closed, description: 'Clients whose addresses begin alike count as one.' },
    ),
  ),
  persistence_engine: Type.Optional(words(['sip'], 'What else clients are told apart by (UDP).')),
  one_packet: Type.Optional(
    Type.Boolean({ description: 'Each datagram is scheduled by itself (UDP).', examples: [true] }),
  ),
  directors: Type.Optional(hostList('Hosts that hold the VIP and forward.', ['director'])),
  arp: Type.Optional(
    Type.Union(
      [
        Type.Literal('sysctl'),
        Type.Literal('arptables'),
        Type.Object(
          {
            static_neighbour: Type.Object(
              { at: hostList('Routers that hold the director’s MAC address for the VIP.', ['route']) },
              { ...closed, description: 'Routers don’t ask: they are told.' },
            ),
          },
          closed,
        ),
      ],
      {
        description: 'dr, tun: why nobody but the director is taken for the VIP. sysctl when left out.',
        examples: ['sysctl', 'arptables', { static_neighbour: { at: ['route'] } }],
      },
    ),
  ),
  tunnel: Type.Optional(
    Type.Object(
      {
        type: words(['ipip', 'gre', 'gue'], 'How packets are wrapped.'),
        port: Type.Optional(port('gue: the real servers’ UDP port.', [6080])),
        checksum: Type.Optional(words(['none', 'csum', 'remcsum'], 'Checksum of the tunnel; none when left out.')),
      },
      { ...closed, description: 'tun: the tunnel; ipip when left out.' },
    ),
  ),
  health_check: Type.Optional(HealthCheck),
  sorry_server: Type.Optional(
    Type.Object(
      {
        address: text('Its address.', ['192.168.10.99']),
        port: Type.Optional(port('Its port; the service’s when left out.')),
      },
      {
        ...closed,
        description:
          'Answers when no real server does (keepalived); a host of the inventory with this address is set up for it.',
      },
    ),
  ),
  quorum: Type.Optional(count('Sum of weights below which the service counts as down (keepalived).', 65535, [1], 1)),
  hysteresis: Type.Optional(count('How far above and below the quorum it changes (keepalived).', 65535, [0])),
};

export const RealServer = Type.Object(
  {
    weight: Type.Optional(count('Share of the connections; 1 when left out, 0 for none.', 65535, [1, 3])),
    port: Type.Optional(port('Its port, where it differs from the service’s (nat, fullnat).', [8080])),
    address: Type.Optional(
      text('The address that the director forwards to, where it isn’t the obvious one.', ['10.0.0.5']),
    ),
    upper_threshold: Type.Optional(
      count('Connections above which it gets no new ones; 0 for no limit.', 2147483647, [1000]),
    ),
    lower_threshold: Type.Optional(count('Connections below which it gets new ones again.', 2147483647, [900])),
  },
  { ...closed, description: 'A real server.' },
);

export const Service = Type.Object(
  {
    ...serviceDefaults,
    vip: text('The virtual IP: an address, or the name of one under vips.', ['20.20.20.20', 'shop']),
    real_servers: named(RealServer, { pattern: NAME, description: 'Real servers by host or group.' }),
  },
  { ...closed, description: 'A virtual service.' },
);

/** What holds for the directors' whole IPVS. */
export const Ipvs = Type.Object(
  {
    timeouts: Type.Optional(
      Type.Object(
        {
          tcp: Type.Optional(duration('An established TCP connection; 900 s in the kernel.', [900])),
          tcp_fin: Type.Optional(duration('TCP after a FIN; 120 s in the kernel.', [120])),
          udp: Type.Optional(duration('UDP; 300 s in the kernel.', [300])),
        },
        { ...closed, description: 'How long silent connections are remembered (ipvsadm --set).' },
      ),
    ),
    sync: Type.Optional(
      Type.Object(
        {
          interface: text('The interface that carries it.', ['ens33'], DEVICE),
          id: Type.Optional(count('Only daemons of one id hear each other; 0 when left out.', 255, [51])),
          group: Type.Optional(text('Multicast group; 224.0.0.81 when left out.', ['224.0.0.81'])),
          port: Type.Optional(port('UDP port; 8848 when left out.', [8848])),
        },
        { ...closed, description: 'Directors tell each other their connections (ipvsadm --start-daemon).' },
      ),
    ),
  },
  { ...closed, description: 'Settings of IPVS on all directors.' },
);
