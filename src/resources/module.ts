import { isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A kernel module that must be loaded now (a file resource loads it at boot), or unloaded if nothing uses it. */
export interface ModuleResource {
  kind: 'module';
  name: string;
  state?: 'unloaded';
}

export interface ModuleState {
  /** Loaded, or built into the kernel. */
  loaded: boolean;
  /** Whether it is loaded or could be. */
  available: boolean;
}

/**
 * Kernel modules. `/sys/module` tells of loaded ones without a fork; built-in ones stand in `modules.builtin`; of the
 * others `modprobe -n` complains where the running kernel has none (modprobe(8)), and loads nothing.
 */
export const moduleKind: Kind<ModuleResource, ModuleState> = {
  kind: 'module',
  ops: ['module_load', 'module_unload'],
  shell: sh`
observe_module() {
  oldifs=$IFS
  IFS=$nl
  # shellcheck disable=SC2086
  set -- $asked
  IFS=$oldifs
  found=
  names=
  patterns=
  while [ $# -gt 0 ]; do
    if [ -d "$R/sys/module/$1" ]; then
      found="\${found}loaded $1$nl"
    else
      names=$names$1$nl
      patterns=$patterns-e$nl$2$nl
    fi
    shift 2
  done
  printf '%s' "$found"
  [ -n "$patterns" ] || return 0
  line_of "$R/proc/sys/kernel/osrelease"
  IFS=$nl
  # shellcheck disable=SC2086
  if command -v modprobe >/dev/null; then modprobe -d "$R/" -na -- $names 2>&1; fi
  # shellcheck disable=SC2086
  if [ -r "$R/lib/modules/$line/modules.builtin" ]; then grep $patterns "$R/lib/modules/$line/modules.builtin"; fi
  IFS=$oldifs
}

# Which modules a host had before lvsctl loaded any: others come along as dependencies, and go with theirs. Half a list
# would be worse than none.
note_modules() {
  if [ -r "$R/proc/modules" ] && [ ! -e "$R/var/lib/lvsctl/modules" ] && own_folder; then
    text=
    while IFS=' ' read -r line rest; do text=$text$line$nl; done <"$R/proc/modules"
    list=$R/var/lib/lvsctl/modules
    if printf '%s' "$text" >"$list.new" && on_disk "$list.new" && mv -f "$list.new" "$list"; then :
    else rm -f "$list.new"; echo "can't write $list: is the disk full, or read-only?"; return 1
    fi
  fi
}

op_module_load() {
  note_modules || [ -n "$back" ] || return 1
  modprobe -- "$1"
}

# module_unload NAME...: and what came along with them. What something uses stays; so does what is loaded at boot.
op_module_unload() {
  going=
  for module; do
    going="$going $module"
    for part in $(modprobe --show-depends -- "$module" 2>/dev/null | sed -n 's/^insmod .*\/\([^/]*\)\.ko.*/\1/p' | tr - _); do
      case " $going $* " in *" $part "*) continue ;; esac
      for list in "$R/var/lib/lvsctl/modules" "$R/etc/modules-load.d/lvsctl.conf"; do
        if [ -r "$list" ] && grep -qxF "$part" "$list"; then continue 2; fi
      done
      going="$going $part"
    done
  done
  moved=1
  while [ -n "$moved" ]; do
    moved=
    for module in $going; do
      if line_of "$R/sys/module/$module/refcnt" && [ "$line" = 0 ] && rmmod "$module" 2>/dev/null; then moved=1; fi
    done
  done
  for module; do
    if [ -d "$R/sys/module/$module" ]; then echo "left: kernel module $module, which is in use"; fi
  done
  return 0
}
`,
  undo: ({ resource, before }) =>
    isRecord(before) && before.loaded === false ? { ...resource, state: 'unloaded' } : undefined,
  back: ({ resource, before }) =>
    isRecord(before)
      ? { kind: 'module', name: resource.name, ...(before.loaded ? {} : { state: 'unloaded' }) }
      : undefined,
  revert: (_, { name }, state) => ({
    ops: [state?.loaded ? { name: 'module_load', args: [name] } : { name: 'module_unload', args: [sysfsName(name)] }],
  }),
  ask: ({ name }) => [sysfsName(name), `/${sysfsName(name).replaceAll('_', '[-_]')}[.]ko`],
  parse({ text }, asked) {
    const lines = text.split('\n');
    const loaded = new Set(
      lines.map((line) => sysfsName(line.replace(/^loaded /, '').replace(/^.*\/([^/]+)\.ko.*$/, '$1'))),
    );
    const missing = new Set(lines.flatMap((line) => sysfsName(/ Module (\S+) not found/.exec(line)?.[1] ?? '')));
    return new Map(
      asked.map((resource) => {
        const name = sysfsName(resource.name);
        return [keyOf(resource), { loaded: loaded.has(name), available: loaded.has(name) || !missing.has(name) }];
      }),
    );
  },
  diff(resource, state) {
    if (resource.state === 'unloaded') return unloading(resource, state);
    if (state.loaded) return [];
    return [
      {
        key: keyOf(resource),
        kind: 'module',
        direction: 'add',
        shown: [{ as: 'action', text: `load kernel module ${resource.name}` }],
        ops: [{ name: 'module_load', args: [resource.name] }],
        before: { loaded: false },
        after: { loaded: true },
      },
    ];
  },
  merge(first, second) {
    if (first.name !== 'module_unload' || second.name !== first.name) return undefined;
    return { name: first.name, args: [...first.args, ...second.args] };
  },
  refuse({ name }, { available }) {
    if (available) return [];
    return [
      {
        code: 'HOST-NO-MODULE',
        what: `the running kernel has no module ${name}`,
        next: 'If a newer kernel was installed since it booted, reboot it; otherwise install the package that brings the module, or ask for something that this kernel has.',
      },
    ];
  },
};

function unloading(resource: ModuleResource, { loaded }: ModuleState): Change[] {
  if (!loaded) return [];
  return [
    {
      key: keyOf(resource),
      kind: 'module',
      direction: 'remove',
      shown: [{ as: 'action', text: `unload kernel module ${resource.name}` }],
      ops: [{ name: 'module_unload', args: [sysfsName(resource.name)] }],
      before: { loaded: true },
      after: { loaded: false },
      mayStay: true,
    },
  ];
}

/** The kernel writes every `-` of a module's name as `_`. */
function sysfsName(name: string): string {
  return name.replaceAll('-', '_');
}
