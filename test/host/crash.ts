import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { enterOp, openOp } from '../../src/apply/transaction.ts';
import { observe } from '../../src/host/client.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Facts } from '../../src/platform/facts.ts';
import { sha256 } from '../../src/resources/file.ts';
import { diffOne, keyOf, type Resource } from '../../src/resources/index.ts';
import type { Op } from '../../src/resources/kind.ts';
import { revertOf } from '../../src/resources/revert.ts';
import type { Connection } from '../../src/transport/types.ts';
import { DEBIAN } from '../resources/facts.ts';
import { STUBS } from './crash-stubs.ts';
import { localShell, SHELLS } from './local-shell.ts';

/**
 * A host in a folder, whose every external command can be the last one: wrappers on PATH count what a process group runs
 * and kill it, all of it, before or after command number N. Tools that would need a kernel keep their state in files:
 * `root` is the disk with /proc, /sys and /run in it, `live` what those tools hold in memory.
 */
export interface Host {
  base: string;
  root: string;
  shell: string;
}

/** Who is killed: what the controller began, the host's guard, or the unit at boot. */
export type Role = 'session' | 'guard' | 'settle';

export interface Fault {
  role: Role;
  /** Number of the command, from 1. */
  at: number;
  when: 'before' | 'after';
}

const me = execFileSync('id', ['-un']).toString().trim();
const group = execFileSync('id', ['-gn']).toString().trim();
const FACTS: Facts = { ...DEBIAN };

/** Wrappers for all that the program runs; made once, for all hosts. */
export function makeTools(): string {
  const tools = mkdtempSync(join(tmpdir(), 'lvsctl-crash-tools-'));
  mkdirSync(join(tools, 'stubs'));
  for (const [name, text] of Object.entries(STUBS)) program(join(tools, 'stubs', name), text);
  const real = ['cat', 'chmod', 'cp', 'dd', 'grep', 'ln', 'mkdir', 'mv', 'readlink', 'rm', 'rmdir', 'sed', 'sha256sum'];
  const more = ['sort', 'stat', 'tail', 'tar', 'tr', 'cmp', 'basename', 'id', 'head'];
  for (const name of [...real, ...more, ...Object.keys(STUBS)]) {
    const target =
      name in STUBS
        ? join(tools, 'stubs', name)
        : execFileSync('sh', ['-c', `command -v ${name}`])
            .toString()
            .trim();
    program(join(tools, name), wrapper(name, name in STUBS ? `CRASH_ROLE=tool PATH=\${PATH#*:} ${target}` : target));
  }
  return tools;
}

function program(path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}`);
  chmodSync(path, 0o755);
}

function wrapper(name: string, target: string): string {
  // How often somebody waits is chance; nothing changes by it.
  if (name === 'sleep') return `${target} "$@"\n`;
  return `
role= at= when=
[ ! -e "$CRASH/fault" ] || IFS=' ' read -r role at when <"$CRASH/fault"
if [ "$role" != "$CRASH_ROLE" ]; then
  ${target} "$@"
  exit
fi
set -C
n=1
[ ! -e "$CRASH/near" ] || read -r n <"$CRASH/near"
until true >"$CRASH/count/$n"; do n=$((n + 1)); done 2>/dev/null
set +C
echo "$n" >"$CRASH/near"
echo "${name} $*" >"$CRASH/count/$n"
[ "$n" != "$at" ] || [ "$when" != before ] || kill -9 0
${target} "$@"
status=$?
[ "$n" != "$at" ] || kill -9 0
exit "$status"
`;
}

let counter = 0;

/** A folder with a host in it, as it is before the change. */
export function makeHost(folder: string, shell = 'dash'): Host {
  counter += 1;
  const base = join(folder, `host${counter}`);
  const host = { base, root: join(base, 'root'), shell };
  mkdirSync(join(base, 'count'), { recursive: true });
  for (const [path, content] of Object.entries(BEFORE)) put(host, path, content);
  const folders = ['run/systemd/system', 'run/lvsctl/pending', 'var/lib/selinux/targeted/active'];
  for (const path of folders) mkdirSync(join(host.root, path), { recursive: true });
  symlinkSync('/etc/one', join(host.root, 'etc/link'));
  mkdirSync(join(host.root, 'etc/systemd/system/multi-user.target.wants'), { recursive: true });
  symlinkSync('x', join(host.root, 'etc/systemd/system/multi-user.target.wants/leaving.service'));
  chmodSync(join(host.root, 'etc/one'), 0o640);
  return host;
}

/** The same host a second time. */
export function copyHost(folder: string, from: Host): Host {
  counter += 1;
  const base = join(folder, `host${counter}`);
  execFileSync('cp', ['-a', from.base, base]);
  return { ...from, base, root: join(base, 'root') };
}

function put({ base }: Host, path: string, content: string): void {
  mkdirSync(dirname(join(base, path)), { recursive: true });
  writeFileSync(join(base, path), content);
}

const PROFILES = 'root/etc/NetworkManager/system-connections';
const keyfile = (uuid: string, address: string) => `[connection]\nuuid=${uuid}\n[ipv4]\naddress1=${address}\n`;
const TREE = 'f'.repeat(64);

const BEFORE: Record<string, string> = {
  'root/etc/os-release': 'ID=debian\n',
  'root/proc/uptime': '100.25 300.00\n',
  'root/proc/modules': '',
  'root/proc/sys/kernel/osrelease': '6.1\n',
  'root/proc/sys/kernel/arch': 'x86_64\n',
  'root/proc/sys/kernel/random/boot_id': 'b\n',
  'root/proc/sys/kernel/hostname': 'h\n',
  'root/proc/sys/net/ipv4/ip_forward': '0\n',
  'root/proc/sys/net/ipv4/conf/all/accept_redirects': '1\n',
  'root/etc/one': 'old\n',
  'root/etc/gone': 'still here\n',
  'root/etc/passwd': 'root:x:0:0::/root:/bin/sh\nleaver:x:998:998::/:/none\n',
  'root/etc/group': 'root:x:0:\nleaver:x:998:\n',
  'root/etc/modules-load.d/lvsctl.conf': 'leaving\n',
  'root/sys/module/leaving/refcnt': '0\n',
  'root/opt/old/.lvsctl-sha256': `${TREE}\n`,
  'root/opt/old/bin/program': 'old program\n',
  'root/etc/web.service.conf': 'web old\n',
  'root/etc/plain.service.conf': 'plain old\n',
  'root/etc/leaving.service.conf': 'leaving\n',
  'root/etc/web.service.dropin': '',
  'live/active/web.service': 'web old\n',
  'root/run/lvsctl/loaded/web.service': `${sha256('web old\n')}  etc/web.service.conf\n`,
  'live/active/plain.service': 'plain old\n',
  'live/active/leaving.service': 'leaving\n',
  [`${PROFILES}/eth0.nmconnection`]: keyfile('u-eth0', '10.0.0.2/24'),
  'live/nm/eth0': 'u-eth0\n',
  'live/addr/eth0': '10.0.0.2/24\n',
  'live/addr/lo': '127.0.0.1/8\n',
  'live/ipvs/-t_20.0.0.1:80/def': '-s wrr\n',
  'live/ipvs/-t_20.0.0.1:80/30.0.0.1:80': '-g -w 1\n',
  'live/ipvs/-t_20.0.0.1:80/30.0.0.2:80': '-g -w 2\n',
  'live/ipvs/-t_20.0.0.9:80/def': '-s rr\n',
  'live/timeouts': '900 120 300\n',
  'live/nft': 'add table inet lvsctl\nadd chain inet lvsctl marks x\nadd rule inet lvsctl marks old\n',
  'live/arp': 'INPUT -j DROP -d 20.0.0.8\n',
  'live/neigh/eth0_10.0.0.9': 'aa:aa:aa:aa:aa:aa\n',
  'root/sys/class/net/gre9/x': '10.0.0.2\n',
  'root/sys/fs/selinux/booleans/httpd_x': '0\n',
};

const dest = (address: string, weight: number) =>
  ({ method: 'gate', address, port: 80, weight, upper: 0, lower: 0 }) as const;
const file = (path: string, content: string): Resource => {
  return { kind: 'file', path, state: 'present', content, owner: me, group, mode: '0644' };
};
const service = (unit: string, config: string | undefined, activate: 'reload' | 'restart'): Resource => ({
  kind: 'service',
  unit,
  enabled: true,
  running: true,
  config: config === undefined ? [] : [{ path: `/etc/${unit}.conf`, sha256: sha256(config) }],
  activate,
});
const connection = (device: string, uuid: string, address: string): Resource => ({
  kind: 'connection',
  device,
  type: device === 'lo' ? 'loopback' : 'ethernet',
  profile: {
    name: device,
    uuid,
    file: `${PROFILES.slice(4)}/${device}.nmconnection`,
    content: keyfile(uuid, address),
  },
  addresses: [address],
  routes: [],
});

/** What the host had, and what it shall have, one kind after the other; what isn't told is read from the host. */
function wanted(archive: { file: string; sha256: string }): { resource: Resource; state?: unknown }[] {
  const up = { load: 'loaded', enabled: true, running: true, stale: false };
  const eth0 = connection('eth0', 'u-eth0', '10.0.0.3/24');
  const lo = connection('lo', 'u-lo', '20.0.0.1/32');
  const clean = { otherFile: null, missingRoutes: [], surplusRoutes: [], pending: false };
  const eth0File = sha256(keyfile('u-eth0', '10.0.0.2/24'));
  const eth0Was = { type: 'file', sha256: eth0File, owner: me, group, mode: '0644' };
  const table = { scheduler: 'wrr', flags: [], destinations: [dest('30.0.0.1', 1), dest('30.0.0.2', 2)] };
  const place = { backend: 'nftables', into: [] } as const;
  return [
    { resource: { kind: 'module', name: 'coming' } },
    { resource: { kind: 'module', name: 'leaving', state: 'unloaded' } },
    {
      resource: { kind: 'tunnel', type: 'gre', device: 'gre1', local: '10.0.0.2', state: 'up' },
      state: { state: 'absent' },
    },
    {
      resource: { kind: 'tunnel', type: 'gre', device: 'gre9', local: '10.0.0.2', state: 'absent' },
      state: { state: 'up' },
    },
    { resource: { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1', file: '/etc/sysctl.d/x' } },
    { resource: { kind: 'account', name: 'comer', state: 'present' }, state: { present: false } },
    { resource: { kind: 'account', name: 'leaver', state: 'absent' }, state: { present: true } },
    { resource: { kind: 'archive', state: 'present', path: '/opt/lvsctl/new', ...archive }, state: { what: 'absent' } },
    {
      resource: { kind: 'archive', state: 'absent', path: '/opt/old', file: '', sha256: TREE },
      state: { what: 'tree', sha256: TREE },
    },
    { resource: file('/etc/one', 'new\n') },
    { resource: file('/etc/link', 'no link\n') },
    { resource: file('/etc/deep/er/two', 'new\n') },
    { resource: { kind: 'file', path: '/etc/gone', state: 'absent' } },
    { resource: file('/etc/modules-load.d/lvsctl.conf', 'coming\n') },
    { resource: file('/etc/web.service.conf', 'web new\n') },
    { resource: file('/etc/plain.service.conf', 'plain new\n') },
    { resource: file('/etc/plain.service.dropin', '') },
    { resource: file('/etc/fresh.service.conf', 'fresh\n') },
    {
      resource: { kind: 'selinux_boolean', name: 'httpd_x', value: true },
      state: { live: false, stored: null },
    },
    {
      resource: { kind: 'arptables', address: '20.0.0.1', source: '10.0.0.2', state: 'present' },
      state: { rules: [] },
    },
    {
      resource: { kind: 'arptables', address: '20.0.0.8', source: '10.0.0.2', state: 'absent' },
      state: { rules: ['INPUT -j DROP -d 20.0.0.8'] },
    },
    {
      resource: eth0,
      state: {
        ...clean,
        file: eth0Was,
        active: 'u-eth0',
        missing: ['10.0.0.3/24'],
        surplus: ['10.0.0.2/24'],
        was: { file: eth0Was, active: 'u-eth0', other: null, addresses: ['10.0.0.2/24'] },
      },
    },
    {
      resource: lo,
      state: {
        ...clean,
        file: { type: 'absent' },
        active: null,
        missing: ['20.0.0.1/32'],
        surplus: [],
        was: { file: { type: 'absent' }, active: null, other: null, addresses: [] },
      },
    },
    {
      resource: { kind: 'neighbour', device: 'eth0', address: '10.0.0.8', mac: 'bb:bb:bb:bb:bb:bb', state: 'present' },
      state: { mac: null },
    },
    {
      resource: { kind: 'neighbour', device: 'eth0', address: '10.0.0.9', mac: '', state: 'absent' },
      state: { mac: 'aa:aa:aa:aa:aa:aa' },
    },
    {
      resource: {
        kind: 'firewall',
        purpose: 'traffic',
        place: { ...place, into: [] },
        rules: [],
        closed: null,
        lines: ['add chain inet lvsctl marks x', 'add rule inet lvsctl marks new'],
      },
      state: { rules: ['add chain inet lvsctl marks x', 'add rule inet lvsctl marks old'] },
    },
    {
      resource: {
        ...{ kind: 'ipvs', protocol: 'tcp', address: '20.0.0.1', port: 80, state: 'present' },
        ...{ scheduler: 'wlc', flags: [], destinations: [dest('30.0.0.2', 5), dest('30.0.0.3', 1)] },
      },
      state: table,
    },
    {
      resource: {
        ...{ kind: 'ipvs', protocol: 'tcp', address: '20.0.0.2', port: 80, state: 'present' },
        ...{ scheduler: 'rr', flags: [], destinations: [dest('30.0.0.1', 1)] },
      },
      state: null,
    },
    {
      resource: { kind: 'ipvs', protocol: 'tcp', address: '20.0.0.9', port: 80, state: 'absent' },
      state: { scheduler: 'rr', flags: [], destinations: [] },
    },
    {
      resource: { kind: 'ipvs_timeouts', tcp: 60, tcpFin: 10, udp: 20 },
      state: { tcp: 900, tcpFin: 120, udp: 300 },
    },
    {
      resource: service('web.service', 'web new\n', 'reload'),
      state: { ...up, loaded: [`${sha256('web old\n')}  /etc/web.service.conf`] },
    },
    { resource: service('plain.service', 'plain new\n', 'restart'), state: { ...up, loaded: null } },
    {
      resource: service('fresh.service', undefined, 'restart'),
      state: { ...up, enabled: false, running: false, loaded: null },
    },
    {
      resource: { ...service('leaving.service', undefined, 'restart'), enabled: false, running: false } as Resource,
      state: { ...up, loaded: null },
    },
  ];
}

/** The change, as its sessions: the first opens the transaction, the second goes on in it. */
export async function changing(host: Host, tools: string): Promise<{ sessions: (id: string) => Op[][] }> {
  const tree = join(tools, 'tree');
  const archive = join(tools, 'new.tar.gz');
  if (!existsSync(archive)) {
    mkdirSync(join(tree, 'top/bin'), { recursive: true });
    writeFileSync(join(tree, 'top/bin/program'), 'new program\n');
    execFileSync('tar', ['-czf', archive, '-C', tree, 'top']);
  }
  const sum = createHash('sha256').update(readFileSync(archive)).digest('hex');
  const all = wanted({ file: archive, sha256: sum });
  const asked = all.filter(({ state }) => state === undefined).map(({ resource }) => resource);
  const { states } = await observe(connect(host, tools), { facts: [], desire: () => asked });
  const changes = all.flatMap(({ resource, state }) => {
    const found = state === undefined ? states.get(keyOf(resource)) : state;
    return diffOne(resource, found, FACTS).map((change) => ({
      change,
      taken: revertOf(change, resource, found, FACTS),
    }));
  });
  const missing = all.filter(({ resource }) => !changes.some(({ change }) => change.key === keyOf(resource)));
  if (missing.length > 0) throw new Error(`nothing changes in ${missing.map(({ resource }) => keyOf(resource))}`);
  const taken = changes.map((each) => each.taken);
  const revert = {
    ops: [...taken.toReversed().flatMap(({ ops }) => ops), ...taken.flatMap(({ late }) => late ?? [])],
    paths: [...new Set(taken.flatMap(({ paths }) => paths ?? []))],
  };
  const plan = { hosts: [{ name: 'here', revert }] } as unknown as Plan;
  const ops = changes.flatMap(({ change }) => change.ops);
  const half = ops.length >> 1;
  return {
    sessions: (id) => [
      [openOp(plan, 'here', id, 20), ...ops.slice(0, half)],
      [enterOp(id), ...ops.slice(half)],
    ],
  };
}

function environment({ base, root }: Host, tools: string, role: Role): Record<string, string> {
  return { LVSCTL_ROOT: root, CRASH: base, CRASH_ROLE: role, CRASH_TOOLS: tools, PATH: `${tools}:${process.env.PATH}` };
}

/** As the controller reaches it: each session is a process group of its own. */
export function connect(host: Host, tools: string): Connection {
  return localShell({ shell: ['setsid', ...(SHELLS[host.shell] ?? [])], env: environment(host, tools, 'session') });
}

/** Kills what is told, the next time that it runs; undefined: nothing more. Nothing was counted yet. */
export function arm(host: Host, fault: Fault | undefined): void {
  rmSync(join(host.base, 'count'), { recursive: true, maxRetries: 5 });
  mkdirSync(join(host.base, 'count'));
  rmSync(join(host.base, 'near'), { force: true });
  if (fault === undefined) rmSync(join(host.base, 'fault'), { force: true });
  else writeFileSync(join(host.base, 'fault'), `${fault.role} ${fault.at} ${fault.when}\n`);
}

/** The commands that were counted. */
export function trace({ base }: Host): string[] {
  return readdirSync(join(base, 'count'))
    .toSorted((a, b) => Number(a) - Number(b))
    .map((name) => readFileSync(join(base, 'count', name), 'utf8').trim());
}

/** The power is cut and comes back: nothing runs, and what was only in memory is gone; the unit runs where it is enabled. */
export function powerCut(host: Host, tools: string): void {
  killGuard(host);
  rmSync(join(host.base, 'live'), { recursive: true, force: true });
  for (const path of ['run/lvsctl', 'sys/module', 'sys/class']) {
    rmSync(join(host.root, path), { recursive: true, force: true });
  }
  put(host, 'root/proc/sys/net/ipv4/ip_forward', '0\n');
  put(host, 'root/proc/uptime', '5.00 3.00\n');
  settleAtBoot(host, tools);
}

/** What the unit does; its process group is its own. */
export function settleAtBoot(host: Host, tools: string): void {
  const link = join(host.root, 'etc/systemd/system/sysinit.target.wants/lvsctl-settle.service');
  if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return;
  const [command = '', ...words] = SHELLS[host.shell] ?? [];
  const program = join(host.root, 'var/lib/lvsctl/tx/program');
  spawnSync('sh', ['-c', 'exec setsid --wait "$@"', 'sh', command, ...words, program, 'settle'], {
    env: environment(host, tools, 'settle'),
    timeout: 60_000,
  });
}

export function startGuard(host: Host, tools: string): void {
  execFileSync(join(tools, 'stubs/systemd-run'), ['sh', join(host.root, 'var/lib/lvsctl/tx/program'), 'guard'], {
    env: { ...process.env, ...environment(host, tools, 'session'), PATH: process.env.PATH },
  });
}

/** Ends the process that this host's guard runs as, by its number. */
export function killGuard(host: Host): void {
  try {
    process.kill(-Number(readFileSync(join(host.base, 'guard.pid'), 'utf8')), 'SIGKILL');
  } catch {
    // It was never begun, or has ended.
  }
}

export function guardRuns({ base }: Host): boolean {
  try {
    const pid = Number(readFileSync(join(base, 'guard.pid'), 'utf8'));
    // One that has ended and that nobody waited for is still there.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** The deadline passes. */
export function passDeadline(host: Host): void {
  put(host, 'root/proc/uptime', '100000.00 3.00\n');
}

export function isOpen(host: Host): boolean {
  return existsSync(join(host.root, 'var/lib/lvsctl/tx'));
}

/** Whether operations were let in after the transaction was opened. */
export function hasBegun(host: Host): boolean {
  return existsSync(join(host.root, 'var/lib/lvsctl/tx/session'));
}

/** Whether the host counts the changes of this run as confirmed. */
export function isConfirmed(host: Host, id: string): boolean {
  const noted = join(host.root, 'var/lib/lvsctl/confirmed');
  if (existsSync(join(host.root, 'var/lib/lvsctl/tx/confirmed'))) return true;
  return existsSync(noted) && readFileSync(noted, 'utf8').trim() === id;
}

/** All of the disk but lvsctl's own; with `live`, what is in memory too. */
export function listing({ base }: Host, what: 'disk' | 'all'): string {
  const memory = what === 'all' ? 'root/proc root/sys root/run/lvsctl live' : '';
  const script = `find root/etc root/opt root/var/lib/selinux ${memory} -path root/proc/uptime -prune -o -type f -printf '%p %m ' -exec cat {} \\; -o -printf '%p %y %m %l\\n' 2>/dev/null | sort`;
  return spawnSync('sh', ['-c', script], { cwd: base }).stdout.toString();
}

/** What is in one listing and not in the other, for people. */
export function difference(a: string, b: string): string {
  const [x, y] = [a.split('\n'), b.split('\n')];
  const only = (one: string[], other: string[], mark: string) =>
    one.filter((line) => !other.includes(line)).map((line) => `${mark} ${line}`);
  return [...only(x, y, '-'), ...only(y, x, '+')].join('\n');
}
