import { LvsctlError } from '../errors/index.ts';
import { hostNamed } from '../inventory/derived.ts';
import type { Path } from '../inventory/document.ts';
import type { Cluster } from '../inventory/model.ts';
import { hostSays, realServerSays } from '../inventory/places.ts';
import { type PathFinding, pathFindings } from '../path/findings.ts';
import { whole } from './examples.ts';
import type { Found, Question, Rule } from './rule.ts';

/** A director and a real server, somebody who asks, and what stands between. */
const asked = (client: string, hosts: string, service: string) =>
  whole(`hosts:
  client: { manage: none, interfaces: { eth0: { ${client} } } }
${hosts}
services:
  web: { port: 80, directors: [lvs], real_servers: { web1: {} }, ${service} }
`);

const NAT = `  lvs:  { interfaces: { out: { addresses: [192.0.2.10/24] }, in: { addresses: [10.0.0.1/24] } } }
  web1: { interfaces: { eth0: { addresses: [10.0.0.11/24] } } }`;
const ROUTER = (forwarding: string, more = '') =>
  `  route: { ${forwarding}interfaces: { far: { addresses: [198.51.100.1/24] }, near: { addresses: [192.0.2.1/24] }${more} } }`;
const FAR = 'addresses: [198.51.100.9/24], gateway: 198.51.100.1';
const DR = (gateway: string) => `  lvs:  { interfaces: { eth0: { addresses: [192.0.2.10/24], gateway: 192.0.2.1 } } }
  web1: { interfaces: { eth0: { addresses: [192.0.2.11/24]${gateway} } } }`;
const TUN = (gateway: string, platform: string) =>
  `${ROUTER(`${platform}forwarding: true, `, ', other: { addresses: [203.0.113.1/24] }')}
  lvs:  { interfaces: { eth0: { addresses: [192.0.2.10/24]${gateway} } } }
  web1: { interfaces: { eth0: { addresses: [203.0.113.11/24], gateway: 203.0.113.1 } } }`;

/** What the walk of a described client's packet shows (src/path): each rule is one kind of end. */
export const PATH: readonly Rule[] = [
  {
    code: 'LVS-PATH-001',
    severity: 'error',
    title: 'replies go past the director',
    why: 'In nat mode the director puts the VIP back into each reply as its sender. A reply that takes another way keeps the real server’s address, which the client did not ask: it refuses it. So it is with clients in the real servers’ own network, and with real servers whose gateway is another host.',
    remedy:
      'Let the director be the real servers’ gateway and keep clients out of their network, or use mode fullnat; lvsctl path shows the way.',
    source: 'ipvsadm(8), --masquerading',
    bad: asked('addresses: [10.0.0.9/24], gateway: 10.0.0.1', NAT, 'mode: nat, vip: 192.0.2.10'),
    good: asked('addresses: [192.0.2.9/24]', NAT, 'mode: nat, vip: 192.0.2.10'),
    check: where(atGateway, ({ fault }) => ['other-source', 'other-host', 'redirected'].includes(fault.reason)),
  },
  {
    code: 'LVS-PATH-002',
    severity: 'error',
    title: 'replies end at a host that doesn’t pass them on',
    why: 'The real server sends its replies to a host that forwards nothing, or that takes their sender for itself. In dr and tun mode the director has the VIP too: replies from the VIP look to it like a forgery (a martian source), so it can’t be the real servers’ gateway.',
    remedy: 'Give the real server the router as gateway: in dr and tun mode never the director.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, ip_forward; net/ipv4/fib_frontend.c, fib_validate_source',
    bad: asked(FAR, `${ROUTER('forwarding: true, ')}\n${DR(', gateway: 192.0.2.10')}`, 'mode: dr, vip: 192.0.2.100'),
    good: asked(FAR, `${ROUTER('forwarding: true, ')}\n${DR(', gateway: 192.0.2.1')}`, 'mode: dr, vip: 192.0.2.100'),
    check: where(
      atGateway,
      ({ fault }) => fault.leg === 'reply' && ['no-forwarding', 'martian-source', 'loop'].includes(fault.reason),
    ),
  },
  {
    code: 'LVS-PATH-003',
    severity: 'error',
    title: 'a real server without a way to clients',
    why: 'The request arrives, and the real server has no route to where it came from, or sends its reply to a gateway that isn’t on its wire.',
    remedy: 'Give it a gateway that leads to the clients: in nat mode the director, in dr and tun mode the router.',
    source: 'ip-route(8)',
    bad: asked(FAR, `${ROUTER('forwarding: true, ')}\n${DR('')}`, 'mode: dr, vip: 192.0.2.100'),
    good: asked(FAR, `${ROUTER('forwarding: true, ')}\n${DR(', gateway: 192.0.2.1')}`, 'mode: dr, vip: 192.0.2.100'),
    check: where(
      atGateway,
      ({ fault }) => fault.leg === 'reply' && ['no-route', 'no-arp-answer', 'kept-local'].includes(fault.reason),
    ),
  },
  {
    code: 'LVS-PATH-004',
    severity: 'error',
    title: 'a described client’s requests don’t find the VIP',
    why: 'The inventory describes somebody who asks, and on the way that it describes the request ends before any director has it: no route, nobody who answers for the next hop, or a host between that forwards nothing.',
    remedy: 'Correct what is described: the client’s gateway, and forwarding: true of the routers between.',
    source: 'ip-route(8); Linux Documentation/networking/ip-sysctl.rst, ip_forward',
    bad: asked(FAR, `${ROUTER('')}\n${DR(', gateway: 192.0.2.1')}`, 'mode: dr, vip: 192.0.2.100'),
    good: asked(FAR, `${ROUTER('forwarding: true, ')}\n${DR(', gateway: 192.0.2.1')}`, 'mode: dr, vip: 192.0.2.100'),
    check: where(
      atHost,
      ({ fault }) =>
        fault.leg === 'request' &&
        !fault.given &&
        ['no-route', 'no-arp-answer', 'no-forwarding', 'loop', 'other-host'].includes(fault.reason),
    ),
  },
  {
    code: 'LVS-PATH-005',
    severity: 'error',
    title: 'the director can’t hand requests to a real server',
    why: 'The director has the request and has chosen a real server, and what it sends doesn’t get there: it has no route to it, nobody answers for it, or in dr mode a router stands between, which sends the packet back to the VIP’s owner.',
    remedy:
      'Give the director a gateway that leads there; a real server behind a router needs mode tun, nat or fullnat.',
    source: 'ipvsadm(8), --gatewaying and --ipip; Linux net/netfilter/ipvs/ip_vs_xmit.c',
    bad: asked('addresses: [192.0.2.9/24], gateway: 192.0.2.1', TUN('', ''), 'mode: tun, vip: 192.0.2.100'),
    good: asked(
      'addresses: [192.0.2.9/24], gateway: 192.0.2.1',
      TUN(', gateway: 192.0.2.1', ''),
      'mode: tun, vip: 192.0.2.100',
    ),
    check: where(
      atHost,
      ({ fault }) =>
        fault.leg === 'request' &&
        fault.given &&
        ['no-route', 'no-arp-answer', 'no-forwarding', 'behind-router', 'loop'].includes(fault.reason),
    ),
  },
  {
    code: 'LVS-PATH-006',
    severity: 'warning',
    title: 'a packet dropped by reverse path filtering',
    why: 'A host drops what comes in at one interface when its own way to the sender begins at another. Hosts of the RHEL family filter so from the start. In tun mode replies carry the VIP as their sender and come from the real servers’ side: a router that knows the VIP’s network elsewhere drops them.',
    remedy: 'Let it filter loosely there (sysctls: { net.ipv4.conf.INTERFACE.rp_filter: 2 }), or not at all.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, rp_filter',
    bad: asked(FAR, TUN(', gateway: 192.0.2.1', 'platform: rhel, '), 'mode: tun, vip: 192.0.2.100'),
    good: asked(
      FAR,
      TUN(', gateway: 192.0.2.1', 'platform: rhel, sysctls: { net.ipv4.conf.other.rp_filter: 2 }, '),
      'mode: tun, vip: 192.0.2.100',
    ),
    check: where(atInterface, ({ fault }) => fault.reason === 'rp-filter'),
  },
  {
    code: 'LVS-PATH-007',
    severity: 'warning',
    title: 'large packets get stuck where small ones pass',
    why: 'Connections open, and hang as soon as somebody sends much: a card on the way takes no packets as large as both ends agreed on, and the sender isn’t told. A card drops what is larger than its own MTU silently; only a router with a smaller MTU on its way out says so.',
    remedy: 'Give all interfaces of one segment the same mtu.',
    source: 'RFC 1191; RFC 2923, section 2.1',
    bad: asked(
      'addresses: [192.0.2.9/24]',
      NAT.replace('[10.0.0.1/24]', '[10.0.0.1/24], mtu: 1400'),
      'mode: nat, vip: 192.0.2.10',
    ),
    good: asked(
      'addresses: [192.0.2.9/24]',
      NAT.replace('[10.0.0.1/24]', '[10.0.0.1/24], mtu: 1400').replace('[10.0.0.11/24]', '[10.0.0.11/24], mtu: 1400'),
      'mode: nat, vip: 192.0.2.10',
    ),
    check: where(atInterface, ({ fault }) => fault.reason === 'mtu'),
  },
  {
    code: 'LVS-PATH-008',
    severity: 'error',
    title: 'it is chance who answers for an address',
    why: 'Several hosts answer ARP for the address, or a real server asks for others in its name: neighbours believe whom they heard last. Requests then go past the director, to a real server that was not chosen, or in the midst of a connection to another one. A static neighbour helps only the router that has it: everybody else on that segment asks.',
    remedy: 'Let real servers be silent about the VIP (arp: sysctl, the default), wherever others on the segment ask.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, arp_ignore and arp_announce',
    bad: asked(
      'addresses: [192.0.2.9/24]',
      `${ROUTER('forwarding: true, ')}\n${DR(', gateway: 192.0.2.1')}`,
      'mode: dr, vip: 192.0.2.100, arp: { static_neighbour: { at: [route] } }',
    ),
    good: asked(
      'addresses: [192.0.2.9/24]',
      `${ROUTER('forwarding: true, ')}\n${DR(', gateway: 192.0.2.1')}`,
      'mode: dr, vip: 192.0.2.100',
    ),
    check: where(
      ({ service }) => ['services', service.name],
      ({ fault }) => ['several-answers', 'announced', 'past-the-director'].includes(fault.reason),
    ),
  },
];

/** Where nobody answers, whatever the rule. */
const ONE_WIRE =
  'Correct the segment, the network or the gateway: whoever is asked has to be on the same wire; lvsctl path shows each hop.';

const walked = new WeakMap<Cluster, PathFinding[]>();

/** The walk is made once for all rules. Roles that contradict each other are told elsewhere. */
function findings(cluster: Cluster): PathFinding[] {
  const known = walked.get(cluster);
  if (known !== undefined) return known;
  const made = attempt(cluster);
  walked.set(cluster, made);
  return made;
}

function attempt(cluster: Cluster): PathFinding[] {
  try {
    return pathFindings(cluster);
  } catch (error) {
    if (error instanceof LvsctlError) return [];
    throw error;
  }
}

/** A check: the first finding of a kind at each place. What a service meets, others of the same hosts meet too. */
function where(at: (finding: PathFinding, question: Question) => Path, wanted: (finding: PathFinding) => boolean) {
  return (question: Question): Generator<Found> => foundAt(question, at, wanted);
}

function* foundAt(
  question: Question,
  at: (finding: PathFinding, question: Question) => Path,
  wanted: (finding: PathFinding) => boolean,
): Generator<Found> {
  const met = new Set<string>();
  for (const finding of findings(question.cluster).filter(wanted)) {
    const { service, client, address, real, fault, silent } = finding;
    const path = at(finding, question);
    if (met.has(path.join('\0'))) continue;
    met.add(path.join('\0'));
    const through = real === undefined ? '' : ` through ${real}`;
    yield {
      path,
      of: 'key',
      what: `${client} asks ${service.name} at ${address}${through}: ${fault.why}`,
      also: { path: ['hosts', client], of: 'key', says: 'who asks' },
      ...(silent === undefined
        ? fault.reason === 'no-arp-answer'
          ? { next: ONE_WIRE }
          : {}
        : { next: `Take arp_ignore out of the sysctls of ${silent}: 8 answers for no address at all.` }),
    };
  }
}

/** The gateway that is written for a real server; where none is, its host. */
function atGateway({ real, service, fault }: PathFinding, question: Question): Path {
  const name = real ?? fault.host;
  const host = hostNamed(question.cluster, name);
  for (const { name: device } of host?.interfaces ?? []) {
    const path = hostSays(question, name, 'interfaces', device, 'gateway');
    if (path.at(-1) === 'gateway') return path;
  }
  return host === undefined ? realServerSays(question, service.name, name) : ['hosts', name];
}

function atHost({ fault }: PathFinding): Path {
  return ['hosts', fault.host];
}

/** The interface that a packet ends at; where the inventory doesn't name it, its host. */
function atInterface({ fault: { host, device } }: PathFinding, { cluster }: Question): Path {
  const named = hostNamed(cluster, host)?.interfaces.some((one) => one.name === device) ?? false;
  return ['hosts', host, ...(named && device !== undefined ? ['interfaces', device] : [])];
}
