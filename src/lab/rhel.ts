import { COMMON, type Recipe, type RecipeFile } from './recipe.ts';
import { INSTALLED, RHEL_PACKAGES, RPMS, type Rpm, TAKEN_ALONE, TAKEN_APART } from './rhel-packages.ts';

/*
 * A look-alike of Rocky Linux 9: Debian's programs with the family's package manager, package names, paths, units and
 * defaults. It is not the distribution: kernel, libraries and SELinux are not its own.
 */

const OS_RELEASE = `NAME="Rocky Linux"
VERSION="9.3 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.3"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.3 (Blue Onyx)"
VARIANT="look-alike of lvsctl's lab, made of Debian's packages"
VARIANT_ID="lvsctl-lab"
`;

const RELEASE = 'Rocky Linux release 9.3 (Blue Onyx)\n';

// systemd.preset(5): what a package's installation enables. The family starts nothing by itself.
const PRESETS =
  'enable NetworkManager.service\nenable sshd.service\nenable chronyd.service\nenable firewalld.service\n';

// redhat-release's /usr/lib/sysctl.d/50-redhat.conf: packets must come from where their answer would go.
const SYSCTLS = 'net.ipv4.conf.default.rp_filter = 1\nnet.ipv4.conf.*.rp_filter = 1\n-net.ipv4.conf.all.rp_filter\n';

const REPOSITORY =
  '[appstream]\nname=The lab\nbaseurl=file:///srv/packages\nenabled=1\ngpgcheck=0\nmetadata_expire=never\n';

const DNF =
  '[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\nskip_if_unavailable=False\n';

const FILES: readonly RecipeFile[] = [
  { path: '/usr/lib/os-release', content: OS_RELEASE, mode: 0o644 },
  { path: '/etc/redhat-release', content: RELEASE, mode: 0o644 },
  { path: '/etc/system-release', content: RELEASE, mode: 0o644 },
  { path: '/etc/rocky-release', content: RELEASE, mode: 0o644 },
  { path: '/usr/lib/systemd/system-preset/90-default.preset', content: PRESETS, mode: 0o644 },
  { path: '/usr/lib/systemd/system-preset/99-default-disable.preset', content: 'disable *\n', mode: 0o644 },
  { path: '/usr/lib/sysctl.d/50-redhat.conf', content: SYSCTLS, mode: 0o644 },
  { path: '/etc/yum.repos.d/lab.repo', content: REPOSITORY, mode: 0o644 },
  { path: '/etc/dnf/dnf.conf', content: DNF, mode: 0o644 },
  { path: '/etc/dnf/vars/releasever', content: '9\n', mode: 0o644 },
];

const octal = (mode: number): string => mode.toString(8);
const macro = (index: number): string => `version_${index}`;

/** One RPM's part of the spec file. Pure. */
function section(rpm: Rpm, index: number): string {
  const { name, user, units = [] } = rpm;
  const account = (made: NonNullable<Rpm['user']>): string => {
    const ids = made.uid === undefined ? ['', ''] : [`-g ${made.uid} `, `-u ${made.uid} `];
    return `%pre -n ${name}
getent group ${made.name} >/dev/null || groupadd -r ${ids[0]}${made.name}
getent passwd ${made.name} >/dev/null || useradd -r ${ids[1]}-g ${made.name} -d ${made.home} -s /sbin/nologin ${made.name}
exit 0
`;
  };
  const scripts =
    units.length === 0
      ? ''
      : `%post -n ${name}
[ ! -d /run/systemd/system ] || { systemctl daemon-reload; systemd-tmpfiles --create; } >/dev/null 2>&1
[ "$1" != 1 ] || systemctl --no-reload preset ${units.join(' ')} >/dev/null 2>&1
exit 0
%preun -n ${name}
[ "$1" != 0 ] || systemctl --no-reload disable --now ${units.join(' ')} >/dev/null 2>&1
exit 0
%postun -n ${name}
[ ! -d /run/systemd/system ] || systemctl daemon-reload >/dev/null 2>&1
exit 0
`;
  return `%package -n ${name}
Version: %{${macro(index)}}
Summary: ${name}, of Debian's build
License: see its sources
AutoReqProv: no
${(rpm.requires ?? []).map((required) => `Requires: ${required}\n`).join('')}%description -n ${name}
${name} for a look-alike of the RHEL family
${user === undefined ? '' : account(user)}${scripts}%files -n ${name} -f /build/lists/${name}
%defattr(-,root,root,-)
${(rpm.folders ?? [])
  .map(({ path, mode, owner }) => `%dir %attr(${octal(mode)},${owner.replace(':', ',')}) ${path}\n`)
  .join('')}`;
}

/** What is recorded as installed without a file of its own. Pure. */
function record(name: string, index: number, more = ''): string {
  return `%package -n ${name}
Version: %{${macro(index)}}
Summary: ${name}, as Debian built it
License: see its sources
AutoReqProv: no
${more}%description -n ${name}
${name}
%files -n ${name}
`;
}

const RELEASE_PROVIDES =
  'Provides: redhat-release = 9.3\nProvides: system-release = 9.3\nProvides: system-release(releasever) = 9\n';

/** The spec file of all RPMs, with versions as macros (rpm-spec(5)). Pure. */
export function spec(): string {
  return `Name: lvsctl-lab
Version: 1
Release: 1.el9
Summary: Packages of a lab
License: see their sources
AutoReqProv: no
%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%description
Packages of a lab
%install
for stage in /build/stage/*; do cp -a "$stage/." %{buildroot}/; done
${RPMS.map(section).join('')}${INSTALLED.map(([name], index) =>
  record(name, RPMS.length + index, name === 'bash' ? 'Provides: /bin/sh\n' : ''),
).join('')}${record('rocky-release', RPMS.length + INSTALLED.length, RELEASE_PROVIDES)}`;
}

const write = (path: string, content: string, end = 'END_OF_LAB_FILE'): string =>
  `cat > ${path} <<'${end}'\n${content}${end}\n`;

/** Shell that lays out one RPM's files in /build/stage/NAME. Pure. */
function stage(rpm: Rpm): string {
  const root = `/build/stage/${rpm.name}`;
  const into = (path: string): string => `mkdir -p ${root}${path.replace(/[^/]*$/, '')}\n`;
  return [
    `mkdir -p ${root}\n`,
    // Links between Debian's own folders are followed where the folders change.
    ...rpm.moves.map(
      ([from, to]) => `${into(to)}cp -a ${/\.jar$/.test(from) ? '-L ' : ''}/build/deb/${from} ${root}${to}\n`,
    ),
    ...(rpm.folders ?? []).map(({ path, mode }) => `mkdir -p ${root}${path}\nchmod ${octal(mode)} ${root}${path}\n`),
    ...(rpm.files ?? []).map(
      ({ path, content, mode }) => `${into(path)}${write(root + path, content)}chmod ${octal(mode)} ${root}${path}\n`,
    ),
    ...(rpm.links ?? []).map(([path, target]) => `${into(path)}ln -s ${target} ${root}${path}\n`),
  ].join('');
}

/** Shell, run in the image: makes the RPMs in /srv/packages and records what is there already. Pure. */
export function buildScript(): string {
  const debian = (name: string): string => `"$(dpkg-deb -f /build/taken/${name}_*.deb Version)"`;
  const present = (name: string): string => `"$(dpkg-query -W -f '\${Version}' ${name})"`;
  const versions = [...RPMS.map((rpm) => debian(rpm.version)), ...INSTALLED.map(([, name]) => present(name)), '9.3'];
  const folders = new Set(RPMS.flatMap((rpm) => (rpm.folders ?? []).map(({ path }) => path)));
  return `set -eu
${RPMS.map(stage).join('')}
sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/' /build/stage/firewalld/etc/firewalld/firewalld.conf
mkdir -p /build/lists
${write('/build/folders', `${[...folders].join('\n')}\n`)}
for stage in /build/stage/*; do
  name=\${stage##*/}
  (cd "$stage" && find . -mindepth 1 -type d -printf '/%P\\n') | while read -r path; do
    [ -d "$path" ] || grep -qxF "$path" /build/folders || echo "%dir $path"
  done > /build/lists/$name
  (cd "$stage" && find . ! -type d -printf '/%P\\n') |
    sed 's#^/etc/#%config(noreplace) /etc/#' >> /build/lists/$name
done
${write('/build/all.spec', spec())}
set -- ${versions.join(' ')}
number=0
: > /build/macros
for version; do
  version=\${version#*:}
  case $version in *-*) version=\${version%-*} ;; esac
  echo "%${macro(0).replace('0', '')}$number $(echo "$version" | tr -- - .)" >> /build/macros
  number=$((number + 1))
done
rpmbuild --quiet --load=/build/macros --define '_topdir /build/rpm' --define '_binary_payload w3.gzdio' -bb /build/all.spec
mkdir -p /srv/packages /build/recorded
for name in rocky-release ${INSTALLED.map(([name]) => name).join(' ')}; do
  mv /build/rpm/RPMS/*/$name-[0-9]*.rpm /build/recorded/
done
mv /build/rpm/RPMS/*/*.rpm /srv/packages/
rpm -i --force-debian --justdb --nodeps --noscripts /build/recorded/*.rpm
createrepo_c --quiet /srv/packages
rm -rf /build
`;
}

/*
 * Run outside the image: libraries are installed as they are; the programs themselves are taken apart and become RPMs.
 * Afterwards nothing on PATH speaks of Debian.
 */
const HOOK = `set -eu
root=$1
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
rm -f "$root"/var/cache/apt/archives/*.deb
apt-get --yes --no-install-recommends --download-only install ${TAKEN_APART.join(' ')} >/dev/null
mkdir -p "$root/build/taken" "$root/build/deb"
cd "$root/var/cache/apt/archives"
for name in ${TAKEN_APART.join(' ')}; do mv "$name"_*.deb "$root/build/taken/"; done
cd "$root/build/taken"
apt-get download ${TAKEN_ALONE.join(' ')} >/dev/null
for deb in *.deb; do dpkg-deb -x "$deb" "$root/build/deb"; done
chroot "$root" sh -c 'set -- /var/cache/apt/archives/*.deb; [ ! -e "$1" ] || dpkg -i "$@" >/dev/null'
${write('"$root/build/build.sh"', buildScript(), 'END_OF_LAB_SCRIPT')}
${write('"$root/etc/dnf/dnf.conf"', DNF)}
mkdir -p "$root/etc/yum.repos.d"
${write('"$root/etc/yum.repos.d/lab.repo"', REPOSITORY)}
mkdir -p "$root/usr/lib/systemd/system-preset"
${write('"$root/usr/lib/systemd/system-preset/90-default.preset"', PRESETS)}
echo 'disable *' > "$root/usr/lib/systemd/system-preset/99-default-disable.preset"
chroot "$root" sh /build/build.sh >&2
for name in iptables ip6tables arptables ebtables; do
  chroot "$root" update-alternatives --set $name /usr/sbin/$name-legacy >/dev/null
done
chroot "$root" rpm -i --force-debian --nodeps /srv/packages/firewalld-[0-9]*.rpm
chroot "$root" dpkg --purge createrepo-c >/dev/null
rm -f "$root"/var/cache/apt/archives/*.deb
`;

// Nothing that is on PATH, or where programs look for it, speaks of Debian.
const REMOVED: readonly string[] = [
  '/etc/apt',
  '/etc/debian_version',
  '/etc/dpkg',
  '/usr/lib/apt',
  '/var/lib/apt',
  '/var/lib/dpkg',
  ...['apt', 'apt-cache', 'apt-cdrom', 'apt-config', 'apt-get', 'apt-key', 'apt-mark'].map(
    (name) => `/usr/bin/${name}`,
  ),
  ...['dpkg', 'dpkg-deb', 'dpkg-divert', 'dpkg-maintscript-helper', 'dpkg-query', 'dpkg-realpath', 'dpkg-split'].map(
    (name) => `/usr/bin/${name}`,
  ),
  ...['dpkg-statoverride', 'dpkg-trigger'].map((name) => `/usr/bin/${name}`),
  ...['dpkg-fsys-usrunmess', 'dpkg-preconfigure', 'dpkg-reconfigure'].map((name) => `/usr/sbin/${name}`),
];

/** The look-alike of the RHEL family. */
export const RHEL: Recipe = {
  platform: 'rhel',
  ...COMMON,
  packages: [...COMMON.packages, ...RHEL_PACKAGES],
  files: [...COMMON.files, ...FILES],
  links: [...COMMON.links, ['/usr/bin/yum', 'dnf']],
  removed: [...COMMON.removed, ...REMOVED],
  hook: HOOK,
};
