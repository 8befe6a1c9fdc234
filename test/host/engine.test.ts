import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { execute, type Observation, observe } from '../../src/host/client.ts';
import { PROGRAMS, SOURCE } from '../../src/host/program.ts';
import { diffOne, type FileResource, keyOf, type Resource } from '../../src/resources/index.ts';
import type { Op } from '../../src/resources/kind.ts';
import { localShell, SHELLS } from './local-shell.ts';

let root = '';
const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lvsctl-engine-'));
  put('/etc/os-release', 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="x"\n');
  put('/proc/sys/kernel/osrelease', '6.1.0-test\n');
  put('/proc/sys/kernel/arch', 'x86_64\n');
  put('/proc/sys/kernel/random/boot_id', 'b-o-o-t\n');
  put('/proc/sys/kernel/hostname', 'rs1\n');
  stub('sync', 'echo synced >>"$LVSCTL_ROOT/synced"');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string | Buffer, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

function stub(name: string, script: string): void {
  put(`/bin/${name}`, `#!/bin/sh\n${script}\n`, 0o755);
}

function here(shell: string) {
  return localShell({
    shell: SHELLS[shell] ?? [],
    env: { LVSCTL_ROOT: root, PATH: `${root}/bin:${process.env.PATH}` },
  });
}

function look(shell: string, resources: readonly Resource[]) {
  return observe(here(shell), { facts: [], desire: () => resources });
}

function opsOf({ resources, states, facts }: Observation) {
  return resources.flatMap((each) => diffOne(each, states.get(keyOf(each)), facts)).flatMap((change) => change.ops);
}

function file(path: string, content: string): FileResource {
  return { kind: 'file', path, state: 'present', content, owner: me, group, mode: '0644' };
}

test.each(['observe', 'apply', 'look'] as const)('to %s, only what is called travels', (mode) => {
  const functions = (text: string) => [...text.matchAll(/^(\w+)\(\) \{/gm)].map(([, name = '']) => name);
  const here = functions(PROGRAMS[mode]);
  const called = functions(SOURCE).filter((name) =>
    new RegExp(`(^|[^\\w-])${name}\\b(?!\\()`, 'm').test(PROGRAMS[mode]),
  );
  expect(here.toSorted()).toEqual([...new Set(called)].toSorted());
  const prefix = mode === 'apply' ? 'observe_' : 'op_';
  expect(here.filter((name) => name.startsWith(prefix))).toEqual([]);
});

test('shellcheck has nothing to say about the program', () => {
  put('/program.sh', `engine=0\n${SOURCE}`);
  expect(execFileSync('shellcheck', ['-s', 'sh', join(root, 'program.sh')]).toString()).toBe('');
});

describe.each(Object.keys(SHELLS))('under %s', (shell) => {
  test('facts', async () => {
    put('/var/lib/lvsctl/manifest.json', '{"version":1}\n');
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    const { facts } = await look(shell, []);
    expect(facts).toEqual({
      platform: 'debian',
      osId: 'debian',
      osVersion: '12',
      kernel: '6.1.0-test',
      arch: 'x86_64',
      bootId: 'b-o-o-t',
      hostname: 'rs1',
      systemd: true,
      devices: {},
      profiles: [],
      manifest: { version: 1 },
    });
  });

  test('folders that it makes can be entered, whatever the umask of the login', async () => {
    const old = process.umask(0o077);
    try {
      const results = await execute(here(shell), opsOf(await look(shell, [file('/srv/www/pages/index.html', 'x\n')])));
      expect(results).toMatchObject([{ status: 'done' }]);
    } finally {
      process.umask(old);
    }
    expect(statSync(join(root, '/srv/www/pages')).mode & 0o777).toBe(0o755);
  });

  test('network facts, with the keyfiles of active profiles', async () => {
    const runtime = '/run/NetworkManager/system-connections';
    put(`${runtime}/ens 33.nmconnection`, '[connection]\nid=ens 33\n\n[user]\na=no newline');
    stub('ip', 'echo \'[{"ifname":"ens33","flags":["UP"],"mtu":1500,"address":"52:54:00:00:00:01","addr_info":[]}]\'');
    stub(
      'nmcli',
      `[ "$1" = -v ] && echo 'nmcli tool, version 1.42.4' && exit
echo "ens33:802-3-ethernet:11111111-2222-5333-8444-555555555555:a:b:${runtime}/ens 33.nmconnection"
echo ":loopback:21111111-2222-5333-8444-555555555555:lo:${runtime}/lo.nmconnection"`,
    );
    const { facts } = await observe(here(shell), { facts: ['network'], desire: () => [] });
    expect(facts.networkManager).toBe('1.42.4');
    expect(facts.devices).toHaveProperty('ens33.mtu', 1500);
    expect(facts.profiles).toMatchObject([
      { name: 'a:b', device: 'ens33', content: '[connection]\nid=ens 33\n\n[user]\na=no newline' },
      { name: 'lo', device: '', content: '' },
    ]);
  });

  test('files: put, look again, nothing to do; content only where it differs', async () => {
    const wanted = [file('/etc/a b/it\'s "a" $file', 'x\n'), file('/etc/empty', ''), file('/etc/no-newline', 'ü')];
    put('/etc/empty', 'full');
    const before = await look(shell, wanted);
    expect(before.states.get('file /etc/empty')).toMatchObject({ type: 'file', content: 'full', mode: '0644' });
    const results = await execute(here(shell), opsOf(before));
    expect(results.map(({ status, output }) => ({ status, output }))).toEqual(
      wanted.map(() => ({ status: 'done', output: '' })),
    );
    const after = await look(shell, wanted);
    expect(opsOf(after)).toEqual([]);
    expect(after.states.get('file /etc/empty')).not.toHaveProperty('content');
    expect(readFileSync(join(root, '/etc/no-newline'), 'utf8')).toBe('ü');
    expect(statSync(join(root, '/etc/empty')).mode & 0o777).toBe(0o644);
    expect(readdirSync(join(root, 'etc')).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(readFileSync(join(root, 'synced'), 'utf8')).toBe('synced\n');
  });

  test('files: bytes, links, folders and hostile content are what they are', async () => {
    put('/etc/bytes', Buffer.from([0, 255, 10]));
    put('/etc/big', 'x'.repeat(1024 * 1024 + 1));
    put('/etc/hostile', '\nabc bye\n\n\nlvsctl-engine\n');
    symlinkSync('/etc/hostile', join(root, 'etc/link'));
    mkdirSync(join(root, 'etc/folder'));
    const paths = ['bytes', 'big', 'hostile', 'link', 'folder', 'none'].map((name) => file(`/etc/${name}`, 'new'));
    const { states } = await look(shell, paths);
    expect(paths.map((each) => states.get(keyOf(each)))).toMatchObject([
      { type: 'file', content: null },
      { type: 'file', content: null },
      { type: 'file', content: '\nabc bye\n\n\nlvsctl-engine\n' },
      { type: 'other', what: 'symlink' },
      { type: 'other', what: 'directory' },
      { type: 'absent' },
    ]);
  });

  test('a link is replaced, what it points to is not; a folder is refused', async () => {
    put('/etc/target', 'old');
    symlinkSync(join(root, 'etc/target'), join(root, 'etc/link'));
    mkdirSync(join(root, 'etc/folder'));
    const wanted = [file('/etc/link', 'new'), file('/etc/folder', 'new'), file('/etc/never', 'new')];
    const results = await execute(here(shell), opsOf(await look(shell, wanted)));
    expect(results.map(({ status }) => status)).toEqual(['done', 'failed', 'not-run']);
    expect(results[1]?.output).toBe('/etc/folder is a directory');
    expect(readFileSync(join(root, 'etc/target'), 'utf8')).toBe('old');
    expect(lstatSync(join(root, 'etc/link')).isFile()).toBe(true);
    expect(existsSync(join(root, 'etc/never'))).toBe(false);
  });

  test('input that stops short changes nothing and leaves nothing', async () => {
    put('/etc/x', 'old');
    const session = await here(shell).open(['sh', '-c', PROGRAMS.apply, 'lvsctl', 'apply'], { phase: 'apply' });
    await session.write(`noise\nlvsctl-engine\n0123\nop file_put 4 1000\n/etc/x\n${me}\n${group}\n0644\nonly a part`);
    session.end();
    expect(await session.exit).toEqual({ code: 0, signal: null });
    expect(readFileSync(join(root, 'etc/x'), 'utf8')).toBe('old');
    expect(readdirSync(join(root, 'etc'))).toEqual(['os-release', 'x']);
  });

  test('what a crash left staged goes with the next file', async () => {
    put('/etc/.lvsctl.999999999', 'half');
    await execute(here(shell), opsOf(await look(shell, [file('/etc/x', 'new')])));
    expect(readdirSync(join(root, 'etc'))).toEqual(['os-release', 'x']);
  });

  test('an operation reads no request that follows it', async () => {
    stub('modprobe', 'cat; echo "loading $*"');
    const ops = ['one', 'two', 'three'].map((name) => ({ name: 'module_load', args: [name] }));
    expect((await execute(here(shell), ops)).map(({ output }) => output)).toEqual([
      'loading -- one',
      'loading -- two',
      'loading -- three',
    ]);
  });

  test('the first failure stops; what it said is in its result; unknown names are refused', async () => {
    stub('modprobe', 'echo "modprobe: FATAL: Module $2 not found." >&2; exit 1');
    const ops = [
      { name: 'module_load', args: ['nope'] },
      { name: 'module_load', args: ['ip_vs'] },
    ];
    expect(await execute(here(shell), ops)).toEqual([
      { op: ops[0], status: 'failed', output: 'modprobe: FATAL: Module nope not found.' },
      { op: ops[1], status: 'not-run', output: '' },
    ]);
    const [unknown] = await execute(here(shell), [{ name: 'rm', args: ['-rf', '/'] }]);
    expect(unknown).toMatchObject({ status: 'failed', output: expect.stringContaining('no operation rm') });
  });

  test('stopping on request: what runs comes to its end, the rest does not start', async () => {
    stub('modprobe', 'echo "$2" >>"$LVSCTL_ROOT/log"');
    const stop = new AbortController();
    const ops = ['one', 'two', 'three'].map((name) => ({ name: 'module_load', args: [name] }));
    const results = await execute(here(shell), ops, { signal: stop.signal, onOp: () => stop.abort() });
    expect(results.map(({ status }) => status)).toEqual(['done', 'not-run', 'not-run']);
    expect(readFileSync(join(root, 'log'), 'utf8')).toBe('one\n');
  });

  test('sysctls: live values, a later file, one that does not exist', async () => {
    put('/proc/sys/net/ipv4/ip_forward', '0\n');
    put('/proc/sys/net/ipv4/tcp_rmem', '4096\t131072\t33554432\n');
    put('/etc/sysctl.d/90-lvsctl.conf', 'net.ipv4.ip_forward = 1\n');
    put('/usr/lib/sysctl.d/99-x.conf', '# net.ipv4.ip_forward = 5\n\nnet.ipv4.ip_forward=0\n');
    const own = '/etc/sysctl.d/90-lvsctl.conf';
    const wanted: Resource[] = [
      { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: own },
      { kind: 'sysctl', name: 'net.ipv4.tcp_rmem', value: '4096 131072 33554432', file: own },
      { kind: 'sysctl', name: 'net.ipv4.vs.conntrack', value: '1', file: own },
    ];
    const seen = await look(shell, wanted);
    expect([...seen.states.values()]).toEqual([
      { value: '0', overriddenBy: '/usr/lib/sysctl.d/99-x.conf:3', others: {} },
      { value: '4096 131072 33554432', overriddenBy: null },
      { value: null, overriddenBy: null },
    ]);
    const results = await execute(here(shell), opsOf(seen));
    expect(results.map(({ status, output }) => [status, output])).toEqual([
      ['done', ''],
      ['failed', 'this kernel has no net/ipv4/vs/conntrack'],
    ]);
    expect(readFileSync(join(root, 'proc/sys/net/ipv4/ip_forward'), 'utf8')).toBe('1\n');
  });

  test('modules: loaded, built in, not loaded, none', async () => {
    stub(
      'modprobe',
      'case $* in *" -na -- ipip tunnel nope") echo "modprobe: WARNING: Module nope not found in" >&2 ;; esac',
    );
    mkdirSync(join(root, 'sys/module/ip_vs'), { recursive: true });
    put('/lib/modules/6.1.0-test/modules.builtin', 'kernel/net/ipv4/ipip.ko\nkernel/net/ipv4/tunnel4.ko\n');
    const wanted = ['ip-vs', 'ipip', 'tunnel', 'nope'].map((name): Resource => ({ kind: 'module', name }));
    expect([...(await look(shell, wanted)).states.values()]).toEqual([
      { loaded: true, available: true },
      { loaded: true, available: true },
      { loaded: false, available: true },
      { loaded: false, available: false },
    ]);
  });

  test('packages: one query, one installation, units masked meanwhile, lists brought up to date only if needed', async () => {
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    const log = `echo "$(basename "$0") $*" >>"$LVSCTL_ROOT/log"`;
    stub('dpkg-query', `${log}\necho 'bash installed 5.2'; echo 'dpkg-query: no packages found' >&2; exit 1`);
    stub('systemctl', log);
    stub(
      'apt-get',
      `${log}
case "$*" in *update) touch "$LVSCTL_ROOT/updated" ;; esac
[ -e "$LVSCTL_ROOT/updated" ] || { echo 'E: Unable to locate package ipvsadm' >&2; exit 100; }`,
    );
    const wanted = ['bash', 'ipvsadm', 'nginx-light'].map((name): Resource => ({ kind: 'package', name }));
    const results = await execute(here(shell), opsOf(await look(shell, wanted)));
    expect(results.map(({ status }) => status)).toEqual(['done', 'done']);
    const calls = readFileSync(join(root, 'log'), 'utf8').replaceAll(/ -o \S+/g, '');
    expect(
      calls
        .replace(/-f=.*(\n|\\n) /, '')
        .replaceAll(/ -f=package .*\n\n?/g, '\n')
        .split('\n'),
    ).toEqual([
      'dpkg-query -W bash ipvsadm nginx-light',
      'dpkg-query -W',
      'systemctl --runtime --quiet mask ipvsadm.service nginx.service',
      'apt-get -qq -y --no-install-recommends install ipvsadm nginx-light',
      'apt-get -qq update',
      'apt-get -qq -y --no-install-recommends install ipvsadm nginx-light',
      'systemctl --runtime --quiet unmask ipvsadm.service nginx.service',
      'dpkg-query -W',
      '',
    ]);
  });

  test('packages: what apt says of a failure that a new list would not mend; the masks go all the same', async () => {
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    stub('systemctl', 'echo "$*" >>"$LVSCTL_ROOT/log"');
    stub('apt-get', "echo 'E: Sub-process /usr/bin/dpkg returned an error code (1)'; exit 100");
    const [result] = await execute(here(shell), [{ name: 'package_install', args: ['apt', 'nginx=nginx.service'] }]);
    expect(result).toMatchObject({
      status: 'failed',
      output: 'E: Sub-process /usr/bin/dpkg returned an error code (1)',
    });
    expect(readFileSync(join(root, 'log'), 'utf8')).toContain('unmask nginx.service');
  });

  test('packages and modules: where it can’t be noted what was there before, nothing is begun', async () => {
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    for (const name of ['systemctl', 'apt-get', 'modprobe']) stub(name, `echo "${name} $*" >>"$LVSCTL_ROOT/log"`);
    // A folder stands in the way of each list.
    mkdirSync(join(root, 'var/lib/lvsctl/things.new'), { recursive: true });
    mkdirSync(join(root, 'var/lib/lvsctl/modules.new'));
    put('/proc/modules', 'loop 1 0 - Live 0x0\n');
    const ops = [
      { name: 'package_install', args: ['apt', 'nginx=nginx.service'] },
      { name: 'module_load', args: ['ip_vs'] },
    ];
    for (const op of ops) expect(await execute(here(shell), [op])).toMatchObject([{ status: 'failed' }]);
    expect(existsSync(join(root, 'log'))).toBe(false);
    expect(existsSync(join(root, 'var/lib/lvsctl/modules'))).toBe(false);
  });

  test('the record’s bytes are on the disk before it has its name', async () => {
    put('/var/lib/lvsctl/manifest.json', 'old');
    for (const name of ['sync', 'mv']) stub(name, `echo "${name} $*" >>"$LVSCTL_ROOT/log"`);
    await execute(here(shell), [{ name: 'manifest_write', args: [], input: 'new' }]);
    const log = readFileSync(join(root, 'log'), 'utf8');
    expect(log).toMatch(/^sync \S*\/\.lvsctl\.\d+\nmv .*manifest\.json\n/);
  });

  test('IPVS: an unloaded module is not loaded by looking; only single commands are run', async () => {
    stub('ipvsadm', 'echo "$*" >>"$LVSCTL_ROOT/log"; echo "-A -t 20.20.20.20:80 -s rr"');
    const gone: Resource = { kind: 'ipvs', state: 'absent', protocol: 'tcp', address: '20.20.20.20', port: 80 };
    expect([...(await look(shell, [gone])).states.values()]).toEqual([null]);
    expect(existsSync(join(root, 'log'))).toBe(false);
    put('/proc/net/ip_vs', '');
    expect([...(await look(shell, [gone])).states.values()]).toEqual([
      { scheduler: 'rr', flags: [], destinations: [] },
    ]);
    const [flush] = await execute(here(shell), [{ name: 'ipvs', args: ['-C'] }]);
    expect(flush).toMatchObject({ status: 'failed', output: 'ipvsadm -C is refused' });
    expect(readFileSync(join(root, 'log'), 'utf8')).toBe('-Sn\n-Ln --thresholds\n');
  });

  test('IPVS: what is to be added and is there already, unread while ipvsadm was missing, is edited', async () => {
    stub(
      'ipvsadm',
      'echo "$*" >>"$LVSCTL_ROOT/log"; case $1 in -[Aa]) echo "Service already exists"; exit 255 ;; esac',
    );
    const add = (...args: string[]) => ({ name: 'ipvs', args });
    const results = await execute(here(shell), [
      add('-A', '-t', '20.20.20.20:80', '-s', 'wrr'),
      add('-a', '-t', '20.20.20.20:80', '-r', '30.30.30.30:80', '-g', '-w', '1'),
    ]);
    expect(results.map(({ status, output }) => ({ status, output }))).toEqual([
      { status: 'done', output: '' },
      { status: 'done', output: '' },
    ]);
    expect(readFileSync(join(root, 'log'), 'utf8').trim().split('\n')).toEqual([
      '-A -t 20.20.20.20:80 -s wrr',
      '-E -t 20.20.20.20:80 -s wrr',
      '-a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1',
      '-e -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1',
    ]);
    stub('ipvsadm', 'echo "Memory allocation problem"; exit 255');
    const [other] = await execute(here(shell), [add('-A', '-t', '20.20.20.20:80', '-s', 'wrr')]);
    expect(other).toMatchObject({ status: 'failed', output: 'Memory allocation problem' });
  });

  test('IPVS: a real server goes once nothing is served there any more; one that went already is no failure', async () => {
    // Two connections of its own at first, one fewer with each look; others' don't count.
    stub(
      'ipvsadm',
      `echo "$*" >>"$LVSCTL_ROOT/log"
case $1 in
  -Ln)
    left=$(cat "$LVSCTL_ROOT/left" 2>/dev/null || echo 2)
    echo $((left - 1)) >"$LVSCTL_ROOT/left"
    printf '%s\\n' 'Prot LocalAddress:Port Scheduler Flags' '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn' \\
      'FWM  7 IPv6 rr' '  -> [2001:db8::31]:0 Route 1 9 0' "  -> [2001:db8::30]:0 Route 0 $left 4"
    ;;
  -[de]) echo 'No such destination'; exit 255 ;;
esac`,
    );
    const service = ['-f', '7', '-6'];
    const results = await execute(here(shell), [
      { name: 'ipvs', args: ['-e', ...service, '-r', '[2001:db8::30]:0', '-g', '-w', '0'] },
      { name: 'ipvs', args: ['-d', ...service, '-r', '[2001:db8::30]:0'] },
      { name: 'ipvs', args: ['cut', ...service, '-r', '[2001:db8::30]:0'] },
      { name: 'ipvs', args: ['forget', '0'] },
      { name: 'ipvs', args: ['-e', ...service, '-r', '[2001:db8::30]:0', '-g', '-w', '1'] },
    ]);
    expect(results.map(({ status }) => status)).toEqual(['done', 'done', 'done', 'done', 'failed']);
    expect(readFileSync(join(root, 'log'), 'utf8').trim().split('\n')).toEqual([
      '-e -f 7 -6 -r [2001:db8::30]:0 -g -w 0',
      '-Ln -f 7 -6',
      '-Ln -f 7 -6',
      '-Ln -f 7 -6',
      '-d -f 7 -6 -r [2001:db8::30]:0',
      '-d -f 7 -6 -r [2001:db8::30]:0',
      '-e -f 7 -6 -r [2001:db8::30]:0 -g -w 1',
    ]);
  });

  test('services: one query for all, init script links, what each has loaded', async () => {
    put('/etc/init.d/ipvsadm', '');
    mkdirSync(join(root, 'etc/rc3.d'));
    symlinkSync('../init.d/ipvsadm', join(root, 'etc/rc3.d/S01ipvsadm'));
    put('/run/lvsctl/loaded/nginx.service', `${'a'.repeat(64)}  /etc/nginx/nginx.conf\n`);
    stub(
      'systemctl',
      `shift 2
for unit; do
  [ "$unit" = ipvsadm.service ] && file=generated || file=enabled
  printf 'Id=%s\\nLoadState=loaded\\nActiveState=active\\nUnitFileState=%s\\nNeedDaemonReload=no\\n\\n' "$unit" "$file"
done`,
    );
    const wanted = ['nginx.service', 'ipvsadm.service'].map(
      (unit): Resource => ({ kind: 'service', unit, enabled: true, running: true, config: [], activate: 'reload' }),
    );
    const seen = await look(shell, wanted);
    expect([...seen.states.values()]).toMatchObject([
      { enabled: true, running: true, loaded: [`${'a'.repeat(64)}  /etc/nginx/nginx.conf`] },
      { enabled: true, running: true, loaded: null },
    ]);
    expect(opsOf(seen)).toEqual([]);
  });

  test('services: a configuration that its own checker refuses is not taken up', async () => {
    stub('systemctl', 'echo "$*" >>"$LVSCTL_ROOT/log"; case "$*" in *NeedDaemonReload*) echo yes ;; esac');
    stub('nginx', 'echo "nginx: [emerg] unknown directive \\"lisen\\" in /etc/nginx/nginx.conf:3" >&2; exit 1');
    const [bad] = await execute(here(shell), [{ name: 'service_reload', args: ['nginx.service', 'nginx'] }]);
    expect(bad).toMatchObject({
      status: 'failed',
      output: 'nginx: [emerg] unknown directive "lisen" in /etc/nginx/nginx.conf:3',
    });
    stub('nginx', 'exit 0');
    const [good] = await execute(here(shell), [{ name: 'service_reload', args: ['nginx.service', 'nginx'] }]);
    expect(good).toMatchObject({ status: 'done' });
    const show = 'show -p NeedDaemonReload --value nginx.service';
    expect(readFileSync(join(root, 'log'), 'utf8').split('\n')).toEqual([
      show,
      'daemon-reload',
      show,
      'daemon-reload',
      'reload nginx.service',
      '--quiet is-active nginx.service',
      '',
    ]);
  });

  test('services: units whose texts changed are read again, once, at the end of a step', async () => {
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    stub('systemctl', 'echo "$*" >>"$LVSCTL_ROOT/log"; case "$*" in *NeedDaemonReload*) echo yes ;; esac');
    const path = '/etc/systemd/system/ipvsadm.service.d/lvsctl.conf';
    const write = { name: 'file_put', args: [path, me, group, '0644'], input: '[Service]\n' };
    const enable = { name: 'service_enable', args: ['ipvsadm.service'] };
    const calls = async (...ops: Op[]): Promise<string[]> => {
      rmSync(join(root, 'log'), { force: true });
      expect((await execute(here(shell), ops)).map(({ status }) => status)).toEqual(ops.map(() => 'done'));
      return existsSync(join(root, 'log')) ? readFileSync(join(root, 'log'), 'utf8').trim().split('\n') : [];
    };
    expect(await calls(write, write, enable)).toEqual(['--quiet enable ipvsadm.service', 'daemon-reload']);
    expect(await calls({ name: 'file_remove', args: [path] })).toEqual(['daemon-reload']);
    expect(await calls({ ...write, args: ['/etc/other', me, group, '0644'] })).toEqual([]);
    const start = { name: 'service_start', args: ['nginx.service', '-'] };
    const ready = await calls(write, start);
    expect(ready.filter((call) => call === 'daemon-reload')).toHaveLength(1);
  });

  test('services: started, but it does not stay up: its own words', async () => {
    stub(
      'systemctl',
      'case "$*" in *is-active*) exit 3 ;; status*) echo "nginx.service: Failed with result \'exit-code\'." ;; esac',
    );
    const [result] = await execute(here(shell), [{ name: 'service_start', args: ['nginx.service', '-'] }]);
    expect(result).toMatchObject({ status: 'failed', output: "nginx.service: Failed with result 'exit-code'." });
  });

  test('services: one that was stopped does not count as failed; one that does not stop is told', async () => {
    stub('systemctl', 'echo "$*" >>"$LVSCTL_ROOT/log"; case "$*" in reset-failed*) exit 1 ;; esac');
    const stop: Op = { name: 'service_stop', args: ['nginx.service'] };
    expect(await execute(here(shell), [stop])).toMatchObject([{ status: 'done', output: '' }]);
    const asked = readFileSync(join(root, 'log'), 'utf8').split('\n');
    expect(asked).toEqual(['stop nginx.service', 'reset-failed nginx.service', '']);
    stub('systemctl', 'echo "Job for nginx.service timed out." >&2; exit 1');
    expect(await execute(here(shell), [stop])).toMatchObject([
      { status: 'failed', output: 'Job for nginx.service timed out.' },
    ]);
  });

  test('the record of what is managed is for its owner alone', async () => {
    const results = await execute(here(shell), [{ name: 'manifest_write', args: [], input: '{"version":1}\n' }]);
    expect(results).toMatchObject([{ status: 'done', output: '' }]);
    expect(statSync(join(root, 'var/lib/lvsctl')).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, 'var/lib/lvsctl/manifest.json')).mode & 0o777).toBe(0o600);
  });
});

test.each(Object.keys(SHELLS))(
  'under %s, in a network namespace: ip_forward takes no other parameter along',
  async (shell) => {
    const after = '"$@"; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/accept_redirects >"$OUT"';
    const connection = localShell({
      shell: ['unshare', '--map-root-user', '--net', 'sh', '-c', after, 'sh', ...(SHELLS[shell] ?? [])],
      env: { PATH: `${root}/bin:${process.env.PATH}`, OUT: join(root, 'out') },
    });
    const set = (path: string, value: string) => ({ name: 'sysctl_set', args: [`net/ipv4/${path}`, value] });
    const results = await execute(connection, [
      set('conf/all/accept_redirects', '1'),
      set('ip_forward', '1'),
      set('ip_forward', 'maybe'),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['done', 'done', 'failed']);
    expect(results[2]?.output).toContain('the kernel refuses maybe for net/ipv4/ip_forward');
    await expect
      .poll(() => existsSync(join(root, 'out')) && readFileSync(join(root, 'out'), 'utf8'), { timeout: 30_000 })
      .toBe('1\n1\n');
  },
);

test('looking is cheap: for files, sysctls, services and packages together, eight programs', async () => {
  for (const name of ['sha256sum', 'stat', 'grep', 'head', 'cat', 'uname', 'basename']) {
    const real = execFileSync('sh', ['-c', `command -v ${name}`])
      .toString()
      .trim();
    stub(name, `echo ${name} >>"$LVSCTL_ROOT/log"; exec ${real} "$@"`);
  }
  for (const name of ['systemctl', 'dpkg-query', 'ipvsadm']) stub(name, `echo ${name} >>"$LVSCTL_ROOT/log"`);
  put('/proc/net/ip_vs', '');
  const files = Array.from({ length: 10 }, (_, n) => file(`/etc/f${n}`, 'same'));
  for (const { path } of files) put(path, path === '/etc/f0' ? 'differs' : 'same');
  put('/proc/sys/net/ipv4/ip_forward', '1\n');
  await look('dash', [
    ...files,
    { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: '/etc/sysctl.d/90-lvsctl.conf' },
    { kind: 'service', unit: 'a.service', enabled: true, running: true, config: [], activate: 'reload' },
    { kind: 'service', unit: 'b.service', enabled: true, running: true, config: [], activate: 'reload' },
    { kind: 'package', name: 'a' },
    { kind: 'package', name: 'b' },
    { kind: 'ipvs', state: 'absent', protocol: 'tcp', address: '20.20.20.20', port: 80 },
  ]);
  expect(readFileSync(join(root, 'log'), 'utf8').split('\n').sort()).toEqual([
    '',
    'dpkg-query',
    'grep',
    'head',
    'ipvsadm',
    'ipvsadm',
    'sha256sum',
    'stat',
    'systemctl',
  ]);
});
