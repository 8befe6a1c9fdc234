/** `virtual_server` blocks. Defaults are those of keepalived.conf(5) 2.2.7. */
import { heading, type Statement } from '../conf/keepalived.ts';
import { parseAddress } from '../inventory/addresses.ts';
import type { Protocol, Tunnel } from '../inventory/model.ts';
import { PROTOCOLS, SCHEDULER_FLAGS } from '../inventory/words.ts';
import { CHECKERS, type CheckContext, type CheckDefaults, importCheck, isSpread, rhythm } from './checks.ts';
import type { Gaps } from './gaps.ts';
import type { ImportedMethod, ImportedReal, ImportedService } from './imported.ts';
import { addressesIn, prefixOf } from './ranges.ts';
import { type Block, block, leftOver } from './take.ts';

type Match = ImportedService['match'];

/** The services of one `virtual_server`: one, or one for each address of a group. */
export function importVirtualServer(
  statement: Statement,
  groups: ReadonlyMap<string, Statement>,
  context: CheckContext,
): ImportedService[] {
  const { gaps } = context;
  const said = block(statement.body ?? []);
  const notes: string[] = [];
  const protocol = protocolOf(said, statement, notes);
  const matches = matchesOf(statement, groups, protocol, gaps);
  const scheduler = said.word('lvs_sched', 'lb_algo');
  if (scheduler === undefined) notes.push('the file names no scheduler: keepalived takes wlc');
  const flags = SCHEDULER_FLAGS.filter((flag) => said.flag(flag) === true);
  const method = methodOf(said.last('lvs_method', 'lb_kind'), gaps);
  if (method === undefined) notes.push('the file names no lvs_method: keepalived takes NAT');
  const above = rhythm(said, { startDown: false, inhibit: false });
  if (isSpread(said.number('warmup'), above.interval ?? 60)) said.all('warmup');
  const family6 = said.word('ip_family') === 'inet6';
  const persistence = persistenceOf(said);
  const sorry = sorryOf(said.last('sorry_server'));
  const quorum = said.number('quorum');
  const hysteresis = said.number('hysteresis');
  const onePacket = said.flag('ops') ?? false;
  const reals = said.all('real_server').map((one) => realOf(one, method ?? { mode: 'nat' }, above, context));
  for (const one of said.rest()) leftOver(one, heading(statement), gaps);
  const [first, ...others] = reals;
  for (const other of others) {
    if (JSON.stringify(other.check) !== JSON.stringify(first?.check)) {
      gaps.add(other.place, `${other.real.address} is checked otherwise than ${first?.real.address}`, ONE_CHECK);
    }
    if (JSON.stringify(other.method) !== JSON.stringify(first?.method)) {
      gaps.add(other.place, `${other.real.address} is reached otherwise than ${first?.real.address}`, ONE_MODE);
    }
  }
  const six = family6 || reals.some(({ real, method: way }) => way.mode !== 'tun' && real.address.includes(':'));
  return matches.map(({ match, place }) => ({
    place,
    match: match.by === 'fwmark' && six ? { ...match, family: 6 } : match,
    scheduler: scheduler ?? 'wlc',
    flags: [...flags],
    method: first?.method ?? method ?? { mode: 'nat' },
    ...(persistence === undefined ? {} : { persistence }),
    onePacket,
    ...(first?.check === undefined ? {} : { check: first.check }),
    ...(sorry === undefined ? {} : { sorry }),
    ...(quorum === undefined || (quorum === 1 && hysteresis === undefined) ? {} : { quorum }),
    ...(hysteresis === undefined || hysteresis === 0 ? {} : { hysteresis }),
    reals: reals.map(({ real }) => real),
    notes: [...notes],
  }));
}

const ONE_CHECK = 'An inventory’s service has one health check: the first server’s is written.';
const ONE_MODE = 'An inventory’s service has one mode: the first server’s is written.';

function protocolOf(said: Block, statement: Statement, notes: string[]): Protocol {
  const word = said.word('protocol')?.toLowerCase();
  if (word === undefined && statement.words[1]?.text !== 'fwmark')
    notes.push('the file names no protocol: keepalived takes UDP');
  return PROTOCOLS.find((each) => each === word) ?? 'udp';
}

/** What a `virtual_server` stands for, with the line that says so. */
function matchesOf(
  { words, place }: Statement,
  groups: ReadonlyMap<string, Statement>,
  protocol: Protocol,
  gaps: Gaps,
): { match: Match; place: Statement['place'] }[] {
  const [, first, second] = words;
  if (first?.text === 'group') {
    const group = groups.get(second?.text ?? '');
    if (group === undefined) {
      gaps.add(place, `there is no virtual_server_group “${second?.text ?? ''}”`, 'The service is left out.');
      return [];
    }
    return (group.body ?? []).flatMap((one) =>
      matchOf(
        one.words.map(({ text }) => text),
        one.place,
        protocol,
        gaps,
      ),
    );
  }
  return matchOf(
    words.slice(1).map(({ text }) => text),
    place,
    protocol,
    gaps,
  );
}

function matchOf(
  words: readonly string[],
  place: Statement['place'],
  protocol: Protocol,
  gaps: Gaps,
): { match: Match; place: Statement['place'] }[] {
  const [first = '', second] = words;
  if (first === 'fwmark')
    return [{ place, match: { by: 'fwmark' as const, mark: Number(second), family: words[2] === 'inet6' ? 6 : 4 } }];
  const addresses = addressesIn(first);
  const port = second === undefined ? 0 : Number(second);
  if (addresses === undefined || !Number.isInteger(port)) {
    gaps.add(place, `“${words.join(' ')}” is no address and port`, 'The service is left out.');
    return [];
  }
  if (port === 0) {
    gaps.add(
      place,
      `${first} on all ports is not in the inventory`,
      'Write the ports, with fwmark: auto where they are many.',
    );
    return [];
  }
  return addresses.map((address) => ({ place, match: { by: 'socket' as const, protocol, address, port } }));
}

/** `lvs_method TUN type gue port 6080 csum`; undefined where it isn't there. */
function methodOf(statement: Statement | undefined, gaps: Gaps): ImportedMethod | undefined {
  if (statement === undefined) return undefined;
  const [, method, ...more] = statement.words.map(({ text }) => text);
  switch (method?.toUpperCase()) {
    case 'NAT':
      return { mode: 'nat' };
    case 'DR':
      return { mode: 'dr' };
    case 'TUN':
      return { mode: 'tun', tunnel: tunnelOf(more) };
    default:
      gaps.add(statement.place, `“${method ?? ''}” is no forwarding method`, 'keepalived takes NAT then.');
      return { mode: 'nat' };
  }
}

function tunnelOf(words: readonly string[]): Tunnel {
  const type = words[words.indexOf('type') + 1];
  const sum = words.includes('csum') ? 'csum' : 'none';
  if (!words.includes('type') || type === 'ipip') return { type: 'ipip' };
  if (type === 'gre') return { type, checksum: sum };
  const port = Number(words[words.indexOf('port') + 1]);
  return { type: 'gue', port, checksum: words.includes('remcsum') ? 'remcsum' : sum };
}

function persistenceOf(said: Block): ImportedService['persistence'] {
  const timeout = said.last('persistence_timeout');
  const granularity = said.word('persistence_granularity');
  const engine = said.word('persistence_engine');
  if (timeout === undefined && granularity === undefined && engine === undefined) return undefined;
  const prefix = granularity === undefined ? undefined : prefixOf(granularity);
  return {
    // keepalived.conf(5): six minutes where no time is given.
    timeout: Number(timeout?.words[1]?.text ?? 360),
    ...(prefix === undefined ? {} : { prefix }),
    ...(engine === undefined ? {} : { engine }),
  };
}

function sorryOf(statement: Statement | undefined): ImportedService['sorry'] {
  const [, address, port] = statement?.words.map(({ text }) => text) ?? [];
  const parsed = address === undefined ? undefined : parseAddress(address);
  if (parsed === undefined) return undefined;
  return { address: parsed.address, ...(port === undefined ? {} : { port: Number(port) }) };
}

function realOf(statement: Statement, method: ImportedMethod, above: CheckDefaults, context: CheckContext) {
  const said = block(statement.body ?? []);
  const [, address = '', port = '0'] = statement.words.map(({ text }) => text);
  const own = rhythm(said, above);
  const real: ImportedReal = {
    address: parseAddress(address)?.address ?? address,
    port: Number(port),
    weight: said.number('weight') ?? 1,
    upper: said.number('uthreshold') ?? 0,
    lower: said.number('lthreshold') ?? 0,
  };
  const [checker, ...others] = said.all(...CHECKERS);
  for (const other of others) {
    context.gaps.add(other.place, `a further check of ${address} is not in the inventory`, 'The first one is written.');
  }
  const check = checker === undefined ? undefined : importCheck(checker, own, context);
  const reached = methodOf(said.last('lvs_method'), context.gaps) ?? method;
  if (isSpread(said.number('warmup'), own.interval ?? 60)) said.all('warmup');
  for (const one of said.rest()) leftOver(one, heading(statement), context.gaps);
  return { place: statement.place, real, method: reached, ...(check === undefined ? {} : { check }) };
}
