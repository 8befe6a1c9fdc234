import { changedSince } from './holds.ts';
import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A switch of the host's SELinux policy, now and at the next boot. Without SELinux there is nothing to do. */
export interface SelinuxBooleanResource {
  kind: 'selinux_boolean';
  name: string;
  value: boolean;
}

export interface SelinuxBooleanState {
  /** null: the host runs no SELinux, or its policy has no such switch. */
  live: boolean | null;
  /** What the host's administrator stored for the next boot; null: nothing, the policy's own value holds. */
  stored: boolean | null;
}

/** What setsebool stored, of the policy that both families have (selinux_config(5)). */
const STORE = '/var/lib/selinux/targeted/active/booleans.local';

/**
 * SELinux booleans (selinux(8), setsebool(8)), where SELinux is enforcing or permissive; that is never switched. The
 * kernel tells the live value in /sys/fs/selinux; what `setsebool -P` stored stands in the policy's store.
 */
export const selinuxBooleanKind: Kind<SelinuxBooleanResource, SelinuxBooleanState> = {
  kind: 'selinux_boolean',
  ops: ['selinux_boolean_set'],
  shell: sh`
observe_selinux_boolean() {
  [ -r "$R/sys/fs/selinux/enforce" ] || return 0
  oldifs=$IFS
  IFS=$nl
  # shellcheck disable=SC2086
  set -- $asked
  IFS=$oldifs
  for name; do
    if line_of "$R/sys/fs/selinux/booleans/$name"; then printf 'live %s %s\n' "$name" "$line"; fi
  done
  set +f
  for file in "$R"/var/lib/selinux/*/active/booleans.local; do
    if [ -r "$file" ]; then show "$file"; fi
  done
  set -f
}

op_selinux_boolean_set() {
  setsebool -P "$1" "$2" 2>&1
}
`,
  ask: ({ name }) => [name],
  parse({ text }, asked) {
    const live = new Map<string, boolean>();
    const stored = new Map<string, boolean>();
    for (const line of text.split('\n')) {
      const [, now, nowValue] = /^live (\S+) ([01])/.exec(line) ?? [];
      if (now !== undefined) live.set(now, nowValue === '1');
      const [, kept, keptValue] = /^\s*(\w+)\s*=\s*([01])\s*$/.exec(line) ?? [];
      if (kept !== undefined) stored.set(kept, keptValue === '1');
    }
    return new Map(
      asked.map((resource) => {
        const { name } = resource;
        return [keyOf(resource), { live: live.get(name) ?? null, stored: stored.get(name) ?? null }];
      }),
    );
  },
  diff(resource, state) {
    const { name, value } = resource;
    const lost = state.stored !== null && state.stored !== value;
    if (state.live === null || (state.live === value && !lost)) return [];
    const word = (on: boolean) => (on ? 'on' : 'off');
    return [
      {
        key: keyOf(resource),
        kind: 'selinux_boolean',
        direction: 'change',
        shown: [{ as: 'value', name: `SELinux boolean ${name}`, before: word(state.live), after: word(value) }],
        ops: [{ name: 'selinux_boolean_set', args: [name, word(value)] }],
        before: state,
        after: { live: value, stored: value },
        ...(state.live === value ? { reason: 'the next boot would set it back' } : {}),
      },
    ];
  },
  undo({ resource, before }) {
    const was = before as SelinuxBooleanState | undefined;
    return was === undefined || was.live === null ? undefined : { ...resource, value: was.stored ?? was.live };
  },
  // setsebool stores what it sets: a value that nobody had stored is forgotten again.
  revert(_, { name }, state) {
    if (state === undefined || state.live === null) return { ops: [] };
    const value = (state.stored ?? state.live) ? 'on' : 'off';
    return {
      ops: [
        { name: 'selinux_boolean_set', args: [name, value] },
        { name: 'tx_file', args: [STORE] },
      ],
      paths: [STORE],
    };
  },
  boots: ['selinux_boolean_set'],
  theirs: changedSince,
};
