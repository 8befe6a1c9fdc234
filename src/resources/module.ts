import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A kernel module that must be loaded now (a file resource loads it at boot). */
export interface ModuleResource {
  kind: 'module';
  name: string;
}

/** Loaded, or built into the kernel. */
export interface ModuleState {
  loaded: boolean;
}

/** Kernel modules. `/sys/module` tells of loaded ones without a fork; built-in ones stand in `modules.builtin`. */
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
  patterns=
  while [ $# -gt 0 ]; do
    if [ -d "$R/sys/module/$1" ]; then found="\${found}loaded $1$nl"; else patterns=$patterns-e$nl$2$nl; fi
    shift 2
  done
  printf '%s' "$found"
  [ -n "$patterns" ] || return 0
  line_of "$R/proc/sys/kernel/osrelease"
  [ -r "$R/lib/modules/$line/modules.builtin" ] || return 0
  IFS=$nl
  # shellcheck disable=SC2086
  grep $patterns "$R/lib/modules/$line/modules.builtin"
  IFS=$oldifs
}

op_module_load() {
  modprobe -- "$1"
}
`,
  ask: ({ name }) => [sysfsName(name), `/${sysfsName(name).replaceAll('_', '[-_]')}[.]ko`],
  parse({ text }, asked) {
    const loaded = new Set(
      text.split('\n').map((line) => sysfsName(line.replace(/^loaded /, '').replace(/^.*\/([^/]+)\.ko.*$/, '$1'))),
    );
    return new Map(asked.map((resource) => [keyOf(resource), { loaded: loaded.has(sysfsName(resource.name)) }]));
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
};

/** The kernel writes every `-` of a module's name as `_`. */
function sysfsName(name: string): string {
  return name.replaceAll('-', '_');
}
