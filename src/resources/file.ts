import { createHash } from 'node:crypto';
import { holdsSecret, secretLines } from '../inventory/secrets.ts';
import { changedSince, holds, isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, FileState, Kind, Op, Shown } from './kind.ts';
import { sh } from './sh.ts';
import { VALIDATOR_OPS, VALIDATORS, type Validator } from './validators.ts';

/** A regular file with these bytes, owner and mode; no file at all; or what was there before lvsctl replaced it. */
export type FileResource =
  | {
      kind: 'file';
      path: string;
      state: 'present';
      /** UTF-8 text. */
      content: string;
      owner: string;
      group: string;
      /** Octal with leading zero, e.g. `0644`. */
      mode: string;
      /** Checks it, together with all others of its kind that change, before anything is changed on the host. */
      validate?: Validator;
      /** In a record: how the lines begin that held secrets. */
      secrets?: string[];
    }
  | { kind: 'file'; path: string; state: 'absent'; secrets?: string[] }
  /** `was` is a file, of whose bytes the host keeps a copy, or a symbolic link. */
  | { kind: 'file'; path: string; state: 'restored'; was: RestorableState; secrets?: string[] };

/** What can be put back at a path. */
export type RestorableState = Extract<FileState, { type: 'file' }> | { type: 'other'; what: 'symlink'; target: string };

/** Longest content that is brought back to be shown, in bytes. */
export const CONTENT_LIMIT = 1024 * 1024;

/** Files: one `sha256sum` and one `stat` for all of them, content only where it isn't the wanted one. */
export const fileKind: Kind<FileResource, FileState> = {
  kind: 'file',
  ops: ['file_put', 'file_remove', 'file_restore', 'file_link', ...VALIDATOR_OPS],
  shell: `${VALIDATORS}${sh`
observe_file() {
  cd "$R/" || return 1
  oldifs=$IFS
  IFS=$nl
  # shellcheck disable=SC2086
  set -- $asked
  found=
  regular=
  wanted=
  while [ $# -gt 0 ]; do
    if [ -L ".$1" ]; then found="\${found}other symlink .$1\${nl}target $(readlink ".$1")$nl"
    elif [ -f ".$1" ]; then
      regular=$regular.$1$nl
      wanted=$wanted$1$nl$2$nl
    elif [ -d ".$1" ]; then found="\${found}other directory .$1$nl"
    elif [ -e ".$1" ]; then found="\${found}other special .$1$nl"
    else found="\${found}absent .$1$nl"
    fi
    shift 2
  done
  printf '%s' "$found"
  # shellcheck disable=SC2086
  set -- $regular
  IFS=$oldifs
  [ $# -gt 0 ] || return 0
  stat -c 'stat %a %U %G %n' "$@" 2>&1
  sums=$(sha256sum "$@" 2>&1)$nl
  printf '%s' "$sums"
  # Files that vanished meanwhile have no sum: skip their wishes.
  while [ -n "$sums" ]; do
    sum=\${sums%%"$nl"*}
    sums=\${sums#*"$nl"}
    rest=$wanted
    while [ -n "$rest" ]; do
      path=\${rest%%"$nl"*}
      rest=\${rest#*"$nl"}
      hash=\${rest%%"$nl"*}
      rest=\${rest#*"$nl"}
      if [ ".$path" = "\${sum#*  }" ]; then
        wanted=$rest
        case $hash in
          - | "\${sum%% *}") ;;
          *) frame content "$path"; head -c 1048577 ".$path" ;;
        esac
        break
      fi
    done
  done
}

op_file_put() {
  put "$@"
}

op_file_remove() {
  rm -f "$R$1" && unfold "$1"
}

op_file_restore() {
  give_back "$@"
}

op_file_link() {
  place "$1" || return 1
  ln -s "$2" "$staged" && mv -fT "$staged" "$R$1"
}
`}`,
  undo({ resource: { path, secrets }, before }) {
    if (before === undefined) return undefined;
    const known = secrets === undefined ? {} : { secrets };
    if (isRecord(before) && before.type === 'absent') return { kind: 'file', path, state: 'absent', ...known };
    const was = restorable(before);
    return was === undefined
      ? { left: 'something that is neither a file nor a link was there: it is not brought back' }
      : { kind: 'file', path, state: 'restored', was, ...known };
  },
  revert: (_, { path }) => ({ ops: [{ name: 'tx_file', args: [path] }], paths: [path] }),
  keep({ path }, before) {
    const was = restorable(before);
    return was?.type === 'file' ? [{ path, sha256: was.sha256 }] : [];
  },
  theirs: changedSince,
  record: (resource) =>
    resource.state === 'present' ? { ...resource, content: '', ...secretsIn(resource) } : resource,
  ask: () => [],
  files: (resource) => [{ path: resource.path, sha256: wantedHash(resource) }],
  parse: ({ files }, asked) =>
    new Map(asked.map((resource) => [keyOf(resource), files.get(resource.path) ?? { type: 'absent' }])),
  diff(resource, state) {
    const before = textOf(state);
    const shared = { key: keyOf(resource), kind: 'file' };
    if (resource.state === 'absent') {
      if (state.type === 'absent') return [];
      return [
        {
          ...shared,
          direction: 'remove',
          shown: [{ as: 'text', path: resource.path, before, after: null }],
          ops: [{ name: 'file_remove', args: [resource.path] }],
          before: expected(state),
          after: { type: 'absent' },
        },
      ];
    }
    if (resource.state === 'restored') return restoring(resource, state);
    const { path, content, owner, group } = resource;
    const mode = octal(resource.mode);
    const after = { type: 'file' as const, sha256: sha256(content), owner, group, mode };
    if (holds(after, state)) return [];
    return [
      {
        ...shared,
        direction: state.type === 'absent' ? 'add' : 'change',
        shown: shownFile(path, state, content, after),
        ops: [{ name: 'file_put', args: [path, owner, group, mode], input: content }],
        before: expected(state),
        after,
      },
    ];
  },
};

function secretsIn({ content }: { content: string }): { secrets?: string[] } {
  return holdsSecret(content) ? { secrets: secretLines(content) } : {};
}

function wantedHash(resource: FileResource): string {
  switch (resource.state) {
    case 'present':
      return sha256(resource.content);
    case 'absent':
      return sha256('');
    case 'restored':
      return '-';
  }
}

function restoring({ kind, path, was }: Extract<FileResource, { state: 'restored' }>, state: FileState): Change[] {
  if (holds(was, state)) return [];
  const op: Op =
    was.type === 'file'
      ? { name: 'file_restore', args: [path, was.owner, was.group, was.mode, was.sha256] }
      : { name: 'file_link', args: [path, was.target] };
  const shown: Shown = { as: 'action', text: `put ${path} back as it was before lvsctl` };
  const before = expected(state);
  return [{ key: `file ${path}`, kind, direction: 'change', shown: [shown], ops: [op], before, after: was }];
}

/** What was recorded of a path, if it can be put back. */
export function restorable(before: unknown): RestorableState | undefined {
  if (!isRecord(before)) return undefined;
  const { type, sha256, owner, group, mode, what, target } = before;
  if (type === 'other' && what === 'symlink' && typeof target === 'string') return { type, what, target };
  if (type !== 'file' || typeof sha256 !== 'string' || typeof owner !== 'string') return undefined;
  if (typeof group !== 'string' || typeof mode !== 'string') return undefined;
  return { type, sha256, owner, group, mode };
}

/** How a file's change is shown: its text where that differs, owner and mode where they do. */
export function shownFile(
  path: string,
  state: FileState,
  content: string,
  after: { sha256: string; owner: string; group: string; mode: string },
): Shown[] {
  const shown: Shown[] = [];
  if (state.type !== 'file' || state.sha256 !== after.sha256) {
    shown.push({ as: 'text', path, before: textOf(state), after: content });
  }
  const permissions = (of: { owner: string; group: string; mode: string }) => `${of.owner}:${of.group} ${of.mode}`;
  if (state.type === 'file' && permissions(state) !== permissions(after)) {
    shown.push({ as: 'value', name: `${path} owner and mode`, before: permissions(state), after: permissions(after) });
  }
  return shown;
}

function textOf(state: FileState): string | null {
  switch (state.type) {
    case 'absent':
      return null;
    case 'other':
      return `(a ${state.what === 'special' ? 'special file' : state.what})\n`;
    case 'file':
      if (state.content === undefined) return state.sha256 === sha256('') ? '' : '(the same bytes)\n';
      return state.content ?? '(bytes that are no text, or more than 1 MiB)\n';
  }
}

/** The part of a file's state that a change is about: everything but its content. */
export function expected(state: FileState): FileState {
  if (state.type !== 'file') return state;
  const { type, sha256, owner, group, mode } = state;
  return { type, sha256, owner, group, mode };
}

/** Reads what `observe_file` printed, with the contents that came in frames of their own, by path. Pure. */
export function parseFiles(text: string, contents: ReadonlyMap<string, Uint8Array>): Map<string, FileState> {
  const files = new Map<string, FileState>();
  const stats = new Map<string, { mode: string; owner: string; group: string }>();
  for (const line of text.split('\n')) {
    const other = /^other (directory|symlink|special) \.(.*)$/.exec(line);
    const stat = /^stat ([0-7]+) (\S+) (\S+) \.(.*)$/.exec(line);
    const sum = /^([0-9a-f]{64}) [ *]\.(.*)$/.exec(line);
    const target = /^target (.*)$/.exec(line);
    if (target?.[1] !== undefined) {
      const [link] = [...files].at(-1) ?? [];
      if (link !== undefined) files.set(link, { type: 'other', what: 'symlink', target: target[1] });
    } else if (other?.[2] && (other[1] === 'directory' || other[1] === 'symlink' || other[1] === 'special')) {
      files.set(other[2], { type: 'other', what: other[1] });
    } else if (stat?.[1] && stat[2] && stat[3] && stat[4]) {
      stats.set(stat[4], { mode: octal(stat[1]), owner: stat[2], group: stat[3] });
    } else if (sum?.[1] && sum[2]) {
      const metadata = stats.get(sum[2]);
      const content = contents.get(sum[2]);
      if (metadata) {
        const state: FileState = { type: 'file', sha256: sum[1], ...metadata };
        files.set(sum[2], content === undefined ? state : { ...state, content: asText(content) });
      }
    }
  }
  for (const path of stats.keys()) {
    // There, but unreadable: never to be taken for absent.
    if (!files.has(path)) files.set(path, { type: 'other', what: 'special' });
  }
  return files;
}

function asText(bytes: Uint8Array): string | null {
  if (bytes.length > CONTENT_LIMIT || bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function octal(mode: string): string {
  return mode.replace(/^0+(?=.)/, '').padStart(4, '0');
}

const digests = new Map<string, string>();

/** SHA-256 of a text's UTF-8 bytes, hex. Remembered: many hosts have the same file, and each is asked about thrice. */
export function sha256(text: string): string {
  const known = digests.get(text);
  if (known !== undefined) return known;
  const digest = createHash('sha256').update(text).digest('hex');
  digests.set(text, digest);
  return digest;
}
