import type { Facts, Profile } from '../platform/facts.ts';
import type { ConnectionResource, ConnectionState } from './connection.ts';
import { expected, restorable } from './file.ts';
import { holds, isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, FileState, FileWant, Kept, Recorded, Taken } from './kind.ts';
import { sh } from './sh.ts';

/** What a device had before lvsctl wrote its profile. */
export interface ConnectionBefore {
  /** What was at the path of lvsctl's keyfile. */
  file: FileState;
  /** UUID of the profile that was active; null where none was. */
  active: string | null;
  /** The same profile's earlier keyfile elsewhere, e.g. in /run: lvsctl's takes its place. */
  other: { path: string; file: FileState } | null;
  /** Live addresses that the active profile named. */
  addresses: string[];
}

export const CONNECTION_RETURN = sh`
# A device that NetworkManager only looked on (lo) keeps what a profile set of these when it is left alone again (seen
# with 1.42.4): what they were is noted before its first profile.
note_link() {
  link_file=$R/var/lib/lvsctl/links/$1
  if [ -e "$link_file" ]; then return 0; fi
  own_folder && mkdir -p "$R/var/lib/lvsctl/links" || return 1
  for name in accept_ra addr_gen_mode use_tempaddr disable_ipv6; do
    if [ -e "$R/proc/sys/net/ipv6/conf/$1/$name" ]; then grep -H . "$R/proc/sys/net/ipv6/conf/$1/$name"; fi
  done >"$link_file.$$" 2>/dev/null
  # Addresses whose routes NetworkManager makes itself.
  ip -o addr show dev "$1" 2>/dev/null | sed -n 's/^.* inet6* \([^ ]*\) .* noprefixroute.*/address:\1/p' >>"$link_file.$$"
  mv -f "$link_file.$$" "$link_file"
}

return_link() {
  [ -r "$R/var/lib/lvsctl/links/$1" ] || return 0
  while IFS= read -r line; do
    name=\${line%%:*}
    if [ "$name" = address ]; then ip addr change "\${line#*:}" dev "$1" noprefixroute; continue; fi
    if [ "$(cat "$name" 2>/dev/null)" != "\${line#*:}" ]; then printf '%s\n' "\${line#*:}" >"$name"; fi
  done <"$R/var/lib/lvsctl/links/$1" 2>/dev/null
  return 0
}

# connection_hold DEVICE CIDR...: host addresses of a profile that comes back are there before others go; it owns them then.
op_connection_hold() {
  device=$1
  shift
  live=$(ip -o addr show dev "$device") || return 1
  for want; do
    case $live in
      *" $want "*) ;;
      *) ip addr add "$want" dev "$device" || return 1 ;;
    esac
  done
}

# connection_let_go DEVICE CIDR...
op_connection_let_go() {
  device=$1
  shift
  for want; do ip addr del "$want" dev "$device" 2>/dev/null; done
  return 0
}

# connection_return DEVICE UUID|- FILE SHA256|tx|- OWNER GROUP MODE OTHERFILE SHA256|tx|- OWNER GROUP MODE +CIDR... -CIDR...
# tx: as the open transaction kept it.
# Seen with NetworkManager 1.42.4: loading the path of a file that is gone forgets its profile; lo becomes its own
# again, without the VIP; a profile that stands elsewhere under the same UUID takes over without a gap.
op_connection_return() {
  device=$1
  uuid=$2
  file=$3
  other=$8
  # Its profile was not begun, which is noted first: NetworkManager, asked for what isn't there, would still change lo.
  if [ "$4" = tx ] && [ ! -e "$R/var/lib/lvsctl/links/$device" ] && [ ! -e "$R$file" ] && [ ! -e "$tx/files$file" ] &&
    [ ! -e "$R/run/lvsctl/pending/$device" ]; then
    return 0
  fi
  mkdir -p "$R/run/lvsctl/pending" && true >"$R/run/lvsctl/pending/$device" || return 1
  if [ "$4" = tx ]; then op_tx_file "$file"
  elif [ "$4" = - ]; then
    rm -f "$R$file" && unfold "$file"
  else
    give_back "$file" "$5" "$6" "$7" "$4"
  fi || return 1
  if [ "$9" = tx ]; then op_tx_file "$other" || return 1
  elif [ "$9" != - ] && [ ! -e "$R$other" ]; then give_back "$other" "\${10}" "\${11}" "\${12}" "$9" || return 1; fi
  shift 12
  if [ "$other" = - ]; then set -- "$file" '' "$@"; else set -- "$file" "$other" "$@"; fi
  nmcli connection load "$R$1" \${2:+"$R$2"} 2>&1
  shift 2
  path=$(nmcli -g GENERAL.DBUS-PATH device show "$device" 2>/dev/null)
  if [ "$uuid" != - ] && nmcli connection show uuid "$uuid" >/dev/null 2>&1; then
    if [ "$(nmcli -g GENERAL.CON-UUID device show "$device" 2>/dev/null)" = "$uuid" ]; then
      reapply "$path" 1 || nmcli --wait 30 connection up uuid "$uuid" ifname "$device" || return 1
    else
      nmcli --wait 30 connection up uuid "$uuid" ifname "$device" || return 1
    fi
    left_alone=
  else
    left_alone=1
  fi
  tries=0
  until addresses_as_wanted "$device" "$@" 2>/dev/null; do
    tries=$((tries + 1))
    # Seen with an IPv6 address beside one that goes: NetworkManager takes it for gone on purpose.
    if [ "$tries" -eq 3 ] && [ -z "$left_alone" ]; then mend_addresses "$device" "$path" "$@"; fi
    if [ "$tries" -ge 40 ]; then
      echo "$device is not as it was after 20 s: \${wrong#?}"
      return 1
    fi
    sleep 0.5
  done
  [ -z "$left_alone" ] || return_link "$device"
  # Taken back to an earlier profile of ours: the note still tells what was before that.
  if [ -z "$back" ] || [ ! -e "$R$file" ]; then rm -f "$R/var/lib/lvsctl/links/$device"; fi
  rm -f "$R/run/lvsctl/pending/$device"
}
`;

/** What is recorded of a device before its profile is written for the first time. */
export function connectionBefore(
  { device, profile }: ConnectionResource,
  facts: Facts,
  files: ReadonlyMap<string, FileState>,
): ConnectionBefore {
  const active = facts.profiles.find((each) => each.device === device);
  const path = active === undefined ? undefined : otherFileOf(active, profile);
  const live = facts.devices[device]?.addresses ?? [];
  return {
    file: expected(files.get(profile.file) ?? { type: 'absent' }),
    active: active?.uuid ?? null,
    other: path === undefined ? null : { path, file: expected(files.get(path) ?? { type: 'absent' }) },
    addresses: live.filter((address) => namesAddress(active?.content ?? '', address)),
  };
}

/** The files that giving back, or recording what is to be given back, looks at. */
export function connectionFiles({ device, profile, returned }: ConnectionResource, facts: Facts): FileWant[] {
  const active = facts.profiles.find((each) => each.device === device);
  const path = returned?.other?.path ?? (active === undefined ? undefined : otherFileOf(active, profile));
  return path === undefined ? [] : [{ path, sha256: '-' }];
}

export function undoConnection({ resource, before }: Recorded<ConnectionResource>): ConnectionResource | undefined {
  return isBefore(before) ? { ...resource, returned: before } : undefined;
}

/** The same for one change: what it brought may be an earlier profile's. */
export function backConnection({ resource, before }: Recorded<ConnectionResource>): ConnectionResource | undefined {
  if (!isBefore(before)) return undefined;
  const addresses = [...new Set([...resource.addresses, ...(resource.returned?.addresses ?? [])])];
  return { ...resource, addresses, returned: before, stepwise: true };
}

/** Addresses that come back before others go: host addresses, which bring no route along. */
function heldAddresses({ stepwise, returned }: ConnectionResource, missing: readonly string[]): string[] {
  if (stepwise !== true || returned === undefined) return [];
  return missing.filter((address) => address.endsWith('/32') || address.endsWith('/128'));
}

/** Copies of the keyfiles that were there; what NetworkManager made for itself it makes again. */
export function keptConnection({ profile }: ConnectionResource, before: unknown): Kept[] {
  if (!isBefore(before)) return [];
  const places = [{ path: profile.file, file: before.file }, ...(before.other === null ? [] : [before.other])];
  return places.flatMap(({ path, file }) => (file.type === 'file' ? [{ path, sha256: file.sha256 }] : []));
}

/** A keyfile that somebody wrote since is theirs. */
export function theirConnection(
  { before, wrote }: Recorded<ConnectionResource>,
  { file }: ConnectionState,
): string | undefined {
  const known = [...wrote, before].flatMap((each) => (isRecord(each) ? [each.file] : []));
  return known.some((each) => holds(each, file))
    ? undefined
    : 'its keyfile was changed since lvsctl wrote it: left as it is';
}

/** For a resource that gives back: which addresses there are too many, and which lack. */
export function returnedAddresses(
  { device, addresses }: ConnectionResource,
  before: ConnectionBefore,
  facts: Facts,
): { missing: string[]; surplus: string[] } {
  const live = facts.devices[device]?.addresses ?? [];
  return {
    missing: before.addresses.filter((address) => !live.includes(address)).sort(),
    surplus: addresses.filter((address) => live.includes(address) && !before.addresses.includes(address)).sort(),
  };
}

/** What gives a device its earlier profile back; empty where it has it. */
export function returning(
  resource: ConnectionResource,
  before: ConnectionBefore,
  state: Pick<ConnectionState, 'file' | 'missing' | 'surplus' | 'pending' | 'was'>,
): Change[] {
  const { device, profile } = resource;
  const after = { file: before.file, missing: [], surplus: [], pending: false };
  if (holds(after, state)) return [];
  const { file, missing, surplus, pending } = state;
  const target = [
    ...before.addresses.map((address) => `+${address}`),
    ...resource.addresses.filter((address) => !before.addresses.includes(address)).map((address) => `-${address}`),
  ];
  const other =
    before.other === null ? ['-', ...putArgs({ type: 'absent' })] : [before.other.path, ...putArgs(before.other.file)];
  const held = surplus.length > 0 ? heldAddresses(resource, missing) : [];
  const observed = { file: expected(file), missing, surplus, pending };
  const between = { ...observed, missing: missing.filter((address) => !held.includes(address)) };
  const was = state.was === undefined ? {} : { was: state.was };
  const holding: Change[] =
    held.length === 0
      ? []
      : [
          {
            key: keyOf(resource),
            kind: 'connection',
            direction: 'add',
            shown: held.map((address) => ({ as: 'value', name: `address on ${device}`, before: null, after: address })),
            ops: [{ name: 'connection_hold', args: [device, ...held] }],
            before: observed,
            ...was,
            after: between,
          },
        ];
  const gone = before.file.type === 'absent' && before.other === null;
  return [
    ...holding,
    {
      key: keyOf(resource),
      kind: 'connection',
      direction: 'remove',
      shown: [
        {
          as: 'action',
          text: gone ? `remove the profile of ${device}` : `put the profile of ${device} back as it was before lvsctl`,
        },
        ...surplus.map((address) => ({
          as: 'value' as const,
          name: `address on ${device}`,
          before: address,
          after: null,
        })),
        ...between.missing.map((address) => ({
          as: 'value' as const,
          name: `address on ${device}`,
          before: null,
          after: address,
        })),
      ],
      ops: [
        {
          name: 'connection_return',
          args: [device, before.active ?? '-', profile.file, ...putArgs(before.file), ...other, ...target],
        },
      ],
      before: between,
      ...was,
      after,
    },
  ];
}

/** The files come from the transaction's own copies. */
export function revertConnection({ was, ops }: Change, resource: ConnectionResource): Taken {
  const { device, profile, addresses, returned } = resource;
  // What is held goes with the rest of what comes back, which is taken back first.
  if (!isBefore(was) || ops.some(({ name }) => name === 'connection_hold')) return { ops: [] };
  const held = heldAddresses(resource, returned?.addresses ?? []).filter((one) => !was.addresses.includes(one));
  const brought = [...new Set([...addresses, ...(returned?.addresses ?? [])])];
  const target = [
    ...was.addresses.map((address) => `+${address}`),
    ...brought.filter((address) => !was.addresses.includes(address)).map((address) => `-${address}`),
  ];
  const copy = ['tx', '-', '-', '-'];
  // Giving back also puts an earlier keyfile elsewhere, and forgets the note of the device.
  const otherPath = was.other?.path ?? returned?.other?.path;
  const other = otherPath === undefined ? ['-', '-', '-', '-', '-'] : [otherPath, ...copy];
  const note = returned === undefined ? [] : [`/var/lib/lvsctl/links/${device}`];
  return {
    ops: [
      ...(held.length === 0 ? [] : [{ name: 'connection_let_go', args: [device, ...held] }]),
      ...note.map((path) => ({ name: 'tx_file', args: [path] })),
      { name: 'connection_return', args: [device, was.active ?? '-', profile.file, ...copy, ...other, ...target] },
    ],
    paths: [profile.file, ...(otherPath === undefined ? [] : [otherPath]), ...note],
  };
}

function putArgs(state: FileState): string[] {
  const was = restorable(state);
  return was?.type === 'file' ? [was.sha256, was.owner, was.group, was.mode] : ['-', '-', '-', '-'];
}

/** The active profile's own keyfile where that isn't the wanted one; none where NetworkManager made it for itself. */
function otherFileOf(active: Profile, wanted: ConnectionResource['profile']): string | undefined {
  if (active.uuid !== wanted.uuid || active.file === '' || active.file === wanted.file) return undefined;
  return /^(nm-generated|volatile)=true$/mu.test(active.content) ? undefined : active.file;
}

function namesAddress(keyfile: string, address: string): boolean {
  return keyfile.split('\n').some((line) => {
    const match = /^\s*address(?:es)?\d*\s*=\s*([^\s,;]+)/u.exec(line);
    return match?.[1] === address;
  });
}

function isBefore(value: unknown): value is ConnectionBefore {
  return (
    isRecord(value) &&
    isRecord(value.file) &&
    (value.active === null || typeof value.active === 'string') &&
    Array.isArray(value.addresses) &&
    (value.other === null ||
      (isRecord(value.other) && typeof value.other.path === 'string' && isRecord(value.other.file)))
  );
}
