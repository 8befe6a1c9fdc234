import { overhead } from '../roles/tunnels.ts';
import { selectAddress } from './fib.ts';
import { clampOf } from './filter.ts';
import { deviceOf, familyOf, type Net, netHost } from './net.ts';
import type { Header, Hop, Omen, Way } from './way.ts';

/** The hosts that a packet from a host comes to. */
type Reaches = (from: string, packet: Header) => string[];

/** Bytes of an IP and a TCP header without options. */
const HEADERS = { 4: 40, 6: 60 } as const;

/**
 * A way that connections find, asked for large packets: segments as both ends agree on them (the smaller of what fits
 * each one's wire, and what the SYN-ACK was clamped to), which must not be cut into fragments. Where one doesn't fit, the
 * sender is told (ICMP, fragmentation needed) and tries smaller ones; where it isn't told, the connection hangs. Pure.
 */
export function fitted(net: Net, reaches: Reaches, way: Way): Way {
  const [first] = way.request;
  const [answer] = way.reply;
  if (first === undefined || answer === undefined || first.before.protocol !== 'tcp') return way;
  const headers = HEADERS[familyOf(first.before.dst)];
  const asker = mtuOf(net, first, 'out');
  const answerer = mtuOf(net, answer, 'out');
  const host = netHost(net, answer.host);
  const clamp = host === undefined ? undefined : clampOf(host, answer.before);
  const upload = Math.min(asker, Math.min(answerer, (clamp ?? answerer) + (clamp === undefined ? 0 : headers)));
  const download = Math.min(answerer, asker);
  const up = sent(net, reaches, way, 'request', upload);
  if ('end' in up) return { ...way, ...up };
  const down = sent(net, reaches, way, 'reply', download);
  if ('end' in down) return { ...way, ...down };
  return { ...way, omens: [...way.omens, ...up.omens, ...down.omens] };
}

function sent(
  net: Net,
  reaches: Reaches,
  way: Way,
  leg: 'request' | 'reply',
  size: number,
): { omens: Omen[] } | Pick<Way, 'end'> {
  const hops = way[leg];
  const omens: Omen[] = [];
  let whole = size;
  for (let at = 0; at < hops.length - 1; at += 1) {
    const [hop, next] = [hops[at], hops[at + 1]];
    if (hop?.out === undefined || next?.in === undefined) continue;
    const { outer } = hop.after;
    const more = outer === undefined ? 0 : overhead({ outer: familyOf(outer.dst), tunnel: outer.tunnel });
    const mtu = mtuOf(net, hop, 'out');
    const stuck = (host: string, device: string, about: string): Pick<Way, 'end'> => ({
      end: { answered: false, leg, host, device, reason: 'mtu', about },
    });
    if (whole + more > mtu) {
      if (!isTold(net, reaches, way, leg, hop)) return stuck(hop.host, hop.out.device, String(whole + more));
      omens.push({ omen: 'too-large', leg, host: hop.host, device: hop.out.device, size: whole + more, mtu });
      whole = mtu - more;
    }
    // No host hears of a frame that a card doesn't take.
    if (whole + more > mtuOf(net, next, 'in')) return stuck(next.host, next.in.device, String(whole + more));
  }
  return { omens };
}

function mtuOf(net: Net, hop: Hop, side: 'in' | 'out'): number {
  const host = netHost(net, hop.host);
  const device = host && deviceOf(host, hop[side]?.device ?? '');
  return device?.mtu ?? Number.POSITIVE_INFINITY;
}

/** Whether the sender hears that its packet is too large. What comes to a director for a VIP it passes on (ip_vs_in_icmp). */
function isTold(net: Net, reaches: Reaches, way: Way, leg: 'request' | 'reply', hop: Hop): boolean {
  const [first] = way[leg];
  const host = netHost(net, hop.host);
  const device = host && deviceOf(host, hop.in?.device ?? '');
  const to = hop.before.outer?.src ?? hop.before.src;
  const src = host && device && selectAddress(host, device, to);
  if (first === undefined || src === undefined) return false;
  const directors = way.request
    .filter(({ did }) => did.some(({ act }) => act === 'chosen'))
    .map(({ host: director }) => director);
  const heard = reaches(hop.host, { protocol: 'icmp', src, sport: 0, dst: to, dport: 0 });
  return heard.some((name) => name === first.host || directors.includes(name));
}
