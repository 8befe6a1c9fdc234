import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';
import { proxyConfigs, proxyResources } from './proxy.ts';
import { mayListen } from './selinux.ts';
import { configuredService } from './service.ts';
import { hasIpv6, sitesOf } from './web-server.ts';

/** nginx serves a host's start pages and is its proxy: one service for all of them. */
export function nginx(question: Question): Part {
  const { family, template } = question;
  const sites = sitesOf(question, 'nginx');
  const ipv6 = hasIpv6(question);
  const { unit, include, defaultSite } = family.nginx;
  const configs = [
    ...sites.map(({ name, port, root }) =>
      textFile(`${include}/lvsctl-${name}.conf`, template('nginx/web_server.conf', { name, port, root, ipv6 })),
    ),
    ...proxyConfigs(question),
  ];
  if (configs.length === 0) return NOTHING;
  // A file in its place, not its absence: the package puts the site there as it is installed, unless something stands
  // there already, and only a file can be among those that nginx is asked to have loaded.
  if (defaultSite !== null) configs.push(textFile(defaultSite, template('nginx/default_site.conf', {})));
  return {
    ...NOTHING,
    resources: [
      { stage: 'packages', resource: { kind: 'package', name: family.packages.nginx } },
      ...sites.flatMap(({ pages }) => pages),
      ...configs.map((file): Desired => ({ stage: 'web', resource: { ...file, validate: 'nginx' } })),
      ...mayListen(
        'web',
        sites.map(({ port }) => port),
      ),
      ...proxyResources(question),
      ...configuredService(question, { stage: 'web', unit, activate: 'reload' }, configs),
    ],
  };
}
