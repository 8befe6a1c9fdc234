import { bits, cidrText } from '../inventory/addresses.ts';
import { realServersOf } from '../inventory/derived.ts';
import type { Check, PortRange, RealServer, Service, VrrpGroup } from '../inventory/model.ts';
import type { Diagram, Held, Link, Node, Note, Port, Segment, Step, Ways } from './diagram.ts';
import { ranges, some } from './text.ts';

/** What is written into the boxes: the same words in every form of the drawing. All pure; a string is a line. */

/** More VIPs, services or sites of one host are told by number: each service has its own box. */
const MOST = 5;

/** The lines of an interface, its name first. */
export function portLines({ device, link, addresses, gateways, held }: Port): string[] {
  return [
    device,
    ...linkLines(link),
    ...addresses.map(({ text, vip }) => (vip ? `${text} (VIP)` : text)),
    ...gateways.map((gateway) => `gateway ${gateway}`),
    ...some(held.map(heldText), MOST + 1),
  ];
}

function linkLines(link: Link): string[] {
  switch (link.type) {
    case 'ethernet':
      return [];
    case 'bond':
      return [`bond of ${link.members.join(', ')}`, link.mode];
    case 'vlan':
      return [`VLAN ${link.id} of ${link.parent}`];
  }
}

function heldText(held: Held): string {
  switch (held.by) {
    case 'host':
      return `VIP ${held.address}`;
    case 'vrrp':
      if (!held.master) return `backup of ${held.vip ? 'VIP ' : ''}${held.address}`;
      return `${held.vip ? 'VIP' : 'floating'} ${held.address}, VRRP ${held.instance}`;
  }
}

/** What a host is, in a line below its name. */
export function roleLine({ is, managed, hosts }: Node): string {
  const what = is.length === 0 ? 'host' : is.join(' and ');
  const many = hosts.length === 1 ? what : `${hosts.length} alike: ${what}`;
  return managed ? many : `${many}, not managed`;
}

/** What else there is to say of a host. */
export function noteLines(notes: readonly Note[]): string[] {
  return notes.flatMap(noteText);
}

function noteText(note: Note): string[] {
  switch (note.note) {
    case 'priority':
      return [`VRRP ${note.group}: ${note.master ? 'master' : 'backup'}, priority ${note.priority}`];
    case 'directs':
      return [
        note.services.length > MOST ? `directs ${note.services.length} services` : listed('directs', note.services),
      ];
    case 'serves':
      return note.services.length > MOST
        ? [`serves ${note.services.length} services`]
        : note.services.map(({ name, weight }) => `serves ${name}, weight ${weight}`);
    case 'loopback':
      return note.addresses.length > MOST
        ? [`lo: ${note.addresses.length} VIPs`]
        : note.addresses.map((address) => `lo: VIP ${address}`);
    case 'tunnel':
      return [`unwraps ${note.types.join(', ')}`];
    case 'neighbour':
      return note.addresses.length > MOST
        ? [`holds the MAC of ${note.addresses.length} VIPs`]
        : note.addresses.map((address) => `holds the MAC of ${address}`);
    case 'site':
      return [`${note.name}: ${note.software}, port ${note.port}`, ...note.to.map((server) => `to ${server}`)];
    case 'device':
      return [[note.device, ...linkLines(note.link)].join(', ')];
    case 'dies':
      return [`✗ ${note.leg}: ${note.reason}`];
  }
}

function listed(what: string, items: readonly string[]): string {
  return `${what} ${items.join(', ')}`;
}

/** A segment's name, and the networks on it. */
export function segmentLines({ name, networks }: Segment): string[] {
  return [name, ...some(networks, MOST)];
}

/** A service: its name in the first line. */
export function serviceLines(service: Service): string[] {
  const { name, mode, scheduler, schedulerFlags, vips, protocol, ports, fwmark, directors } = service;
  const { persistence, healthCheck, sorryServer, quorum, onePacket, vrrp } = service;
  const flags = schedulerFlags.length === 0 ? '' : ` (${schedulerFlags.join(', ')})`;
  const marked = fwmark === undefined ? '' : `, firewall mark ${fwmark}`;
  const tunnel = mode === 'tun' ? ` (${service.tunnel.type})` : '';
  return [
    `service ${name}`,
    `${mode}${tunnel}, ${scheduler}${flags}, ${protocol} ${ports.map(portText).join(', ')}${marked}`,
    ...vips.map(({ address }) => `VIP ${address}${vrrp === undefined ? '' : `, VRRP ${vrrp.group}.${vrrp.instance}`}`),
    `${directors.length === 1 ? 'director' : 'directors'}: ${ranges(directors).join(', ')}`,
    ...realLines(realServersOf(service), ports),
    ...(persistence === undefined ? [] : [`persistent for ${persistence.timeout} s`]),
    ...(onePacket ? ['each packet by itself'] : []),
    ...(healthCheck === undefined ? [] : [`check ${checkText(healthCheck.check)} every ${healthCheck.interval} s`]),
    ...(quorum === undefined ? [] : [`quorum ${quorum}`]),
    ...(sorryServer === undefined ? [] : [`else ${sorryServer.address}${at(sorryServer.port)}`]),
  ];
}

/** Real servers that differ only in their names, in a line. */
function realLines(servers: readonly RealServer[], ports: readonly PortRange[]): string[] {
  const alike = new Map<string, string[]>();
  for (const { host, port, weight } of servers) {
    const other = port !== 0 && !ports.some(({ first, last }) => first <= port && port <= last);
    const how = `weight ${weight}${other ? `, port ${port}` : ''}`;
    alike.set(how, [...(alike.get(how) ?? []), host]);
  }
  return [...alike].map(([how, hosts]) => `to ${ranges(hosts).join(', ')}: ${how}`);
}

function portText({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function at(port: number | undefined): string {
  return port === undefined ? '' : ` port ${port}`;
}

function checkText(check: Check): string {
  switch (check.type) {
    case 'http_get':
    case 'ssl_get':
      return `${check.type} ${check.path}`;
    case 'misc_check':
      return `misc_check ${check.script.name}`;
    case 'tcp_check':
    case 'smtp_check':
    case 'dns_check':
    case 'udp_check':
    case 'ping_check':
    case 'bfd':
      return check.type;
  }
}

/** A VRRP group: its name in the first line, then its nodes, then each virtual router. */
export function vrrpLines(
  { name, nodes, preempt, unicast, version, advertInterval, instances }: VrrpGroup,
  sync: Diagram['sync'],
): string[] {
  return [
    `VRRP ${name}`,
    `priorities: ${nodes.map(({ host, priority }) => `${host} ${priority}`).join(', ')}`,
    `version ${version}, ${unicast ? 'unicast' : 'multicast'} every ${advertInterval} s, ${preempt ? 'preempts' : 'no preemption'}`,
    ...(instances.length > 1 ? [`sync group: ${instances.map((one) => one.name).join(', ')}`] : []),
    ...instances.flatMap((one) => [
      `${one.name}: router id ${one.virtualRouterId} on ${[...new Set(one.nodes.map(({ device }) => device))].join(', ')}`,
      ...one.addresses.map(
        (address) => `  ${address.prefix === bits(address.family) ? address.address : cidrText(address)}`,
      ),
    ]),
    ...(sync?.group === name ? [`connections synchronised over ${sync.interface}, id ${sync.id}`] : []),
  ];
}

/** What the ways are those of, or why none are drawn. */
export function waysTitle(ways: Ways): string {
  return ways.drawn ? `Ways from ${ways.from} to ${ways.to}` : `No ways are drawn: ${ways.why}`;
}

/** What happens in a step: from whom to whom, then the headers of its packets. */
export function stepLines(step: Step, nodes: readonly Node[]): string[] {
  const names = (ends: Step['from']): string => {
    const hosts = ends.flatMap(({ node }) => nodes[node]?.hosts ?? []);
    return some(ranges(hosts), MOST).join(', ');
  };
  return [
    [`${names(step.from)} → ${names(step.to)}`, ...step.did].join(', '),
    ...some(step.headers, 3).map((header) => `  ${header}`),
  ];
}

/** Why packets come to nothing. */
export function faultLines(ways: Ways): string[] {
  if (!ways.drawn) return [];
  return ways.faults.map(({ via, why }) => `✗ ${via === undefined ? '' : `via ${via}: `}${why}`);
}

/** How much there is, in a line. */
export function countLine({ nodes, services, vrrp }: Diagram): string {
  const hosts = nodes.reduce((sum, node) => sum + node.hosts.length, 0);
  return [
    counted(hosts, 'host'),
    counted(services.length, 'service'),
    ...(vrrp.length === 0 ? [] : [counted(vrrp.length, 'VRRP group')]),
  ].join(', ');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
