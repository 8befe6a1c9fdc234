import type { JudgedWay, Path } from '../path/ask.ts';
import { type Act, type Hop, headerText, socketText } from '../path/way.ts';
import type { End, Leg, Node, Step, Ways } from './diagram.ts';

/** A hop to the next host, as it is drawn. */
interface Edge {
  leg: Leg;
  /** How many hops of its leg were before it. */
  at: number;
  segment: string;
  from: End;
  to: End;
  header: string;
  did: string[];
}

/**
 * The steps of all ways together: requests go out from one host to many, replies come from many to one, and each of
 * these is one step. Pure.
 */
export function waysOf(paths: readonly Path[], nodes: readonly Node[]): Ways {
  const [first] = paths;
  if (first === undefined) return { drawn: false, why: 'nothing is asked for' };
  const ways = paths.flatMap((path) => path.ways);
  const edges = (['request', 'reply'] as const).flatMap((leg) =>
    ways.flatMap(({ way }) => edgesOf(leg, way[leg], nodes)).sort((a, b) => a.at - b.at),
  );
  const { service, from } = first;
  const sockets = [...new Set(paths.map(({ address, port }) => socketText(address, port)))];
  const what = service === undefined ? '' : `service ${service}, `;
  return {
    drawn: true,
    from,
    to: `${what}${sockets.join(' and ')}/${first.protocol}`,
    steps: stepsOf(edges),
    faults: faultsOf(ways),
  };
}

function faultsOf(ways: readonly JudgedWay[]): { via?: string; why: string }[] {
  const said = ways.flatMap(({ real, fault }) =>
    fault === undefined ? [] : [{ ...(real === undefined ? {} : { via: real }), why: `${fault.reason}: ${fault.why}` }],
  );
  return [...new Map(said.map((one) => [JSON.stringify(one), one])).values()];
}

function edgesOf(leg: Leg, hops: readonly Hop[], nodes: readonly Node[]): Edge[] {
  return hops.flatMap((hop, at): Edge[] => {
    const next = hops[at + 1];
    if (hop.out === undefined || next?.in === undefined) return [];
    const from = endOf(nodes, hop.host, hop.out.device);
    const to = endOf(nodes, next.host, next.in.device);
    const segment = from === undefined ? undefined : segmentOf(nodes, from);
    // Over a link that isn't drawn, or within what is drawn as one box.
    if (from === undefined || to === undefined || segment === undefined || from.node === to.node) return [];
    return [{ leg, at, segment, from, to, header: headerText(hop.after), did: hop.did.flatMap(actText) }];
  });
}

function endOf(nodes: readonly Node[], host: string, device: string): End | undefined {
  const node = nodes.findIndex(({ hosts }) => hosts.includes(host));
  return nodes[node]?.ports.some((port) => port.device === device) === true ? { node, device } : undefined;
}

function segmentOf(nodes: readonly Node[], { node, device }: End): string | undefined {
  return nodes[node]?.ports.find((port) => port.device === device)?.segment;
}

function stepsOf(edges: readonly Edge[]): Step[] {
  const steps = new Map<string, { step: Step; order: string }>();
  for (const { leg, at, segment, from, to, header, did } of edges) {
    const hub = leg === 'request' ? from : to;
    // What was done by some senders only must not look like all of them did it.
    const key = JSON.stringify([leg, segment, hub, did]);
    const known = steps.get(key);
    const step = known?.step ?? { number: 0, leg, segment, from: [], to: [], headers: [], did: [] };
    add(step.from, from);
    add(step.to, to);
    add(step.headers, header);
    for (const act of did) add(step.did, act);
    if (known === undefined) steps.set(key, { step, order: JSON.stringify([leg, at]) });
  }
  const orders = [...new Set([...steps.values()].map(({ order }) => order))];
  return [...steps.values()].map(({ step, order }) => ({ ...step, number: orders.indexOf(order) + 1 }));
}

/** Adds what isn't there yet. */
function add<T>(to: T[], one: T): void {
  const text = JSON.stringify(one);
  if (!to.some((other) => JSON.stringify(other) === text)) to.push(one);
}

/** What a host does beyond handing a packet on. */
function actText(act: Act): string[] {
  switch (act.act) {
    case 'sent':
    case 'routed':
    case 'delivered':
      return [];
    case 'chosen':
      return [`chosen by IPVS (${act.method})`];
    case 'wrapped':
      return [`wrapped in ${act.in}`];
    case 'unwrapped':
      return [`unwrapped by ${act.device}`];
    case 'masqueraded':
      return [`masqueraded as ${act.as}`];
    case 'restored':
      return [act.by === 'ipvs' ? 'IPVS put the VIP back' : 'the client’s address put back'];
  }
}
