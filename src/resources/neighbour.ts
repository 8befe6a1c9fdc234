import { keyOf } from './key.ts';
import type { Kind, Op } from './kind.ts';
import { sh } from './sh.ts';

/** A permanent entry of a router's neighbour table: whose MAC address an address has, without asking anybody. */
export interface NeighbourResource {
  kind: 'neighbour';
  device: string;
  address: string;
  /** Lower case, with colons. */
  mac: string;
  state: 'present' | 'absent';
}

/** The permanent entry's MAC address; null where there is none, or one that was learnt. */
export interface NeighbourState {
  mac: string | null;
}

/** Permanent neighbour entries, live; a script of NetworkManager's dispatcher makes them whenever the device comes up. */
export const neighbourKind: Kind<NeighbourResource, NeighbourState> = {
  kind: 'neighbour',
  ops: ['neighbour_set', 'neighbour_gone'],
  shell: sh`
observe_neighbour() {
  ip neigh show nud permanent
}

op_neighbour_set() {
  ip neigh replace "$2" lladdr "$3" dev "$1" nud permanent
}

op_neighbour_gone() {
  if [ -n "$back" ] && [ -z "$(ip neigh show "$2" dev "$1" nud permanent)" ]; then return 0; fi
  ip neigh del "$2" dev "$1"
}
`,
  undo: ({ resource, before }) => {
    if (typeof before !== 'object' || before === null || !('mac' in before)) return undefined;
    return typeof before.mac === 'string' ? { ...resource, mac: before.mac } : { ...resource, state: 'absent' };
  },
  revert: (_, { device, address }, state) => ({ ops: [opOf(device, address, state?.mac ?? null)] }),
  back: ({ resource, before }) => {
    if (typeof before !== 'object' || before === null || !('mac' in before)) return undefined;
    return typeof before.mac === 'string'
      ? { ...resource, mac: before.mac, state: 'present' }
      : { ...resource, state: 'absent' };
  },
  ask: (resource) => [keyOf(resource)],
  parse({ text }, asked) {
    const entries = text.split('\n').map((line) => line.trim().split(/\s+/));
    return new Map(
      asked.map((resource) => {
        const entry = entries.find(
          (words) => words[0] === resource.address && words[words.indexOf('dev') + 1] === resource.device,
        );
        const mac = entry?.includes('lladdr') ? entry[entry.indexOf('lladdr') + 1] : undefined;
        return [keyOf(resource), { mac: mac ?? null }];
      }),
    );
  },
  // A router that asks nobody is what keeps real servers from answering: it comes before their VIP and goes after it.
  // Another director's MAC address waits for that one's VIP.
  stage: ({ direction }) => (direction === 'change' ? undefined : 'suppress'),
  diff(resource, { mac }) {
    const { device, address } = resource;
    const wanted = resource.state === 'present' ? resource.mac : null;
    if (mac === wanted) return [];
    return [
      {
        key: keyOf(resource),
        kind: 'neighbour',
        direction: wanted === null ? 'remove' : mac === null ? 'add' : 'change',
        shown: [{ as: 'value', name: `neighbour ${address} on ${device}`, before: mac, after: wanted }],
        ops: [opOf(device, address, wanted)],
        before: { mac },
        after: { mac: wanted },
      },
    ];
  },
};

function opOf(device: string, address: string, mac: string | null): Op {
  return mac === null
    ? { name: 'neighbour_gone', args: [device, address] }
    : { name: 'neighbour_set', args: [device, address, mac] };
}
