import { standsBehind, webServersOn } from '../inventory/derived.ts';
import type { TextPlace, WebServer } from '../inventory/model.ts';
import { renderText } from '../templates/render.ts';
import type { Desired, Question } from './desired.ts';
import { textFile } from './kernel.ts';

/** Where web servers' own pages stand: below /var/www, which SELinux on the RHEL family lets web servers read. */
const PAGES = '/var/www/lvsctl';

/** A web server of a host, with its folder of pages and what stands there. */
export interface Site {
  name: string;
  port: number;
  root: string;
  pages: Desired[];
}

/** The sites that a host serves with this software. @throws TPL-UNKNOWN-VARIABLE, TPL-SYNTAX */
export function sitesOf(question: Question, software: WebServer['software']): Site[] {
  const { cluster, host } = question;
  return webServersOn(cluster.webServers, host.name)
    .filter((server) => server.software === software)
    .map(({ name, port, index, indexPlace }) => {
      const root = `${PAGES}/${name}`;
      const page = hostPage(question, index, indexPlace, { web_server: { name, port } });
      return { name, port, root, pages: [{ stage: 'web', resource: textFile(`${root}/index.html`, page) }] };
    });
}

/** Renders a start page that stands in the inventory, for one host. @throws TPL-UNKNOWN-VARIABLE, TPL-SYNTAX */
export function hostPage({ cluster, host }: Question, text: string, place: TextPlace, own: object): string {
  const address = host.interfaces.flatMap(({ addresses }) => addresses)[0]?.address ?? '';
  const variables = { host: { name: host.name, address, vars: host.vars }, cluster: { name: cluster.name }, ...own };
  return renderText(text, variables, place);
}

/** Whether requests reach a host over IPv6: by an address of its own, or by a VIP. Pure. */
export function hasIpv6({ cluster, host }: Question): boolean {
  const vips = standsBehind(cluster, host.name).flatMap((service) => service.vips);
  return [...vips, ...host.interfaces.flatMap(({ addresses }) => addresses)].some(({ family }) => family === 6);
}
