/**
 * The inventory's schema: the one source of its types, of `schema/inventory.schema.json` (for editors) and of the
 * validator in `generated/`. Used when lvsctl is built; at run time other modules take types from here, no values.
 */
import { type Static, Type } from '@sinclair/typebox';
import { Application, Firewall, Hooks, ReverseProxy, WebServer } from './schema-around.ts';
import { type File, Group, Host, hostDefaults, type Interface } from './schema-host.ts';
import { closed, list, NAME, named, text } from './schema-parts.ts';
import { type HealthCheck, Ipvs, Service, serviceDefaults, Vip, Vrrp } from './schema-service.ts';

const names = { pattern: NAME, maxLength: 63 };

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
    include: Type.Optional(
      list(
        text('A file beside this one.', ['hosts.yaml']),
        'Files whose hosts, groups and defaults belong to this one too.',
      ),
    ),
    groups: Type.Optional(named(Group, { ...names, description: 'Groups of hosts by name.' })),
    hosts: Type.Optional(named(Host, { ...names, description: 'Hosts by name.' })),
    vrrp: Type.Optional(
      named(Vrrp, {
        pattern: '^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$',
        maxLength: 63,
        description: 'Groups of directors that share addresses.',
      }),
    ),
    vips: Type.Optional(named(Vip, { ...names, description: 'Virtual IPs by name.' })),
    ipvs: Type.Optional(Ipvs),
    services: Type.Optional(named(Service, { ...names, description: 'Virtual services by name.' })),
    web_servers: Type.Optional(named(WebServer, { ...names, description: 'Web servers by name.' })),
    proxies: Type.Optional(named(ReverseProxy, { ...names, description: 'Reverse proxies by name.' })),
    applications: Type.Optional(named(Application, { ...names, description: 'Application servers by name.' })),
    firewall: Type.Optional(Firewall),
    hooks: Type.Optional(Hooks),
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
export type InventoryGroup = Static<typeof Group>;
export type InventoryInterface = Static<typeof Interface>;
export type InventoryFile = Static<typeof File>;
export type InventoryService = Static<typeof Service>;
export type InventoryHealthCheck = Static<typeof HealthCheck>;
export type InventoryVrrp = Static<typeof Vrrp>;
export type InventoryProxy = Static<typeof ReverseProxy>;
export type InventoryApplication = Static<typeof Application>;
