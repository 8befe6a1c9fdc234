/**
 * The inventory's schema: the one source of its types, of `schema/inventory.schema.json` (for editors) and of the
 * validator in `generated/`. Used when lvsctl is built; at run time other modules take types from here, no values.
 */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { MODES, SCHEDULERS } from './words.ts';

const closed = { additionalProperties: false };

/** No control characters: such strings reach files and argument lists. */
const PLAIN = '^[^\\u0000-\\u001f\\u007f-\\u009f]+$';
/** Text of several lines: tabs and newlines, no other control characters. */
const TEXT = '^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$';
const NAME = '^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$';

const text = (description: string, examples: string[], pattern = PLAIN) =>
  Type.String({ pattern, description, examples });
const list = <T extends TSchema>(items: T, description: string) => Type.Array(items, { description });
const words = <const T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], description, examples: values.slice(0, 2) });

/** A map whose keys are names given by the operator. */
const named = <T extends TSchema>(values: T, names: { pattern: string; maxLength?: number; description: string }) =>
  Type.Unsafe<Record<string, Static<T>>>({
    type: 'object',
    description: names.description,
    propertyNames: { type: 'string', ...names },
    additionalProperties: values,
  });

const Gateway = text('The default gateway: an address in one of the interface’s networks.', ['30.30.30.254']);

const Interface = Type.Object(
  {
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
const File = Type.Object(
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

/** What a host can say, and `defaults.host` can say for all. */
const hostDefaults = {
  platform: Type.Optional(words(['rhel', 'debian'], 'The distribution’s family; observed when left out.')),
  dns: Type.Optional(list(text('A name server’s address.', ['192.168.10.2']), 'Name servers.')),
  ssh: Type.Optional(Ssh),
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

const Host = Type.Object(
  {
    manage: Type.Optional(
      words(['none'], 'none: described only, never configured. Left out: all that the inventory describes.'),
    ),
    forwarding: Type.Optional(Type.Boolean({ description: 'true: a router.', examples: [true] })),
    interfaces: Type.Optional(
      named(Interface, {
        pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$',
        description: 'Network interfaces by name (at most 15 characters).',
      }),
    ),
    ...hostDefaults,
  },
  { ...closed, description: 'A host.' },
);

/** What a service can say, and `defaults.service` can say for all. */
const serviceDefaults = {
  mode: Type.Optional(words(MODES, 'Forwarding mode. This version does dr.')),
  protocol: Type.Optional(words(['tcp', 'udp', 'sctp'], 'Transport protocol.')),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, description: 'Port of the VIP.', examples: [80] })),
  scheduler: Type.Optional(words(SCHEDULERS, 'How the director chooses a real server (ipvsadm(8)).')),
  directors: Type.Optional(
    Type.Array(text('A host.', ['director'], NAME), {
      minItems: 1,
      uniqueItems: true,
      description: 'Hosts that hold the VIP and forward.',
    }),
  ),
  arp: Type.Optional(
    words(
      ['sysctl', 'arptables'],
      'dr: how real servers keep silent about the VIP. sysctl when left out; this version does sysctl.',
    ),
  ),
};

const Service = Type.Object(
  {
    ...serviceDefaults,
    vip: text('The virtual IP.', ['20.20.20.20']),
    real_servers: named(
      Type.Object(
        {
          weight: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: 65535,
              description: 'Share of the connections; 1 when left out, 0 for none.',
              examples: [1, 3],
            }),
          ),
        },
        { ...closed, description: 'A real server.' },
      ),
      { pattern: NAME, description: 'Real servers by host.' },
    ),
  },
  { ...closed, description: 'A virtual service.' },
);

const WebServer = Type.Object(
  {
    software: words(['nginx'], 'The web server’s software.'),
    hosts: Type.Array(text('A host.', ['rs1'], NAME), {
      minItems: 1,
      uniqueItems: true,
      description: 'Hosts that serve the pages.',
    }),
    port: Type.Integer({ minimum: 1, maximum: 65535, description: 'TCP port.', examples: [80] }),
    index: text(
      'The start page: a template; host.name, host.address, web_server.name and cluster.name are known.',
      ['{{ host.name }}\n'],
      TEXT,
    ),
  },
  { ...closed, description: 'Web servers that serve pages of their own.' },
);

/** An inventory file. */
export const inventorySchema = Type.Object(
  {
    version: Type.Literal(1, { description: 'Version of the inventory’s language.', examples: [1] }),
    name: Type.String({ pattern: NAME, maxLength: 63, description: 'The cluster’s name.', examples: ['dr-wrr'] }),
    defaults: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(
            Type.Object(hostDefaults, { ...closed, description: 'For every host that doesn’t say otherwise.' }),
          ),
          service: Type.Optional(
            Type.Object(serviceDefaults, { ...closed, description: 'For every service that doesn’t say otherwise.' }),
          ),
        },
        { ...closed, description: 'What holds unless said otherwise. Maps merge, lists replace.' },
      ),
    ),
    hosts: { ...named(Host, { pattern: NAME, maxLength: 63, description: 'Hosts by name.' }), minProperties: 1 },
    services: Type.Optional(named(Service, { pattern: NAME, maxLength: 63, description: 'Virtual services by name.' })),
    web_servers: Type.Optional(named(WebServer, { pattern: NAME, maxLength: 63, description: 'Web servers by name.' })),
  },
  {
    ...closed,
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'lvsctl inventory',
    description: 'One cluster: its hosts, and what they do.',
  },
);

export type Inventory = Static<typeof inventorySchema>;
export type InventoryHost = Static<typeof Host>;
export type InventoryInterface = Static<typeof Interface>;
export type InventoryService = Static<typeof Service>;
export type InventoryFile = Static<typeof File>;
