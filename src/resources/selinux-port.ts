import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A TCP port on which a web server listens and that SELinux's policy doesn't count as one: looked at, never changed. */
export interface SelinuxPortResource {
  kind: 'selinux_port';
  port: number;
  /** The type that it would have to have, e.g. `http_port_t`. */
  type: string;
}

export interface SelinuxPortState {
  /** Absent: the host runs no SELinux. */
  mode: 'enforcing' | 'permissive' | 'absent';
  /** The host's administrator gave the port a type of its own. */
  listed: boolean;
}

/** Ports and SELinux: what semanage stored stands in the policy's store, as `portcon tcp PORT context`. */
export const selinuxPortKind: Kind<SelinuxPortResource, SelinuxPortState> = {
  kind: 'selinux_port',
  ops: [],
  shell: sh`
observe_selinux_port() {
  line_of "$R/sys/fs/selinux/enforce" || return 0
  printf 'enforce %s\n' "$line"
  set +f
  for file in "$R"/var/lib/selinux/*/active/ports.local; do
    if [ -r "$file" ]; then show "$file"; fi
  done
  set -f
}
`,
  ask: ({ port }) => [String(port)],
  parse({ text }, asked) {
    const enforce = /^enforce ([01])$/m.exec(text)?.[1];
    const mode = enforce === undefined ? 'absent' : enforce === '1' ? 'enforcing' : 'permissive';
    const ranges = text.split('\n').flatMap((line) => {
      const [, first, last = first] = /^portcon\s+tcp\s+(\d+)(?:-(\d+))?\s/.exec(line) ?? [];
      return first === undefined ? [] : [{ first: Number(first), last: Number(last) }];
    });
    return new Map(
      asked.map((resource) => {
        const listed = ranges.some(({ first, last }) => first <= resource.port && resource.port <= last);
        return [keyOf(resource), { mode, listed }];
      }),
    );
  },
  diff: () => [],
  undo: () => undefined,
  warn: ({ port, type }, { mode, listed }) =>
    mode === 'absent' || listed
      ? []
      : [
          `SELinux (${mode}) knows port ${port} as none of web servers: semanage port -a -t ${type} -p tcp ${port}, where it is to listen there`,
        ],
};
