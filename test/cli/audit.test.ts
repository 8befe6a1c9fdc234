import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lvsctl } from './lvsctl.ts';

let root: string;
const put = (path: string, text: string, mode = 0o644): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
};

const SECRET = 'hunter2-and-more';

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-cli-audit-'));
  put('etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  put('proc/sys/kernel/osrelease', '6.1.0-test\n');
  put('proc/sys/kernel/hostname', 'lvs1\n');
  put('proc/sys/net/ipv4/ip_forward', '1\n');
  put('etc/sysctl.d/10-lvs.conf', '# by hand\nnet.ipv4.ip_forward = 0\n');
  put(
    'etc/keepalived/keepalived.conf',
    `vrrp_instance shop {
    state BACKUP
    interface eth7
    virtual_router_id 51
    priority 100
    authentication {
        auth_type PASS
        auth_pass ${SECRET}
    }
    virtual_ipaddress {
        192.0.2.100/24
    }
}
`,
  );
  put('bin/id', '#!/bin/sh\necho 0\n', 0o755);
  put('bin/nmcli', '#!/bin/sh\nexit 8\n', 0o755);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function audit(...args: string[]) {
  const env = { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` };
  const run = await lvsctl(['audit', '--transport', 'local', 'lvs1', ...args], { env });
  expect(`${run.out}${run.err}`).not.toContain(SECRET);
  return run;
}

describe('lvsctl audit', () => {
  test('findings with host, file and line, the line itself, and no secret', async () => {
    const run = await audit();
    expect(run.code).toBe(3);
    expect(run.out).toMatch(/^lvs1: .*\(debian 12, kernel 6\.1\.0-test\)\nlvs1: 2 errors, 1 warning\.$/u);
    expect(run.err).toContain('lvs1:/etc/keepalived/keepalived.conf:8:9: error: LVS-CONF-104');
    expect(run.err).toContain(`   8 |         auth_pass ${'•'.repeat(SECRET.length)}`);
    expect(run.err).toContain('lvs1:/etc/keepalived/keepalived.conf:1:1: error: LVS-LIVE-204');
    expect(run.err).toContain('lvs1:/etc/sysctl.d/10-lvs.conf:2: warning: LVS-LIVE-007');
    expect(run.err).toContain('net.ipv4.ip_forward is to be 0, and is 1');
  });

  test.each(['json', 'sarif', 'github', 'junit'])('as %s', async (form) => {
    const run = await audit('--format', form);
    expect(run.code).toBe(3);
    for (const code of ['LVS-CONF-104', 'LVS-LIVE-204', 'LVS-LIVE-007']) expect(run.out).toContain(code);
  });

  test('as JSON lines, with what the host is', async () => {
    const lines = (await audit('--json')).out.split('\n').map((line) => JSON.parse(line));
    expect(lines.map(({ event }) => event)).toEqual([
      'phase',
      'item',
      'item',
      'audited',
      'finding',
      'finding',
      'finding',
    ]);
    expect(lines[3]).toMatchObject({ host: 'lvs1', system: 'debian 12, kernel 6.1.0-test' });
  });

  test('a host that can’t be reached: told, and exit code 1', async () => {
    const run = await lvsctl(['audit', 'nobody@127.0.0.1:1', '--accept-new-host-keys']);
    expect(run).toMatchObject({ code: 1, out: '' });
    expect(run.err).toContain('host 127.0.0.1, connect: SSH-REFUSED');
  });

  test.each([
    [['audit', '-x'], 'CLI-USAGE'],
    [['audit', 'a b@c:d'], 'CLI-NO-DESTINATION'],
    [['audit', '--transport', 'local', 'a', 'b'], 'CLI-LOCAL'],
  ])('%j is refused', async (args, code) => {
    const run = await lvsctl(args);
    expect(run.code).toBe(1);
    expect(run.err).toContain(code);
  });
});
