/** What an inventory says of what stands around the service: web servers, proxies, applications, firewall, hooks. */
import { Type } from '@sinclair/typebox';
import { closed, hostList, list, NAME, named, port, TEXT, text, words } from './schema-parts.ts';

const path = text('A path on the server.', ['/health_check'], '^/[A-Za-z0-9._~/-]*$');

export const WebServer = Type.Object(
  {
    software: words(
      ['nginx', 'apache'],
      'The web server’s software (apache: httpd on the RHEL family, apache2 on Debian’s).',
    ),
    hosts: hostList('Hosts that serve the pages.'),
    port: port('TCP port.'),
    index: text(
      'The start page: a template; host.name, host.address, host.vars, web_server.name and cluster.name are known.',
      ['{{ host.name }}\n'],
      TEXT,
    ),
  },
  { ...closed, description: 'Web servers that serve pages of their own.' },
);

export const ReverseProxy = Type.Object(
  {
    software: words(['nginx'], 'The proxy’s software.'),
    hosts: hostList('Hosts that proxy.', ['web1', 'web2']),
    port: port('TCP port.'),
    server_name: Type.Optional(text('The site’s name.', ['www.example.net'], '^[A-Za-z0-9*._-]+$')),
    upstream: Type.Object(
      {
        method: Type.Optional(
          words(['round_robin', 'least_conn', 'ip_hash'], 'How a server is chosen; round_robin when left out.'),
        ),
        servers: {
          ...named(
            Type.Object(
              {
                port: port('Its TCP port.', [8080]),
                weight: Type.Optional(
                  Type.Integer({
                    minimum: 1,
                    maximum: 65535,
                    description: 'Its share; 1 when left out.',
                    examples: [1],
                  }),
                ),
                backup: Type.Optional(Type.Boolean({ description: 'Only when the others fail.', examples: [true] })),
              },
              { ...closed, description: 'A server behind the proxy.' },
            ),
            { pattern: NAME, description: 'Servers by host or group.' },
          ),
          minProperties: 1,
        },
      },
      { ...closed, description: 'The servers behind the proxy.' },
    ),
    health_check: Type.Optional(
      Type.Object(
        {
          path,
          allow: Type.Optional(
            Type.Union(
              [
                Type.Literal('directors'),
                Type.Array(text('An address or a network.', ['192.168.148.0/24']), { minItems: 1, uniqueItems: true }),
              ],
              {
                description: 'Who may ask; everybody else gets 403. directors when left out.',
                examples: ['directors', ['192.168.148.0/24']],
              },
            ),
          ),
        },
        { ...closed, description: 'A page of the proxy’s own that tells that it runs.' },
      ),
    ),
  },
  { ...closed, description: 'Reverse proxies.' },
);

const Archive = {
  archive: text('A .tar.gz beside the inventory.', ['./apache-tomcat-9.0.108.tar.gz']),
  sha256: text('Its SHA-256, in hexadecimal.', ['0'.repeat(64)], '^[0-9a-f]{64}$'),
};

export const Application = Type.Object(
  {
    software: words(['tomcat'], 'The application server’s software.'),
    source: Type.Optional(
      Type.Union(
        [
          Type.Literal('package'),
          Type.Object(
            {
              ...Archive,
              java: Type.Optional(
                Type.Union([Type.Literal('package'), Type.Object(Archive, closed)], {
                  description: 'The Java runtime: the family’s package, or an archive; package when left out.',
                  examples: ['package'],
                }),
              ),
            },
            closed,
          ),
        ],
        { description: 'The family’s package, or an archive; package when left out.', examples: ['package'] },
      ),
    ),
    hosts: hostList('Hosts that it runs on.', ['app1', 'app2']),
    port: port('TCP port.', [8080]),
    pages: Type.Optional(
      text('A folder beside the inventory with the site’s files (UTF-8); .jsp files are run.', ['./files/shop']),
    ),
    index: Type.Optional(
      text('The start page (index.jsp): a template, as a web server’s.', ['{{ host.name }}\n'], TEXT),
    ),
  },
  { ...closed, description: 'Application servers.' },
);

export const Firewall = Type.Object(
  {
    manage: Type.Optional(
      Type.Boolean({
        description:
          'true: hosts let in what the cluster and trusted networks need, and nothing else. Left out: an existing firewall is opened for what the cluster needs, none is made.',
        examples: [true],
      }),
    ),
    trusted: Type.Optional(list(text('A network.', ['10.0.0.0/8']), 'Networks that everything is accepted from.')),
  },
  { ...closed, description: 'The hosts’ firewalls.' },
);

export const Hooks = Type.Object(
  {
    before_change: Type.Optional(text('Run before each step; its failure stops the host.', ['./silence.sh'])),
    after_change: Type.Optional(text('Run after each step, whatever came of it.', ['./unsilence.sh'])),
  },
  { ...closed, description: 'Programs beside the inventory, run where lvsctl runs as PROGRAM HOST STEP.' },
);
