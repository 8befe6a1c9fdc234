/**
 * Real sshd hosts on loopback. Runs as the first process of a PID, network and mount namespace (`run.mjs` makes them):
 * when that process ends, however it ends, the kernel ends everything else in there and takes the mounts away.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { allFiles, SYSCTLS, sysctlPath } from './work.mjs';

/** A tmpfs of this namespace. */
export const FARM = '/run/bench';
export const KEY = `${FARM}/id_ed25519`;
export const KNOWN_HOSTS = `${FARM}/known_hosts`;

/** Addresses of host `n`: its own, and those of the ways to it (see `proxy.mjs`). */
export const address = (n, net = 1) => `127.${net}.${n >> 8}.${n & 255}`;

/** The answer of a real `systemctl show` for running, enabled units, without systemd and its D-Bus. */
const SYSTEMCTL = `#!/bin/sh
[ "$1" = show ] || exit 1
shift
out=
for word; do
  case $word in
    *.service) out="\${out}Id=$word
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NeedDaemonReload=no

" ;;
  esac
done
printf '%s' "$out"
`;

/** One host: its own /etc over the machine's, an empty /root. */
const HOST = `set -e
mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work$2" overlay /etc
mount -t tmpfs -o size=1m tmpfs /root
exec "$3" -D -e -f "$1/sshd_config"
`;

/** Makes the private /run, the loopback device and the sysctls. */
export function prepare() {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', '/run']);
  for (const path of ['/run/sshd', '/run/systemd/system', `${FARM}/bin`]) mkdirSync(path, { recursive: true });
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  for (const [name, value] of Object.entries(SYSCTLS)) writeFileSync(sysctlPath(name), `${value}\n`);
  writeFileSync(`${FARM}/bin/systemctl`, SYSTEMCTL);
  chmodSync(`${FARM}/bin/systemctl`, 0o755);
  keygen(KEY);
  writeFileSync(KNOWN_HOSTS, '');
}

/**
 * Starts hosts `from` to `to` - 1 and waits until each answers.
 * @param {{ maxStartups: string }} options `maxStartups` as in sshd_config(5); `default` leaves OpenSSH's own
 */
export async function startHosts(from, to, { maxStartups }) {
  const files = await allFiles();
  const sshd = execFileSync('sh', ['-c', 'PATH=$PATH:/usr/sbin:/sbin; command -v sshd'], { encoding: 'utf8' }).trim();
  const known = [];
  for (let n = from; n < to; n++) {
    const base = `${FARM}/hosts/${n}`;
    mkdirSync(`${base}/work`, { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(`${base}${path}`), { recursive: true });
      writeFileSync(`${base}${path}`, content, { mode: 0o644 });
    }
    // Without PAM, sshd lets nobody in whose password the machine has locked, as Ubuntu does root's.
    writeFileSync(`${base}/etc/shadow`, 'root:*:19000:0:99999:7:::\n', { mode: 0o600 });
    const key = keygen(`${base}/host_key`);
    for (const net of [1, 2, 3]) known.push(`${address(n, net)} ${key}\n`);
    writeFileSync(`${base}/sshd_config`, sshdConfig(n, base, maxStartups));
    const overlay = process.env.BENCH_USER_NAMESPACE === '1' ? ',userxattr' : '';
    const child = spawn('unshare', ['-m', '--', 'sh', '-c', HOST, 'host', base, overlay, sshd], {
      stdio: ['ignore', 'ignore', process.env.BENCH_DEBUG ? 'inherit' : 'ignore'],
    });
    child.unref();
    // A few at a time: the start of 500 shouldn't look like an attack on the machine.
    if (n % 16 === 15) await answers(n);
  }
  writeFileSync(KNOWN_HOSTS, known.join(''), { flag: 'a' });
  for (let n = from; n < to; n++) await answers(n);
}

function sshdConfig(n, base, maxStartups) {
  return `ListenAddress ${address(n)}:22
HostKey ${base}/host_key
AuthorizedKeysFile ${KEY}.pub
StrictModes no
PidFile none
UsePAM no
PasswordAuthentication no
PrintLastLog no
LogLevel ERROR
SetEnv PATH=${FARM}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
${maxStartups === 'default' ? '' : `MaxStartups ${maxStartups}`}
`;
}

/** Makes a key pair; returns the public half without its comment. */
function keygen(path) {
  // Not by ssh2: about one in 150 of its ed25519 keys is none to OpenSSH ("error in libcrypto").
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'bench', '-f', path]);
  return readFileSync(`${path}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
}

/** Waits for the greeting of a host's sshd. */
async function answers(n) {
  for (let tries = 0; tries < 400; tries++) {
    const greeted = await new Promise((resolve) => {
      const socket = connect({ host: address(n), port: 22 });
      socket.once('data', () => resolve(true)).once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    }).catch(() => false);
    if (greeted) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`the sshd of host ${n} does not answer; run with BENCH_DEBUG=1 to see why`);
}
