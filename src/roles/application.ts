import { basename } from 'node:path';
import { failure } from '../errors/index.ts';
import { expanded } from '../inventory/addresses.ts';
import { applicationsOn, hostsIn, proxiesAsking } from '../inventory/derived.ts';
import type { Application, Archive } from '../inventory/model.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';
import { mayListen } from './selinux.ts';
import { configuredService } from './service.ts';
import { hostPage } from './web-server.ts';

/** Where trees out of archives stand, and what stands there by its content. */
const TREES = '/opt/lvsctl';
/** The account that Tomcat runs as; both families' packages make one of that name. */
const USER = 'tomcat';

/** What an application needs from where its software comes from. */
interface Source {
  resources: Desired[];
  unit: string;
  serverXml: string;
  /** Files of the unit, besides what both sources have. */
  unitFiles: TextFile[];
  /** The folder for this application's site. */
  site: string;
  /** The folder of the sites that the software brings. */
  appBase: string;
  /** How pages are served where no site says otherwise; absent: where Tomcat looks by itself. */
  webXml?: string;
  /** Whether it has a folder for logs. */
  logs: boolean;
}

type TextFile = ReturnType<typeof textFile>;

/** An application server runs Tomcat with a site of its own. @throws APP-TWO-PACKAGED */
export function application(question: Question): Part {
  const { cluster, host } = question;
  const applications = applicationsOn(cluster.applications, host.name);
  const packaged = applications.filter(({ source }) => source.type === 'package').map(({ name }) => name);
  if (packaged.length > 1) {
    throw failure({
      code: 'APP-TWO-PACKAGED',
      place: { kind: 'host', host: host.name, phase: 'desire' },
      what: `${packaged.join(' and ')} both want the package’s Tomcat, which is one service`,
      next: 'Give all but one an archive as their source, or hosts of their own.',
    });
  }
  return { ...NOTHING, resources: applications.flatMap((one) => tomcat(question, one)) };
}

function tomcat(question: Question, app: Application): Desired[] {
  const { template } = question;
  const { port } = app;
  const source = app.source.type === 'package' ? fromPackage(question, app) : fromArchive(question, app, app.source);
  const pages = pagesOf(question, app, source.site);
  const serverXml = {
    ...textFile(
      source.serverXml,
      template('tomcat/server.xml', {
        port,
        app_base: source.appBase,
        site: pages.length > 0 ? source.site : null,
        web_xml: source.webXml ?? null,
        proxies: trusted(question, app),
        logs: source.logs,
      }),
    ),
    group: USER,
    mode: '0640',
  };
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const limits = textFile(
    `/etc/systemd/system/${source.unit}.d/lvsctl-tomcat.conf`,
    template('tomcat/limits.conf', { port, hex }),
  );
  // Pages are taken up as they change; how the site is put together only by a new start.
  const descriptors = pages.filter(({ path }) => /\/(WEB|META)-INF\//.test(path));
  const config = [serverXml, limits, ...source.unitFiles, ...descriptors];
  return [
    ...source.resources,
    ...[...pages, serverXml, limits, ...source.unitFiles].map(
      (resource): Desired => ({ stage: 'application', resource }),
    ),
    ...configuredService(question, { stage: 'application', unit: source.unit, activate: 'restart' }, config),
  ];
}

/** The family's Tomcat, with its own unit and folders; the site stands beside the package's own, which isn't served. */
function fromPackage({ family }: Question, app: Application): Source {
  const { unit, serverXml, state } = family.tomcat;
  return {
    resources: [
      { stage: 'packages', resource: { kind: 'package', name: family.packages.tomcat } },
      ...mayListen('application', [app.port]),
    ],
    unit,
    serverXml,
    unitFiles: [],
    site: `${state}/lvsctl-${app.name}`,
    appBase: 'webapps',
    logs: true,
  };
}

/** Tomcat out of an archive, with a unit of its own; what it writes stands below /run and goes when it stops. */
function fromArchive(
  { family, template }: Question,
  { name }: Application,
  { archive, java }: Extract<Application['source'], { type: 'archive' }>,
): Source {
  const home = treeOf(archive);
  const unit = `lvsctl-${name}.service`;
  const serverXml = `/etc/lvsctl/${name}/server.xml`;
  const text = template('tomcat/tomcat.service', {
    name,
    user: USER,
    tomcat: home,
    java: java === 'package' ? family.java : treeOf(java),
    config: serverXml,
  });
  const trees = java === 'package' ? [archive] : [archive, java];
  const packages = ['tar', 'gzip', ...(java === 'package' ? [family.packages.java] : [])];
  return {
    resources: [
      ...packages.map((each): Desired => ({ stage: 'packages', resource: { kind: 'package', name: each } })),
      { stage: 'application', resource: { kind: 'account', state: 'present', name: USER } },
      ...trees.map(
        (one): Desired => ({
          stage: 'application',
          resource: { kind: 'archive', state: 'present', path: treeOf(one), ...one },
        }),
      ),
    ],
    unit,
    serverXml,
    unitFiles: [textFile(`/etc/systemd/system/${unit}`, text)],
    site: `/srv/lvsctl/${name}`,
    appBase: `${home}/webapps`,
    webXml: `${home}/conf/web.xml`,
    logs: false,
  };
}

/** The folder of an archive's tree: another archive is another tree, beside it until the service runs from the new one. */
function treeOf({ file, sha256 }: Archive): string {
  const name = basename(file)
    .replace(/\.(tar\.gz|tgz)$/, '')
    .replace(/[^A-Za-z0-9._-]/g, '-');
  return `${TREES}/${name}-${sha256.slice(0, 12)}`;
}

function pagesOf(question: Question, app: Application, site: string): TextFile[] {
  const pages = app.pages.map(({ path, content }) => textFile(`${site}/${path}`, content));
  if (app.index === undefined) return pages;
  const own = { application: { name: app.name, port: app.port } };
  const page = hostPage(question, app.index.content, app.index.place, own);
  const path = `${site}/index.jsp`;
  return [...pages.filter((one) => one.path !== path), textFile(path, page)];
}

/** The proxies whose word for a client's address is taken, as Tomcat's pattern; null where no proxy is described. */
function trusted({ cluster, host }: Question, app: Application): string | null {
  const asking = proxiesAsking(cluster.proxies, host.name)
    .filter(({ upstream }) => upstream.servers.some((one) => one.host === host.name && one.port === app.port))
    .flatMap(({ hosts }) => hosts);
  const addresses = hostsIn(cluster.hosts, asking).flatMap(({ interfaces }) =>
    interfaces.flatMap((one) => one.addresses.map(({ address }) => address)),
  );
  if (addresses.length === 0) return null;
  return [...new Set(addresses)].map((address) => expanded(address).replaceAll('.', '\\.')).join('|');
}
