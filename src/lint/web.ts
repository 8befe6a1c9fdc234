import { holds, parseAddress, parseCidr } from '../inventory/addresses.ts';
import { hostNamed, hostsIn, proxiesOn, realServersOf } from '../inventory/derived.ts';
import type { Cluster, ReverseProxy, Service } from '../inventory/model.ts';
import { realServerSays, serviceSays } from '../inventory/places.ts';
import { around } from './examples.ts';
import type { Rule } from './rule.ts';

const behind = (proxy: string, service = 'mode: dr, vip: 192.0.2.100, directors: [lvs]', more = '') =>
  around(`services:
  web: { ${service}, port: 80, real_servers: { web1: {} }${more} }
proxies:
  front: { software: nginx, hosts: [web1], port: 80, ${proxy} }
`);
const upstream = 'upstream: { servers: { web2: { port: 8080 } } }';
const checked = (path: string) => `, health_check: { http_get: { path: ${path} } }`;
const nat = 'mode: fullnat, vip: 192.0.2.10, directors: [lvs]';

/** What stands behind a service: proxies, web servers, applications. */
export const WEB: readonly Rule[] = [
  {
    code: 'LVS-WEB-001',
    severity: 'warning',
    title: 'the check asks for another page than the proxy’s own',
    why: 'The proxies have a page of their own that tells that they run. The service’s check asks for another one, which the proxy passes on: a failure of the servers behind it, all of them or that page, takes the proxy out.',
    remedy: 'Ask for the proxy’s own page (http_get, path).',
    source: 'keepalived.conf(5), HTTP_GET; nginx ngx_http_proxy_module',
    bad: behind(`${upstream}, health_check: { path: /health }`, undefined, checked('/')),
    good: behind(`${upstream}, health_check: { path: /health }`, undefined, checked('/health')),
    *check(question) {
      for (const { service, proxy } of proxiesBehind(question.cluster)) {
        const check = service.healthCheck?.check;
        if (check?.type !== 'http_get' && check?.type !== 'ssl_get') continue;
        const page = proxy.healthCheck?.path;
        if (page === undefined || check.path === page) continue;
        yield {
          path: [...serviceSays(question, service.name, 'health_check'), check.type, 'path'],
          what: `the check of ${service.name} asks for ${check.path}, and the page of ${proxy.name} is ${page}`,
          also: { path: ['proxies', proxy.name, 'health_check'], of: 'key', says: 'the proxy’s own page' },
        };
      }
    },
  },
  {
    code: 'LVS-WEB-002',
    severity: 'error',
    title: 'the directors may not ask for the proxies’ health',
    why: 'The page answers 403 to everybody who isn’t listed, and none of the directors’ addresses is: every check fails, every proxy counts as down, and the service is gone.',
    remedy: 'Leave allow out (or say allow: directors): the directors’ addresses follow by themselves.',
    source: 'nginx ngx_http_access_module; keepalived.conf(5), HTTP_GET',
    bad: behind(
      `${upstream}, health_check: { path: /health, allow: [198.51.100.0/24] }`,
      undefined,
      checked('/health'),
    ),
    good: behind(`${upstream}, health_check: { path: /health }`, undefined, checked('/health')),
    *check({ cluster }) {
      for (const { service, proxy } of proxiesBehind(cluster)) {
        const check = service.healthCheck?.check;
        if ((check?.type !== 'http_get' && check?.type !== 'ssl_get') || check.path !== proxy.healthCheck?.path)
          continue;
        const asking = hostsIn(cluster.hosts, service.directors).flatMap(({ interfaces }) =>
          interfaces.flatMap(({ addresses }) => addresses),
        );
        const allowed = proxy.healthCheck.allow.flatMap(networkOf);
        if (asking.length === 0 || asking.some((own) => allowed.some((network) => holds(network, own)))) continue;
        yield {
          path: ['proxies', proxy.name, 'health_check', 'allow'],
          of: 'key',
          what: `${service.directors.join(' and ')} ask ${proxy.name} for ${check.path}, and none of their addresses is allowed to`,
        };
      }
    },
  },
  {
    code: 'LVS-WEB-003',
    severity: 'warning',
    title: 'everybody may ask for the proxy’s health',
    why: 'The list of who may ask allows all addresses, so that it shuts nobody out: the page, and whether the proxy runs, is open to every client.',
    remedy: 'Leave allow out (or say allow: directors), or list the networks that need it.',
    source: 'nginx ngx_http_access_module',
    bad: behind(`${upstream}, health_check: { path: /health, allow: [0.0.0.0/0] }`),
    good: behind(`${upstream}, health_check: { path: /health }`),
    *check({ cluster }) {
      for (const { name, healthCheck } of cluster.proxies) {
        const index = (healthCheck?.allow ?? []).findIndex((text) => parseCidr(text)?.prefix === 0);
        if (index < 0) continue;
        yield {
          path: ['proxies', name, 'health_check', 'allow', index],
          what: `${healthCheck?.allow[index]} is everybody`,
        };
      }
    },
  },
  {
    code: 'LVS-WEB-004',
    severity: 'warning',
    title: 'nothing that is described listens on the service’s port',
    why: 'The inventory says what listens on this real server, and none of it does on the port that the director sends to: requests would be refused.',
    remedy: 'Correct one of the two ports; in mode nat and fullnat the real server’s own port can be said (port).',
    source: 'ipvsadm(8), --real-server',
    bad: behind(upstream).replace('port: 80, upstream', 'port: 8080, upstream'),
    good: behind(upstream),
    *check(question) {
      const { webServers, proxies, applications, services } = question.cluster;
      const listening = new Map<string, Set<number>>();
      for (const { hosts, port } of [...webServers, ...proxies, ...applications])
        for (const name of hosts) listening.set(name, (listening.get(name) ?? new Set()).add(port));
      for (const service of services.filter(({ protocol }) => protocol === 'tcp')) {
        for (const [host, asked] of askedOf(service)) {
          const ports = listening.get(host);
          // A service of several ports may serve some of them by what isn't described.
          if (
            ports === undefined ||
            [...ports].some((one) => asked.some(({ first, last }) => first <= one && one <= last))
          )
            continue;
          yield {
            path: realServerSays(question, service.name, host),
            of: 'key',
            what: `${service.name} sends to port ${portsText(asked)} of ${host}, where ${[...ports].sort((a, b) => a - b).join(' and ')} ${ports.size === 1 ? 'is' : 'are'} served`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-WEB-005',
    severity: 'warning',
    title: 'the proxy asks a port on which the application doesn’t listen',
    why: 'The inventory says on which port the application runs on that host, and the proxy asks another one: it would answer 502.',
    remedy: 'Correct one of the two ports.',
    source: 'nginx ngx_http_upstream_module, server',
    bad: around(applications(8081)),
    good: around(applications(8080)),
    *check(question) {
      const { proxies, applications, webServers } = question.cluster;
      const listening = new Map<string, Set<number>>();
      for (const { hosts, port } of [...applications, ...webServers, ...proxies])
        for (const name of hosts) listening.set(name, (listening.get(name) ?? new Set()).add(port));
      for (const { name, upstream } of proxies) {
        for (const { host, port } of upstream.servers) {
          const ports = listening.get(host);
          if (ports === undefined || ports.has(port)) continue;
          const at = ['proxies', name, 'upstream', 'servers', host];
          yield {
            path:
              question.said.proxies?.[name]?.upstream.servers[host] === undefined ? at.slice(0, -1) : [...at, 'port'],
            what: `${name} asks port ${port} of ${host}, where ${[...ports].join(' and ')} ${ports.size === 1 ? 'is' : 'are'} served`,
          };
        }
      }
    },
  },
  {
    code: 'LVS-WEB-006',
    severity: 'warning',
    title: 'ip_hash behind fullnat knows one client',
    why: 'In fullnat mode the proxy sees the director’s address in place of the client’s. ip_hash then gives all clients one server, and the others idle.',
    remedy: 'Use method: least_conn or round_robin there, or another mode.',
    source: 'nginx ngx_http_upstream_module, ip_hash; Linux Documentation/networking/ipvs-sysctl.rst, conntrack',
    bad: behind('upstream: { method: ip_hash, servers: { web2: { port: 8080 } } }', nat),
    good: behind('upstream: { method: least_conn, servers: { web2: { port: 8080 } } }', nat),
    *check({ cluster }) {
      for (const { service, proxy } of proxiesBehind(cluster)) {
        if (service.mode !== 'fullnat' || proxy.upstream.method !== 'ip_hash') continue;
        yield {
          path: ['proxies', proxy.name, 'upstream', 'method'],
          what: `${proxy.name} tells clients apart by address, and sees that of ${service.directors.join(' and ')} alone (${service.name} is fullnat)`,
        };
      }
    },
  },
  {
    code: 'LVS-WEB-007',
    severity: 'error',
    title: 'a proxy that asks itself',
    why: 'A host of the proxy stands among the servers behind it, on the proxy’s own port: it passes a request on to itself until it runs out of connections.',
    remedy: 'Name the port of the application there, or another host.',
    source: 'nginx ngx_http_proxy_module, proxy_pass',
    bad: behind('upstream: { servers: { web1: { port: 80 } } }'),
    good: behind('upstream: { servers: { web1: { port: 8080 } } }').replace(
      'proxies:',
      'applications: { app: { software: tomcat, hosts: [web1], port: 8080 } }\nproxies:',
    ),
    *check({ cluster, said }) {
      for (const { name, port, hosts, upstream } of cluster.proxies) {
        const own = new Set(hosts);
        const self = upstream.servers.find((server) => server.port === port && own.has(server.host));
        if (self === undefined) continue;
        const at = ['proxies', name, 'upstream', 'servers', self.host];
        yield {
          path: said.proxies?.[name]?.upstream.servers[self.host] === undefined ? at.slice(0, -1) : at,
          of: 'key',
          what: `${name} runs on port ${port} of ${self.host}, and asks that port itself`,
        };
      }
    },
  },
  {
    code: 'LVS-WEB-008',
    severity: 'warning',
    title: 'a host of the application that no proxy asks',
    why: 'The application runs on several hosts, and proxies ask some of them: this one waits for requests that never come. Often another one is listed twice.',
    remedy: 'Add the host to the proxy’s servers, or take it out of the application’s hosts.',
    source: 'nginx ngx_http_upstream_module, server',
    bad: around(applications(8080).replace('hosts: [web2]', 'hosts: [web2, lvs]')),
    good: around(applications(8080)),
    *check({ cluster, said }) {
      const asked = new Set([
        ...cluster.proxies.flatMap(({ upstream }) => upstream.servers.map(({ host }) => host)),
        ...cluster.services.flatMap((service) => realServersOf(service).map(({ host }) => host)),
      ]);
      for (const { name, hosts } of cluster.applications) {
        const idle = hosts.filter((host) => !asked.has(host));
        if (idle.length === 0 || idle.length === hosts.length) continue;
        const index = said.applications?.[name]?.hosts.indexOf(idle[0] ?? '') ?? -1;
        yield {
          path: ['applications', name, 'hosts', ...(index < 0 ? [] : [index])],
          of: index < 0 ? 'key' : 'value',
          what: `${name} runs on ${idle.join(' and ')} too, and no proxy and no service sends anything there`,
        };
      }
    },
  },
  {
    code: 'LVS-WEB-009',
    severity: 'error',
    title: 'a proxy and a server without an IP version in common',
    why: 'The proxy asks the server at one address, which is the same on all its hosts. A host that has addresses of the other IP version alone has no way to it: it would answer 502.',
    remedy: 'Give the server or the proxy’s host an address of the other’s version.',
    source: 'nginx ngx_http_upstream_module, server; RFC 4213',
    bad: behind(upstream).replace('[192.0.2.12/24]', '["2001:db8::12/64"]'),
    good: behind(upstream).replace('[192.0.2.12/24]', '["2001:db8::12/64", 192.0.2.12/24]'),
    *check({ cluster, said }) {
      for (const { name, hosts, upstream } of cluster.proxies) {
        for (const { host, address } of upstream.servers) {
          const version = parseAddress(address)?.family;
          const without = hosts.filter((one) => {
            const own = hostNamed(cluster, one)?.interfaces.flatMap(({ addresses }) => addresses) ?? [];
            return own.length > 0 && !own.some(({ family }) => family === version);
          });
          if (without.length === 0) continue;
          const at = ['proxies', name, 'upstream', 'servers', host];
          yield {
            path: said.proxies?.[name]?.upstream.servers[host] === undefined ? at.slice(0, -1) : at,
            of: 'key',
            what: `${name} asks ${host} at ${address}, and ${without.join(' and ')} ${without.length === 1 ? 'has' : 'have'} no IPv${version} address`,
          };
        }
      }
    },
  },
];

function applications(port: number): string {
  return `proxies:
  front: { software: nginx, hosts: [web1], port: 80, upstream: { servers: { web2: { port: ${port} } } } }
applications:
  shop: { software: tomcat, hosts: [web2], port: 8080 }
`;
}

/** Services with the proxies that are their real servers, on the port that is asked. */
function* proxiesBehind({ services, proxies }: Cluster): Generator<{ service: Service; proxy: ReverseProxy }> {
  const order = new Map(proxies.map((proxy, position) => [proxy, position]));
  for (const service of services) {
    const there = realServersOf(service).flatMap(({ host, port }) =>
      proxiesOn(proxies, host).filter((proxy) =>
        port === 0
          ? service.ports.some(({ first, last }) => first <= proxy.port && proxy.port <= last)
          : port === proxy.port,
      ),
    );
    for (const proxy of [...new Set(there)].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0)))
      yield { service, proxy };
  }
}

function networkOf(text: string) {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return [cidr];
  const address = parseAddress(text);
  return address === undefined ? [] : [{ ...address, prefix: address.family === 4 ? 32 : 128 }];
}

/** The ports that a service sends to, by real server's host. */
function askedOf({ virtuals, ports }: Service): Map<string, Service['ports']> {
  const asked = new Map<string, Service['ports']>();
  for (const { realServers } of virtuals) {
    for (const { host, port } of realServers) {
      const known = asked.get(host) ?? [];
      asked.set(host, known);
      if (port === 0) asked.set(host, ports);
      else if (!known.some(({ first }) => first === port)) known.push({ first: port, last: port });
    }
  }
  return asked;
}

function portsText(ranges: Service['ports']): string {
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
}
