import { changedSince } from './holds.ts';
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
  ops: ['account_add', 'account_remove'],
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

op_account_remove() {
  userdel "$1"
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
  boots: ['account_remove'],
  theirs: changedSince,
};
