import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { look } from '../../src/host/looking.ts';
import { parseObserved } from '../../src/observed/parse.ts';
import { lookAround } from '../../src/survey/look.ts';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import { startSshd } from '../transport/sshd.ts';
import { localShell, SHELLS } from './local-shell.ts';

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-look-'));
  put('/etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  put('/proc/sys/kernel/osrelease', '6.1.0-test\n');
  put('/proc/sys/kernel/hostname', 'lvs1\n');
  put('/proc/sys/net/ipv4/ip_forward', '1\n');
  put('/proc/sys/net/ipv4/conf/all/rp_filter', '0\n');
  put('/proc/sys/net/ipv4/conf/eth0.5/rp_filter', '1\n');
  put('/proc/sys/net/ipv4/conf/eth0/arp_ignore', '1\n');
  put('/proc/sys/net/ipv4/vs/conntrack', '0\n');
  put('/proc/net/ip_vs', '');
  put('/proc/modules', 'ip_vs 200704 2 ip_vs_rr, Live 0x0\nip_vs_rr 16384 1 - Live 0x0\n');
  mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
  stub('id', 'echo 0');
  stub('ip', 'case "$*" in *" addr show") cat "$LVSCTL_ROOT/addr" ;; *" link show") cat "$LVSCTL_ROOT/link" ;; esac');
  stub('ss', 'echo "tcp   LISTEN 0      511          0.0.0.0:80        0.0.0.0:*"');
  stub('nmcli', 'exit 8');
  stub('arptables', 'echo not asked >>"$LVSCTL_ROOT/asked"');
  stub(
    'ipvsadm',
    'echo "$*" >>"$LVSCTL_ROOT/asked"; case $1 in -Sn) cat "$LVSCTL_ROOT/table" ;; *) echo "IP Virtual Server version 1.2.1 (size=4096)" ;; esac',
  );
  stub('systemctl', 'case $1 in show) cat "$LVSCTL_ROOT/units" ;; *) exit 1 ;; esac');
  put(
    '/addr',
    '2: eth0    inet 192.0.2.10/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever preferred_lft forever\n',
  );
  put(
    '/link',
    '2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default \\    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 addrgenmode eui64\n',
  );
  put('/table', '-A -t 192.0.2.100:80 -s rr\n-a -t 192.0.2.100:80 -r 192.0.2.11:80 -g -w 1\n');
  put(
    '/units',
    'Id=keepalived.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\nId=ipvsadm.service\nLoadState=loaded\nActiveState=active\nUnitFileState=generated\n',
  );
  // The module of the nftables arptables isn't loaded: it must not be asked.
  put('/lib/modules/6.1.0-test/kernel/net/netfilter/nf_tables.ko', '');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

function stub(name: string, script: string): void {
  put(`/bin/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, `bin/${name}`), 0o755);
}

async function observed(shell: string) {
  const env = { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` };
  const { facts, parts } = await look(localShell({ shell: SHELLS[shell] ?? [], env }), {});
  return parseObserved('lvs1', parts, facts);
}

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  test('what the host is', async () => {
    put('/proc/sys/net/ipv4/tcp_fastopen_key', 'a secret\n');
    const seen = await observed(shell);
    expect(seen.facts).toMatchObject({ hostname: 'lvs1', kernel: '6.1.0-test', systemd: true });
    expect(seen.root).toBe(true);
    expect(seen.links.get('eth0')).toEqual({
      kind: '',
      layer: 'ether',
      up: true,
      mtu: 1500,
      mac: '02:00:00:00:00:01',
      detail: '',
      addresses: [{ address: '192.0.2.10', prefix: 24, family: 4, dynamic: false }],
    });
    expect(Object.fromEntries(seen.sysctls)).toEqual({
      'net/ipv4/ip_forward': '1',
      'net/ipv4/conf/all/rp_filter': '0',
      'net/ipv4/conf/eth0.5/rp_filter': '1',
      'net/ipv4/conf/eth0/arp_ignore': '1',
      'net/ipv4/vs/conntrack': '0',
    });
    expect([...seen.modules.loaded]).toEqual(['ip_vs', 'ip_vs_rr']);
    expect(seen.ipvs).toMatchObject({ state: 'known' });
    expect(seen.listens).toEqual([{ protocol: 'tcp', address: '', port: 80 }]);
  });

  test('looking changes nothing: only what lists is asked', async () => {
    await observed(shell);
    expect(readFileSync(join(root, 'asked'), 'utf8')).toBe('-Sn\n-Ln --thresholds\n');
  });

  test('IPVS is not asked where its module isn’t loaded', async () => {
    rmSync(join(root, 'proc/net/ip_vs'));
    expect((await observed(shell)).ipvs).toEqual({ state: 'none' });
    expect(existsSync(join(root, 'asked'))).toBe(false);
  });

  test('keepalived.conf with what it includes, by patterns too, and each once', async () => {
    put(
      '/etc/keepalived/keepalived.conf',
      'include conf.d/*.conf\n  include "one more.conf"\ninclude /srv/other.conf\n# include no.conf\n',
    );
    put('/etc/keepalived/conf.d/a.conf', 'include ../keepalived.conf\nvrrp_instance a {\n}\n');
    put('/etc/keepalived/conf.d/b.conf', 'include $(touch /tmp/never)\n');
    put('/etc/keepalived/no.conf', 'no\n');
    put('/srv/other.conf', 'last line without its end');
    const { files, keepalived, unread } = await observed(shell);
    const found = [...files.keys()].filter((path) => path.endsWith('.conf'));
    expect(found).toEqual([
      '/etc/keepalived/keepalived.conf',
      '/etc/keepalived/conf.d/a.conf',
      '/etc/keepalived/conf.d/b.conf',
      '/srv/other.conf',
    ]);
    expect(files.get('/srv/other.conf')).toBe('last line without its end');
    expect(keepalived).toEqual({ file: '/etc/keepalived/keepalived.conf', running: false });
    expect(unread).toEqual([]);
  });

  test('another configuration file, and a running keepalived', async () => {
    put('/etc/default/keepalived', 'DAEMON_ARGS="--log-detail -f /srv/k.conf"\n');
    put('/srv/k.conf', 'global_defs {\n}\n');
    put('/run/keepalived.pid', '4711\n');
    mkdirSync(join(root, 'proc/4711'));
    const { files, keepalived } = await observed(shell);
    expect(keepalived).toEqual({ file: '/srv/k.conf', running: true });
    expect(files.has('/srv/k.conf')).toBe(true);
  });

  test('boot files: the order, a masked one, sysctl.conf that nothing reads', async () => {
    put('/usr/lib/sysctl.d/50-a.conf', 'net.ipv4.ip_forward=0\n');
    put('/usr/lib/sysctl.d/60-b.conf', 'net.ipv4.vs.conntrack = 1\n');
    put('/etc/sysctl.d/60-b.conf', '# empty: hides the other one\n');
    put('/etc/sysctl.d/10-c.conf', '# c\nnet.ipv4.conf.eth0/5.rp_filter = 2\n');
    put('/etc/sysctl.conf', 'net.ipv4.ip_forward=1\n');
    mkdirSync(join(root, 'etc/sysctl.d'), { recursive: true });
    const { boot, forgotten } = await observed(shell);
    expect(boot).toEqual([
      { name: 'net/ipv4/conf/eth0.5/rp_filter', value: '2', path: '/etc/sysctl.d/10-c.conf', line: 2 },
      { name: 'net/ipv4/ip_forward', value: '0', path: '/usr/lib/sysctl.d/50-a.conf', line: 1 },
    ]);
    expect(forgotten.map(({ path }) => path)).toEqual(['/etc/sysctl.conf']);
    symlinkSync('../sysctl.conf', join(root, 'etc/sysctl.d/99-sysctl.conf'));
    const linked = await observed(shell);
    expect(linked.boot.at(-1)).toMatchObject({ value: '1', path: '/etc/sysctl.d/99-sysctl.conf' });
    expect(linked.forgotten).toEqual([]);
  });

  test('units, an init script among them', async () => {
    mkdirSync(join(root, 'etc/rc3.d'), { recursive: true });
    symlinkSync('../init.d/ipvsadm', join(root, 'etc/rc3.d/S01ipvsadm'));
    const { units } = await observed(shell);
    expect(Object.fromEntries(units)).toEqual({
      'keepalived.service': { load: 'loaded', active: true, enabled: true },
      'ipvsadm.service': { load: 'loaded', active: true, enabled: true },
    });
  });
});

test('over a real sshd: this machine, and one that isn’t there', async () => {
  const sshd = await startSshd();
  const transport = nodeSshTransport({ sshConfig: 'none', environment: {} });
  try {
    const here = sshd.target({}, 'here');
    const gone = { name: 'gone', ssh: { ...here.ssh, port: 1 } };
    const { seen, unseen } = await lookAround([gone, here], { transport, parallel: 2, timeout: 30 });
    expect(seen.map(({ name }) => name)).toEqual(['here']);
    expect(seen[0]?.links.get('lo')?.addresses[0]).toMatchObject({ address: '127.0.0.1', prefix: 8 });
    expect(seen[0]?.sysctls.get('net/ipv4/ip_forward')).toMatch(/^[01]$/u);
    expect(unseen).toMatchObject([{ name: 'gone', problems: [{ code: 'SSH-REFUSED' }] }]);
  } finally {
    await transport.close();
    await sshd.stop();
  }
});
