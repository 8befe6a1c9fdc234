/** What an inventory says of hosts and groups. */
import { Type } from '@sinclair/typebox';
import { closed, list, NAME, named, PLAIN, TEXT, text, words } from './schema-parts.ts';
import { AREAS } from './words.ts';

const Gateway = text('The default gateway: an address in one of the interface’s networks.', ['30.30.30.254']);

const DEVICE = '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$';

const Bond = Type.Object(
  {
    mode: words(
      ['balance-rr', 'active-backup', 'balance-xor', 'broadcast', '802.3ad', 'balance-tlb', 'balance-alb'],
      'How the members share the work (Linux bonding).',
    ),
    members: Type.Array(text('An interface.', ['eno1'], DEVICE), {
      minItems: 1,
      uniqueItems: true,
      description: 'The interfaces that are bonded; they carry no addresses of their own.',
    }),
    options: Type.Optional(
      named(
        Type.Union([Type.String({ pattern: '^[A-Za-z0-9_.:+-]+$' }), Type.Integer()], {
          description: 'The option’s value.',
          examples: [100, 'layer3+4'],
        }),
        { pattern: '^[a-z0-9_]+$', description: 'Further options of the bonding driver; miimon is 100 unless said.' },
      ),
    ),
  },
  { ...closed, description: 'A bond of several interfaces.' },
);

const Vlan = Type.Object(
  {
    parent: text('The interface that carries the tagged packets.', ['bond0'], DEVICE),
    id: Type.Integer({ minimum: 1, maximum: 4094, description: 'The VLAN’s number.', examples: [30] }),
  },
  { ...closed, description: 'A VLAN on another interface.' },
);

export const Interface = Type.Object(
  {
    bond: Type.Optional(Bond),
    vlan: Type.Optional(Vlan),
    addresses: Type.Optional(
      list(
        text('An address with its prefix length.', ['30.30.30.20/24', '2001:db8:30::2/64']),
        'Addresses with prefix length.',
      ),
    ),
    gateway: Type.Optional(
      Type.Union([Gateway, Type.Array(Gateway, { minItems: 1, maxItems: 2 })], {
        description: 'The default gateway, or a list of one for IPv4 and one for IPv6.',
        examples: ['30.30.30.254', ['10.0.30.1', '2001:db8:30::1']],
      }),
    ),
    routes: Type.Optional(
      list(
        Type.Object(
          {
            to: text('The network that is reached.', ['10.9.0.0/16']),
            via: text('The router’s address, in one of the interface’s networks.', ['10.0.30.254']),
            metric: Type.Optional(
              Type.Integer({
                minimum: 0,
                maximum: 4294967295,
                description: 'Of several routes the one with the lowest counts.',
                examples: [100],
              }),
            ),
          },
          closed,
        ),
        'Static routes.',
      ),
    ),
    dns: Type.Optional(
      list(text('A name server’s address.', ['192.168.10.2']), 'Name servers asked through this interface.'),
    ),
    mtu: Type.Optional(
      Type.Integer({ minimum: 68, maximum: 65535, description: 'Largest packet, in bytes.', examples: [1500, 9000] }),
    ),
    segment: Type.Optional(
      text(
        'The layer-2 segment’s name, where it doesn’t follow from the addresses: interfaces that share a subnet share a segment.',
        ['servers'],
        NAME,
      ),
    ),
  },
  { ...closed, description: 'A network interface.' },
);

const Ssh = Type.Object(
  {
    address: Type.Optional(
      text(
        'Name or address to connect to; otherwise the first address of the first interface.',
        ['10.0.0.5', 'lvs1.example.net'],
        '^[A-Za-z0-9:][A-Za-z0-9:._%-]*$',
      ),
    ),
    user: Type.Optional(text('Login name.', ['root', 'admin'], '^[A-Za-z0-9_][A-Za-z0-9_.@\\\\$-]*$')),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, description: 'TCP port of sshd.', examples: [22] })),
    identity_file: Type.Optional(text('Private key file.', ['~/.ssh/id_ed25519'])),
    jump: Type.Optional(
      text(
        'Jump host, as ssh_config’s ProxyJump.',
        ['bastion', 'admin@bastion:2222'],
        '^[A-Za-z0-9_][A-Za-z0-9_.@:,[\\]%-]*$',
      ),
    ),
    known_hosts: Type.Optional(text('File of known host keys.', ['./known_hosts'])),
    become: Type.Optional(words(['sudo'], 'How the login becomes root, where it isn’t.')),
  },
  { ...closed, description: 'How SSH reaches the host. What is not said comes from the operator’s ssh_config.' },
);

const Owner = '^[A-Za-z_][A-Za-z0-9_.-]*\\$?$';
export const File = Type.Object(
  {
    source: Type.Optional(text('A file beside the inventory that holds the content (UTF-8).', ['./motd'])),
    content: Type.Optional(text('The content itself.', ['Welcome\n'], TEXT)),
    mode: Type.Optional(text('Octal, in quotes; 0644 when left out.', ['0644'], '^0?[0-7]{3,4}$')),
    owner: Type.Optional(text('Owner; root when left out.', ['root'], Owner)),
    group: Type.Optional(text('Group; root when left out.', ['root'], Owner)),
  },
  { ...closed, description: 'A file, by source or by content.' },
);

const Unit = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean({ description: 'Started at boot; true when left out.', examples: [true] })),
    running: Type.Optional(Type.Boolean({ description: 'Running now; true when left out.', examples: [true] })),
  },
  { ...closed, description: 'A systemd unit.' },
);

const Time = Type.Object(
  {
    servers: Type.Array(text('A time server’s name or address.', ['10.0.0.1'], '^[A-Za-z0-9:][A-Za-z0-9:.-]*$'), {
      minItems: 1,
      uniqueItems: true,
      description: 'Time servers (NTP).',
    }),
  },
  { ...closed, description: 'The clock, kept by chrony.' },
);

/** What a platform's own part of a host can say too. */
const extras = {
  sysctls: Type.Optional(
    named(
      Type.Union([Type.String({ pattern: PLAIN, maxLength: 256 }), Type.Integer()], {
        description: 'The value: a number, or text.',
        examples: [4096, '4096 87380 6291456'],
      }),
      { pattern: '^[A-Za-z0-9_-]+([./][A-Za-z0-9_:@+-]+)+$', description: 'Kernel parameters, live and at boot.' },
    ),
  ),
  packages: Type.Optional(
    list(
      text('A package’s name on that platform.', ['conntrack'], '^[A-Za-z0-9][A-Za-z0-9+._-]*$'),
      'Packages to install.',
    ),
  ),
  modules: Type.Optional(
    list(
      text('A kernel module’s name.', ['nf_conntrack'], '^[A-Za-z0-9][A-Za-z0-9_-]*$'),
      'Kernel modules, live and at boot.',
    ),
  ),
  files: Type.Optional(
    named(File, {
      pattern: '^/(?!.*//)(?!.*/\\.{1,2}(/|$))[^\\u0000-\\u001f\\u007f-\\u009f]*[^/\\u0000-\\u001f\\u007f-\\u009f]$',
      description: 'Files by absolute path.',
    }),
  ),
  units: Type.Optional(
    named(Unit, {
      pattern: '^[A-Za-z0-9][A-Za-z0-9:_.@\\\\-]*\\.(service|socket|timer|target|path|mount)$',
      description: 'systemd units to be enabled and running, by full name.',
    }),
  ),
};

/** What a host can say, and `defaults.host` and groups can say for all. */
export const hostDefaults = {
  forwarding: Type.Optional(Type.Boolean({ description: 'true: a router.', examples: [true] })),
  manage: Type.Optional(
    Type.Union(
      [
        Type.Literal('none'),
        Type.Array(words(AREAS, 'Something that lvsctl owns on the host.'), { uniqueItems: true }),
      ],
      {
        description:
          'none: described only, never configured. A list: only these are lvsctl’s there. Left out: all that the inventory describes.',
        examples: ['none', ['network', 'ipvs', 'vrrp', 'sysctl']],
      },
    ),
  ),
  platform: Type.Optional(words(['rhel', 'debian'], 'The distribution’s family; observed when left out.')),
  dns: Type.Optional(list(text('A name server’s address.', ['192.168.10.2']), 'Name servers.')),
  ssh: Type.Optional(Ssh),
  time: Type.Optional(Time),
  vars: Type.Optional(
    named(
      Type.Union([Type.String({ pattern: TEXT }), Type.Number(), Type.Boolean()], {
        description: 'The value.',
        examples: ['a', 7],
      }),
      { pattern: '^[a-z_][a-z0-9_]*$', description: 'Values for templates: host.vars.NAME.' },
    ),
  ),
  ...extras,
  by_platform: Type.Optional(
    Type.Object(
      {
        debian: Type.Optional(
          Type.Object(extras, {
            ...closed,
            description: 'For hosts of the Debian family.',
            examples: [{ packages: ['conntrack'] }],
          }),
        ),
        rhel: Type.Optional(
          Type.Object(extras, {
            ...closed,
            description: 'For hosts of the RHEL family.',
            examples: [{ packages: ['conntrack-tools'] }],
          }),
        ),
      },
      { ...closed, description: 'What only hosts of one family get.' },
    ),
  ),
};

const interfaces = Type.Optional(
  named(Interface, { pattern: DEVICE, description: 'Network interfaces by name (at most 15 characters).' }),
);

/** A host. */
export const Host = Type.Object(
  {
    interfaces,
    ...hostDefaults,
  },
  { ...closed, description: 'A host.' },
);

/** Hosts that have something in common. */
export const Group = Type.Object(
  {
    hosts: Type.Array(
      text(
        'A host, or a range of them.',
        ['web1', 'web[01-20]'],
        '^[A-Za-z0-9](?:[A-Za-z0-9._\\[\\],-]*[A-Za-z0-9\\]])?$',
      ),
      {
        minItems: 1,
        uniqueItems: true,
        description: 'The members.',
      },
    ),
    ...hostDefaults,
  },
  { ...closed, description: 'A group of hosts, usable wherever hosts are named.' },
);
