import { isRecord } from './holds.ts';
import {
  definitionWords,
  destinationWords,
  endpoint,
  type IpvsMatch,
  type IpvsService,
  type IpvsTable,
  matchWords,
  parseTable,
} from './ipvs-table.ts';
import { keyOf } from './key.ts';
import type { Change, Kind } from './kind.ts';
import { sh } from './sh.ts';

/** A virtual service that keepalived is to have in the table. */
export type WatchedService = IpvsMatch &
  IpvsService & {
    /** A failed server stays, with weight 0. */
    inhibit: boolean;
    /** While no server answers, another stands in for all. */
    sorry: boolean;
  };

/** What keepalived holds up on a host, as it is to be once it runs with its configuration. */
export interface KeepalivedResource {
  kind: 'keepalived';
  /** The addresses (CIDR) that each instance holds while it is master. */
  instances: { name: string; device: string; addresses: string[] }[];
  services: WatchedService[];
}

/** keepalived's words for what an instance is. */
export type VrrpState = 'INIT' | 'BACKUP' | 'MASTER' | 'FAULT';

/** An instance's name in keepalived's configuration: one word, unique on a host. Pure. */
export function instanceName(group: { name: string }, instance: { name: string }): string {
  return `${group.name}_${instance.name}`;
}

/** What an observed state says of each instance; nothing where keepalived didn't answer. Pure. */
export function vrrpStates(state: unknown): Record<string, VrrpState> {
  if (!isRecord(state) || !isRecord(state.vrrp)) return {};
  return Object.fromEntries(
    Object.entries(state.vrrp).flatMap(([name, word]) =>
      typeof word === 'string' && isVrrpState(word) ? [[name, word]] : [],
    ),
  );
}

/** What keepalived says of itself, and the table as it is. */
export interface KeepalivedState {
  running: boolean;
  /** Whether it says what it does; it does not where it is hung or writes its answer elsewhere. */
  answers: boolean;
  /** By instance, in the order of keepalived's answer. */
  vrrp: Record<string, VrrpState>;
  /** By `matchWords`: the servers that it counts as up, as `ADDRESS:PORT`. */
  up: Record<string, string[]>;
  table: Record<string, IpvsService>;
  /** Addresses of the instances that are live, by device. */
  addresses: Record<string, string[]>;
}

/**
 * keepalived at work. Its reload compares the new configuration with its old one and never with the kernel, so a
 * server that somebody took from the table by hand stays away: what keepalived counts as up and the table lacks is put
 * back here, by single commands.
 *
 * It is asked by SIGUSR1, upon which it writes what it knows into files in /tmp that root alone may read (keepalived(8),
 * SIGNALS); they are read and removed again. The password stands in them: only lines that are needed leave the host.
 */
export const keepalivedKind: Kind<KeepalivedResource, KeepalivedState> = {
  kind: 'keepalived',
  ops: ['keepalived_repair'],
  shell: sh`
# keepalived_told FILE SECTION PIDFILE...: whether a process of keepalived has written its file to the end.
keepalived_told() {
  file=$told/$1
  section=$2
  shift 2
  for one; do
    if [ -e "$R/run/$one" ]; then
      grep -qs "$section >---" "$file"
      return
    fi
  done
  return 0
}

# Sets "view" to what keepalived says: its instances, services, servers and checkers.
keepalived_view() {
  view=
  line_of "$R/run/keepalived.pid" || return 1
  pid=$line
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  line_of "$R/proc/$pid/comm" && [ "$line" = keepalived ] || return 1
  told=$R/proc/$pid/root/tmp
  set -- "$told/keepalived.data" "$told/keepalived_check.data" "$told/keepalived_bfd.data" "$told/keepalived_parent.data"
  rm -f "$@"
  kill -USR1 "$pid" || return 1
  tries=0
  until
    keepalived_told keepalived.data Interfaces vrrp.pid keepalived_vrrp.pid &&
      keepalived_told keepalived_check.data 'LVS Topology' checkers.pid keepalived_checkers.pid
  do
    tries=$((tries + 1))
    if [ "$tries" -ge 20 ]; then break; fi
    sleep 0.1
  done
  # The end may still be on its way: it is, where the next look sees more.
  while
    seen=$view
    view=$(grep -hsE '^ *(VRRP Instance|State|VS (VIP|FWMARK)|protocol|Address family|RIP|alive|Has run) =' "$1" "$2")
    [ "$view" != "$seen" ]
  do
    sleep 0.1
  done
  rm -f "$@"
  [ -n "$view" ]
}

observe_keepalived() {
  if keepalived_view; then printf '@view\n%s\n' "$view"
  elif line_of "$R/run/keepalived.pid" && [ -d "$R/proc/$line" ]; then echo '@silent'
  fi
  echo '@table'
  if [ -e "$R/proc/net/ip_vs" ] && command -v ipvsadm >/dev/null; then
    ipvsadm -Sn
    ipvsadm -Ln --thresholds
  fi
  echo '@addresses'
  ip -o addr show
}

# The words of one ipvsadm command; what is there already, or gone already, is as it should be.
op_keepalived_repair() {
  output=$(ipvsadm "$@" 2>&1) && return 0
  case $1:$output in
    # A server that checks took out comes back with the weight that keepalived knows.
    -[Aa]:*'already exists'* | -[Dde]:*'No such'*) return 0 ;;
    *) printf '%s\n' "$output"; return 1 ;;
  esac
}

# keepalived_settled start|reload: waits until every server was checked and, after a start, for the first election.
keepalived_settled() {
  waited=0
  while [ "$waited" -lt 10 ]; do
    keepalived_view
    case $1:$view in
      *:*'State = INIT'* | *:*'Has run = no'*) ;;
      reload:* | *'State = MASTER'*) return 0 ;;
      *'VRRP Instance'*) [ "$waited" -lt 4 ] || return 0 ;;
      *) return 0 ;;
    esac
    waited=$((waited + 1))
    sleep 1
  done
}
`,
  undo: () => undefined,
  ask: () => ['keepalived'],
  parse: ({ text }, asked) => new Map(asked.map((resource) => [keyOf(resource), stateOf(text, resource)])),
  diff(resource, state) {
    const commands = repairs(resource, state);
    if (commands.length === 0) return [];
    const change: Change = {
      key: keyOf(resource),
      kind: 'keepalived',
      direction: 'change',
      before: { up: state.up },
      after: { running: true },
      shown: [{ as: 'rules', before: [], after: commands.map((words) => words.join(' ')) }],
      ops: commands.map((args) => ({ name: 'keepalived_repair', args })),
      reason: 'the table is not as keepalived has it in mind: a reload would not mend it',
    };
    return [change];
  },
  warn: (resource, state) => [...faults(resource, state), ...missingServers(resource, state)],
};

/** What brings back the servers and services that keepalived has in mind and somebody took from the table. */
function repairs({ services }: KeepalivedResource, { up, table }: KeepalivedState): string[][] {
  return services.flatMap((service) => {
    const name = matchWords(service);
    const known = up[name.join(' ')];
    // A service that keepalived doesn't know comes with its next reload.
    if (known === undefined) return [];
    const live = table[name.join(' ')];
    const there = new Set(live?.destinations.map(endpoint));
    const lost = service.destinations.filter((each) => known.includes(endpoint(each)) && !there.has(endpoint(each)));
    // Servers that failed go where the table has them from elsewhere: an earlier owner, or a hand.
    const dead = service.inhibit
      ? []
      : service.destinations.filter((each) => !known.includes(endpoint(each)) && there.has(endpoint(each)));
    return [
      ...(live === undefined ? [['-A', ...name, ...definitionWords(service)]] : []),
      ...lost.map((each) => ['-a', ...name, ...destinationWords(each)]),
      ...dead.map((each) => ['-d', ...name, '-r', endpoint(each)]),
    ];
  });
}

function faults({ instances }: KeepalivedResource, state: KeepalivedState): string[] {
  if (!state.running) return [];
  if (!state.answers) return ['keepalived runs and doesn’t say what it does'];
  return instances.flatMap(({ name, device, addresses }) => {
    const found = state.vrrp[name];
    const there = addresses.filter((address) => state.addresses[device]?.includes(address));
    if (found === 'FAULT') {
      return [
        `${name} is in fault: an interface or a script that it tracks fails, or its address came after keepalived`,
      ];
    }
    if (found === 'MASTER' && there.length < addresses.length) {
      return [`${name} is master without ${addresses.filter((address) => !there.includes(address)).join(', ')}`];
    }
    if (found === 'BACKUP' && there.length > 0) {
      return [`${name} is backup, yet ${device} has ${there.join(', ')}: take the address off by hand`];
    }
    return [];
  });
}

function missingServers({ services }: KeepalivedResource, { answers, up }: KeepalivedState): string[] {
  if (!answers) return [];
  return services.flatMap((service) => {
    const name = matchWords(service).join(' ');
    const known = up[name];
    if (known === undefined) return [];
    const down = service.destinations.map(endpoint).filter((each) => !known.includes(each));
    if (down.length === 0) return [];
    const sorry = service.sorry && down.length === service.destinations.length ? '; the sorry server answers' : '';
    return [`${name}: keepalived counts ${down.join(', ')} as down${sorry}`];
  });
}

function stateOf(text: string, { instances }: KeepalivedResource): KeepalivedState {
  const [said = '', rest = ''] = text.split('@table\n');
  const [table = '', addresses = ''] = rest.split('@addresses\n');
  const answers = said.includes('@view');
  const devices = new Set(instances.map(({ device }) => device));
  return {
    running: answers || said.includes('@silent'),
    answers,
    ...parseView(said),
    table: recordOf(parseTable(table)),
    addresses: liveAddresses(addresses, devices),
  };
}

function recordOf(table: IpvsTable): Record<string, IpvsService> {
  return Object.fromEntries(table);
}

/** `2: ens32    inet 192.168.148.161/32 scope global ens32 …`, of these devices. */
function liveAddresses(text: string, devices: ReadonlySet<string>): Record<string, string[]> {
  const live: Record<string, string[]> = {};
  for (const line of text.split('\n')) {
    const [, device = '', family, address = ''] = line.trim().split(/\s+/);
    if ((family !== 'inet' && family !== 'inet6') || !devices.has(device)) continue;
    live[device] = [...(live[device] ?? []), address];
  }
  return live;
}

const STATES: readonly string[] = ['INIT', 'BACKUP', 'MASTER', 'FAULT'];

function isVrrpState(text: string): text is VrrpState {
  return STATES.includes(text);
}

/**
 * Reads the lines of keepalived's own dump, of 2.2.7: `VRRP Instance = edge_outside`, `State = MASTER`; of a service
 * `VS VIP = 192.168.148.161, VPORT = 80` or `VS FWMARK = 7`, then `Address family = inet` and `protocol = TCP`, then of
 * each of its servers `RIP = 192.168.148.132, RPORT = 80, …` and `alive = 1`. Sessions and interfaces have states too.
 */
export function parseView(text: string): Pick<KeepalivedState, 'vrrp' | 'up'> {
  const vrrp: KeepalivedState['vrrp'] = {};
  const up: KeepalivedState['up'] = {};
  let instance = '';
  let match = '';
  let six = false;
  let service: string[] = [];
  let server: string | undefined;
  for (const line of text.split('\n')) {
    const at = line.indexOf(' = ');
    const [key, value] = [line.slice(0, at).trim(), line.slice(at + 3).trim()];
    switch (key) {
      case 'VRRP Instance':
        instance = value;
        break;
      case 'State':
        if (isVrrpState(value)) vrrp[instance] ??= value;
        break;
      case 'VS VIP':
        match = placeOf(value);
        break;
      case 'VS FWMARK':
        match = `-f ${value}`;
        break;
      case 'Address family':
        six = value === 'inet6';
        break;
      case 'protocol':
        server = undefined;
        service = up[serviceName(match, value, six)] ??= [];
        break;
      case 'RIP':
        server = placeOf(value);
        break;
      case 'alive':
        if (server !== undefined && value === '1') service.push(server);
        server = undefined;
        break;
    }
  }
  return { vrrp, up };
}

/** `192.168.148.132, RPORT = 80, WEIGHT = 1 …` as `ADDRESS:PORT`. */
function placeOf(text: string): string {
  const [, address = '', port = ''] = /^(\S+), [VR]PORT = (\d+)/.exec(text) ?? [];
  return endpoint({ address, port: Number(port) });
}

const PROTOCOLS: Readonly<Record<string, string>> = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' };

function serviceName(match: string, protocol: string, six: boolean): string {
  if (match.startsWith('-f ')) return six ? `${match} -6` : match;
  return `${PROTOCOLS[protocol] ?? protocol} ${match}`;
}
