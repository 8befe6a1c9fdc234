import type { Facts } from '../platform/facts.ts';
import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A package that must be installed, whatever its version. */
export interface PackageResource {
  kind: 'package';
  /** The family's own name of the package. */
  name: string;
}

/** What the package database says. */
export interface PackageState {
  installed: boolean;
  /** Absent where it isn't installed. */
  version?: string;
}

const MANAGERS: Record<Facts['platform'], string> = { debian: 'apt', rhel: 'dnf' };

/** Units that a package brings under another name than its own. */
const UNITS: readonly [RegExp, string[]][] = [
  [/^nginx(-.*)?$/, ['nginx.service']],
  [/^network-?manager$/i, []],
  [/^chrony$/, ['chrony.service', 'chronyd.service']],
];

/** The units that installing a package would start on Debian: they must not run before they are configured. */
function unitsOf(name: string): string[] {
  return UNITS.find(([pattern]) => pattern.test(name))?.[1] ?? [`${name}.service`];
}

/** Packages: one query for all, one installation for all of a step. */
export const packageKind: Kind<PackageResource, PackageState> = {
  kind: 'package',
  ops: ['package_install'],
  shell: sh`
observe_package() {
  oldifs=$IFS
  IFS=$nl
  # shellcheck disable=SC2086
  set -- $asked
  manager=$1
  names=
  while [ $# -gt 0 ]; do
    names=$names$2$nl
    shift 2
  done
  # shellcheck disable=SC2086
  set -- $names
  IFS=$oldifs
  case $manager in
    apt) dpkg-query -W -f='\${Package} \${db:Status-Status} \${Version}\n' "$@" 2>/dev/null ;;
    dnf) rpm -q --qf '%{NAME} installed %{VERSION}-%{RELEASE}\n' "$@" ;;
  esac
}

install_with() {
  installer=$1
  shift
  case $installer in
    apt)
      DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "$@" 2>&1
      ;;
    dnf) if command -v dnf >/dev/null; then dnf -y -q install "$@" 2>&1; else yum -y -q install "$@" 2>&1; fi ;;
    *) echo "unknown package manager $installer"; return 1 ;;
  esac
}

unmask() {
  # shellcheck disable=SC2086
  [ -z "$masked" ] || systemctl --runtime --quiet unmask $masked 2>&1
  masked=
}

# package_install MANAGER NAME=UNIT,UNIT...: Debian starts services as it installs them; a mask that a reboot would
# end keeps them down. Output is held back, so that a lost connection can't end the shell before the mask is off.
op_package_install() {
  manager=$1
  shift
  masked=
  names=
  for spec; do
    names="$names \${spec%%=*}"
    oldifs=$IFS
    IFS=,
    for unit in \${spec#*=}; do masked="$masked $unit"; done
    IFS=$oldifs
  done
  if [ "$manager" = apt ] && [ -n "$masked" ] && [ -d "$R/run/systemd/system" ]; then
    trap 'unmask; exit 1' HUP INT TERM
    # shellcheck disable=SC2086
    systemctl --runtime --quiet mask $masked 2>/dev/null
  else
    masked=
  fi
  # shellcheck disable=SC2086
  output=$(install_with "$manager" $names)
  result=$?
  if [ "$manager" = apt ] && [ "$result" -ne 0 ]; then
    case $output in
      *'Unable to locate'* | *'no installation candidate'* | *'has no installation'* | *'Failed to fetch'* | *'Unable to fetch'*)
        # shellcheck disable=SC2086
        output=$(apt-get -qq -o DPkg::Lock::Timeout=120 update 2>&1; install_with "$manager" $names)
        result=$?
        ;;
    esac
  fi
  unmask
  trap - HUP INT TERM
  printf '%s\n' "$output"
  return "$result"
}
`,
  ask: (resource, facts) => [MANAGERS[facts.platform], resource.name],
  parse({ text }, asked) {
    const versions = new Map(
      text.split('\n').flatMap((line) => {
        const [name, status, version, ...rest] = line.split(' ');
        return name && status === 'installed' && version && rest.length === 0 ? [[name, version] as const] : [];
      }),
    );
    return new Map(
      asked.map((resource) => {
        const version = versions.get(resource.name);
        return [keyOf(resource), version === undefined ? { installed: false } : { installed: true, version }];
      }),
    );
  },
  diff(resource, state, facts) {
    if (state.installed) return [];
    return [
      {
        key: keyOf(resource),
        kind: 'package',
        direction: 'add',
        shown: [{ as: 'action', text: `install package ${resource.name}` }],
        ops: [
          {
            name: 'package_install',
            args: [MANAGERS[facts.platform], `${resource.name}=${unitsOf(resource.name).join(',')}`],
          },
        ],
        before: { installed: false },
        after: { installed: true },
      },
    ];
  },
  undo: () => undefined,
  merge(first, second) {
    const [manager, ...names] = second.args;
    if (first.name !== 'package_install' || second.name !== 'package_install' || first.args[0] !== manager)
      return undefined;
    return { name: first.name, args: [...first.args, ...names] };
  },
};
