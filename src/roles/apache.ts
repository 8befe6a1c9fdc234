import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';
import { mayListen } from './selinux.ts';
import { configuredService } from './service.ts';
import { sitesOf } from './web-server.ts';

/** Apache serves a host's start pages, on their ports and on no other. */
export function apache(question: Question): Part {
  const { family, template } = question;
  const sites = sitesOf(question, 'apache');
  if (sites.length === 0) return NOTHING;
  const { unit, include, ports, defaultSite } = family.apache;
  const listened = [...new Set(sites.map(({ port }) => port))];
  const configs = [
    textFile(ports.path, template(ports.template, { ports: listened, tls: listened.includes(443) })),
    ...sites.map(({ name, port, root }) =>
      textFile(`${include}/lvsctl-${name}.conf`, template('apache/web_server.conf', { name, port, root })),
    ),
    ...(defaultSite === null ? [] : [textFile(defaultSite, template('apache/default_site.conf', {}))]),
  ];
  return {
    ...NOTHING,
    resources: [
      { stage: 'packages', resource: { kind: 'package', name: family.packages.apache } },
      ...sites.flatMap(({ pages }) => pages),
      ...configs.map((file): Desired => ({ stage: 'web', resource: { ...file, validate: 'apache' } })),
      ...mayListen('web', listened),
      ...configuredService(question, { stage: 'web', unit, activate: 'reload' }, configs),
    ],
  };
}
