import { changedSince } from './holds.ts';
import { keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { sh } from './sh.ts';

/** How long IPVS remembers silent connections, in seconds (ipvsadm(8), --set). */
export interface IpvsTimeouts {
  tcp: number;
  tcpFin: number;
  udp: number;
}

/** The live timeouts; the saved rules bring them back at boot. */
export interface IpvsTimeoutsResource extends IpvsTimeouts {
  kind: 'ipvs_timeouts';
  /** Given back: without the module there is nothing to set, and the kernel's own are what the next one begins with. */
  returned?: true;
}

/** null without the module, or without ipvsadm. */
export type IpvsTimeoutsState = IpvsTimeouts | null;

/** The kernel's own (net/netfilter/ipvs/ip_vs_proto_tcp.c, ip_vs_proto_udp.c). */
const KERNEL: IpvsTimeouts = { tcp: 900, tcpFin: 120, udp: 300 };

/** IPVS's timeouts: one set for a whole kernel. */
export const ipvsTimeoutsKind: Kind<IpvsTimeoutsResource, IpvsTimeoutsState> = {
  kind: 'ipvs_timeouts',
  ops: ['ipvs_timeouts'],
  shell: sh`
observe_ipvs_timeouts() {
  if [ -e "$R/proc/net/ip_vs" ] && command -v ipvsadm >/dev/null; then ipvsadm -Ln --timeout; fi
}

op_ipvs_timeouts() {
  ipvsadm --set "$1" "$2" "$3"
}
`,
  undo({ before }) {
    if (before === undefined) return undefined;
    return { kind: 'ipvs_timeouts', returned: true, ...(isTimeouts(before) ? before : KERNEL) };
  },
  theirs: changedSince,
  ask: () => ['all'],
  parse({ text }, asked) {
    const match = /\(tcp tcpfin udp\): (\d+) (\d+) (\d+)/.exec(text);
    const state = match && { tcp: Number(match[1]), tcpFin: Number(match[2]), udp: Number(match[3]) };
    return new Map(asked.map((resource) => [keyOf(resource), state]));
  },
  diff(resource, state) {
    const { tcp, tcpFin, udp, returned } = resource;
    if (returned && state === null) return [];
    const wanted = words({ tcp, tcpFin, udp });
    const found = state === null ? null : words(state);
    if (found?.join(' ') === wanted.join(' ')) return [];
    return [
      {
        key: keyOf(resource),
        kind: 'ipvs_timeouts',
        direction: state === null ? 'add' : 'change',
        shown: [
          {
            as: 'value',
            name: 'IPVS timeouts (tcp tcpfin udp)',
            before: found?.join(' ') ?? null,
            after: wanted.join(' '),
          },
        ],
        ops: [{ name: 'ipvs_timeouts', args: wanted }],
        before: state,
        after: { tcp, tcpFin, udp },
      },
    ];
  },
};

function words({ tcp, tcpFin, udp }: IpvsTimeouts): string[] {
  return [tcp, tcpFin, udp].map(String);
}

function isTimeouts(value: unknown): value is IpvsTimeouts {
  return typeof value === 'object' && value !== null && 'tcp' in value && 'tcpFin' in value && 'udp' in value;
}
