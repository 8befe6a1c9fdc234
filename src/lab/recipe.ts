import { createHash } from 'node:crypto';
import type { Platform } from '../inventory/model.ts';

/** What an image is made of, beside the packages' own content and the kernel's modules. */
export interface Recipe {
  platform: Platform;
  /** What the image has from the start. */
  packages: readonly string[];
  /** Shell, run by mmdebstrap with the image's folder as $1: leaves what hosts can install in /srv/packages there. */
  hook: string;
  /** Files beyond the packages. */
  files: readonly RecipeFile[];
  /** Symbolic links beyond the packages: [path, target]. */
  links: readonly (readonly [string, string])[];
  /** Files that the packages bring and the image goes without. */
  removed: readonly string[];
}

export interface RecipeFile {
  path: string;
  content: string;
  mode: number;
}

/** What every lab host has from the start: an ordinary small server with systemd, NetworkManager and SSH. */
const BASE_PACKAGES = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'udev',
  'openssh-server',
  'iproute2',
  'iputils-ping',
  'network-manager',
  'curl',
  'kmod',
  'procps',
  'sudo',
  'tcpdump',
];

/** What hosts can install, with all that it depends on: they stand on a disk of their own as a package source. */
const OFFERED_PACKAGES = [
  // The director.
  'ipvsadm',
  'keepalived',
  // What answers: web servers, proxies, a name server, applications.
  'nginx',
  'nginx-light',
  'apache2',
  'dnsmasq',
  'tomcat10',
  // The release's Java, which is openjdk-17-jre-headless on Debian 12.
  'default-jre-headless',
  // Firewalls and what looks into them.
  'firewalld',
  'nftables',
  'iptables',
  'arptables',
  'conntrack',
  // The rest of a server.
  'chrony',
  'iputils-arping',
  'ethtool',
];

// Units that a machine of a few minutes' life has no use for; each costs every boot time on every host.
const MASKED = [
  'NetworkManager-wait-online.service',
  'apt-daily-upgrade.timer',
  'apt-daily.timer',
  'dev-hugepages.mount',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty-static.service',
  'getty.target',
  'proc-sys-fs-binfmt_misc.automount',
  'remote-fs.target',
  'sys-fs-fuse-connections.mount',
  'sys-kernel-config.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'systemd-binfmt.service',
  'systemd-firstboot.service',
  'systemd-logind.service',
  'systemd-pstore.service',
  'systemd-update-utmp-runlevel.service',
  'systemd-update-utmp.service',
];

// Runs before udev and NetworkManager. A profile that was applied to the disk wins over the first one: after a power
// cut a managed host has what was applied to it and nothing else.
const CONFIGURE = `#!/bin/sh
set -u
tar -xf /dev/ubdc -C /run
ip -batch /run/lvsctl-lab/links
mount -o ro /dev/ubdb /srv/packages
read -r name < /run/lvsctl-lab/hostname
if ! [ -e /etc/hostname ]; then
  echo "$name" > /etc/hostname
  printf '127.0.0.1\\tlocalhost\\n127.0.1.1\\t%s\\n' "$name" > /etc/hosts
fi
mkdir -p /run/NetworkManager/system-connections
for file in /run/lvsctl-lab/network/*.nmconnection; do
  device=\${file##*/}
  device=\${device%.nmconnection}
  if [ -e /run/lvsctl-lab/unmanaged ] ||
    ! grep -qsx "interface-name=$device" /etc/NetworkManager/system-connections/*; then
    cp -p "$file" /run/NetworkManager/system-connections/
  fi
done
`;

/*
 * This kernel (6.1) loses the word of a disk's completion now and then: seen as one write in flight in the guest, and its
 * completion unread in the socket to the thread that does the work; likely because one list of events serves interrupts
 * that interrupt each other. Whatever waits for that disk then waits until anything else of it completes, which took
 * minutes. So something else completes four times a second: a read that nobody waits for, of another page each time since
 * one that waits isn't asked for again.
 * 221 is fadvise64 on x86-64; 4 drops a page, 3 asks for it.
 */
const KICK = `#!/usr/bin/perl
open(my $disk, '<', '/dev/ubdb') or die;
for (my $page = 0; ; $page = ($page + 1) % 256) {
  syscall(221, fileno($disk), $page * 4096, 4096, $_) for 4, 3;
  select(undef, undef, undef, 0.25);
}
`;

const KICK_UNIT = `[Unit]
Description=Let this lab host's disks go on
DefaultDependencies=no
Before=sysinit.target lvsctl-lab-configure.service
[Service]
ExecStart=/usr/lib/lvsctl-lab/kick
Restart=always
[Install]
WantedBy=sysinit.target
`;

/** The line on a host's console that says it has started; `READY` is what the supervisor waits for. */
export const READY = 'lvsctl-lab: ready';

// The network counts as started when NetworkManager has activated what it can.
const ANNOUNCE = `#!/bin/sh
nm-online -s -q -t 60
echo "${READY}" > /dev/console
`;

const CONFIGURE_UNIT = `[Unit]
Description=Give this lab host its name and network
DefaultDependencies=no
Before=sysinit.target systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service NetworkManager.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/lvsctl-lab/configure
[Install]
WantedBy=sysinit.target
`;

const ANNOUNCE_UNIT = `[Unit]
Description=Say on the console that this lab host has started
After=multi-user.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/lvsctl-lab/announce
[Install]
WantedBy=multi-user.target
`;

// Of the hundreds of devices of this kernel only network and block devices matter to these hosts.
const TRIGGER_DROP_IN = `[Service]
ExecStart=
ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=net --subsystem-match=block
`;

const SSHD = `HostKey /run/lvsctl-lab/ssh/ssh_host_ed25519_key
AuthorizedKeysFile .ssh/authorized_keys /run/lvsctl-lab/ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
PrintMotd no
PrintLastLog no
`;

const NETWORK_MANAGER = `[main]
no-auto-default=*
[keyfile]
unmanaged-devices=interface-name:lab0
`;

const wants = (unit: string, target: string): [string, string] => [
  `/etc/systemd/system/${target}.wants/${unit}`,
  `/etc/systemd/system/${unit}`,
];

const FILES: readonly RecipeFile[] = [
  { path: '/usr/lib/lvsctl-lab/configure', content: CONFIGURE, mode: 0o755 },
  { path: '/usr/lib/lvsctl-lab/announce', content: ANNOUNCE, mode: 0o755 },
  { path: '/usr/lib/lvsctl-lab/kick', content: KICK, mode: 0o755 },
  { path: '/etc/systemd/system/lvsctl-lab-configure.service', content: CONFIGURE_UNIT, mode: 0o644 },
  { path: '/etc/systemd/system/lvsctl-lab-announce.service', content: ANNOUNCE_UNIT, mode: 0o644 },
  { path: '/etc/systemd/system/lvsctl-lab-kick.service', content: KICK_UNIT, mode: 0o644 },
  { path: '/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf', content: TRIGGER_DROP_IN, mode: 0o644 },
  { path: '/etc/systemd/journald.conf.d/lab.conf', content: '[Journal]\nStorage=volatile\n', mode: 0o644 },
  { path: '/etc/ssh/sshd_config.d/lab.conf', content: SSHD, mode: 0o644 },
  { path: '/etc/NetworkManager/conf.d/lab.conf', content: NETWORK_MANAGER, mode: 0o644 },
  { path: '/etc/fstab', content: '', mode: 0o644 },
  { path: '/etc/machine-id', content: '', mode: 0o444 },
];

const LINKS: readonly (readonly [string, string])[] = [
  ...MASKED.map((unit) => [`/etc/systemd/system/${unit}`, '/dev/null'] as const),
  ['/etc/systemd/system/default.target', '/lib/systemd/system/multi-user.target'],
  wants('lvsctl-lab-configure.service', 'sysinit.target'),
  wants('lvsctl-lab-announce.service', 'multi-user.target'),
  wants('lvsctl-lab-kick.service', 'sysinit.target'),
];

// Keys are the lab's, /etc/hostname the host's.
const REMOVED: readonly string[] = [
  '/etc/hostname',
  '/etc/ssh/ssh_host_ecdsa_key',
  '/etc/ssh/ssh_host_ecdsa_key.pub',
  '/etc/ssh/ssh_host_ed25519_key',
  '/etc/ssh/ssh_host_ed25519_key.pub',
  '/etc/ssh/ssh_host_rsa_key',
  '/etc/ssh/ssh_host_rsa_key.pub',
  '/etc/apt/apt.conf.d/99mmdebstrap',
  '/etc/motd',
  '/etc/update-motd.d/10-uname',
  '/etc/resolv.conf',
];

/** Every image's parts. */
export const COMMON = { packages: BASE_PACKAGES, files: FILES, links: LINKS, removed: REMOVED } as const;

const DEBIAN_SOURCE = 'deb [trusted=yes] file:/srv/packages ./';

/*
 * Downloads what hosts can install, indexes it, and makes it the image's only package source, its lists up to date.
 * The download resolves against what the image has installed.
 */
const OFFER = `set -eu
rm -f "$1"/var/cache/apt/archives/*.deb
APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --no-install-recommends --download-only install ${OFFERED_PACKAGES.join(' ')} >/dev/null
mkdir -p "$1/srv/packages"
mv "$1"/var/cache/apt/archives/*.deb "$1/srv/packages/"
cd "$1/srv/packages"
for deb in *.deb; do
  dpkg-deb -f "$deb"
  printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done > Packages
cd /
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists
# Java's packages link their manual there, and fail where the folder is missing.
mkdir -p "$1"/var/lib/apt/lists/partial "$1"/usr/share/man/man1
echo '${DEBIAN_SOURCE}' > "$1/etc/apt/sources.list"
chroot "$1" apt-get -o APT::Sandbox::User=root update >/dev/null
`;

/** The machine's own Debian or Ubuntu release. */
export const DEBIAN: Recipe = {
  platform: 'debian',
  ...COMMON,
  // Java needs them, and their set-up starts thousands of processes, which takes minutes in a guest.
  packages: [...COMMON.packages, 'ca-certificates'],
  files: [...FILES, { path: '/etc/apt/sources.list', content: `${DEBIAN_SOURCE}\n`, mode: 0o644 }],
  hook: OFFER,
};

/** What the image's content follows from, besides the package archive: a cached image of the same hash can be used. */
export function recipeHash(recipe: Recipe, release: { codename: string; kernel: string }): string {
  return createHash('sha256')
    .update(JSON.stringify({ version: 2, release, recipe }))
    .digest('hex')
    .slice(0, 16);
}
