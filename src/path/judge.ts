import type { Service } from '../inventory/model.ts';
import type { End, Omen, Reason, Way } from './way.ts';

/** What is wrong with a way, beyond what a single packet meets. */
export type FaultReason = Reason | 'several-answers' | 'announced' | 'past-the-director' | 'behind-router';

/** Where and why clients get no answer, or not the one they should. */
export interface Fault {
  reason: FaultReason;
  /** The host where it shows. */
  host: string;
  device?: string;
  leg: 'request' | 'reply';
  /** Whether a director had given the packet to a real server by then. */
  given: boolean;
  /** The address, port or tunnel that it is about. */
  about?: string;
  /** One sentence. */
  why: string;
}

/**
 * What is wrong with a way; undefined where the packet arrives through the director and the reply returns. A way that
 * works by chance is wrong. Pure.
 * @param service what clients ask for; absent: a plain host
 */
export function faultOf(way: Way, service?: Service): Fault | undefined {
  const { end, omens } = way;
  const given = way.request.some(
    ({ host, did }) => service?.directors.includes(host) && did.some(({ act }) => act === 'chosen'),
  );
  const beside = omens.find((omen) => omen.omen === 'behind-router');
  if (!end.answered && beside !== undefined && end.leg === 'request' && end.reason !== 'nobody-listens') {
    return {
      reason: 'behind-router',
      host: beside.host,
      leg: 'request',
      given,
      about: beside.address,
      why: omenText(beside),
    };
  }
  const several = omens.find((omen) => omen.omen === 'several-answers');
  if (several !== undefined) {
    const { omen: reason, host, address: about } = several;
    return { reason, host, leg: 'request', given, about, why: omenText(several) };
  }
  const announced = omens.find((omen) => omen.omen === 'announced');
  if (announced !== undefined) {
    const { omen: reason, host, address: about } = announced;
    return { reason, host, leg: 'reply', given, about, why: omenText(announced) };
  }
  if (!end.answered) {
    const { reason, host, leg, device, about } = end;
    return {
      ...{ reason, host, leg, given, why: endText(end) },
      ...(device === undefined ? {} : { device }),
      ...(about === undefined ? {} : { about }),
    };
  }
  if (service === undefined || given) return undefined;
  return {
    reason: 'past-the-director',
    host: end.by,
    leg: 'request',
    given,
    why: `${end.by} answers by itself: no director of ${service.name} has the request on its way`,
  };
}

/** Why a packet dies, in the field's words. Pure. */
export function endText(end: End & { answered: false }): string {
  const { host, reason, about = '', leg } = end;
  const at = end.device === undefined ? host : `${host} (${end.device})`;
  switch (reason) {
    case 'no-route':
      return `${host} has no route to ${about}: no network of its own holds it, and no gateway that it can reach leads there`;
    case 'kept-local':
      return `${host} takes ${about} for an address of its own and keeps what is for it: an address on its lo has a mask wider than /32`;
    case 'no-arp-answer':
      return `nobody on the wire of ${at} answers ${about.includes(':') ? 'neighbour discovery' : 'ARP'} for ${about}`;
    case 'no-forwarding':
      return `${host} forwards nothing (ip_forward is 0), and ${about} is no address of its own`;
    case 'martian-source':
      return `${host} drops what comes in at ${end.device} from ${about}: that is an address of its own (a martian source)`;
    case 'rp-filter':
      return `${host} drops what comes in at ${end.device} from ${about}: its own way there begins elsewhere, and rp_filter (the larger of all and ${end.device}) forbids that`;
    case 'input-filtered':
      return `the packet filter of ${at} doesn’t let the packet in`;
    case 'forward-filtered':
      return `the packet filter of ${at} doesn’t let the packet through`;
    case 'loop':
      return `the packet goes round in circles until its time to live is over, last at ${host}`;
    case 'no-tunnel':
      return `${host} has no tunnel device that unwraps ${about}`;
    case 'no-real-server':
      return `${host} has no real server with a weight for ${about}`;
    case 'nobody-listens':
      return `nothing on ${host} listens at port ${about}`;
    case 'other-source':
      return `${host} gets a reply from ${about}, which it did not ask: it refuses it`;
    case 'other-host':
      return `the reply comes to ${host}, which did not ask`;
    case 'redirected':
      return `${host} tells ${about} of the shorter way to the client (an ICMP redirect, send_redirects is 1): from then on replies go past it, from an address that the client did not ask`;
    case 'mtu':
      return leg === 'request'
        ? `packets of ${about} bytes of a large request don’t fit at ${at}, and the client isn’t told`
        : `packets of ${about} bytes of a large reply don’t fit at ${at}, and the real server isn’t told`;
  }
}

/** What stands on a way that may become its end. Pure. */
export function omenText(omen: Omen): string {
  switch (omen.omen) {
    case 'behind-router':
      return `in dr mode the frame must reach the real server itself: ${omen.host} sends it to the router ${omen.via}, which sends it back to the VIP’s owner`;
    case 'several-answers':
      return `${omen.hosts.join(' and ')} all answer for ${omen.address}: ${omen.host} believes one of them by chance`;
    case 'announced':
      return `${omen.host} asks for ${omen.to.join(', ')} in the name of ${omen.address} (arp_announce is 0): who hears it takes ${omen.host} for that address’s owner`;
    case 'redirect':
      return `${omen.host} tells ${omen.address} of a shorter way, past itself`;
    case 'too-large':
      return `packets of ${omen.size} bytes don’t fit into the ${omen.mtu} of ${omen.host} (${omen.device}): the sender is told, and sends smaller ones`;
  }
}
