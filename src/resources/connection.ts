import type { Facts } from '../platform/facts.ts';
import {
  backConnection,
  CONNECTION_RETURN,
  type ConnectionBefore,
  connectionBefore,
  connectionFiles,
  keptConnection,
  returnedAddresses,
  returning,
  revertConnection,
  theirConnection,
  undoConnection,
} from './connection-undo.ts';
import { expected, sha256 } from './file.ts';
import { holds } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, FileState, Kind, Op, Shown } from './kind.ts';
import { sh } from './sh.ts';

/** A NetworkManager profile, in its keyfile and live on its device. */
export interface ConnectionResource {
  kind: 'connection';
  device: string;
  type: 'ethernet' | 'loopback' | 'bond' | 'vlan';
  profile: {
    name: string;
    uuid: string;
    /** Absolute path of the keyfile. */
    file: string;
    /** The keyfile's whole text. */
    content: string;
  };
  /** CIDRs that must be live on the device. */
  addresses: string[];
  /** Routes that must be live there, as `TO via ROUTER` and where it is said ` metric N`; TO is `default` or a network. */
  routes: string[];
  /** Given back: what the device had before lvsctl. */
  returned?: ConnectionBefore;
  /** Given back in two steps, where some addresses come and others go. */
  stepwise?: true;
}

/** A profile's keyfile and what is live of it. */
export interface ConnectionState {
  /** The keyfile at the wanted path, without its content: that may hold other people's secrets. */
  file: FileState;
  /** UUID of the profile that is active on the device; null where none is. */
  active: string | null;
  /** The active profile's keyfile where that is another file, e.g. one in /run: it would hide ours. */
  otherFile: string | null;
  /** Wanted addresses that aren't live. */
  missing: string[];
  /** Live addresses that the active profile's keyfile names and the wanted one doesn't. */
  surplus: string[];
  /** Wanted routes that aren't live. */
  missingRoutes: string[];
  /** Live default routes through another router than the wanted one, as `default via ROUTER`. */
  surplusRoutes: string[];
  /** An earlier activation was begun and not ended. */
  pending: boolean;
  /** For the record, all that giving it back takes: no change is compared by it. */
  was?: ConnectionBefore;
}

/** NetworkManager profiles. Activation keeps addresses that others (keepalived) put on the device. */
export const connectionKind: Kind<ConnectionResource, ConnectionState> = {
  kind: 'connection',
  ops: ['connection_put', 'connection_activate', 'connection_return', 'connection_hold', 'connection_let_go'],
  shell: `${sh`
observe_connection() {
  for device in $asked; do
    [ -e "$R/run/lvsctl/pending/$device" ] && echo "pending $device"
  done
  ip -o route show table all type unicast
  facts_network
}

# The mark says that the device doesn't have its file's content yet; a reboot, which loads all files, ends it too.
op_connection_put() {
  note_link "$1" || return 1
  mkdir -p "$R/run/lvsctl/pending" && true >"$R/run/lvsctl/pending/$1" || return 1
  put "$2" root root 0600
}

# Whether the device has every address written +CIDR and none written -CIDR; the first that is wrong goes into "wrong".
addresses_as_wanted() {
  live=$(ip -o addr show dev "$1")
  shift
  for wrong; do
    case $wrong in
      +*) case $live in *" \${wrong#+} "*tentative*) return 1 ;; *" \${wrong#+} "*) ;; *) return 1 ;; esac ;;
      -*) case $live in *" \${wrong#-} "*) return 1 ;; esac ;;
    esac
  done
  return 0
}

# The same of routes, written >TO via ROUTER [metric N] and <TO via ROUTER.
routes_as_wanted() {
  device=$1
  shift
  ways=
  for wrong; do
    case $wrong in '>'* | '<'*) ;; *) continue ;; esac
    [ -n "$ways" ] || ways=$nl$(ip -4 route show dev "$device")$nl$(ip -6 route show dev "$device")$nl
    way=\${wrong#?}
    metric=\${way##* metric }
    [ "$metric" != "$way" ] || metric=
    way=\${way%% metric *}
    case $wrong in
      '>'*)
        case $ways in
          *"$nl$way proto static \${metric:+metric $metric }"*) ;;
          *"$nl$way \${metric:+metric $metric }"*) ;;
          *) return 1 ;;
        esac
        ;;
      '<'*) case $ways in *"$nl$way "*) return 1 ;; esac ;;
    esac
  done
  return 0
}

# What NetworkManager 1.42 takes for gone on purpose (below) is put back as it would have put it.
mend_routes() {
  device=$1
  shift
  for want; do
    case $want in '>'* | '<'*) ;; *) continue ;; esac
    way=\${want#?}
    family=4
    case \${way##* via } in *:*) family=6 ;; esac
    case $want in
      '<'*)
        # shellcheck disable=SC2086
        ip "-$family" route del $way dev "$device" 2>/dev/null
        ;;
      *' metric '*)
        # shellcheck disable=SC2086
        ip "-$family" route replace $way dev "$device" proto static
        ;;
      *)
        # shellcheck disable=SC2086
        ip "-$family" route replace $way dev "$device" proto static metric 100
        ;;
    esac
  done
}

reapply() {
  busctl --quiet call org.freedesktop.NetworkManager "$1" org.freedesktop.NetworkManager.Device Reapply \
    'a{sa{sv}}tu' 0 0 "$2"
}

# NetworkManager 1.42 doesn't bring back what someone deleted: Reapply with flag 1 takes it for gone on purpose, and
# without the flag it takes foreign addresses (keepalived's) away. A host address is simply added, and it owns it again
# (seen: a later profile without it removes it); another prefix needs its routes too, so there the foreign ones are
# put back by hand.
mend_addresses() {
  device=$1
  path=$2
  shift 2
  before=$live
  whole=
  for want; do
    case $want in
      +*) case $live in *" \${want#+} "*) continue ;; esac ;;
      *) continue ;;
    esac
    case $want in
      +*/32 | +*:*/128) ip addr add "\${want#+}" dev "$device" ;;
      *) whole=1 ;;
    esac
  done
  [ -n "$whole" ] && [ -n "$path" ] || return 0
  reapply "$path" 0 || return 0
  live=$(ip -o addr show dev "$device")
  oldifs=$IFS
  IFS=$nl
  for line in $before; do
    IFS=' '
    # shellcheck disable=SC2086
    set -- $line
    case $3 in
      inet | inet6) case $live in *" $4 "*) ;; *) ip addr add "$4" dev "$device" ;; esac ;;
    esac
  done
  IFS=$oldifs
}

# connection_activate DEVICE UUID FILE OTHERFILE|- +CIDR... -CIDR... >ROUTE... <ROUTE...
# Reapply with flag 1 keeps addresses from elsewhere on the device (NetworkManager >= 1.42, D-Bus API, Device.Reapply).
op_connection_activate() {
  device=$1
  uuid=$2
  file=$3
  other=$4
  shift 4
  mkdir -p "$R/run/lvsctl/pending" && true >"$R/run/lvsctl/pending/$device" || return 1
  if [ "$other" != - ]; then
    rm -f "$R$other"
    nmcli connection load "$R$other" "$file" 2>&1
  else
    nmcli connection load "$file" || return 1
  fi
  path=
  if [ "$(nmcli -g GENERAL.CON-UUID device show "$device")" = "$uuid" ]; then
    path=$(nmcli -g GENERAL.DBUS-PATH device show "$device") || return 1
    # What can't be taken up by a running device (being a part of a bond) needs it to be activated anew.
    reapply "$path" 1 || nmcli --wait 30 connection up uuid "$uuid" ifname "$device" || return 1
  else
    nmcli --wait 30 connection up uuid "$uuid" ifname "$device" || return 1
  fi
  tries=0
  until addresses_as_wanted "$device" "$@" && routes_as_wanted "$device" "$@"; do
    tries=$((tries + 1))
    if [ "$tries" -eq 3 ]; then
      mend_addresses "$device" "$path" "$@"
      mend_routes "$device" "$@"
    fi
    if [ "$tries" -ge 40 ]; then
      case $wrong in
        +*) echo "$device still lacks \${wrong#+} after 20 s" ;;
        -*) echo "$device still has \${wrong#-} after 20 s" ;;
        '>'*) echo "$device still lacks the route \${wrong#?} after 20 s" ;;
        '<'*) echo "$device still has the route \${wrong#?} after 20 s" ;;
      esac
      return 1
    fi
    sleep 0.5
  done
  rm -f "$R/run/lvsctl/pending/$device"
}
`}${CONNECTION_RETURN}`,
  undo: undoConnection,
  back: backConnection,
  theirs: theirConnection,
  revert: revertConnection,
  keep: keptConnection,
  record: (resource) => ({ ...resource, profile: { ...resource.profile, content: '' } }),
  ask: ({ device }) => [device],
  files(resource, facts) {
    const { profile, returned } = resource;
    const own = { path: profile.file, sha256: returned === undefined ? sha256(profile.content) : '-' };
    return [own, ...connectionFiles(resource, facts)];
  },
  parse({ text, facts, files }, asked) {
    const pending = new Set(text.split('\n').map((line) => line.replace(/^pending /, '')));
    const live = liveRoutes(text);
    return new Map(
      asked.map((resource) => [
        keyOf(resource),
        { ...stateOf(resource, facts, files, pending), ...routesOf(resource, live) },
      ]),
    );
  },
  // What comes to lo, or goes from there, leaves its other addresses alone.
  disturbs: (_, { device }) => device !== 'lo',
  diff(resource, state, facts) {
    const { device, profile, returned } = resource;
    if (returned !== undefined) return returning(resource, returned, state);
    const { surplus } = state;
    const comes = state.missing.length + state.missingRoutes.length > 0;
    const together = comes && surplus.length > 0 ? withAddresses(profile.content, surplus) : undefined;
    if (together === undefined) return bringing(resource, state, facts, { direction: directionOf(state) });
    // Make before break: what sends to the old addresses lets them go between the two halves.
    const both = {
      ...resource,
      addresses: [...resource.addresses, ...surplus],
      profile: { ...profile, content: together },
    };
    const first = bringing(both, { ...state, surplus: [] }, facts, { direction: 'change', surplus });
    const between: ConnectionState = { ...state, ...CLEAN, active: profile.uuid, file: fileOf(together), surplus };
    return [
      ...first,
      ...bringing(resource, between, facts, { direction: 'remove' }).map(({ was: _, reason: __, ...rest }) => ({
        ...rest,
        shown: surplus.map(
          (address): Shown => ({ as: 'value', name: `address on ${device}`, before: address, after: null }),
        ),
      })),
    ];
  },
};

/** Nothing is missing or left to do. */
const CLEAN = { otherFile: null, missing: [], missingRoutes: [], surplusRoutes: [], pending: false };

function fileOf(content: string): Extract<FileState, { type: 'file' }> {
  return { type: 'file', sha256: sha256(content), owner: 'root', group: 'root', mode: '0600' };
}

/** The change to a profile and its addresses; none where the device has them. `surplus`: what it keeps besides. */
function bringing(
  resource: ConnectionResource,
  state: ConnectionState,
  facts: Facts,
  how: { direction: Change['direction']; surplus?: string[] },
): Change[] {
  const { device, profile } = resource;
  const after = fileOf(profile.content);
  const desired: ConnectionState = { ...CLEAN, file: after, active: profile.uuid, surplus: how.surplus ?? [] };
  if (holds(desired, state)) return [];
  const { was, ...observed } = state;
  const shown: Shown[] = [];
  const ops: Op[] = [];
  if (!holds(after, state.file)) {
    ops.push({ name: 'connection_put', args: [device, profile.file], input: profile.content });
    shown.push(...shownProfile(resource, state, facts, after));
  }
  ops.push({
    name: 'connection_activate',
    args: [
      device,
      profile.uuid,
      profile.file,
      state.otherFile ?? '-',
      ...resource.addresses.map((address) => `+${address}`),
      ...state.surplus.map((address) => `-${address}`),
      ...resource.routes.map((route) => `>${route}`),
      ...state.surplusRoutes.map((route) => `<${route}`),
    ],
  });
  for (const address of state.missing)
    shown.push({ as: 'value', name: `address on ${device}`, before: null, after: address });
  for (const address of state.surplus)
    shown.push({ as: 'value', name: `address on ${device}`, before: address, after: null });
  for (const route of state.missingRoutes)
    shown.push({ as: 'value', name: `route on ${device}`, before: null, after: route });
  for (const route of state.surplusRoutes)
    shown.push({ as: 'value', name: `route on ${device}`, before: route, after: null });
  if (shown.length === 0) shown.push({ as: 'action', text: `activate ${profile.name} on ${device}` });
  const reason = state.pending ? 'an earlier activation was not finished' : undefined;
  return [
    {
      key: keyOf(resource),
      kind: 'connection',
      direction: how.direction,
      shown,
      ops,
      before: { ...observed, surplus: [...state.surplus, ...(how.surplus ?? [])] },
      ...(was === undefined ? {} : { was }),
      after: desired,
      ...(reason === undefined ? {} : { reason }),
    },
  ];
}

/** A keyfile with further addresses; undefined where it has none of their family, and so no place for them. */
function withAddresses(content: string, more: readonly string[]): string | undefined {
  const lines = content.split('\n');
  for (const address of more) {
    const start = lines.indexOf(address.includes(':') ? '[ipv6]' : '[ipv4]');
    const end = lines.findIndex((line, at) => at > start && line.startsWith('['));
    const numbered = lines.flatMap((line, at) => {
      const number = /^address(\d+)=/.exec(line)?.[1];
      return number !== undefined && at > start && (end < 0 || at < end) ? [{ at, number: Number(number) }] : [];
    });
    const last = numbered.at(-1);
    if (start < 0 || last === undefined) return undefined;
    const next = Math.max(...numbered.map(({ number }) => number)) + 1;
    lines.splice(last.at + 1, 0, `address${next}=${address}`);
  }
  return lines.join('\n');
}

/** Taking addresses away alone is subtractive; where some come too, the change belongs to the additive half. */
function directionOf(state: ConnectionState): Change['direction'] {
  if (state.surplus.length > 0 && state.missing.length + state.missingRoutes.length === 0) return 'remove';
  return state.active === null ? 'add' : 'change';
}

function stateOf(
  resource: ConnectionResource,
  facts: Facts,
  files: ReadonlyMap<string, FileState>,
  pending: ReadonlySet<string>,
): Omit<ConnectionState, 'missingRoutes' | 'surplusRoutes'> {
  const { device, profile } = resource;
  const active = facts.profiles.find((each) => each.device === device);
  const live = facts.devices[device]?.addresses ?? [];
  const named = keyfileAddresses(active?.content ?? '');
  const wanted = keyfileAddresses(profile.content);
  return {
    file: expected(files.get(profile.file) ?? { type: 'absent' }),
    active: active?.uuid ?? null,
    otherFile:
      active && active.uuid === profile.uuid && active.file !== '' && active.file !== profile.file ? active.file : null,
    missing: resource.addresses.filter((address) => !live.includes(address)).sort(),
    surplus: live
      .filter((address) => named.has(address) && !wanted.has(address) && !resource.addresses.includes(address))
      .sort(),
    pending: pending.has(device),
    ...(resource.returned === undefined ? {} : returnedAddresses(resource, resource.returned, facts)),
    was: connectionBefore(resource, facts, files),
  };
}

/** A route of the main table, e.g. `default via 10.0.0.1 dev ens33 proto static metric 100`. */
interface LiveRoute {
  device: string;
  /** `default via 10.0.0.1` */
  way: string;
  metric: string | undefined;
  /** Absent: somebody's by hand. */
  protocol: string | undefined;
}

/** Reads `ip -o route show table all type unicast`; what has no router or stands in another table is left out. */
function liveRoutes(text: string): LiveRoute[] {
  return text.split('\n').flatMap((line): LiveRoute[] => {
    const words = line.trim().split(/\s+/);
    const after = (word: string) => (words.includes(word) ? words[words.indexOf(word) + 1] : undefined);
    const [device, via] = [after('dev'), after('via')];
    if (words[1] !== 'via' || device === undefined || via === undefined || words.includes('table')) return [];
    return [{ device, way: `${words[0]} via ${via}`, metric: after('metric'), protocol: after('proto') }];
  });
}

function routesOf({ device, routes = [] }: ConnectionResource, all: readonly LiveRoute[]) {
  const live = all.filter((route) => route.device === device);
  const isThere = (wanted: string) => {
    const [way, metric] = wanted.split(' metric ');
    return live.some((route) => route.way === way && (metric === undefined || route.metric === metric));
  };
  const defaults = routes.filter((route) => route.startsWith('default via '));
  const family = (way: string) => way.includes(':');
  const surplus = live.filter(
    ({ way, protocol }) =>
      // Routes that a router advertised or a routing daemon learnt are theirs.
      (protocol === undefined || protocol === 'static') &&
      way.startsWith('default via ') &&
      defaults.some((wanted) => family(wanted) === family(way)) &&
      !defaults.some((wanted) => wanted.split(' metric ')[0] === way),
  );
  return {
    missingRoutes: routes.filter((wanted) => !isThere(wanted)),
    surplusRoutes: [...new Set(surplus.map(({ way }) => way))].sort(),
  };
}

/** `address1=10.0.0.2/24,10.0.0.1` → `10.0.0.2/24` (nm-settings-keyfile(5)). */
function keyfileAddresses(content: string): Set<string> {
  return new Set(
    content.split('\n').flatMap((line) => {
      const match = /^\s*address(?:es)?\d*\s*=\s*([^\s,;]+)/.exec(line);
      return match?.[1] ? [match[1]] : [];
    }),
  );
}

function shownProfile(
  resource: ConnectionResource,
  state: ConnectionState,
  facts: Facts,
  after: { sha256: string; owner: string; group: string; mode: string },
): Shown[] {
  const { file, content, uuid } = resource.profile;
  const old = facts.profiles.find((each) => each.uuid === uuid || each.file === file)?.content ?? null;
  const shown: Shown[] = [];
  if (state.file.type !== 'file' || state.file.sha256 !== after.sha256) {
    shown.push({ as: 'text', path: file, before: old === null ? null : masked(old), after: masked(content) });
  }
  if (state.file.type === 'file' && (state.file.mode !== after.mode || state.file.owner !== after.owner)) {
    const before = `${state.file.owner}:${state.file.group} ${state.file.mode}`;
    shown.push({ as: 'value', name: `${file} owner and mode`, before, after: 'root:root 0600' });
  }
  return shown;
}

/** A keyfile's text with the values of secrets hidden: keys named like psk, password, private-key (nm-settings(5)). */
export function masked(keyfile: string): string {
  return keyfile.replace(
    /^(\s*[\w.-]*(?:psk|password|passwd|secret|private-key|passphrase|wep-key\d?|pin|token)[\w.-]*\s*=).+$/gim,
    '$1(hidden)',
  );
}
