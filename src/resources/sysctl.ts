import { changedSince, isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A kernel parameter's live value (a file resource sets it at boot). */
export interface SysctlResource {
  kind: 'sysctl';
  /** Dotted name, e.g. `net.ipv4.ip_forward`; a dot inside an interface's name is written `/` (sysctl.d(5)). */
  name: string;
  value: string;
  /** The file that sets it at boot, e.g. `/etc/sysctl.d/90-lvsctl.conf`: later files that disagree are reported. */
  file: string;
  /** Given back: parameters that the kernel sets along with this one (path below /proc/sys → value). */
  others?: Record<string, string>;
}

/** The live value, its white space made single; null where the kernel has no such parameter (yet). */
export interface SysctlState {
  value: string | null;
  /** `PATH:LINE` of a file read after ours at boot that sets another value; null where there is none. */
  overriddenBy: string | null;
  /** What the kernel sets along with it, of what exists: path below /proc/sys → value; absent where there is nothing. */
  others?: Record<string, string>;
}

/** Live kernel parameters. One `grep` brings all values and all files that set any at boot. */
export const sysctlKind: Kind<SysctlResource, SysctlState> = {
  kind: 'sysctl',
  ops: ['sysctl_set'],
  shell: sh`
# A number in /proc/sys must be read in one piece, which the built-in read doesn't do everywhere.
observe_sysctl() {
  cd "$R/" || return 1
  found=
  oldifs=$IFS
  IFS=$nl
  for name in $asked; do
    if [ -r "./proc/sys/$name" ]; then found=$found./proc/sys/$name$nl; fi
    also=
    case $name in
      net/ipv4/ip_forward) also=ipv4 ;;
      net/ipv6/conf/all/forwarding) also=ipv6 ;;
    esac
    [ -n "$also" ] || continue
    set +f
    for file in "./proc/sys/net/$also/conf"/*/forwarding; do
      case $file in */all/*) ;; *) found=$found$file$nl ;; esac
    done
    set -f
  done
  set +f
  for name in ./etc/sysctl.d/*.conf ./run/sysctl.d/*.conf ./usr/local/lib/sysctl.d/*.conf ./usr/lib/sysctl.d/*.conf \
    ./etc/sysctl.conf; do
    if [ -f "$name" ]; then found=$found$name$nl; fi
  done
  set -f
  # shellcheck disable=SC2086
  grep -n '^[^#;]' $found /dev/null
  IFS=$oldifs
}

# Switching ip_forward, the kernel also sets conf/all/accept_redirects to the opposite (ip-sysctl.rst): put it back.
op_sysctl_set() {
  if [ ! -e "$R/proc/sys/$1" ]; then echo "this kernel has no $1"; return 1; fi
  redirects=
  if [ "$1" = net/ipv4/ip_forward ] && line_of "$R/proc/sys/net/ipv4/conf/all/accept_redirects"; then redirects=$line; fi
  printf '%s\n' "$2" >"$R/proc/sys/$1" || { echo "the kernel refuses $2 for $1"; return 1; }
  [ -z "$redirects" ] || printf '%s\n' "$redirects" >"$R/proc/sys/net/ipv4/conf/all/accept_redirects"
}
`,
  undo({ resource, before }) {
    if (!isRecord(before) || typeof before.value !== 'string') return undefined;
    const { others } = before;
    return { ...resource, value: before.value, ...(isValues(others) ? { others } : {}) };
  },
  // What the kernel set along comes after it.
  revert(_, { name }, state) {
    const value = state?.value ?? null;
    if (value === null) return { ops: [] };
    const along = Object.entries(state?.others ?? {}).filter(([, was]) => was !== value);
    return { ops: [[sysctlPath(name), value], ...along].map((args) => ({ name: 'sysctl_set', args })) };
  },
  theirs: changedSince,
  // Who answers for an address, and which packets come in at all.
  disturbs: (_, { name }) => /\.(arp_ignore|arp_announce|rp_filter)$/.test(name),
  ask: ({ name }) => [sysctlPath(name)],
  parse({ text }, asked) {
    const [live, boot] = parted(text.split('\n'), (line) => line.startsWith('./proc/sys/'));
    const values = parseLines(live);
    const settings = settingsOf(boot.join('\n'));
    return new Map(
      asked.map((resource) => {
        const path = sysctlPath(resource.name);
        const found = values.filter((line) => line.path === `/proc/sys/${path}`).map((line) => line.text);
        const value = found.length === 0 ? null : normal(found.join(' '));
        const others = othersOf(path, values);
        const overriddenBy = overriding(resource, path, settings);
        return [keyOf(resource), { value, overriddenBy, ...(others === undefined ? {} : { others }) }];
      }),
    );
  },
  diff(resource, state) {
    const value = normal(resource.value);
    if (resource.others !== undefined) return restoring(resource, resource.others, state);
    if (state.value === value) return [];
    return [
      {
        key: keyOf(resource),
        kind: 'sysctl',
        direction: state.value === null ? 'add' : 'change',
        shown: [{ as: 'value', name: resource.name, before: state.value, after: value }],
        ops: [{ name: 'sysctl_set', args: [sysctlPath(resource.name), value] }],
        before: { value: state.value },
        ...(state.others === undefined ? {} : { was: { value: state.value, others: state.others } }),
        after: { value },
      },
    ];
  },
  warn: (resource, { overriddenBy }) =>
    overriddenBy === null
      ? []
      : [
          `${overriddenBy} is read after ${resource.file} and sets ${resource.name} to another value: it wins at the next boot`,
        ],
};

/**
 * ip_forward and conf/all/forwarding set the parameter of every interface and of those to come (ip-sysctl.rst): these
 * come after it.
 */
function restoring(resource: SysctlResource, others: Record<string, string>, state: SysctlState): Change[] {
  const value = normal(resource.value);
  const now = (path: string) => (state.value === value ? state.others?.[path] : value);
  const along = Object.entries(others).filter(
    ([path, wanted]) => state.others?.[path] !== undefined && now(path) !== wanted,
  );
  if (state.value === value && along.length === 0) return [];
  const path = sysctlPath(resource.name);
  return [
    {
      key: keyOf(resource),
      kind: 'sysctl',
      direction: 'change',
      shown: [
        ...(state.value === value
          ? []
          : [{ as: 'value' as const, name: resource.name, before: state.value, after: value }]),
        ...along.map(([name, after]) => ({ as: 'value' as const, name, before: state.others?.[name] ?? null, after })),
      ],
      ops: [
        ...(state.value === value ? [] : [{ name: 'sysctl_set', args: [path, value] }]),
        ...along.map(([name, after]) => ({ name: 'sysctl_set', args: [name, after] })),
      ],
      before: { value: state.value },
      after: { value },
    },
  ];
}

/** The parameters that the kernel sets along with one. */
function othersOf(path: string, values: readonly FoundLine[]): Record<string, string> | undefined {
  const family = { 'net/ipv4/ip_forward': 'ipv4', 'net/ipv6/conf/all/forwarding': 'ipv6' }[path];
  if (family === undefined) return undefined;
  const prefix = '/proc/sys/';
  const found = values.filter((line) => {
    const [, each] = new RegExp(`^/proc/sys/net/${family}/conf/(.+)/forwarding$`).exec(line.path) ?? [];
    return each !== undefined && each !== 'all';
  });
  return Object.fromEntries(found.map((line) => [line.path.slice(prefix.length), normal(line.text)]));
}

function isValues(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((each) => typeof each === 'string');
}

/** A line as `grep -n` prints it. */
interface FoundLine {
  path: string;
  line: string;
  text: string;
}

function parseLines(lines: readonly string[]): FoundLine[] {
  return lines.flatMap((line) => {
    const match = /^\.(\/.*?):(\d+):(.*)$/.exec(line);
    return match?.[1] && match[2] && match[3] !== undefined ? [{ path: match[1], line: match[2], text: match[3] }] : [];
  });
}

function parted<T>(list: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [list.filter(test), list.filter((item) => !test(item))];
}

/** The boot files of one host after the other are mostly the same: the last ones are remembered. */
let remembered: { text: string; settings: Setting[] } = { text: '', settings: [] };

function settingsOf(text: string): Setting[] {
  if (text !== remembered.text) remembered = { text, settings: bootSettings(parseLines(text.split('\n'))) };
  return remembered.settings;
}

interface Setting {
  /** Path below /proc/sys. */
  name: string;
  value: string;
  path: string;
  line: string;
}

/**
 * Assignments in the order in which they take effect at boot: files of all folders by their base name, one of equal
 * names hiding the others (/etc before /run before /usr/local/lib before /usr/lib), /etc/sysctl.conf last
 * (sysctl.d(5); `sysctl --system` reads it last, Debian links it as 99-sysctl.conf). Patterns are left out: an
 * explicit assignment wins over them wherever it stands (sysctl.d(5)).
 */
function bootSettings(lines: readonly FoundLine[]): Setting[] {
  const folders = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d'];
  const files = new Map<string, string>();
  for (const folder of folders) {
    for (const { path } of lines) {
      const base = path.slice(path.lastIndexOf('/') + 1);
      if (path === `${folder}/${base}` && !files.has(base)) files.set(base, path);
    }
  }
  const order = [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  return [...order, '/etc/sysctl.conf'].flatMap((file) =>
    lines
      .filter(({ path }) => path === file)
      .flatMap(({ path, line, text }): Setting[] => {
        const match = /^\s*-?\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(text);
        if (!match?.[1] || match[2] === undefined || match[1].includes('*')) return [];
        return [{ name: sysctlPath(match[1]), value: normal(match[2]), path, line }];
      }),
  );
}

function overriding(resource: SysctlResource, path: string, settings: readonly Setting[]): string | null {
  const own = resource.file.slice(resource.file.lastIndexOf('/') + 1);
  const later = settings.filter(
    (setting) =>
      setting.name === path &&
      (setting.path === '/etc/sysctl.conf' || setting.path.slice(setting.path.lastIndexOf('/') + 1) > own),
  );
  const last = later.at(-1);
  return last === undefined || last.value === normal(resource.value) ? null : `${last.path}:${last.line}`;
}

/**
 * A parameter's path below /proc/sys. Where the first separator is a dot, dots and slashes change places
 * (sysctl.d(5)): `net.ipv4.conf.eth0/5.forwarding` is `net/ipv4/conf/eth0.5/forwarding`.
 */
export function sysctlPath(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '.') return name;
  return name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}

/** A path below /proc/sys as sysctl.d(5) writes it, dots and slashes having changed places. Pure. */
export function sysctlName(path: string): string {
  return path.replace(/[./]/g, (separator) => (separator === '/' ? '.' : '/'));
}

function normal(value: string): string {
  return value.trim().replace(/\s+/g, ' ');
}
