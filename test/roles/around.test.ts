import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LvsctlError } from '../../src/errors/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { keyOf } from '../../src/resources/key.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';
import { folder } from '../inventory/files.ts';

const TEXT = readFileSync(new URL('../../inventories/proxies-tomcat.yaml', import.meta.url), 'utf8');
// Of no bytes at all.
const SHA = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** What a host of the inventory is to have: files by path, and the keys of all else. */
function wanted(
  host: string,
  change: (text: string) => string = (text) => text,
  platform: 'debian' | 'rhel' = 'debian',
) {
  const text = change(TEXT);
  if (change(TEXT) === TEXT && change('x') !== 'x') throw new Error('the change changes nothing');
  const beside = { 'lvs.yaml': text, 'tomcat.tar.gz': '', 'jdk.tar.gz': '' };
  const desired = desire(loadCluster([join(folder(beside), 'lvs.yaml')]), host, facts({ platform }));
  const files = new Map(
    desired.flatMap(({ resource }) =>
      resource.kind === 'file' && resource.state === 'present' ? [[resource.path, resource] as const] : [],
    ),
  );
  return {
    desired,
    keys: desired.map(({ resource }) => keyOf(resource)),
    paths: [...files.keys()],
    content: (path: string) => files.get(path)?.content ?? '',
    file: (path: string) => files.get(path),
    service: (unit: string) => desired.find(({ resource }) => keyOf(resource) === `service ${unit}`)?.resource,
  };
}

const replaced = (from: string, to: string) => (text: string) => text.replace(from, to);
const FRONT = '/etc/nginx/conf.d/lvsctl-front.conf';
const server = (platform: 'debian' | 'rhel') =>
  platform === 'debian' ? '/etc/tomcat10/server.xml' : '/etc/tomcat/server.xml';

describe('proxies', () => {
  test.each<[string, (text: string) => string, string[], string[]]>([
    [
      'by the client’s network',
      (text) => text,
      ['ip_hash;', 'server 10.10.0.21:8080 weight=1;', 'server 10.10.0.22:8080 weight=1;'],
      ['backup'],
    ],
    ['in turn', replaced('      method: ip_hash\n', ''), ['upstream lvsctl_front {\n    server'], ['ip_hash', 'least']],
    [
      'by connections, weighted, with one in reserve',
      (text) =>
        text
          .replace('ip_hash', 'least_conn')
          .replace(
            'app1: { port: 8080 }, app2: { port: 8080 }',
            'app1: { port: 8080, weight: 3 }, app2: { port: 9, backup: true }',
          ),
      ['least_conn;', 'server 10.10.0.21:8080 weight=3;', 'server 10.10.0.22:9 weight=1 backup;'],
      ['ip_hash'],
    ],
    [
      'over IPv6',
      (text) =>
        text.replaceAll('10.10.0.22/24', 'fd00::22/64').replace('[10.10.0.1/24]', '[10.10.0.1/24, "fd00::1/64"]'),
      ['server [fd00::22]:8080 weight=1;', 'listen [::]:80;'],
      [],
    ],
    [
      'without a page for checks',
      (text) => text.replace(/ {4}health_check:.*\n/, ''),
      ['location / {'],
      ['deny', '@lvsctl'],
    ],
  ])('%s', (_, change, has, lacks) => {
    const content = wanted('proxy', change).content(FRONT);
    for (const text of has) expect(content).toContain(text);
    for (const text of lacks) expect(content).not.toContain(text);
  });

  test('who may ask for health is looked at before the answer: nothing returns in that location', () => {
    const content = wanted('proxy').content(FRONT);
    const [, location] = /location = \/health_check \{([^}]*)\}/.exec(content) ?? [];
    expect(location).toMatch(/allow 10\.10\.0\.9;\s+deny all;\s+try_files \S+ @lvsctl_healthy;/);
    expect(location).not.toContain('return');
  });

  test('their files are checked before they are put in place, and nginx takes them up by a reload', () => {
    const { file, service } = wanted('proxy');
    expect(file(FRONT)).toMatchObject({ validate: 'nginx' });
    expect(service('nginx.service')).toMatchObject({
      activate: 'reload',
      config: [{ path: FRONT }, expect.anything()],
    });
  });

  test.each([
    ['8080', 'selinux boolean httpd_can_network_relay'],
    ['7777', 'selinux boolean httpd_can_network_connect'],
  ])('SELinux lets nginx ask port %s, by the narrowest switch: %s', (port, key) => {
    const { keys } = wanted('proxy', (text) => text.replaceAll('port: 8080', `port: ${port}`));
    expect(keys.filter((each) => each.startsWith('selinux boolean'))).toEqual([key]);
  });

  test('where SELinux might not let a web server listen, that is looked at: 8081 of Apache, not 80 of nginx', () => {
    expect(wanted('proxy').keys.filter((each) => each.startsWith('selinux port'))).toEqual(['selinux port 8081']);
  });

  test('a proxy and a start page of one nginx are one service', () => {
    const { service, keys } = wanted('proxy', replaced('software: apache', 'software: nginx'));
    expect(keys.filter((key) => key.startsWith('service nginx'))).toHaveLength(1);
    expect(service('nginx.service')).toMatchObject({
      config: [{ path: '/etc/nginx/conf.d/lvsctl-pages.conf' }, { path: FRONT }, expect.anything()],
    });
  });
});

describe('Apache', () => {
  test.each([
    ['debian', '/etc/apache2/ports.conf', '/etc/apache2/sites-enabled/lvsctl-pages.conf', 'apache2'],
    ['rhel', '/etc/httpd/conf/httpd.conf', '/etc/httpd/conf.d/lvsctl-pages.conf', 'httpd'],
  ] as const)('%s: listens on its own port and no other', (platform, ports, site, name) => {
    const { content, file, keys, service } = wanted('proxy', (text) => text, platform);
    expect(content(ports).match(/^Listen .*$/gm)).toEqual(['Listen 8081']);
    expect(content(site)).toContain('<VirtualHost *:8081>');
    expect(file(site)).toMatchObject({ validate: 'apache' });
    expect(keys).toContain(`package ${name}`);
    expect(service(`${name}.service`)).toMatchObject({ running: true, activate: 'reload' });
    expect(content('/var/www/lvsctl/pages/index.html')).toBe('proxy\n');
  });

  test('Debian’s own site is out of the way', () => {
    expect(wanted('proxy').content('/etc/apache2/sites-enabled/000-default.conf')).not.toContain('VirtualHost');
  });
});

describe('Tomcat', () => {
  test.each([
    ['debian', 'tomcat10.service', '/var/lib/tomcat10/lvsctl-shop'],
    ['rhel', 'tomcat.service', '/var/lib/tomcat/lvsctl-shop'],
  ] as const)('%s: the package’s own, with a site beside the package’s', (platform, unit, site) => {
    const { content, file, service, desired } = wanted('app1', (text) => text, platform);
    expect(content(server(platform))).toContain(`<Context path="" docBase="${site}"/>`);
    expect(file(server(platform))).toMatchObject({ owner: 'root', group: 'tomcat', mode: '0640' });
    expect(content(`${site}/index.jsp`)).toBe(
      'app1 sees <%= request.getRemoteAddr() %>, told <%= request.getHeader("X-Real-IP") %>\n',
    );
    expect(content(`/etc/systemd/system/${unit}.d/lvsctl-tomcat.conf`)).toContain(':1F90 [0-9A-F]*');
    const config = service(unit);
    expect(config).toMatchObject({ activate: 'restart' });
    // A page needs no new start.
    expect(JSON.stringify(config)).not.toContain('index.jsp');
    expect(new Set(desired.flatMap(({ stage, resource }) => (resource.kind === 'service' ? [stage] : [])))).toEqual(
      new Set(['application']),
    );
  });

  test.each([
    ['one proxy', (text: string) => text, 'internalProxies="10\\.10\\.0\\.1"'],
    [
      'IPv6, as Java writes it',
      (text: string) => text.replace('[10.10.0.1/24]', '[10.10.0.1/24, "fd00::1/64"]'),
      'internalProxies="10\\.10\\.0\\.1|fd00:0:0:0:0:0:0:1"',
    ],
  ])('takes the word of the proxies for the client’s address, and of nobody else: %s', (_, change, valve) => {
    expect(wanted('app1', change).content(server('debian'))).toContain(valve);
  });

  test('without a proxy in front, nobody’s word is taken', () => {
    const content = wanted('app1', replaced('app1: { port: 8080 }, app2', 'app2')).content(server('debian'));
    expect(content).not.toContain('RemoteIpValve');
  });

  test('without pages, it serves what it brings', () => {
    const content = wanted('app1', (text) =>
      text.replace(/ {4}index: .*app|\n {4}index: "\{\{ host.name \}\} sees.*/, ''),
    ).content(server('debian'));
    expect(content).toContain('deployOnStartup="true"');
    expect(content).not.toContain('<Context');
  });

  const archive = (java: string) =>
    replaced(
      'software: tomcat\n',
      `software: tomcat\n    source: { archive: ./tomcat.tar.gz, sha256: ${SHA}, java: ${java} }\n`,
    );

  test('out of archives: account, trees by their content, a unit of its own', () => {
    const { keys, content, service, desired } = wanted('app1', archive(`{ archive: ./jdk.tar.gz, sha256: ${SHA} }`));
    const tomcat = '/opt/lvsctl/tomcat-e3b0c44298fc';
    const java = '/opt/lvsctl/jdk-e3b0c44298fc';
    expect(keys).toEqual(expect.arrayContaining(['account tomcat', `archive ${tomcat}`, `archive ${java}`]));
    expect(keys.filter((key) => key.startsWith('package'))).toEqual(['package tar', 'package gzip']);
    const unit = content('/etc/systemd/system/lvsctl-shop.service');
    expect(unit).toContain(`JRE_HOME=${java}\n`);
    expect(unit).toContain(`ExecStart=${tomcat}/bin/catalina.sh run -config /etc/lvsctl/shop/server.xml`);
    expect(content('/etc/lvsctl/shop/server.xml')).toContain(
      `<Context path="" docBase="/srv/lvsctl/shop" defaultWebXml="${tomcat}/conf/web.xml"/>`,
    );
    expect(service('lvsctl-shop.service')).toMatchObject({ enabled: true, running: true });
    const at = (key: string) => desired.findIndex(({ resource }) => keyOf(resource) === key);
    expect(at('account tomcat')).toBeLessThan(at('file /etc/lvsctl/shop/server.xml'));
    expect(at(`archive ${java}`)).toBeLessThan(at('service lvsctl-shop.service'));
  });

  test.each([
    ['debian', 'package default-jre-headless', '/usr/lib/jvm/default-java'],
    ['rhel', 'package java-17-openjdk-headless', '/usr/lib/jvm/jre-17'],
  ] as const)('an archive with %s’s own Java', (platform, key, home) => {
    const { keys, content } = wanted('app1', archive('package'), platform);
    expect(keys).toContain(key);
    expect(content('/etc/systemd/system/lvsctl-shop.service')).toContain(`JRE_HOME=${home}\n`);
  });

  test('the package’s Tomcat is one service: two applications of one host can’t both have it', () => {
    const second = (text: string) => `${text}  stock: { software: tomcat, hosts: [app1], port: 8090 }\n`;
    expect(() => wanted('app1', second)).toThrow(LvsctlError);
    expect(() => wanted('app1', second)).toThrow('shop and stock both want the package’s Tomcat');
  });
});

test.each([
  ['debian', '/etc/chrony/chrony.conf', 'chrony.service'],
  ['rhel', '/etc/chrony.conf', 'chronyd.service'],
] as const)('%s: chrony asks the inventory’s servers, and is asked whether it is in time', (platform, path, unit) => {
  const { content, keys, service } = wanted('proxy', (text) => text, platform);
  expect(content(path).match(/^(server|pool) .*$/gm)).toEqual(['server 10.10.0.9 iburst']);
  expect(keys).toContain('clock');
  expect(service(unit)).toMatchObject({ activate: 'restart' });
  expect(wanted('app1').keys).not.toContain('clock');
});
