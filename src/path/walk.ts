import type { Protocol } from '../inventory/model.ts';
import { type Asked, resolve } from './arp.ts';
import { isLocal, isOwn, lookup, selectAddress } from './fib.ts';
import { forwardRefuses, inputRefuses, markOf, masqueradeFor } from './filter.ts';
import { type Balanced, balance, conntracked, tunnelEnd } from './ipvs.ts';
import { deviceOf, familyOf, macOf, type Net, type NetHost, netHost } from './net.ts';
import { fitted } from './sizes.ts';
import { acceptsRedirects, forwards, refusedSource, sendsRedirects } from './source.ts';
import type { Act, Header, Hop, Omen, Reason, Way } from './way.ts';

/** What a host remembers of a connection, to treat its other packets alike and to take translations back in replies. */
export type Flow =
  | { kind: 'ipvs'; at: string; protocol: Header['protocol']; client: string; vip: string; chosen: Balanced }
  | { kind: 'masquerade'; at: string; protocol: Header['protocol']; client: string; as: string; real: string };

/** A packet somewhere on its way. Values: where the way forks, each branch goes on with its own. */
interface State {
  leg: 'request' | 'reply';
  /** The host that began the connection. */
  client: string;
  host: NetHost;
  packet: Header;
  mark: number;
  hop: Hop;
  hops: Hop[];
  flows: Flow[];
  omens: Omen[];
  /** Who has seen the request pass, with its sender and receiver: its connection tracking knows the reply then. */
  seen: string[];
  ttl: number;
}

/** One leg's end. */
type Ended = { state: State } & (
  | { arrived: true }
  | { arrived: false; device?: string; reason: Reason; about?: string }
);

/** Linux's own (ip-sysctl.rst, ip_default_ttl). */
const TTL = 64;

export interface Request {
  client: string;
  /** The sender's address; absent: what the client's routing chooses. */
  source?: string;
  /** The client's port; any does. */
  sport?: number;
  protocol: Protocol;
  address: string;
  port: number;
}

/** Every way that a client's connection to an address may take, there and back. Pure. */
export function walk(net: Net, request: Request): Way[] {
  const host = hostOf(net, request.client);
  const route = lookup(host, request.address);
  const source =
    request.source ??
    (route?.kind === 'unicast' ? sourceOf(host, route.device, route.source, request.address) : route?.source);
  const packet: Header = {
    protocol: request.protocol,
    src: source ?? '?',
    sport: request.sport ?? 40000,
    dst: request.address,
    dport: request.port,
  };
  const first = begin('request', request.client, host, packet);
  return send(net, first).flatMap((there): Way[] => {
    if (!there.arrived) return [broken(there, there.state.hops, [])];
    const at = there.state;
    const { src, sport, dst, dport, protocol } = at.packet;
    const answer: Header = { protocol, src: dst, sport: dport, dst: src, dport: sport };
    const back = send(net, begin('reply', request.client, at.host, answer, at));
    return back.map((ended): Way => {
      if (!ended.arrived) return broken(ended, at.hops, ended.state.hops);
      const { hops, omens, packet: got, host: end } = ended.state;
      const ways = { request: at.hops, reply: hops, omens };
      const wrong = (reason: Reason, about: string): Way => ({
        ...ways,
        end: { answered: false, leg: 'reply', host: end.name, reason, about },
      });
      if (end.name !== request.client) return wrong('other-host', got.dst);
      if (got.src !== packet.dst || got.sport !== packet.dport) return wrong('other-source', got.src);
      const told = omens.find((one) => one.omen === 'redirect');
      if (told !== undefined) {
        const { host, device, address: about } = told;
        return { ...ways, end: { answered: false, leg: 'reply', host, device, reason: 'redirected', about } };
      }
      return fitted(net, (from, icmp) => reaches(net, from, icmp), {
        ...ways,
        end: { answered: true, by: at.host.name },
      });
    });
  });
}

/** Every way of one packet, without a reply: of an ICMP error, say. Gives the hosts where it ends. Pure. */
export function reaches(net: Net, from: string, packet: Header): string[] {
  const host = hostOf(net, from);
  return send(net, begin('reply', from, host, packet)).flatMap((ended) =>
    ended.arrived ? [ended.state.host.name] : [],
  );
}

function hostOf(net: Net, name: string): NetHost {
  const found = netHost(net, name);
  if (found === undefined) throw new Error(`${name} is no host of this net`);
  return found;
}

function sourceOf(host: NetHost, device: string, source: string | undefined, target: string): string | undefined {
  const at = deviceOf(host, device);
  return source ?? (at && selectAddress(host, at, target));
}

function begin(
  leg: State['leg'],
  client: string,
  host: NetHost,
  packet: Header,
  before: Pick<State, 'flows' | 'omens' | 'seen'> = { flows: [], omens: [], seen: [] },
): State {
  const hop: Hop = { host: host.name, before: packet, after: packet, did: [{ act: 'sent' }] };
  const { flows, omens, seen } = before;
  return { leg, client, host, packet, mark: 0, hop, hops: [], flows, omens, seen, ttl: TTL };
}

function broken(ended: Ended & { arrived: false }, request: Hop[], reply: Hop[]): Way {
  const { device, reason, about, state } = ended;
  return {
    request,
    reply,
    omens: state.omens,
    end: {
      answered: false,
      leg: state.leg,
      host: state.host.name,
      reason,
      ...(device === undefined ? {} : { device }),
      ...(about === undefined ? {} : { about }),
    },
  };
}

function dead(state: State, reason: Reason, device?: string, about?: string): Ended[] {
  const done = finished(state);
  return [
    {
      state: done,
      arrived: false,
      reason,
      ...(device === undefined ? {} : { device }),
      ...(about === undefined ? {} : { about }),
    },
  ];
}

function finished(state: State): State {
  return { ...state, hops: [...state.hops, { ...state.hop, after: state.packet }] };
}

function doing(state: State, ...acts: Act[]): State {
  return { ...state, hop: { ...state.hop, did: [...state.hop.did, ...acts] } };
}

const sent = ({ src, dst, outer }: Header) => (outer === undefined ? { src, dst } : outer);
const socket = (address: string, port: number) => `${address} ${port}`;

/** A packet that the host itself made. */
function send(net: Net, state: State): Ended[] {
  const { dst } = sent(state.packet);
  const route = lookup(state.host, dst);
  if (route === undefined) return dead(state, 'no-route', undefined, dst);
  if (route.kind === 'local') return stay(net, state, dst);
  return leave(net, state, route.device, route.via ?? dst, true);
}

/** What is for the host itself goes out of lo and comes in there. */
function stay(net: Net, state: State, address: string): Ended[] {
  const { host, packet } = state;
  const left = finished({ ...state, hop: { ...state.hop, out: { device: 'lo', to: macOf(host.name, 'lo') } } });
  const hop: Hop = {
    host: host.name,
    in: { device: 'lo', from: macOf(host.name, 'lo') },
    before: packet,
    after: packet,
    did: [],
  };
  const next = { ...left, hop };
  return isOwn(host, address) ? deliver(net, next, 'lo') : dead(next, 'kept-local', 'lo', address);
}

/** Out of a device, to whoever takes frames for the next hop. */
function leave(net: Net, state: State, device: string, next: string, tracked: boolean): Ended[] {
  const { host } = state;
  const at = deviceOf(host, device);
  if (at === undefined) return dead(state, 'no-route', device, next);
  const ready = tracked ? masqueraded(state, device, next) : state;
  const asked = resolve(net, host, at, next, sent(ready.packet).src);
  if (asked.answers.length === 0) return dead(ready, 'no-arp-answer', device, next);
  const warned = { ...ready, omens: [...ready.omens, ...omensOf(ready, asked, next)] };
  return asked.answers.flatMap((answer) => {
    const to = macOf(answer.host.name, answer.device.name);
    const left = finished({ ...warned, hop: { ...warned.hop, out: { device, to } } });
    const from = macOf(host.name, device);
    const hop: Hop = {
      host: answer.host.name,
      in: { device: answer.device.name, from },
      before: left.packet,
      after: left.packet,
      did: [],
    };
    return arrive(net, { ...left, host: answer.host, hop, mark: 0 }, answer.device.name);
  });
}

function omensOf({ host, packet, leg }: State, { answers, sender, permanent }: Asked, next: string): Omen[] {
  if (permanent) return [];
  const names = [...new Set(answers.map((one) => one.host.name))];
  const several: Omen[] =
    answers.length > 1 ? [{ omen: 'several-answers', host: host.name, address: next, hosts: names }] : [];
  // In its own name nobody is misled; a VIP on lo is what others have too.
  const foreign =
    leg === 'reply' &&
    sender !== undefined &&
    sender === packet.src &&
    deviceOf(host, 'lo')?.addresses.some((own) => own.address === sender);
  return foreign ? [...several, { omen: 'announced', host: host.name, address: sender, to: names }] : several;
}

function masqueraded(state: State, device: string, next: string): State {
  const { host, packet } = state;
  const at = deviceOf(host, device);
  if (packet.outer !== undefined || at === undefined || !masqueradeFor(host, packet)) return state;
  const as = selectAddress(host, at, next);
  if (as === undefined || as === packet.src) return state;
  const flow: Flow = {
    kind: 'masquerade',
    at: host.name,
    protocol: packet.protocol,
    client: socket(packet.src, packet.sport),
    as: socket(as, packet.sport),
    real: socket(packet.dst, packet.dport),
  };
  return doing({ ...state, packet: { ...packet, src: as }, flows: [...state.flows, flow] }, { act: 'masqueraded', as });
}

/** A frame for the host has come in at a device. */
function arrive(net: Net, given: State, device: string): Ended[] {
  const state = marked(unmasqueraded(given));
  const { host } = state;
  const { src, dst } = sent(state.packet);
  if (isLocal(host, dst)) {
    const refused = refusedSource(host, device, src);
    return refused === undefined ? deliver(net, state, device) : dead(state, refused, device, src);
  }
  const family = familyOf(dst);
  if (!forwards(host, device, family)) return dead(state, 'no-forwarding', device, dst);
  const route = lookup(host, dst);
  if (route?.kind !== 'unicast') return dead(state, 'no-route', device, dst);
  const refused = refusedSource(host, device, src, route.device);
  if (refused !== undefined) return dead(state, refused, device, src);
  if (state.ttl <= 1) return dead(state, 'loop', device, dst);
  if (forwardRefuses(host, { ...state, known: isKnown(state) })) return dead(state, 'forward-filtered', device, dst);
  const translated = unbalanced(state);
  const told: Omen[] =
    translated !== state && route.device === device && sendsRedirects(host, device) && takesRedirect(net, state, device)
      ? [{ omen: 'redirect', host: host.name, device, address: src }]
      : [];
  const via = route.via === undefined ? {} : { via: route.via };
  return leave(
    net,
    doing(
      {
        ...translated,
        ttl: translated.ttl - 1,
        omens: [...translated.omens, ...told],
        seen: [...translated.seen, seenAs(host, state.packet.src, state.packet.dst)],
      },
      { act: 'routed', ...via },
    ),
    route.device,
    route.via ?? dst,
    translated === state || conntracked(host),
  );
}

const seenAs = (host: NetHost, src: string, dst: string) => `${host.name} ${src} ${dst}`;

/** Whether connection tracking on the way knows the connection that a packet belongs to. */
function isKnown({ host, packet, seen, flows, leg }: State): boolean {
  if (leg === 'request' || seen.includes(seenAs(host, packet.dst, packet.src))) return true;
  return conntracked(host) && flows.some(({ at }) => at === host.name);
}

/**
 * Whether a real server on this wire lets itself be told of a shorter way than by its director: it believes only the
 * gateway that it has for that address (net/ipv4/route.c, __ip_do_redirect).
 */
function takesRedirect(net: Net, { hops, host, packet }: State, device: string): boolean {
  const { src, dst } = packet;
  const previous = hops.at(-1);
  const from = netHost(net, previous?.host);
  const at = deviceOf(host, device);
  if (familyOf(src) === 6 || from === undefined || at === undefined || !isLocal(from, src)) return false;
  const route = lookup(from, dst);
  return (
    route?.kind === 'unicast' &&
    route.via !== undefined &&
    route.via === selectAddress(host, at, src) &&
    acceptsRedirects(from, route.device)
  );
}

/** A reply to an address that stood for the client gets the client's own back. */
function unmasqueraded(state: State): State {
  const { packet, host } = state;
  if (packet.outer !== undefined) return state;
  const flow = state.flows.find(
    (one) =>
      one.kind === 'masquerade' &&
      one.at === host.name &&
      one.protocol === packet.protocol &&
      one.as === socket(packet.dst, packet.dport) &&
      one.real === socket(packet.src, packet.sport),
  );
  if (flow === undefined) return state;
  const [dst = '', port = ''] = flow.client.split(' ');
  return doing({ ...state, packet: { ...packet, dst, dport: Number(port) } }, { act: 'restored', by: 'masquerade' });
}

function marked(state: State): State {
  return { ...state, mark: markOf(state.host, state.packet) };
}

/** A real server's reply that passes its director gets the VIP back as its sender (nat). */
function unbalanced(state: State): State {
  const { packet, host } = state;
  if (packet.outer !== undefined) return state;
  const flow = state.flows.find(
    (one): one is Flow & { kind: 'ipvs' } =>
      one.kind === 'ipvs' &&
      one.at === host.name &&
      one.protocol === packet.protocol &&
      one.chosen.method === 'masq' &&
      socket(one.chosen.address, one.chosen.port) === socket(packet.src, packet.sport) &&
      one.client === socket(packet.dst, packet.dport),
  );
  if (flow === undefined) return state;
  const [src = '', port = ''] = flow.vip.split(' ');
  return doing({ ...state, packet: { ...packet, src, sport: Number(port) } }, { act: 'restored', by: 'ipvs' });
}

/** A packet for an address of the host itself: filter, IPVS, the end of a tunnel, or whoever listens. */
function deliver(net: Net, state: State, device: string): Ended[] {
  const { host, packet } = state;
  if (device !== 'lo' && inputRefuses(host, state)) return dead(state, 'input-filtered', device, packet.dst);
  if (packet.outer !== undefined) return unwrap(net, state, device);
  if (packet.protocol === 'icmp') return [{ state: finished(state), arrived: true }];
  const known = state.flows.find(
    (one): one is Flow & { kind: 'ipvs' } =>
      one.kind === 'ipvs' &&
      one.at === host.name &&
      one.client === socket(packet.src, packet.sport) &&
      one.vip === socket(packet.dst, packet.dport),
  );
  if (known !== undefined) return forwardTo(net, state, device, known.chosen);
  const choices = balance(host, packet, state.mark);
  if (choices === undefined) return atHome(state, device);
  if (choices.length === 0) return dead(state, 'no-real-server', device, packet.dst);
  return choices.flatMap((chosen) => {
    const flow: Flow = {
      kind: 'ipvs',
      at: host.name,
      protocol: packet.protocol,
      client: socket(packet.src, packet.sport),
      vip: socket(packet.dst, packet.dport),
      chosen,
    };
    return forwardTo(net, { ...state, flows: [...state.flows, flow] }, device, chosen);
  });
}

function unwrap(net: Net, state: State, device: string): Ended[] {
  const { packet, host, hop } = state;
  const inside = packet.outer === undefined ? undefined : tunnelEnd(host, packet, packet.outer);
  if (inside === undefined) return dead(state, 'no-tunnel', device, packet.outer?.tunnel.type);
  const { outer: _, ...inner } = packet;
  const next: Hop = { ...hop, did: [...hop.did, { act: 'unwrapped', device: inside }] };
  return arrive(net, { ...state, packet: inner, hop: next }, inside);
}

function atHome(state: State, device: string): Ended[] {
  const { host, packet, leg } = state;
  const waits =
    leg === 'reply' ||
    host.listens.some(
      ({ protocol, ports }) =>
        protocol === packet.protocol && ports.first <= packet.dport && packet.dport <= ports.last,
    );
  if (!waits) return dead(state, 'nobody-listens', device, String(packet.dport));
  return [{ state: finished(doing(state, { act: 'delivered' })), arrived: true }];
}

/** IPVS hands a packet to a real server, each method in its way (net/netfilter/ipvs/ip_vs_xmit.c). */
function forwardTo(net: Net, state: State, device: string, chosen: Balanced): Ended[] {
  const { host, packet } = state;
  const method = ({ masq: 'nat', gate: 'dr', tunnel: 'tun' } as const)[chosen.method];
  const told = doing(state, { act: 'chosen', address: chosen.address, method });
  const to = chosen.method === 'masq' ? { ...packet, dst: chosen.address, dport: chosen.port } : packet;
  const route = lookup(host, chosen.address);
  if (route === undefined) return dead(told, 'no-route', device, chosen.address);
  if (route.kind === 'local') return atHome({ ...told, packet: to }, device);
  if (told.ttl <= 1) return dead(told, 'loop', device, packet.dst);
  const next = { ...told, packet: to, ttl: told.ttl - 1 };
  const hop = route.via ?? chosen.address;
  if (chosen.method === 'tunnel') {
    const src = sourceOf(host, route.device, route.source, chosen.address) ?? '?';
    const outer = { src, dst: chosen.address, tunnel: chosen.tunnel };
    const wrapped = doing(
      { ...next, packet: { ...packet, outer } },
      { act: 'wrapped', in: chosen.tunnel.type, to: chosen.address },
    );
    return leave(net, wrapped, route.device, hop, false);
  }
  const omen: Omen[] =
    chosen.method === 'gate' && route.via !== undefined
      ? [{ omen: 'behind-router', host: host.name, address: chosen.address, via: route.via }]
      : [];
  return leave(net, { ...next, omens: [...next.omens, ...omen] }, route.device, hop, conntracked(host));
}
