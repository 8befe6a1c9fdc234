import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A kernel module that must be loaded now (a file resource loads it at boot). */
export interface ModuleResource {
  kind: 'module';
  name: string;
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
  ops: ['module_load'],
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

op_module_load() {
  modprobe -- "$1"
}
`,
  undo: () => undefined,
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

/** The kernel writes every `-` of a module's name as `_`. */
function sysfsName(name: string): string {
  return name.replaceAll('-', '_');
}
