import { proxiesOn } from '../inventory/derived.ts';
import type { ReverseProxy } from '../inventory/model.ts';
import type { Desired, Question } from './desired.ts';
import { textFile } from './kernel.ts';
import { mayAsk, mayListen } from './selinux.ts';
import { hasIpv6 } from './web-server.ts';

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

/** What a proxy needs besides nginx itself. */
export function proxyResources(question: Question): Desired[] {
  const proxies = proxiesOf(question);
  const asked = proxies.flatMap(({ upstream }) => upstream.servers.map(({ port }) => port));
  const own = proxies.map(({ port }) => port);
  return [...mayAsk('web', asked), ...mayListen('web', own)];
}

function proxiesOf({ cluster, host }: Question): ReverseProxy[] {
  return proxiesOn(cluster.proxies, host.name);
}
