import { expect } from 'vitest';
import type { Lab } from '../../src/lab/index.ts';

/**
 * All of a host that lvsctl can change, as text by section and key, so that two states can be compared: what
 * `lvsctl destroy` gives back is what was there.
 */
export type Snapshot = Record<Section, Record<string, string>>;

const SECTIONS = [
  'files',
  'sysctls',
  'links',
  'addresses',
  'routes',
  'rules',
  'neighbours',
  'units',
  'ipvs',
  'modules',
  'firewall',
  'packages',
] as const;
type Section = (typeof SECTIONS)[number];

const MARK = '@@ ';

// Which units start at boot is among the files, by links in /etc: systemd takes seven seconds to list them in a guest.
// Each section's lines are `KEY TAB VALUE`; a line without a tab is a key of its own.
const SCRIPT = `
cd /
# systemd gives no answer in time where the machine is busy.
units() {
  for round in 1 2 3 4 5; do
    said=$(systemctl "$@" --no-legend --no-pager --plain) && break
    sleep 2
  done
  printf '%s\\n' "$said"
}
trees='/etc /opt /srv /usr/local /var/lib/lvsctl /var/www /root'
echo '${MARK}files'
find $trees -xdev -path /srv/packages -prune -o -printf '%p\\t%y %m %U:%G %l\\n' 2>/dev/null
find $trees -xdev -path /srv/packages -prune -o -type f -print0 2>/dev/null | xargs -0r sha256sum |
  while read -r sum path; do printf '%s\\t%s\\n' "$path (content)" "$sum"; done
echo '${MARK}sysctls'
sysctl -a 2>/dev/null | sed 's/ = /\\t/'
echo '${MARK}links'
ip -o link | sed 's/^[0-9]*: \\([^:@]*\\)[^:]*: <\\([^>]*\\)>.*\\(mtu [0-9]*\\).*$/\\1\\t\\2 \\3/'
echo '${MARK}addresses'
# NetworkManager takes lo up at boot otherwise than later: with that flag.
ip -o address | sed '/inet6 ::1/s/ noprefixroute//; s/^[0-9]*: *//; s/\\\\.*//; s/ \\(dynamic\\|tentative\\|dadfailed\\)\\b//g'
echo '${MARK}routes'
ip route show table all | sed 's/^/v4 /'
ip -6 route show table all | sed 's/^/v6 /; s/ pref medium//'
echo '${MARK}rules'
ip rule | sed 's/^/v4 /'
ip -6 rule | sed 's/^/v6 /'
echo '${MARK}neighbours'
ip neighbour show nud permanent
echo '${MARK}units'
units list-units --type=service,socket,timer,target,path |
  sed 's/^\\([^ ]*\\) *[^ ]* *\\([^ ]*\\) *\\([^ ]*\\).*/\\1\\t\\2 \\3/'
echo '${MARK}ipvs'
[ -r /proc/net/ip_vs ] && sed '1,3d; s/^\\( *-> [^ ]* *[^ ]* *[^ ]*\\).*/\\1/' /proc/net/ip_vs
echo '${MARK}modules'
sed 's/ .*//' /proc/modules
echo '${MARK}firewall'
# Only what is loaded is asked: these programs load what they ask about.
tables() {
  [ -e /proc/net/$1 ] && command -v $2 >/dev/null && $2 2>/dev/null |
    sed -n "s/\\[[0-9:]*\\]//; /^[*]/h; /^-A\\|^:[^ ]* DROP\\|^:[^ ]* -/{G; s/\\n/ /; s/^/$2 /p}"
}
tables ip_tables_names iptables-legacy-save
tables ip6_tables_names ip6tables-legacy-save
tables arp_tables_names arptables-legacy-save
[ -d /sys/module/nf_tables ] && command -v nft >/dev/null && nft list ruleset 2>/dev/null
echo '${MARK}packages'
if [ -x /usr/bin/dpkg-query ]; then dpkg-query -W -f '\${Package}\\t\${Version} \${db:Status-Abbrev}\\n'
else rpm -qa --qf '%{NAME}\\t%{VERSION}-%{RELEASE}\\n'; fi
echo '${MARK}end'
`;

// What changes by itself: counters, random numbers, and what follows from another boot or from time passing.
const VOLATILE: Partial<Record<Section, RegExp>> = {
  // The kernel sizes some by the memory that it finds free at its start.
  sysctls: new RegExp(
    `^(${[
      'kernel\\.(random\\.|ns_last_pid|pty\\.nr|tainted|perf_event_max_sample_rate|threads-max)',
      'fs\\.(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota|epoll\\.)',
      'net\\.netfilter\\.nf_conntrack_(count|max|buckets)|net\\.nf_conntrack_max|net\\.ipv6\\.conf\\.[^.]+\\.stable_secret',
      'net\\.ipv4\\.(inet_peer_threshold|tcp_ehash_entries|tcp_max_orphans|tcp_max_tw_buckets|tcp_mem|tcp_rmem|tcp_wmem|udp_mem)',
      'vm\\.(admin_reserve_kbytes|min_free_kbytes|user_reserve_kbytes)',
      'net\\.ipv4\\.vs\\.sync_qlen_max',
      // Made by the kernel when a program first asks for it.
      'net\\.ipv4\\.tcp_fastopen_key',
      'user\\.|debug\\.',
    ].join('|')})`,
  ),
  // Sessions, what time starts, and targets that nothing stops once they are reached.
  units:
    /^(session-|user@|user-|systemd-tmpfiles-clean|run-|systemd-hostnamed|systemd-timedated|NetworkManager-dispatcher|packagekit|network-online\.target|network-pre\.target|nss-lookup\.target|time-set\.target|time-sync\.target)/,
  files: /^(\/root\/\.ssh|\/root\/\.cache|\/etc\/resolv\.conf|\/etc\/machine-id|\/root\/\.rpmdb)/,
  // Multicast and link-local routes come and go with interfaces, in an order of their own.
  routes: /^v6 (multicast|anycast) /,
};

/** Reads a host's state; it has to be up. */
export async function snapshot(lab: Lab, host: string): Promise<Snapshot> {
  const read = await lab.run(host, ['sh', '-c', SCRIPT]);
  expect(read.stdout, `${host}: ${read.stderr}`).toContain(`${MARK}end\n`);
  const taken = snapshotOf(read.stdout);
  expect(Object.keys(taken.units), `${host}: ${read.stderr}`).not.toEqual([]);
  return taken;
}

/** Reads what the script wrote. Pure. */
export function snapshotOf(output: string): Snapshot {
  const found: Snapshot = Object.fromEntries(SECTIONS.map((section) => [section, {}])) as Snapshot;
  let section: Section | undefined;
  for (const line of output.split('\n')) {
    if (line.startsWith(MARK)) {
      section = SECTIONS.find((each) => each === line.slice(MARK.length));
      continue;
    }
    if (section === undefined || line === '') continue;
    const at = line.indexOf('\t');
    const key = (at < 0 ? line : line.slice(0, at)).trim();
    if (VOLATILE[section]?.test(key)) continue;
    const entries = found[section];
    // Sysctls and rules may have a line more than once: all of them count.
    const value = at < 0 ? 'present' : line.slice(at + 1).trim();
    entries[key] = entries[key] === undefined ? value : `${entries[key]} + ${value}`;
  }
  return found;
}

/**
 * What differs, a readable line each; none where the host is as it was.
 * @param ignore lines (`SECTION KEY: …`) that a test knows of and explains
 */
export function differences(before: Snapshot, after: Snapshot, ignore: readonly RegExp[] = []): string[] {
  return SECTIONS.flatMap((section) => {
    const [was, is] = [before[section], after[section]];
    const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])].toSorted();
    return keys.flatMap((key) => {
      if (was[key] === is[key]) return [];
      const change =
        was[key] === undefined
          ? `new: ${is[key]}`
          : is[key] === undefined
            ? `gone: ${was[key]}`
            : `${was[key]} → ${is[key]}`;
      return [`${section} ${key}: ${change}`];
    });
  }).filter((line) => !ignore.some((pattern) => pattern.test(line)));
}

/**
 * What Debian's and the RHEL family's packages leave behind when they are removed, whatever removes them: accounts and
 * the files that hold them, caches, and links that their scripts keep.
 */
export const LEFT_BY_PACKAGES: readonly RegExp[] = [
  /^files \/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?( \(content\))?: /,
  /^files \/etc\/(ld\.so\.cache|\.pwd\.lock)( \(content\))?: /,
];
