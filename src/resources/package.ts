import type { Facts } from '../platform/facts.ts';
import { isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A package that must be installed, whatever its version; or must not be, together with all that came with it. */
export interface PackageResource {
  kind: 'package';
  /** The family's own name of the package. */
  name: string;
  state?: 'absent';
}

/** What the package database says. */
export interface PackageState {
  installed: boolean;
  /** Absent where it isn't installed. */
  version?: string;
  /** Packages that are installed and came with lvsctl's installations, dependencies among them. */
  brought: string[];
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
  ops: ['package_install', 'package_remove'],
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
  if [ -r "$R/var/lib/lvsctl/brought" ]; then
    while IFS= read -r line; do
      case $line in 'package '*) names=$names\${line#* }$nl; printf '@brought %s\n' "\${line#* }" ;; esac
    done <"$R/var/lib/lvsctl/brought"
    IFS=$nl
  fi
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

# All that an installation may bring and its removal leave: packages, accounts, paths.
installed_things() {
  case $1 in
    apt) dpkg-query -W -f='package \${Package} \${db:Status-Status}\n' | sed -n 's/ installed$//p' ;;
    dnf) rpm -qa --qf 'package %{NAME}\n' ;;
  esac
  sed 's/^/account /;s/:.*//' "$R/etc/passwd"
  sed 's/^/group /;s/:.*//' "$R/etc/group"
  find "$R/etc" -xdev | sed 's/^/path /'
  for dir in /var/lib /var/log /var/cache /var/spool /var/www /srv /opt; do
    if [ -d "$R$dir" ]; then find "$R$dir" -xdev -maxdepth 1 | sed 's/^/path /'; fi
  done
}

# What was there before is noted first: an installation that is cut off is compared with it by the next one.
note_things() {
  things=$R/var/lib/lvsctl/things
  own_folder || return 1
  [ -e "$things" ] && return 0
  installed_things "$1" 2>/dev/null | sort >"$things.new" && mv -f "$things.new" "$things"
}

brought_things() {
  installed_things "$1" 2>/dev/null | sort | comm -13 "$things" - >>"$R/var/lib/lvsctl/brought" && rm -f "$things"
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
  note_things "$manager" || return 1
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
  brought_things "$manager"
  printf '%s\n' "$output"
  return "$result"
}

remove_with() {
  installer=$1
  shift
  case $installer in
    apt)
      DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -y -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Use-Pty=0 --no-auto-remove purge "$@" 2>&1
      ;;
    dnf)
      tool=yum
      if command -v dnf >/dev/null; then tool=dnf; fi
      "$tool" -y -q --setopt=clean_requirements_on_remove=False remove "$@" 2>&1
      ;;
    *) echo "unknown package manager $installer"; return 1 ;;
  esac
}

# What else would go, if these packages went: one name a line.
would_also_go() {
  installer=$1
  shift
  case $installer in
    apt)
      apt-get -s -o DPkg::Lock::Timeout=120 --no-auto-remove purge "$@" 2>/dev/null |
        sed -n 's/^Remv \([^ :]*\).*/\1/p;s/^Purg \([^ :]*\).*/\1/p'
      ;;
    dnf) rpm -e --test "$@" 2>&1 | sed -n 's/^.* is needed by (installed) //p' ;;
  esac | while IFS= read -r name; do
    case " $* " in *" $name "*) ;; *) printf '%s\n' "$name" ;; esac
  done
}

# package_remove MANAGER NAME...: and all that came with lvsctl's installations, but for what somebody's packages need.
op_package_remove() {
  manager=$1
  brought=$R/var/lib/lvsctl/brought
  wanted=$*
  if [ -r "$brought" ]; then
    while IFS= read -r line; do
      case $line in 'package '*) case " $wanted " in *" \${line#* } "*) ;; *) wanted="$wanted \${line#* }" ;; esac ;; esac
    done <"$brought"
  fi
  # shellcheck disable=SC2086
  set -- $wanted
  shift
  names=
  for name; do
    case $manager in
      apt) dpkg-query -W "$name" >/dev/null 2>&1 ;;
      *) rpm -q "$name" >/dev/null 2>&1 ;;
    esac && names="$names $name"
  done
  # shellcheck disable=SC2086
  if [ -n "$names" ] && [ -n "$(would_also_go "$manager" $names)" ]; then
    free=
    for name in $names; do
      needed=$(would_also_go "$manager" "$name" | while IFS= read -r other; do
        case " $names " in *" $other "*) ;; *) printf ' %s' "$other" ;; esac
      done)
      if [ -z "$needed" ]; then free="$free $name"; else echo "left: package $name, which is needed by$needed"; fi
    done
    names=$free
  fi
  # shellcheck disable=SC2086
  [ -z "$names" ] || remove_with "$manager" $names || return 1
  [ -r "$brought" ] || return 0
  while IFS= read -r line; do
    name=\${line#* }
    case $line in
      'account '*) grep -q "^$name:" "$R/etc/passwd" && echo "left: account $name, which the installation made" ;;
      'group '*) grep -q "^$name:" "$R/etc/group" && echo "left: group $name, which the installation made" ;;
      'path '*)
        if [ -e "$name.rpmsave" ]; then rm -f "$name.rpmsave"; fi
        if [ -e "$name" ] || [ -L "$name" ]; then echo "left: $name, which the installation made"; fi
        ;;
    esac
  done <"$brought"
  return 0
}
`,
  ask: (resource, facts) => [MANAGERS[facts.platform], resource.name],
  parse({ text }, asked) {
    const lines = text.split('\n');
    const came = lines.flatMap((line) => (line.startsWith('@brought ') ? [line.slice('@brought '.length)] : []));
    const versions = new Map(
      lines.flatMap((line) => {
        const [name, status, version, ...rest] = line.split(' ');
        return name && status === 'installed' && version && rest.length === 0 ? [[name, version] as const] : [];
      }),
    );
    const brought = came.filter((name) => versions.has(name)).sort();
    return new Map(
      asked.map((resource) => {
        const version = versions.get(resource.name);
        const state = version === undefined ? { installed: false } : { installed: true, version };
        return [keyOf(resource), { ...state, brought }];
      }),
    );
  },
  diff(resource, state, facts) {
    if (resource.state === 'absent') return removing(resource, state, facts);
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
  // Taking a role from a host leaves its packages: inert, and maybe somebody's by now. With the host they go.
  undo: ({ resource, before }, why) =>
    why === 'destroy' && isRecord(before) && before.installed === false ? { ...resource, state: 'absent' } : undefined,
  merge(first, second) {
    const [manager, ...names] = second.args;
    if (!packageKind.ops.includes(first.name) || second.name !== first.name || first.args[0] !== manager)
      return undefined;
    return { name: first.name, args: [...first.args, ...names] };
  },
};

/** A package and, where that is gone already, what is still there of all that came with it. */
function removing(resource: PackageResource, { installed, brought }: PackageState, facts: Facts): Change[] {
  if (!installed && brought.length === 0) return [];
  const text = installed ? `remove package ${resource.name}` : `remove what came with package ${resource.name}`;
  return [
    {
      key: keyOf(resource),
      kind: 'package',
      direction: 'remove',
      shown: [{ as: 'action', text }],
      ops: [{ name: 'package_remove', args: [MANAGERS[facts.platform], resource.name] }],
      before: { installed },
      after: { installed: false },
      mayStay: true,
    },
  ];
}
