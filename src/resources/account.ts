import { changedSince, isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A system account that a service runs as, with a group of the same name; it can't log in. */
export interface AccountResource {
  kind: 'account';
  name: string;
  state: 'present' | 'absent';
}

export interface AccountState {
  present: boolean;
}

/** Accounts, wherever they are defined: `getent` asks every source that the host has. */
export const accountKind: Kind<AccountResource, AccountState> = {
  kind: 'account',
  ops: ['account_add', 'account_remove', 'account_back'],
  shell: sh`
observe_account() {
  oldifs=$IFS
  IFS=$nl
  # shellcheck disable=SC2086
  set -- $asked
  IFS=$oldifs
  getent passwd "$@"
  return 0
}

op_account_add() {
  useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin "$1"
}

# What can be taken back keeps its numbers.
op_account_remove() {
  if [ -n "$back" ] && ! getent passwd "$1" >/dev/null; then return 0; fi
  if [ -e "$tx/armed" ]; then
    for base in passwd group shadow gshadow; do
      if [ -r "$R/etc/$base" ]; then sed -n "s/^$1:/$base &/p" "$R/etc/$base"; fi
    done >"$tx/account.$1" && on_disk "$tx/account.$1" || return 1
  fi
  userdel "$1"
}

# account_back NAME: the lines that are gone come back.
op_account_back() {
  [ -r "$tx/account.$1" ] || return 0
  while IFS=' ' read -r base text; do
    if grep -q "^$1:" "$R/etc/$base"; then continue; fi
    staged=$R/etc/.lvsctl.$base
    cp -a "$R/etc/$base" "$staged" && printf '%s\n' "$text" >>"$staged" && mv -f "$staged" "$R/etc/$base" || return 1
  done <"$tx/account.$1"
}
`,
  ask: ({ name }) => [name],
  parse({ text }, asked) {
    const names = new Set(text.split('\n').map((line) => line.slice(0, line.indexOf(':'))));
    return new Map(asked.map((resource) => [keyOf(resource), { present: names.has(resource.name) }]));
  },
  diff(resource, state) {
    const present = resource.state === 'present';
    if (state.present === present) return [];
    return [
      {
        key: keyOf(resource),
        kind: 'account',
        direction: present ? 'add' : 'remove',
        shown: [{ as: 'action', text: `${present ? 'add' : 'remove'} system account ${resource.name}` }],
        ops: [{ name: present ? 'account_add' : 'account_remove', args: [resource.name] }],
        before: { present: state.present },
        after: { present },
      },
    ];
  },
  // One that was there before was never changed: there is nothing to give back.
  undo: ({ resource, before }) => (before === undefined ? undefined : { ...resource, state: 'absent' }),
  back: ({ resource, before }) =>
    isRecord(before) ? { ...resource, state: before.present === true ? 'present' : 'absent' } : undefined,
  revert: (_, { name }, state) => ({
    ops: [{ name: state?.present ? 'account_back' : 'account_remove', args: [name] }],
  }),
  boots: ['account_remove', 'account_back'],
  theirs: changedSince,
};
