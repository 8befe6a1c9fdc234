import type { JudgedWay, Path } from '../path/ask.ts';
import { omenText } from '../path/judge.ts';
import { type Act, type Hop, headerText, socketText } from '../path/way.ts';
import { type Paint, printable } from './paint.ts';

const WIDTH = 80;

/** All ways to one address: the first in full, others like it in a line, and in full again where they differ. Pure. */
export function pathText({ from, protocol, address, port, service, ways }: Path, paint: Paint): string {
  const what = service === undefined ? '' : `service ${service}, `;
  const head = paint.strong(printable(`${from} → ${what}${socketText(address, port)}/${protocol}`));
  const shown = new Map<string, string>();
  const parts = ways.map((one, index) => {
    const name = nameOf(one, index, ways.length);
    const like = shown.get(kindOf(one));
    if (like === undefined) shown.set(kindOf(one), name);
    return like === undefined
      ? wayText(one, name, paint)
      : [verdictLine(one, name, paint), ...wrapped(`${routeOf(one)}; as ${like}`, '  ')].join('\n');
  });
  return [head, ...parts].join('\n\n');
}

function nameOf({ real }: JudgedWay, index: number, count: number): string {
  if (real !== undefined) return `via ${real}`;
  return count === 1 ? 'the way' : `way ${index + 1}`;
}

/** Ways of one kind end alike, after as many hops. */
function kindOf({ way, fault }: JudgedWay): string {
  return JSON.stringify([fault?.reason, way.request.length, way.reply.length, way.omens.map(({ omen }) => omen)]);
}

function verdictLine({ fault }: JudgedWay, name: string, paint: Paint): string {
  const verdict = fault === undefined ? paint.added('answered') : paint.removed(fault.reason);
  return `${paint.strong(printable(name))}: ${verdict}`;
}

/** `client → lvs → web1 → lvs → client`. */
function routeOf({ way }: JudgedWay): string {
  return [...way.request, ...way.reply.slice(1)].map(({ host }) => host).join(' → ');
}

function wayText(one: JudgedWay, name: string, paint: Paint): string {
  const { way, fault } = one;
  const large = way.omens.filter(({ omen }) => omen === 'too-large');
  return [
    verdictLine(one, name, paint),
    ...legText('request', way.request, paint),
    ...(way.reply.length === 0 ? [] : legText('reply', way.reply, paint)),
    ...large.flatMap((omen) => wrapped(`note: ${omenText(omen)}`, '  ', '        ')),
    ...(fault === undefined
      ? []
      : wrapped(`${fault.reason}: ${fault.why}.`, '  ✗ ', '    ').map((line) => paint.removed(line))),
  ].join('\n');
}

function legText(leg: string, hops: readonly Hop[], paint: Paint): string[] {
  return [`  ${paint.faint(leg)}`, ...hops.flatMap((hop) => hopText(hop))];
}

function hopText({ host, in: came, out, before, after, did }: Hop): string[] {
  const acts = did.map(actText).filter((text) => text !== '');
  const entry = came === undefined ? '' : `in ${came.device} from ${came.from}`;
  const changed = headerText(before) !== headerText(after);
  const said = [entry, ...acts].filter((text) => text !== '').join(', ');
  return [
    ...wrapped(`${host}  ${said}`, '    ', '      '),
    ...(came === undefined ? wrapped(headerText(after), '      ') : []),
    ...(came !== undefined && changed ? wrapped(`now ${headerText(after)}`, '      ') : []),
    ...(out === undefined ? [] : wrapped(`out ${out.device} to ${out.to}`, '      ')),
  ];
}

function actText(act: Act): string {
  switch (act.act) {
    case 'sent':
      return 'sends';
    case 'routed':
      return act.via === undefined ? 'routes' : `routes by ${act.via}`;
    case 'chosen':
      return `IPVS chooses ${act.address} (${act.method})`;
    case 'wrapped':
      return `wraps it (${act.in})`;
    case 'unwrapped':
      return `unwraps it (${act.device})`;
    case 'masqueraded':
      return `masquerades as ${act.as}`;
    case 'restored':
      return act.by === 'ipvs' ? 'IPVS puts the VIP back' : 'puts the client’s address back';
    case 'delivered':
      return 'delivers';
  }
}

/** Words in lines of at most 80 columns; a single longer word stays whole. */
function wrapped(text: string, first: string, further = first): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of printable(text).split(/ (?! )/u)) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = further;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}
