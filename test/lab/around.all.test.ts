import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeArchives, type TestArchive } from './archives.ts';
import type { ClusterLab } from './cluster.ts';
import { differences } from './snapshot.ts';
import { clusterStory } from './story.ts';

/**
 * A proxy, Tomcat from the package on app1 and from archives on app2, Apache and chrony. The archives are made out of
 * Debian's packages.
 */

/** What lvsctl notes of a run, one that was refused too. */
const NOTED = [/^files \/var\/lib\/lvsctl\/history\//u];

const folder = mkdtempSync(join(tmpdir(), 'lvsctl-around-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PROXY = 'http://10.10.0.1';
// In networks of their own but for two of them.
const CLIENTS = ['10.10.0.9', '10.11.1.9', '10.11.2.9', '10.11.2.77', '10.11.3.9'];
const LONG = 400_000;
const BIG = { maxBuffer: 1024 * 1024 * 1024 };

let archives: { tomcat: TestArchive; java: TestArchive };

/** app2 gets its Tomcat and its Java from archives. */
function fromArchives(text: string): string {
  archives = makeArchives(folder);
  const { tomcat, java } = archives;
  const [, index = ''] = /^( {4}index: "\{\{ host.name \}\} sees.*\n)/m.exec(text) ?? [];
  return `${text.replace('hosts: [app1, app2]', 'hosts: [app1]')}  stock:
    software: tomcat
    source: { archive: ${tomcat.file}, sha256: ${tomcat.sha256}, java: { archive: ${java.file}, sha256: ${java.sha256} } }
    hosts: [app2]
    port: 8080
${index}`;
}

/** Five requests from each client: which application answered, and whether it saw who asked. */
async function asked(cluster: ClusterLab): Promise<Map<string, Set<string>>> {
  const served = new Map<string, Set<string>>();
  for (const from of CLIENTS) {
    const answers = await cluster.http('client', `${PROXY}/`, { from: [from], count: 5, limit: 20 });
    served.set(from, new Set(answers.map(({ body }) => body.split(' ')[0] ?? '')));
    for (const { body } of answers) expect(body.trim()).toMatch(new RegExp(`^app[12] sees ${from}, told ${from}$`));
  }
  return served;
}

/** Each network sticks to one application, and there are networks for both. */
async function traffic(cluster: ClusterLab): Promise<void> {
  const served = await asked(cluster);
  for (const [from, by] of served) expect([...by], from).toHaveLength(1);
  expect(served.get('10.11.2.9')).toEqual(served.get('10.11.2.77'));
  expect([...new Set([...served.values()].flatMap((by) => [...by]))].toSorted()).toEqual(['app1', 'app2']);
  const health = await cluster.http('client', `${PROXY}/health_check`, { from: CLIENTS });
  expect(health.map(({ status }) => status)).toEqual([200, 403, 403, 403, 403]);
  const [page] = await cluster.http('client', `${PROXY}:8081/`);
  expect(page).toMatchObject({ status: 200, body: 'proxy\n' });
}

/** Puts a template of the operator's own beside the inventory; an empty text takes it away. */
function ownTemplate(cluster: ClusterLab, name: string, text: string): void {
  const file = join(dirname(cluster.file), 'templates', name);
  mkdirSync(dirname(file), { recursive: true });
  if (text === '') rmSync(file);
  else writeFileSync(file, text);
}

const PROXY_TEMPLATE = readFileSync(new URL('../../templates/nginx/proxy.conf', import.meta.url), 'utf8');

const startOf = (cluster: ClusterLab, host: string, unit: string) =>
  cluster.on(host, `systemctl show -p MainPID,ActiveEnterTimestampMonotonic ${unit}`);

clusterStory({
  inventory: 'proxies-tomcat',
  edit: fromArchives,
  traffic,
  destroy: true,
  more: (at) => {
    it('nobody but the proxy is believed about who asks', { timeout: LONG }, async () => {
      const headers = { 'X-Forwarded-For': '1.2.3.4', 'X-Real-IP': '1.2.3.4' };
      const [through] = await at().http('client', `${PROXY}/`, { from: ['10.11.2.9'], headers });
      expect(through?.body).toContain('sees 10.11.2.9, told 10.11.2.9');
      for (const app of ['10.10.0.21', '10.10.0.22']) {
        const [direct] = await at().http('client', `http://${app}:8080/`, { from: ['10.10.0.9'], headers });
        expect(direct?.body).toContain('sees 10.10.0.9, told 1.2.3.4');
      }
    });

    it('without ip_hash no network sticks to anything', { timeout: LONG }, async () => {
      at().edit((text) => text.replace('method: ip_hash', 'method: round_robin'));
      await at().apply();
      await expect(traffic(at())).rejects.toThrow();
      at().edit((text) => text.replace('method: round_robin', 'method: ip_hash'));
      await at().apply();
    });

    it('where the check’s location returned its answer, a stranger would get it', { timeout: LONG }, async () => {
      const naive = PROXY_TEMPLATE.replace('try_files /lvsctl/no/such/file @lvsctl_healthy;', 'return 200;');
      expect(naive).not.toBe(PROXY_TEMPLATE);
      ownTemplate(at(), 'nginx/proxy.conf', naive);
      await at().apply();
      const [stranger] = await at().http('client', `${PROXY}/health_check`, { from: ['10.11.1.9'] });
      expect(stranger?.status).toBe(200);
      ownTemplate(at(), 'nginx/proxy.conf', '');
      await at().apply();
    });

    it('what nginx refuses changes nothing on the host, and nginx’s own words are shown', {
      timeout: LONG,
    }, async () => {
      const before = await at().snapshot('proxy');
      ownTemplate(
        at(),
        'nginx/proxy.conf',
        PROXY_TEMPLATE.replace('proxy_http_version 1.1;', 'proxy_htp_version 1.1;'),
      );
      const refused = await at().run('apply', '--lab', '--yes');
      expect(refused.code).toBe(1);
      expect(refused.err).toMatch(
        /unknown directive "proxy_htp_version" in \/etc\/nginx\/conf\.d\/lvsctl-front\.conf:\d+/,
      );
      expect(differences(before, await at().snapshot('proxy'), NOTED)).toEqual([]);
      ownTemplate(at(), 'nginx/proxy.conf', '');
      expect(await at().pending()).toEqual([]);
      await traffic(at());
    });

    it('what Apache refuses changes nothing either', { timeout: LONG }, async () => {
      const before = await at().snapshot('proxy');
      ownTemplate(at(), 'apache/web_server.conf', '# lvsctl manages this file.\n<VirtualHost *:8081>\nNonsense on\n');
      const refused = await at().run('apply', '--lab', '--yes');
      expect(refused.code).toBe(1);
      expect(refused.err).toContain('/etc/apache2/sites-enabled/lvsctl-pages.conf');
      expect(differences(before, await at().snapshot('proxy'), NOTED)).toEqual([]);
      ownTemplate(at(), 'apache/web_server.conf', '');
      expect(await at().pending()).toEqual([]);
    });

    it('a page is taken up as it is; a changed server.xml by one new start', { timeout: LONG }, async () => {
      const before = await startOf(at(), 'app1', 'tomcat10');
      at().edit((text) => text.replaceAll('}} sees', '}} now sees'));
      expect((await at().pending()).toSorted()).toEqual([
        'app1: file /var/lib/tomcat10/lvsctl-shop/index.jsp',
        'app2: file /srv/lvsctl/stock/index.jsp',
      ]);
      await at().apply();
      const [page] = await at().http('client', 'http://10.10.0.21:8080/', { from: ['10.10.0.9'], limit: 20 });
      expect(page?.body).toContain('app1 now sees 10.10.0.9');
      expect(await startOf(at(), 'app1', 'tomcat10')).toBe(before);
      at().edit((text) => text.replaceAll('}} now sees', '}} sees'));
      await at().on('app1', 'echo "<!-- mine -->" >>/etc/tomcat10/server.xml');
      await at().apply();
      expect(await at().pending()).toEqual([]);
      // The file is as Tomcat loaded it: there was nothing to start anew for.
      expect(await startOf(at(), 'app1', 'tomcat10')).toBe(before);
      await at().on('app1', 'systemctl stop tomcat10');
      expect(await at().pending()).toEqual(['app1: service tomcat10.service']);
      await at().apply();
      await traffic(at());
    });

    it('another archive is another tree; the service moves over and the old tree goes', { timeout: LONG }, async () => {
      const old = archives.tomcat;
      const file = join(folder, 'apache-tomcat-10.2.tar.gz');
      writeFileSync(
        file,
        execFileSync('gzip', ['-1'], { input: execFileSync('gzip', ['-dc', old.file], BIG), ...BIG }),
      );
      const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
      const before = await startOf(at(), 'app2', 'lvsctl-stock');
      at().edit((text) => text.replace(old.file, file).replace(old.sha256, sha256));
      await at().apply();
      expect(await at().pending()).toEqual([]);
      expect(await startOf(at(), 'app2', 'lvsctl-stock')).not.toBe(before);
      const trees = (await at().on('app2', 'ls /opt/lvsctl')).trim().split('\n');
      expect(trees.map((tree) => tree.replace(/-[0-9a-f]{12}$/, ''))).toEqual(['apache-tomcat-10.2', 'jdk-17']);
      await traffic(at());
    });

    it('an application whose power is gone is left out, and comes back', { timeout: LONG }, async () => {
      await at().lab.power('app2', 'off');
      const served = await asked(at());
      expect(new Set([...served.values()].flatMap((by) => [...by]))).toEqual(new Set(['app1']));
      await at().lab.power('app2', 'on');
      await expect
        .poll(
          () =>
            traffic(at()).then(
              () => true,
              () => false,
            ),
          { timeout: 180_000, interval: 5000 },
        )
        .toBe(true);
    });

    it('a clock without a time server that answers is a warning; with one there is none', {
      timeout: LONG,
    }, async () => {
      const unsynchronised = await at().run('plan', '--lab');
      expect(unsynchronised).toMatchObject({ code: 0, out: expect.stringContaining('the clock is not synchronised') });
      await at().on(
        'client',
        'apt-get -qq -y --no-install-recommends install chrony >/dev/null 2>&1; printf "local stratum 8\\nallow\\n" >/etc/chrony/chrony.conf; systemctl restart chrony',
      );
      await at().on('proxy', 'systemctl restart chrony; chronyc waitsync 30 0 0 2');
      expect((await at().run('plan', '--lab')).out).not.toContain('synchronised');
    });
  },
});
