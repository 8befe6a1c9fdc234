import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyPlan } from '../../src/apply/apply.ts';
import { ENGINE_VERSION } from '../../src/host/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { buildPlan } from '../../src/plan/build.ts';
import { survey } from '../../src/survey/survey.ts';
import type { Transport } from '../../src/transport/types.ts';
import { localShell } from '../host/local-shell.ts';

/**
 * What a host's own programs refuse: their words are shown, and nothing else has changed. The programs are stand-ins
 * that only refuse; all else is real, on a folder in place of `/`, as root of a user namespace.
 */

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-refusals-'));
  root = join(folder, 'root');
  put('/etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  put('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n');
  put('/etc/group', 'root:x:0:\n');
  for (const name of ['osrelease', 'arch', 'hostname', 'random/boot_id']) put(`/proc/sys/kernel/${name}`, 'x\n');
  mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
  stub('sync', ':');
  stub('systemctl', ':');
});
afterEach(() => rmSync(folder, { recursive: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

function stub(name: string, script: string): void {
  put(`/bin/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, 'bin', name), 0o755);
}

/** The host's files with their content, but for what lvsctl notes of itself and the stand-ins. */
function listing(): Record<string, string> {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8', withFileTypes: true });
  const paths = files.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name).slice(root.length));
  const theirs = paths.filter(
    (path) => !['/var/lib/lvsctl/', '/run/lvsctl/lease', '/bin/'].some((ours) => path.startsWith(ours)),
  );
  return Object.fromEntries(theirs.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

async function apply(inventory: object) {
  writeFileSync(join(folder, 'lvs.yaml'), JSON.stringify({ version: 1, name: 'test', ...inventory }));
  const env = { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` };
  const transport: Transport = {
    connect: async () => localShell({ shell: ['unshare', '-r', 'dash'], env }),
    close: async () => undefined,
  };
  const limits = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 30, transport };
  const cluster = loadCluster([folder]);
  const read = await survey(cluster, cluster.hosts, { ...limits, keep: false });
  expect(read.unseen.flatMap(({ problems }) => problems)).toEqual([]);
  const context = { cluster, fingerprint: '', engine: ENGINE_VERSION, lab: false, created: '' };
  return applyPlan(buildPlan(context, read.seen, read.unseen), limits);
}

test('a package that the family’s source doesn’t have: its words, and nothing on that host has changed', async () => {
  stub('dpkg-query', 'exit 1');
  stub('apt-get', 'echo "E: Unable to locate package nosuch"; exit 100');
  const before = listing();
  const result = await apply({
    hosts: { here: { packages: ['nosuch', 'tcpdump'], files: { '/etc/motd': { content: 'hello\n' } } } },
  });
  expect(result.hosts[0]?.problems).toMatchObject([
    {
      code: 'APPLY-OP-FAILED',
      place: { kind: 'host', host: 'here', phase: 'apply packages' },
      what: expect.stringContaining('E: Unable to locate package nosuch'),
    },
  ]);
  expect(result.hosts[0]?.done).toEqual([]);
  expect(listing()).toEqual(before);
});

test('a template whose result nginx rejects: its words, the line of the rendered file, and no other change', async () => {
  stub('dpkg-query', 'echo "nginx installed 1.22"');
  stub(
    'nginx',
    `line=$(grep -n nonsense "$LVSCTL_ROOT/etc/nginx/conf.d/lvsctl-pages.conf")
echo "nginx: [emerg] unknown directive \\"nonsense\\" in /etc/nginx/conf.d/lvsctl-pages.conf:\${line%%:*}" >&2
echo "nginx: configuration file /etc/nginx/nginx.conf test failed" >&2
exit 1`,
  );
  put('/etc/nginx/nginx.conf', 'include /etc/nginx/conf.d/*.conf;\n');
  cpSync(new URL('../../templates/nginx', import.meta.url).pathname, join(folder, 'templates/nginx'), {
    recursive: true,
  });
  const template = join(folder, 'templates/nginx/web_server.conf');
  writeFileSync(template, `${readFileSync(template, 'utf8').trimEnd()}\nnonsense on;\n`);
  const before = listing();
  const result = await apply({
    hosts: { here: { files: { '/etc/motd': { content: 'hello\n' } } } },
    web_servers: { pages: { software: 'nginx', hosts: ['here'], port: 80, index: 'hello' } },
  });
  const [problem] = result.hosts[0]?.problems ?? [];
  expect(problem?.code).toBe('APPLY-REFUSED');
  expect(problem?.what).toContain('nginx: [emerg] unknown directive "nonsense"');
  expect(problem?.what).toMatch(/\n\/etc\/nginx\/conf\.d\/lvsctl-pages\.conf:\d+: nonsense on;/);
  expect(result.hosts[0]?.done).toEqual([]);
  expect(listing()).toEqual(before);
  expect(existsSync(join(root, 'etc/motd'))).toBe(false);
});

test('what was installed stays when the rest goes back, and is told as that', async () => {
  stub('dpkg-query', '[ ! -e "$LVSCTL_ROOT/etc/tool.conf" ] || echo "tool installed 1.0"');
  stub('apt-get', 'echo packaged >"$LVSCTL_ROOT/etc/tool.conf"');
  rmSync(join(root, 'run/systemd'), { recursive: true });
  put('/proc/uptime', '100.0 100.0\n');
  put('/etc/taken', 'a file, and no folder\n');
  const before = listing();
  const content = 'ours\n';
  const result = await apply({
    hosts: {
      here: {
        packages: ['tool'],
        files: { '/etc/tool.conf': { content }, '/etc/taken/by': { content } },
      },
    },
  });
  expect(result.hosts[0]).toMatchObject({ status: 'reverted' });
  const [failed, reverted] = result.hosts[0]?.problems ?? [];
  expect(failed?.code).toBe('APPLY-OP-FAILED');
  expect(reverted?.code).toBe('APPLY-REVERTED');
  expect(reverted?.what).toContain('but for what was installed: package tool, file /etc/tool.conf');
  expect(listing()).toEqual({ ...before, '/etc/tool.conf': 'packaged\n' });
});

test('a file of lvsctl’s own that did not go is none that was installed', async () => {
  stub('dpkg-query', '[ ! -e "$LVSCTL_ROOT/etc/tool.conf" ] || echo "tool installed 1.0"');
  stub('apt-get', 'echo packaged >"$LVSCTL_ROOT/etc/tool.conf"');
  stub('rm', 'case "$*" in *etc/motd*) exit 0 ;; esac; exec /bin/rm "$@"');
  rmSync(join(root, 'run/systemd'), { recursive: true });
  put('/proc/uptime', '100.0 100.0\n');
  put('/etc/taken', 'a file, and no folder\n');
  const content = 'ours\n';
  const files = { '/etc/motd': { content }, '/etc/taken/by': { content } };
  const result = await apply({ hosts: { here: { packages: ['tool'], files } } });
  expect(result.hosts[0]).toMatchObject({ status: 'partial' });
  const reverted = result.hosts[0]?.problems.find(({ code }) => code.startsWith('APPLY-REVERTED'));
  expect(reverted?.code).toBe('APPLY-REVERTED-OTHERWISE');
  expect(reverted?.what).toContain('is not as it was in file /etc/motd');
});
