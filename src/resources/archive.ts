import { changedSince, isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A tree of files out of a .tar.gz, complete or not there at all. Its path changes with the archive's content. */
export interface ArchiveResource {
  kind: 'archive';
  state: 'present' | 'absent';
  /** The folder that the archive's only top folder becomes; all of the archive where it has several. */
  path: string;
  /** The archive, where lvsctl runs. */
  file: string;
  /** Its SHA-256, hex. */
  sha256: string;
}

export type ArchiveState =
  | { what: 'absent' }
  /** Unpacked by lvsctl from an archive with this hash. */
  | { what: 'tree'; sha256: string }
  /** Something that lvsctl didn't unpack. */
  | { what: 'other' };

/**
 * Archives. Sent once, checked and unpacked beside their place, on the disk before one rename puts them there: the
 * folder is complete whenever it exists. Everything in it belongs to root, may be read by everybody and written by
 * nobody else, whatever the archive says: what runs from it can't change it. Among them `.lvsctl-sha256` tells which
 * archive it is from.
 */
export const archiveKind: Kind<ArchiveResource, ArchiveState> = {
  kind: 'archive',
  ops: ['archive_put', 'archive_remove', 'archive_back'],
  shell: sh`
observe_archive() {
  oldifs=$IFS
  IFS=$nl
  # shellcheck disable=SC2086
  set -- $asked
  IFS=$oldifs
  found=
  for path; do
    if line_of "$R$path/.lvsctl-sha256"; then found="\${found}tree $line $path$nl"
    elif [ -e "$R$path" ] || [ -L "$R$path" ]; then found="\${found}other - $path$nl"
    fi
  done
  printf '%s' "$found"
}

# archive_put PATH SHA256: the operation's input, a .tar.gz, becomes the folder, by one rename.
op_archive_put() {
  dir=\${1%/*}
  make_folder "$dir" || return 1
  unstage "$dir"
  staged=$R$dir/.lvsctl.$$
  mkdir -p "$staged/tree" && chmod 0700 "$staged" && take "$staged/archive" && unpack "$1" "$2"
  result=$?
  rm -rf "$staged"
  return "$result"
}

unpack() {
  sum=$(sha256sum <"$staged/archive") || return 1
  if [ "\${sum%% *}" != "$2" ]; then
    echo "what came has the SHA-256 \${sum%% *} in place of $2: was the archive changed?"
    return 1
  fi
  tar -xzof "$staged/archive" -C "$staged/tree" 2>&1 || return 1
  rm -f "$staged/archive"
  tree=$staged/tree
  set +f
  set -- "$1" "$2" "$tree"/* "$tree"/.[!.]*
  set -f
  shift_to_top "$@" || return 1
  printf '%s\n' "$2" >"$tree/.lvsctl-sha256" && chmod -R u=rwX,go=rX "$tree" && flush || return 1
  if [ -e "$R$1" ] || [ -L "$R$1" ]; then
    if [ -e "$tx/armed" ]; then put_aside "$1"; else mv -fT "$R$1" "$staged/old"; fi || return 1
  fi
  mv -fT "$tree" "$R$1" || return 1
  # Programs below a bin folder of /opt get their SELinux type by their path.
  if command -v restorecon >/dev/null; then restorecon -R "$R$1" 2>&1; fi
}

# shift_to_top PATH SHA256 ENTRIES...: an only top folder is the tree itself; patterns that match nothing stay as they are.
shift_to_top() {
  shift 2
  top=
  for entry; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    [ -z "$top" ] || return 0
    top=$entry
  done
  if [ -z "$top" ]; then echo 'the archive is empty'; return 1; fi
  if [ -d "$top" ] && [ ! -L "$top" ]; then tree=$top; fi
}

# Beside its place until its going away is confirmed: one rename brings it back. What an earlier transaction could not
# remove from there is none of this one's.
put_aside() {
  aside=$R\${1%/*}/.lvsctl-aside.\${1##*/}
  if ! is_aside "$1"; then
    rm -rf "$aside" && printf '%s\n' "$1" >>"$tx/aside" && on_disk "$tx/aside" || return 1
  fi
  mv -T "$R$1" "$aside"
}

is_aside() {
  grep -qsxF -e "$1" "$tx/aside"
}

# archive_back PATH: what was put aside stands there again.
op_archive_back() {
  aside=$R\${1%/*}/.lvsctl-aside.\${1##*/}
  unstage "\${1%/*}"
  is_aside "$1" || return 0
  if [ -e "$aside" ] || [ -L "$aside" ]; then rm -rf "$R$1" && mv -T "$aside" "$R$1"; fi
}

# archive_remove PATH: by one rename first, so that no half of it stays in its place.
op_archive_remove() {
  if [ -e "$tx/armed" ]; then put_aside "$1"; return; fi
  dir=\${1%/*}
  unstage "$dir"
  if [ ! -e "$R$1" ] && [ ! -L "$R$1" ]; then unfold "$1"; return; fi
  staged=$R$dir/.lvsctl.$$
  mkdir "$staged" && mv -fT "$R$1" "$staged/old" && rm -rf "$staged" && unfold "$1"
}
`,
  ask: ({ path }) => [path],
  parse({ text }, asked) {
    const found = new Map<string, ArchiveState>();
    for (const line of text.split('\n')) {
      const [, what, sha256 = '', path = ''] = /^(tree|other) (\S+) (.*)$/.exec(line) ?? [];
      if (what === 'tree') found.set(path, { what, sha256 });
      if (what === 'other') found.set(path, { what });
    }
    return new Map(asked.map((resource) => [keyOf(resource), found.get(resource.path) ?? { what: 'absent' }]));
  },
  diff(resource, state) {
    const { path, file, sha256 } = resource;
    const shared = { key: keyOf(resource), kind: 'archive', before: state };
    if (resource.state === 'absent') {
      if (state.what === 'absent') return [];
      return [
        {
          ...shared,
          direction: 'remove',
          shown: [{ as: 'action', text: `remove ${path}` }],
          ops: [{ name: 'archive_remove', args: [path] }],
          after: { what: 'absent' },
        },
      ];
    }
    if (state.what === 'tree' && state.sha256 === sha256) return [];
    return [
      {
        ...shared,
        direction: state.what === 'absent' ? 'add' : 'change',
        shown: [{ as: 'action', text: `unpack ${file} to ${path}` }],
        ops: [{ name: 'archive_put', args: [path, sha256], inputFile: file }],
        after: { what: 'tree', sha256 },
      },
    ];
  },
  undo({ resource, before }) {
    if (before === undefined) return undefined;
    const was = before as ArchiveState;
    return was.what === 'absent'
      ? { ...resource, state: 'absent' }
      : { left: `something else stood at ${resource.path} before, of which there is no copy` };
  },
  back: ({ resource, before }) => {
    if (!isRecord(before)) return undefined;
    if (before.what === 'absent') return { ...resource, state: 'absent' };
    return before.what === 'tree' && before.sha256 === resource.sha256
      ? { ...resource, state: 'present' }
      : { left: `something else stood at ${resource.path} before, of which there is no copy` };
  },
  revert: (_, { path }, state) => ({
    ops: [{ name: state === undefined || state.what === 'absent' ? 'archive_remove' : 'archive_back', args: [path] }],
  }),
  boots: ['archive_remove', 'archive_back'],
  theirs: changedSince,
};
