import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localShell } from '../host/local-shell.ts';

/** A network of its own, in which nothing of this machine's is seen or changed. */
export interface Namespace {
  /** Runs a command in it; its output. Throws where it fails. */
  run(command: string, input?: string): string;
  /** The words that bring a command into it. */
  enter: string[];
  /** The host program in it, with an empty folder in place of `/`. */
  connection: ReturnType<typeof localShell>;
  /** The process that holds it. */
  pid: number;
  end(): void;
}

/** @param of a namespace that the new one shares its users with, so that links between them can be made */
export function namespace(of?: Namespace): Promise<Namespace> {
  const users = of === undefined ? ['unshare', '-Urn'] : [...of.enter.filter((word) => word !== '-n'), 'unshare', '-n'];
  return held([...users, '--', 'sh', '-c', 'echo ready; exec sleep 3600'], ['-U', '-n']);
}

const BUS = `<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>`;

/** A network with a firewalld and a system bus of its own. */
export async function withFirewalld(backend: 'nftables' | 'iptables'): Promise<Namespace> {
  const etc = mkdtempSync(join(tmpdir(), 'lvsctl-firewalld-'));
  writeFileSync(join(etc, 'firewalld.conf'), `DefaultZone=public\nFirewallBackend=${backend}\n`);
  writeFileSync(join(etc, 'bus.conf'), BUS);
  const script = `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/dbus /run/firewalld
mount --bind ${etc} /etc/firewalld
ip link set lo up
dbus-daemon --config-file=/etc/firewalld/bus.conf --fork
firewalld --nofork --nopid >${etc}/log 2>&1 &
until busctl call org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 org.fedoraproject.FirewallD1 getDefaultZone >/dev/null 2>&1; do
  sleep 0.2
done
echo ready
exec sleep 3600`;
  const unshare = ['unshare', '-Urnm', '--pid', '--fork', '--kill-child', '--', 'sh', '-c', script];
  const made = await held(unshare, ['-U', '-n', '-m']);
  return {
    ...made,
    end: () => {
      made.end();
      rmSync(etc, { recursive: true, force: true });
    },
  };
}

async function held(command: readonly string[], kinds: readonly string[]): Promise<Namespace> {
  const [program = '', ...args] = command;
  const holder = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    holder.stdout.once('data', resolve);
    holder.once('exit', () => reject(new Error('no network namespace could be made')));
  });
  const pid = holder.pid ?? 0;
  const root = mkdtempSync(join(tmpdir(), 'lvsctl-namespace-'));
  symlinkSync('/proc', join(root, 'proc'));
  mkdirSync(join(root, 'run'));
  mkdirSync(join(root, 'bin'));
  mkdirSync(join(root, 'usr/sbin'), { recursive: true });
  if (kinds.includes('-m')) {
    writeFileSync(join(root, 'usr/sbin/firewalld'), '');
    mkdirSync(join(root, 'etc'));
    symlinkSync('/etc/firewalld', join(root, 'etc/firewalld'));
    symlinkSync('/usr/lib', join(root, 'usr/lib'));
    writeFileSync(join(root, 'bin/systemctl'), '#!/bin/sh\n[ "$*" = "--quiet is-active firewalld.service" ]\n');
    chmodSync(join(root, 'bin/systemctl'), 0o755);
  }
  const enter = ['nsenter', '-t', String(pid), ...kinds, '--preserve-credentials'];
  const run = (text: string, input = '') =>
    execFileSync('nsenter', [...enter.slice(1), 'sh', '-c', text], { input, stdio: 'pipe' }).toString();
  run('ip link set lo up');
  return {
    run,
    enter,
    connection: localShell({
      shell: [...enter, 'dash'],
      env: { LVSCTL_ROOT: root, PATH: `${join(root, 'bin')}:${process.env.PATH}` },
    }),
    pid,
    end: () => {
      holder.kill('SIGKILL');
      rmSync(root, { recursive: true, force: true });
    },
  };
}
