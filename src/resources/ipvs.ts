import { isDeepStrictEqual } from 'node:util';
import type { Protocol } from '../inventory/model.ts';
import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** One real server of a virtual service, in ipvsadm's words. */
export interface IpvsDestination {
  address: string;
  port: number;
  /** gate: direct routing (-g), masq: NAT (-m), tunnel: ipip (-i). */
  method: 'gate' | 'masq' | 'tunnel';
  weight: number;
}

/** A virtual service in the kernel's live table with exactly these destinations, or none. */
export type IpvsResource =
  | {
      kind: 'ipvs';
      state: 'present';
      protocol: Protocol;
      address: string;
      port: number;
      scheduler: string;
      /** Further words of `ipvsadm -A` in the order of `ipvsadm -S`, e.g. `['-p', '300', '-b', 'sh-fallback,sh-port']`. */
      flags: string[];
      destinations: IpvsDestination[];
    }
  | { kind: 'ipvs'; state: 'absent'; protocol: Protocol; address: string; port: number };

/** A virtual service as the kernel has it; null where it has none. Destinations are sorted by address and port. */
export type IpvsState = { scheduler: string; flags: string[]; destinations: IpvsDestination[] } | null;

/** Virtual services in the kernel's live table, changed by single commands and never flushed. */
export const ipvsKind: Kind<IpvsResource, IpvsState> = {
  kind: 'ipvs',
  ops: ['ipvs'],
  shell: sh`
# Without /proc/net/ip_vs the module isn't loaded: asking ipvsadm would load it, and looking must change nothing.
observe_ipvs() {
  if [ ! -e "$R/proc/net/ip_vs" ]; then echo 'no module'
  elif ! command -v ipvsadm >/dev/null; then echo 'no tool'
  else ipvsadm -Sn
  fi
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
    -E | -D | -e | -d) ipvsadm "$@" ;;
    *) echo "ipvsadm $1 is refused"; return 1 ;;
  esac
}
`,
  ask: (resource) => [keyOf(resource)],
  parse({ text }, asked) {
    const table = parseTable(text);
    return new Map(asked.map((resource) => [keyOf(resource), table.get(serviceWords(resource).join(' ')) ?? null]));
  },
  diff(resource, state) {
    const shared = { key: keyOf(resource), kind: 'ipvs' };
    const service = serviceWords(resource);
    const desired = resource.state === 'present' ? desiredState(resource) : null;
    const commands = ipvsCommands(service, state, desired);
    if (commands.length === 0) return [];
    return [
      {
        ...shared,
        direction: state === null ? 'add' : desired === null ? 'remove' : 'change',
        shown: [{ as: 'rules', before: rules(service, state), after: rules(service, desired) }],
        ops: commands.map((args) => ({ name: 'ipvs', args })),
        before: state,
        after: desired,
      },
    ];
  },
};

const PROTOCOL_WORDS = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;
const METHOD_WORDS = { gate: '-g', masq: '-m', tunnel: '-i' } as const;

function endpoint({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function serviceWords(resource: Pick<IpvsResource, 'protocol' | 'address' | 'port'>): string[] {
  return [PROTOCOL_WORDS[resource.protocol], endpoint(resource)];
}

function byEndpoint(a: IpvsDestination, b: IpvsDestination): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port;
}

function desiredState(resource: Extract<IpvsResource, { state: 'present' }>): NonNullable<IpvsState> {
  const { scheduler, flags, destinations } = resource;
  return { scheduler, flags, destinations: [...destinations].sort(byEndpoint) };
}

function definition(state: NonNullable<IpvsState>): string[] {
  return ['-s', state.scheduler, ...state.flags];
}

function forwarding({ method, weight }: IpvsDestination): string[] {
  return [METHOD_WORDS[method], '-w', String(weight)];
}

/** The fewest ipvsadm commands from one state to another: what is new comes before what goes (ipvsadm(8)). */
function ipvsCommands(service: readonly string[], from: IpvsState, to: IpvsState): string[][] {
  if (to === null) return from === null ? [] : [['-D', ...service]];
  const commands: string[][] = [];
  if (from === null) commands.push(['-A', ...service, ...definition(to)]);
  else if (!isDeepStrictEqual(definition(from), definition(to))) commands.push(['-E', ...service, ...definition(to)]);
  const old = new Map(from?.destinations.map((each) => [endpoint(each), each]));
  for (const each of to.destinations) {
    const there = old.get(endpoint(each));
    old.delete(endpoint(each));
    const words = [...service, '-r', endpoint(each), ...forwarding(each)];
    if (there === undefined) commands.push(['-a', ...words]);
    else if (!isDeepStrictEqual(there, each)) commands.push(['-e', ...words]);
  }
  for (const gone of old.keys()) commands.push(['-d', ...service, '-r', gone]);
  return commands;
}

function rules(service: readonly string[], state: IpvsState): string[] {
  if (state === null) return [];
  const destinations = state.destinations.map((each) => ['-a', ...service, '-r', endpoint(each), ...forwarding(each)]);
  return [['-A', ...service, ...definition(state)], ...destinations].map((words) => words.join(' '));
}

/** Reads `ipvsadm -Sn`, by the words that name the service (`-t 20.20.20.20:80`). */
function parseTable(text: string): Map<string, NonNullable<IpvsState>> {
  const table = new Map<string, NonNullable<IpvsState>>();
  for (const line of text.split('\n')) {
    const [command, protocol, service, ...rest] = line.trim().split(/\s+/);
    const key = `${protocol} ${service}`;
    if (command === '-A') {
      const at = rest.indexOf('-s');
      const scheduler = rest[at + 1];
      if (at >= 0 && scheduler) table.set(key, { scheduler, flags: rest.toSpliced(at, 2), destinations: [] });
    } else if (command === '-a') {
      const destination = parseDestination(rest);
      if (destination) table.get(key)?.destinations.push(destination);
    }
  }
  for (const state of table.values()) state.destinations.sort(byEndpoint);
  return table;
}

function parseDestination(words: readonly string[]): IpvsDestination | undefined {
  const match = /^\[?(.*?)\]?:(\d+)$/.exec(words[words.indexOf('-r') + 1] ?? '');
  const weight = Number(words[words.indexOf('-w') + 1]);
  if (!match?.[1] || !match[2]) return undefined;
  const method = words.includes('-m') ? 'masq' : words.includes('-i') ? 'tunnel' : 'gate';
  return { address: match[1], port: Number(match[2]), method, weight };
}
