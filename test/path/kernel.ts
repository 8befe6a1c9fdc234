import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { Lab } from '../../src/lab/index.ts';
import { textSink } from '../../src/lab/shell.ts';
import { type Device, macOf, type Net, type NetHost } from '../../src/path/net.ts';
import type { Request } from '../../src/path/walk.ts';
import type { Way } from '../../src/path/way.ts';
import { wantedRules } from '../../src/resources/arptables.ts';
import { iptablesFilter, iptablesScripts, iptablesTraffic } from '../../src/resources/firewall-iptables.ts';
import { atomsOf } from '../../src/resources/firewall-rules.ts';
import { destinationWords, matchWords } from '../../src/resources/ipvs-table.ts';
import type { TunnelResource } from '../../src/resources/resource.ts';

/** Nets as network namespaces of one lab guest's kernel, and what its connections met there. */

export interface Case {
  name: string;
  net: Net;
  request: Request;
  /** How many connections are made. */
  connections: number;
}

/** What a host took: the device, who sent the frame (symbolic MAC; none out of a tunnel), the headers. */
export interface Frame {
  leg: 'request' | 'reply';
  text: string;
}

export interface Seen {
  outcome: string;
  /** The server that answered. */
  by: string;
  error: string;
  frames: Frame[];
}

export interface Met {
  connections: Seen[];
  /** What programs said as the net was made: gateways that aren't reachable, say. */
  said: string[];
}

const FIRST_PORT = 40000;
const AGENT = readFileSync(new URL('agent.pl', import.meta.url), 'utf8');
/** Modules that the nets need; each namespace has their own tables then. */
const MODULES =
  'ip_vs ip_vs_rr ipip ip_gre sit ip6_tunnel fou bridge veth iptable_filter iptable_nat iptable_mangle iptable_raw arptable_filter xt_MASQUERADE xt_mark xt_conntrack xt_TCPMSS xt_CT';

/** Brings what the nets need into a guest. */
export const PREPARE = `export DEBIAN_FRONTEND=noninteractive
apt-get install -q -y ipvsadm iptables arptables >/tmp/apt 2>&1 || { cat /tmp/apt; exit 1; }
for module in ${MODULES}; do modprobe $module || exit 1; done
cat >/tmp/agent.pl <<'END'
${AGENT}
END`;

/** Lives through the cases, some at a time, each as namespaces of the guest. */
export async function live(lab: Lab, guest: string, cases: readonly Case[], atOnce = 20): Promise<Met[]> {
  const groups = Array.from({ length: Math.ceil(cases.length / atOnce) }, (_, at) =>
    cases.slice(at * atOnce, (at + 1) * atOnce),
  );
  const script = groups.map(
    (group, at) => `${group.map((one, index) => script_(one, at * atOnce + index)).join('')}go 9\n`,
  );
  const [out, err] = [textSink(), textSink()];
  const code = await lab.runWith(guest, ['sh', '-c', 'ulimit -n 8192; exec perl /tmp/agent.pl'], {
    stdout: out.write,
    stderr: err.write,
    stdin: Readable.from(script),
  });
  if (code !== 0) throw new Error(`the agent ended with ${code}: ${err.text()} ${out.text().slice(-500)}`);
  return cases.map((one, index) => metOf(one, index, out.text().split('\n')));
}

function script_({ net, request, connections }: Case, id: number): string {
  const wires = [...new Set(net.hosts.flatMap(({ devices }) => devices.flatMap(({ segment }) => segment ?? [])))];
  const lines = [
    `case ${id}`,
    ...wires.flatMap((_, at) => [
      `w link add b${at} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `w link set dev b${at} up mtu 9000`,
    ]),
    ...net.hosts.flatMap((host, number) =>
      host.devices.flatMap(({ name, segment, mtu }, at) => {
        if (segment === undefined) return [];
        const end = `h${number}p${at}`;
        const small = 'gso_max_segs 1 gso_max_size 1514';
        return [
          `w link add ${end} mtu 9000 ${small} type veth peer name ${name} mtu ${mtu} ${small} address ${realMac(number, at)} netns @${host.name}`,
          `w link set dev ${end} master b${wires.indexOf(segment)} up`,
        ];
      }),
    ),
    ...net.hosts.flatMap((host) => [`host ${host.name}`, ...hostLines(net, host, request, connections)]),
  ];
  return `${lines.join('\n')}\n`;
}

const realMac = (host: number, device: number): string =>
  `02:00:00:00:${host.toString(16).padStart(2, '0')}:${device.toString(16).padStart(2, '0')}`;

function hostLines(net: Net, host: NetHost, request: Request, connections: number): string[] {
  const macs = new Map(
    net.hosts.flatMap((one, number) => one.devices.map(({ name }, at) => [macOf(one.name, name), realMac(number, at)])),
  );
  const sysctls = Object.entries(host.sysctls)
    .filter(([name]) => !name.startsWith('net.ipv4.vs.expire'))
    .toSorted(([a], [b]) => Number(b === 'net.ipv4.ip_forward') - Number(a === 'net.ipv4.ip_forward'));
  const wired = host.devices.filter(({ name }) => name !== 'lo');
  return [
    ...sysctls.map(
      ([name, value]) =>
        `s ${name
          .split('.')
          .map((word) => word.replaceAll('/', '.'))
          .join('/')} ${value}`,
    ),
    'i link set dev lo up',
    ...wired.map(({ name }) => `i link set dev ${name} up`),
    ...host.devices.flatMap(addressLines),
    ...host.routes.map(
      ({ to, via, device, metric }) =>
        `i route add ${to.address}/${to.prefix} via ${via} dev ${device} metric ${metric}`,
    ),
    ...host.neighbours.map(
      ({ device, address, mac }) =>
        `i neigh replace ${address} lladdr ${macs.get(mac) ?? mac} dev ${device} nud permanent`,
    ),
    ...host.tunnels.flatMap(tunnelLines),
    ...host.silenced.flatMap((one) => wantedRules(one).map((rule) => `x arptables-legacy -A ${rule}`)),
    ...host.ipvs.flatMap(({ match, destinations }) => [
      `v -A ${matchWords(match).join(' ')} -s rr`,
      ...destinations.map((each) => {
        const weight = Math.min(each.weight, 1);
        return `v -a ${matchWords(match).join(' ')} ${destinationWords({ ...each, weight, upper: 0, lower: 0 }).join(' ')}`;
      }),
    ]),
    ...filterLines(host),
    ...host.listens
      .filter(({ protocol }) => protocol === 'tcp')
      .flatMap(({ ports: { first, last } }) =>
        Array.from({ length: last - first + 1 }, (_, at) => `listen ${first + at}`),
      ),
    ...(host.name === request.client
      ? Array.from(
          { length: connections },
          (_, at) =>
            `connect ${at} ${request.address.includes(':') ? 6 : 4} ${request.address} ${request.port} ${FIRST_PORT + at}`,
        )
      : []),
  ];
}

function addressLines({ name, addresses }: Device): string[] {
  return addresses
    .filter(({ address }) => address !== '127.0.0.1' && address !== '::1')
    .map(({ address, prefix, family }) => `i addr add ${address}/${prefix} dev ${name}${family === 6 ? ' nodad' : ''}`);
}

function tunnelLines(end: TunnelResource): string[] {
  switch (end.type) {
    case 'module':
      return [
        ...(end.any ? [`x ip -6 tunnel change ${end.device} mode any`] : []),
        `x ip link set dev ${end.device} up`,
      ];
    case 'gre':
    case 'ip6gre':
      return [
        `x ip link add dev ${end.device} type ${end.type} local ${end.local} icsum`,
        `x ip link set dev ${end.device} up`,
      ];
    case 'gue':
      return [`x ip -${end.family} fou add port ${end.port} gue`];
  }
}

function filterLines({ rules, filter }: NetHost): string[] {
  const lines = [
    ...iptablesTraffic(atomsOf(rules)),
    ...(filter.input === 'open' ? [] : iptablesFilter(atomsOf(filter.input.accepts), [4, 6], { ssh: [22] })),
  ];
  const scripts = iptablesScripts(lines, []).flatMap(({ family, script }) =>
    script
      .trimEnd()
      .split('\n')
      .map((line) => `${family === 4 ? 't' : 'u'} ${line}`),
  );
  const rule = {
    open: undefined,
    known: '-A FORWARD -m conntrack --ctstate INVALID -j DROP',
    closed: '-A FORWARD -j DROP',
  }[filter.forward];
  return [...scripts, ...(rule === undefined ? [] : ['t *filter', `t ${rule}`, 't COMMIT'])];
}

function metOf({ net, connections }: Case, id: number, lines: readonly string[]): Met {
  const names = new Map(
    net.hosts.flatMap((host, number) =>
      host.devices.map(({ name }, at) => [realMac(number, at), macOf(host.name, name)]),
    ),
  );
  const of = (word: string) => lines.filter((line) => line.startsWith(`${word} ${id} `)).map((line) => line.split(' '));
  const hops = of('hop');
  return {
    said: of('said').map((words) => words.slice(2).join(' ')),
    connections: Array.from({ length: connections }, (_, at): Seen => {
      const port = String(FIRST_PORT + at);
      const end = of('end').find((words) => words[2] === port) ?? [];
      return {
        outcome: end[3] ?? 'missing',
        by: end[4] ?? '-',
        error: end.slice(6).join(' '),
        frames: hops
          .filter((words) => words[2] === port)
          .map(([, , , leg, host, device, mac = '-', outer, src, sport, dst, dport]) => ({
            leg: leg === 'reply' ? 'reply' : 'request',
            text: `${host} ${device} from ${names.get(mac) ?? '-'} ${outer === '-' ? '' : `[${outer}] `}${src} ${sport}>${dst} ${dport}`,
          })),
      };
    }),
  };
}

/** A way as the frames that it is made of, in the words of `Frame`, each once. */
export function framesOf({ request, reply }: Way, port: number): string[] {
  const frames = [...request.map((hop) => ['request', hop] as const), ...reply.map((hop) => ['reply', hop] as const)];
  return [
    ...new Set(
      frames.flatMap(([leg, { host, in: came, before, did }]) => {
        if (came === undefined) return [];
        const one = { sport: leg === 'request' ? port : before.sport, dport: leg === 'reply' ? port : before.dport };
        const { src, dst, outer } = before;
        const inner = `${src} ${one.sport}>${dst} ${one.dport}`;
        const from = came.device === 'lo' ? '-' : came.from;
        const wrapped = outer === undefined ? '' : `[${outer.src}>${outer.dst}] `;
        const out = did.find((act) => act.act === 'unwrapped');
        return [
          `${leg}: ${host} ${came.device} from ${from} ${wrapped}${inner}`,
          ...(out?.act === 'unwrapped' ? [`${leg}: ${host} ${out.device} from - ${inner}`] : []),
        ];
      }),
    ),
  ].toSorted();
}
