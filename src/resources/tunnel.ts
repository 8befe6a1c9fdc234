import { keyOf } from './key.ts';
import type { Kind, Op } from './kind.ts';
import { sh } from './sh.ts';

/** What unwraps packets that a director sent through a tunnel, whoever the director is. */
export type TunnelResource =
  /** A module's own device, which takes whatever no other tunnel takes. `any`: ip6tnl0 for packets of both families. */
  | { kind: 'tunnel'; type: 'module'; device: string; any: boolean; state: 'up' | 'down' }
  /** A GRE device of ours: packets with checksums are taken by a device that expects them alone. */
  | { kind: 'tunnel'; type: 'gre' | 'ip6gre'; device: string; local: string; state: 'up' | 'absent' }
  /** A UDP port on which GUE packets are unwrapped, to be taken by a module's device then. */
  | { kind: 'tunnel'; type: 'gue'; port: number; family: 4 | 6; state: 'up' | 'absent' };

/** `absent`: no such device or port. `other`: one of that name that is made in another way. */
export interface TunnelState {
  state: 'up' | 'down' | 'absent' | 'other';
}

/** Ends of tunnels, live; a oneshot unit makes them at boot: NetworkManager has no profile for a device without a remote. */
export const tunnelKind: Kind<TunnelResource, TunnelState> = {
  kind: 'tunnel',
  ops: ['tunnel_up', 'tunnel_down', 'tunnel_gre', 'tunnel_gue', 'tunnel_gone'],
  shell: sh`
# Asking for ports would load the module.
observe_tunnel() {
  ip -d -o link show
  [ -d "$R/sys/module/fou" ] || return 0
  ip fou show
}

op_tunnel_up() {
  if [ "$2" = any ]; then ip -6 tunnel change "$1" mode any || return 1; fi
  ip link set dev "$1" up
}

op_tunnel_down() {
  if [ -n "$back" ] && [ ! -e "$R/sys/class/net/$1" ]; then return 0; fi
  ip link set dev "$1" down
}

# tunnel_gre DEVICE TYPE LOCAL
op_tunnel_gre() {
  ip link del dev "$1" 2>/dev/null
  ip link add dev "$1" type "$2" local "$3" icsum && ip link set dev "$1" up
}

# tunnel_gue add|del FAMILY PORT
op_tunnel_gue() {
  # What takes back doesn't know how far it came.
  if [ -n "$back" ]; then ip "-$2" fou del port "$3" 2>/dev/null; [ "$1" = add ] || return 0; fi
  if [ "$1" = add ]; then ip "-$2" fou add port "$3" gue; else ip "-$2" fou del port "$3"; fi
}

op_tunnel_gone() {
  if [ -n "$back" ] && [ ! -e "$R/sys/class/net/$1" ]; then return 0; fi
  ip link del dev "$1"
}
`,
  undo({ resource, before }) {
    const was = isState(before) ? before.state : undefined;
    if (was === undefined || was === 'up') return undefined;
    if (was === 'other') return { left: 'made anew by lvsctl: how it was before is not recorded' };
    return resource.type === 'module' ? { ...resource, state: 'down' } : { ...resource, state: 'absent' };
  },
  back: (entry) =>
    isState(entry.before) && entry.before.state === 'up'
      ? { ...entry.resource, state: 'up' }
      : tunnelKind.undo(entry, 'left'),
  // How one that was made in another way was made isn't known.
  revert(_, resource, before) {
    const was = before?.state;
    if (was === undefined || (was === 'other' && resource.type !== 'module')) return { ops: [] };
    if (was === 'up') return { ops: [opOf({ ...resource, state: 'up' })] };
    if (resource.type === 'module' || was === 'down')
      return { ops: resource.type === 'gue' ? [] : [{ name: 'tunnel_down', args: [resource.device] }] };
    return { ops: [opOf({ ...resource, state: 'absent' })] };
  },
  ask: (resource) => [keyOf(resource)],
  parse({ text }, asked) {
    const lines = text.split('\n');
    return new Map(asked.map((resource) => [keyOf(resource), { state: stateOf(resource, lines) }]));
  },
  disturbs: ({ direction }) => direction !== 'add',
  diff(resource, { state }) {
    if (state === resource.state) return [];
    // A device that went with its module is as good as one that is down.
    if (resource.state === 'down' && state === 'absent') return [];
    return [
      {
        key: keyOf(resource),
        kind: 'tunnel',
        direction: resource.state === 'up' ? (state === 'up' ? 'change' : 'add') : 'remove',
        shown: [{ as: 'value', name: nameOf(resource), before: state, after: resource.state }],
        ops: [opOf(resource)],
        before: { state },
        after: { state: resource.state },
      },
    ];
  },
};

function nameOf(resource: TunnelResource): string {
  return resource.type === 'gue' ? `GUE on UDP port ${resource.port}` : `tunnel ${resource.device}`;
}

function opOf(resource: TunnelResource): Op {
  switch (resource.type) {
    case 'module':
      return resource.state === 'up'
        ? { name: 'tunnel_up', args: [resource.device, resource.any ? 'any' : '-'] }
        : { name: 'tunnel_down', args: [resource.device] };
    case 'gre':
    case 'ip6gre':
      return resource.state === 'up'
        ? { name: 'tunnel_gre', args: [resource.device, resource.type, resource.local] }
        : { name: 'tunnel_gone', args: [resource.device] };
    case 'gue': {
      const { state, family, port } = resource;
      return { name: 'tunnel_gue', args: [state === 'up' ? 'add' : 'del', String(family), String(port)] };
    }
  }
}

/**
 * Reads lines of `ip -d -o link show` (`4: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu … ipip any remote any local any …`)
 * and of `ip fou show` (`port 6080 gue`, `port 6080 gue -6`).
 */
function stateOf(resource: TunnelResource, lines: readonly string[]): TunnelState['state'] {
  if (resource.type === 'gue') {
    const found = lines
      .map((line) => line.trim().split(/\s+/))
      .find(
        ([word, port, , ...rest]) =>
          word === 'port' && port === String(resource.port) && rest.includes('-6') === (resource.family === 6),
      );
    if (found === undefined) return 'absent';
    return found[2] === 'gue' ? 'up' : 'other';
  }
  const line = lines.find((each) => /^\d+: ([^:@]+)[@:]/.exec(each)?.[1] === resource.device);
  if (line === undefined) return 'absent';
  const flags = (/<([^>]*)>/.exec(line)?.[1] ?? '').split(',');
  if (!isAsMeant(resource, line)) return 'other';
  return flags.includes('UP') ? 'up' : 'down';
}

function isAsMeant(resource: Exclude<TunnelResource, { type: 'gue' }>, line: string): boolean {
  if (resource.type === 'module') return !resource.any || /\sip6tnl any\s/.test(line);
  const words = line.split(/\s+/);
  return (
    words.includes(resource.type) &&
    words.includes('icsum') &&
    words[words.indexOf('local') + 1] === resource.local &&
    words[words.indexOf('remote') + 1] === 'any'
  );
}

function isState(value: unknown): value is TunnelState {
  return typeof value === 'object' && value !== null && 'state' in value;
}
