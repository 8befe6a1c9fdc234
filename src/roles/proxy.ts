import type { ReverseProxy } from '../inventory/model.ts';
import type { Desired, Question } from './desired.ts';
import { textFile } from './kernel.ts';
import { hasIpv6 } from './web-server.ts';

/**
 * Ports that SELinux's policy counts as web servers' or web caches' (http_port_t, http_cache_port_t in the RHEL family's
 * policy): a proxy may ask them with the narrower of the two switches.
 */
const WEB_PORTS: readonly (readonly [number, number])[] = [
  [80, 81],
  [443, 443],
  [488, 488],
  [3128, 3128],
  [8008, 8009],
  [8080, 8080],
  [8118, 8118],
  [8123, 8123],
  [8443, 8443],
  [9000, 9000],
  [10001, 10010],
];

/** A host's proxies as files of nginx; none where it is no proxy. */
export function proxyConfigs(question: Question) {
  const { family, template } = question;
  const ipv6 = hasIpv6(question);
  return proxiesOf(question).map(({ name, port, serverName, upstream, healthCheck }) => {
    const servers = upstream.servers.map(({ address, port: to, weight, backup }) => ({
      socket: address.includes(':') ? `[${address}]:${to}` : `${address}:${to}`,
      weight,
      backup,
    }));
    const content = template('nginx/proxy.conf', {
      name,
      port,
      ipv6,
      server_name: serverName ?? '_',
      method: upstream.method,
      servers,
      health_check: healthCheck ?? null,
    });
    return textFile(`${family.nginx.include}/lvsctl-${name}.conf`, content);
  });
}

/** What a proxy needs besides nginx itself: SELinux, where it runs, keeps web servers from connecting anywhere. */
export function proxyResources(question: Question): Desired[] {
  const ports = proxiesOf(question).flatMap(({ upstream }) => upstream.servers.map(({ port }) => port));
  if (ports.length === 0) return [];
  const narrow = ports.every((port) => WEB_PORTS.some(([first, last]) => first <= port && port <= last));
  const name = narrow ? 'httpd_can_network_relay' : 'httpd_can_network_connect';
  return [{ stage: 'web', resource: { kind: 'selinux_boolean', name, value: true } }];
}

function proxiesOf({ cluster, host }: Question): ReverseProxy[] {
  return cluster.proxies.filter(({ hosts }) => hosts.includes(host.name));
}
