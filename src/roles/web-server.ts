import { isRealServer } from '../inventory/derived.ts';
import type { WebServer } from '../inventory/model.ts';
import { renderText } from '../templates/render.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';
import { configuredService } from './service.ts';

/** Where web servers' own pages stand: below /var/www, which SELinux on the RHEL family lets nginx read. */
const PAGES = '/var/www/lvsctl';

/** A web server serves its start page through nginx. */
export function webServer(question: Question): Part {
  const { cluster, host, family } = question;
  const servers = cluster.webServers.filter((server) => server.hosts.includes(host.name));
  if (servers.length === 0) return NOTHING;
  const { unit, defaultSite } = family.nginx;
  // A file in its place, not its absence: the package puts the site there as it is installed, unless something stands
  // there already, and only a file can be among those that nginx is asked to have loaded.
  const noSite = defaultSite === null ? [] : [textFile(defaultSite, question.template('nginx/default_site.conf', {}))];
  const configs = [...servers.map((server) => configFile(question, server)), ...noSite];
  return {
    ...NOTHING,
    resources: [
      { stage: 'packages', resource: { kind: 'package', name: family.packages.nginx } },
      ...servers.map((server) => staged(textFile(`${PAGES}/${server.name}/index.html`, startPage(question, server)))),
      ...configs.map(staged),
      ...configuredService(question, { stage: 'web', unit, activate: 'reload' }, configs),
    ],
  };
}

function staged(resource: Desired['resource']): Desired {
  return { stage: 'web', resource };
}

function configFile({ cluster, host, family, template }: Question, server: WebServer) {
  const vips = cluster.services
    .filter((service) => isRealServer(service, host.name))
    .flatMap((service) => service.vips);
  const ipv6 = [...vips, ...host.interfaces.flatMap(({ addresses }) => addresses)].some((one) => one.family === 6);
  const { name, port } = server;
  const content = template('nginx/web_server.conf', { name, port, root: `${PAGES}/${name}`, ipv6 });
  return textFile(`${family.nginx.include}/lvsctl-${name}.conf`, content);
}

function startPage({ cluster, host }: Question, { index, indexPlace, name, port }: WebServer): string {
  const variables = {
    host: { name: host.name, address: host.interfaces.flatMap((one) => one.addresses)[0]?.address ?? '' },
    web_server: { name, port },
    cluster: { name: cluster.name },
  };
  return renderText(index, variables, indexPlace);
}
