import { walk } from '../../src/path/walk.ts';
import type { Way } from '../../src/path/way.ts';
import { type Case, framesOf, type Met } from './kernel.ts';

/** One line of the table: what the model says of a case, what the kernel did, and whether that is the same. */
export interface Row {
  name: string;
  model: string;
  kernel: string;
  equal: boolean;
  /** Whether the model leaves it to chance. */
  chance: boolean;
  /** Connections whose every frame was compared. */
  traced: number;
  /** What differs, for people. */
  differs: string[];
}

const FIRST_PORT = 40000;

/** How many connections it takes to see every way. */
export function connectionsFor(ways: readonly Way[]): number {
  return Math.max(2, Math.min(ways.length, 8));
}

export function compare({ name, net, request }: Case, met: Met): Row {
  const ways = walk(net, request);
  const chance = isChance(ways);
  // Once a real server has asked in the VIP's name, and whenever several answer neighbour discovery, later packets go to
  // whoever was heard last: nothing can be said of a connection then.
  const announced = ways.some(({ omens }) =>
    omens.some(({ omen }) => omen === 'announced' || (omen === 'several-answers' && request.address.includes(':'))),
  );
  const seen = new Set<Way>();
  const differs: string[] = [];
  let traced = 0;
  for (const [at, connection] of met.connections.entries()) {
    const port = FIRST_PORT + at;
    const frames = [...new Set(connection.frames.map(({ leg, text }) => `${leg}: ${text}`))].toSorted();
    const answered = connection.outcome === 'answered';
    const fits = (way: Way) => framesOf(way, port).join('\n') === frames.join('\n');
    const alike = ways.filter((way) => way.end.answered === answered && fits(way));
    for (const way of alike) seen.add(way);
    if (alike.length > 0) traced += 1;
    else if (!announced) {
      differs.push(
        `${port} ${connection.outcome} by ${connection.by} ${connection.error}`,
        ...frames.map((one) => `  ${one}`),
      );
    }
  }
  if (!chance) {
    for (const way of ways.filter((one) => !seen.has(one))) {
      differs.push(`not seen: ${JSON.stringify(way.end)}`, ...framesOf(way, FIRST_PORT).map((one) => `  ${one}`));
    }
  }
  return {
    name,
    model: modelText(ways, chance),
    kernel: kernelText(met),
    equal: differs.length === 0,
    chance,
    traced,
    differs: differs.length === 0 ? [] : [...differs, ...met.said.map((line) => `  said: ${line}`)],
  };
}

function isChance(ways: readonly Way[]): boolean {
  return ways.some(({ omens }) => omens.some(({ omen }) => omen === 'several-answers' || omen === 'announced'));
}

/** What the model says of a case, in a line. */
export function verdictOf({ net, request }: Pick<Case, 'net' | 'request'>): string {
  const ways = walk(net, request);
  return modelText(ways, isChance(ways));
}

function modelText(ways: readonly Way[], chance: boolean): string {
  const ends = [
    ...new Set(ways.map(({ end }) => (end.answered ? 'answered' : `${end.reason} at ${end.host}`))),
  ].toSorted();
  return `${chance ? 'by chance: ' : ''}${ends.join(', ')}`;
}

function kernelText({ connections }: Met): string {
  const answered = connections.filter(({ outcome }) => outcome === 'answered').length;
  if (answered === connections.length) return 'answered';
  const errors = [
    ...new Set(
      connections
        .filter(({ outcome }) => outcome !== 'answered')
        .map(({ outcome, error }) => error || (outcome === 'connecting' ? 'no answer' : 'hangs')),
    ),
  ];
  return `${answered === 0 ? '' : `${answered} of ${connections.length} answered, `}${errors.join(', ')}`;
}

/** The table, for people. */
export function table(rows: readonly Row[]): string {
  const wide = (pick: (row: Row) => string) => Math.max(...rows.map((row) => pick(row).length));
  const [name, model] = [
    wide((row) => row.name),
    Math.min(
      60,
      wide((row) => row.model),
    ),
  ];
  return rows
    .map(
      (row) =>
        `${row.name.padEnd(name)}  ${row.model.padEnd(model)}  ${row.kernel.padEnd(28)}  ${row.equal ? 'equal' : 'DIFFERENT'}`,
    )
    .join('\n');
}
