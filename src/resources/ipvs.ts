import { isDeepStrictEqual } from 'node:util';
import { type IpvsChecker, permitted } from './ipvs-checked.ts';
import {
  byEndpoint,
  definitionWords,
  destinationWords,
  endpoint,
  type IpvsMatch,
  type IpvsService,
  matchWords,
  parseTable,
  ruleLines,
} from './ipvs-table.ts';
import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A virtual service in the kernel's live table with exactly these destinations, or none. */
export type IpvsResource = { kind: 'ipvs' } & IpvsMatch &
  (
    | ({
        state: 'present';
        /** Who takes servers out of the table and puts them back; absent where nobody does. */
        checker?: IpvsChecker;
      } & IpvsService)
    | { state: 'absent' }
  );

/** A virtual service as the kernel has it; null where it has none. */
export type IpvsState = IpvsService | null;

/** Virtual services in the kernel's live table, changed by single commands and never flushed. */
export const ipvsKind: Kind<IpvsResource, IpvsState> = {
  kind: 'ipvs',
  ops: ['ipvs', 'ipvs_others', 'ipvs_again', 'ipvs_drained', 'ipvs_answering', 'ipvs_answers'],
  shell: sh`
# Without /proc/net/ip_vs the module isn't loaded: asking ipvsadm would load it, and looking must change nothing.
observe_ipvs() {
  if [ ! -e "$R/proc/net/ip_vs" ]; then echo 'no module'
  elif ! command -v ipvsadm >/dev/null; then echo 'no tool'
  else
    ipvsadm -Sn
    # The rules above don't hold the connection thresholds.
    ipvsadm -Ln --thresholds
  fi
}

# ipvs_serves PLACE SERVICE...: whether a real server has connections that are being served.
ipvs_serves() {
  place=$1
  shift
  # shellcheck disable=SC2046
  set -- $(ipvsadm -Ln "$@" 2>/dev/null)
  while [ $# -ge 5 ]; do
    if [ "$1 $2" = "-> $place" ]; then [ "$5" -gt 0 ]; return; fi
    shift
  done
  return 1
}

# Taking a real server away cuts its connections: those that are being served get 5 s to end, with weight 0 by now.
ipvs_ends() {
  waited=0
  while [ "$waited" -lt 10 ]; do
    if [ $# -eq 6 ]; then ipvs_serves "$6" "$2" "$3" "$4"; else ipvs_serves "$5" "$2" "$3"; fi || return 0
    waited=$((waited + 1))
    sleep 0.5
  done
}

# ipvs_drained SECONDS ENTRY...: waits until real servers serve no connections any more. An entry is an address of the
# service (or *), the real server's place, and the words that name the service. A director that doesn't have the address
# knows of copies only, which end later than the connections themselves.
op_ipvs_drained() {
  seconds=$1
  shift
  uptime_of
  end=$((up + seconds))
  while :; do
    busy=
    here=$(ip -o addr show)
    for entry; do
      case "\${entry%% *}:$here" in
        '*:'* | *" \${entry%% *}/"*) ;;
        *) continue ;;
      esac
      # shellcheck disable=SC2086
      if ipvs_serves \${entry#* }; then busy="$busy\${busy:+, }\${entry#* }"; fi
    done
    [ -n "$busy" ] || return 0
    uptime_of
    [ "$up" -lt "$end" ] || break
    sleep 1
  done
  echo "left: after $seconds s there were still connections being served: $busy"
}

# ipvs_weights PLACE SERVICE...: sets "weight" to that of a real server now, and "others" to the sum of those of real
# servers that aren't "meant".
ipvs_weights() {
  place=$1
  shift
  weight=0
  others=0
  # shellcheck disable=SC2046
  set -- $(ipvsadm -Ln "$@" 2>/dev/null)
  while [ $# -ge 5 ]; do
    case $1$4 in
      '->'*[!0-9]* | '->') ;;
      '->'*)
        case $meant in
          *" $2 "*) [ "$2" != "$place" ] || weight=$4 ;;
          *) others=$((others + $4)) ;;
        esac
        ;;
    esac
    shift
  done
}

# ipvs_others ENTRY...: entries as for ipvs_drained. Notes which of these real servers get requests now; where no other one
# of their row does, they are to go on getting them.
op_ipvs_others() {
  mkdir -p "$R/run/lvsctl" && true >"$R/run/lvsctl/drained" || return 1
  meant=" $* "
  for entry; do
    # shellcheck disable=SC2086
    ipvs_weights \${entry#* }
    [ "$weight" -gt 0 ] || continue
    if [ "$others" -eq 0 ]; then
      echo "no other real server gets requests now, so it is not drained: \${entry#* }"
      return 1
    fi
    printf '%s\n' "$entry" >>"$R/run/lvsctl/drained"
  done
}

# ipvs_again SECONDS: waits until those get requests again, where checks decide that.
op_ipvs_again() {
  [ -e "$R/run/lvsctl/drained" ] || return 0
  uptime_of
  end=$((up + $1))
  while IFS= read -r entry; do
    while meant=" $entry "; do
      # shellcheck disable=SC2086
      ipvs_weights \${entry#* }
      [ "$weight" -eq 0 ] || break
      uptime_of
      if [ "$up" -ge "$end" ]; then
        echo "keepalived's check gives it no requests again: \${entry#* }"
        return 1
      fi
      sleep 1
    done
  done <"$R/run/lvsctl/drained"
  rm -f "$R/run/lvsctl/drained"
}

ipvs_connects() {
  # shellcheck disable=SC2016
  timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
}

# ipvs_answering PLACE...: notes at which of them (address and port) somebody answers now.
op_ipvs_answering() {
  mkdir -p "$R/run/lvsctl" && true >"$R/run/lvsctl/answering" || return 1
  command -v bash >/dev/null || return 0
  for entry; do
    # shellcheck disable=SC2086
    if ipvs_connects $entry; then printf '%s\n' "$entry" >>"$R/run/lvsctl/answering"; fi
  done
}

# ipvs_answers SECONDS: waits until each of them answers again.
op_ipvs_answers() {
  uptime_of
  end=$((up + $1))
  while IFS=' ' read -r address port; do
    until ipvs_connects "$address" "$port"; do
      uptime_of
      if [ "$up" -ge "$end" ]; then echo "$address doesn't answer at port $port"; return 1; fi
      sleep 1
    done
  done <"$R/run/lvsctl/answering"
  rm -f "$R/run/lvsctl/answering"
}

# The kernel keeps its table while ipvsadm isn't installed, and nothing could read it then: what is to be added may be
# there already, and is edited instead.
op_ipvs() {
  case $1 in
    -A | -a)
      output=$(ipvsadm "$@" 2>&1) && return 0
      case $1:$output in
        -A:*'already exists'*) shift; set -- -E "$@" ;;
        -a:*'already exists'*) shift; set -- -e "$@" ;;
        *) printf '%s\n' "$output"; return 1 ;;
      esac
      ipvsadm "$@"
      ;;
    # keepalived, once it has taken up its configuration, may have been first.
    -D | -d)
      [ "$1" = -D ] || ipvs_ends "$@"
      output=$(ipvsadm "$@" 2>&1) && return 0
      case $output in *'No such '*) ;; *) printf '%s\n' "$output"; return 1 ;; esac
      ;;
    # What takes back may find that it was never there; one that is to get no more connections may be gone.
    -E | -e)
      output=$(ipvsadm "$@" 2>&1) && return 0
      case "$*:$back:$output" in
        -e*' -w 0'*::*'No such '*) return 0 ;;
        -E*:1:*'No such '*) shift; set -- -A "$@" ;;
        -e*:1:*'No such '*) shift; set -- -a "$@" ;;
        *) printf '%s\n' "$output"; return 1 ;;
      esac
      ipvsadm "$@"
      ;;
    # Taken away with all that it serves, and time for what is left of that to be dropped, packet by packet.
    cut)
      shift
      output=$(ipvsadm -d "$@" 2>&1) && return 0
      case $output in *'No such '*) ;; *) printf '%s\n' "$output"; return 1 ;; esac
      ;;
    forget) sleep "$2" ;;
    *) echo "ipvsadm $1 is refused"; return 1 ;;
  esac
}
`,
  undo({ resource, before }, why) {
    if (before === undefined && why === 'destroy') return undefined;
    const match = matchOf(resource);
    return isService(before)
      ? { kind: 'ipvs', ...match, state: 'present', ...before }
      : { kind: 'ipvs', ...match, state: 'absent' };
  },
  ask: (resource) => [keyOf(resource)],
  parse({ text }, asked) {
    const table = parseTable(text);
    return new Map(asked.map((resource) => [keyOf(resource), table.get(matchWords(resource).join(' ')) ?? null]));
  },
  diff(resource, state) {
    const shared = { key: keyOf(resource), kind: 'ipvs' };
    const desired = wantedState(resource, state);
    const commands = ipvsCommands(matchWords(resource), state, desired);
    if (commands.length === 0) return [];
    return [
      {
        ...shared,
        direction: state === null ? 'add' : desired === null ? 'remove' : 'change',
        shown: [{ as: 'rules', before: ruleLines(resource, state), after: ruleLines(resource, desired) }],
        ops: commands.map((args) => ({ name: 'ipvs', args })),
        before: state,
        after: desired,
      },
    ];
  },
};

/** What the table is to hold, given what it holds. */
function wantedState(resource: IpvsResource, live: IpvsState): IpvsState {
  if (resource.state === 'absent') return null;
  const { scheduler, flags, checker } = resource;
  const whole = { scheduler, flags, destinations: [...resource.destinations].sort(byEndpoint) };
  return checker === undefined ? whole : permitted(whole, live, checker);
}

/**
 * How long a real server is out of the table before it comes back with direct routing in place of NAT. All connections
 * of a real server share one cached route. A connection that is still NAT's, and happens to be first after that cache
 * was emptied, fills it with a route without a next hop; with direct routing the director then sends every packet to
 * the VIP, which is itself, until its time to live ends (seen on Linux 6.1 under load, for good). With
 * expire_nodest_conn the packets of connections without a real server end these (ipvs-sysctl.rst).
 */
const FORGET_SECONDS = '10';

/**
 * The ipvsadm commands from one state to another: what is new comes before what goes (ipvsadm(8)), and what goes gets no
 * new connections before it does.
 */
function ipvsCommands(service: readonly string[], from: IpvsState, to: IpvsState): string[][] {
  if (to === null) return from === null ? [] : [['-D', ...service]];
  const commands: string[][] = [];
  if (from === null) commands.push(['-A', ...service, ...definitionWords(to)]);
  else if (!isDeepStrictEqual(definitionWords(from), definitionWords(to)))
    commands.push(['-E', ...service, ...definitionWords(to)]);
  const old = new Map(from?.destinations.map((each) => [endpoint(each), each]));
  const turned = to.destinations.filter((each) => each.method === 'gate' && old.get(endpoint(each))?.method === 'masq');
  for (const each of turned) {
    commands.push(['cut', ...service, '-r', endpoint(each)]);
    old.delete(endpoint(each));
  }
  if (turned.length > 0) commands.push(['forget', FORGET_SECONDS]);
  // Who takes over comes before who gets nothing any more.
  for (const each of to.destinations.toSorted((a, b) => Number(a.weight === 0) - Number(b.weight === 0))) {
    const there = old.get(endpoint(each));
    old.delete(endpoint(each));
    const words = [...service, ...destinationWords(each)];
    if (there === undefined) commands.push(['-a', ...words]);
    else if (!isDeepStrictEqual(there, each)) commands.push(['-e', ...words]);
  }
  for (const gone of old.values())
    if (gone.weight > 0) commands.push(['-e', ...service, ...destinationWords({ ...gone, weight: 0 })]);
  for (const gone of old.keys()) commands.push(['-d', ...service, '-r', gone]);
  return commands;
}

/** A state as a manifest on a host brings it back; what is no service counts as none. */
function isService(value: unknown): value is IpvsService {
  return typeof value === 'object' && value !== null && 'scheduler' in value && 'destinations' in value;
}

function matchOf(match: IpvsMatch): IpvsMatch {
  if (match.protocol === 'fwmark') return { protocol: match.protocol, mark: match.mark, family: match.family };
  return { protocol: match.protocol, address: match.address, port: match.port };
}
