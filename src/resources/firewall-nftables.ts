import { type Atom, ICMP, ICMP6, type Ports } from './firewall-rules.ts';

/** A chain of an nftables ruleset. */
export interface NftChain {
  family: string;
  table: string;
  chain: string;
}

/** An object of `nft -j list ruleset` (libnftables-json(5)). */
export type NftObject = Record<string, unknown>;

const TABLES = { traffic: 'inet lvsctl', filter: 'inet lvsctl_filter' } as const;
/** The chain of accepts in somebody else's table. */
const GUEST = 'lvsctl_input';

/** Our chains, with their hooks: `mark` itself is a word of nft. Priorities as numbers: nft's names of them came late. */
const CHAINS = {
  untracked: 'untracked { type filter hook prerouting priority -300; policy accept; }',
  mark: 'marks { type filter hook prerouting priority -150; policy accept; }',
  masquerade: 'masquerades { type nat hook postrouting priority 100; policy accept; }',
  clamp: 'clamps { type filter hook output priority -150; policy accept; }',
} as const;
const INPUT = 'input { type filter hook input priority 0; policy accept; }';

/** Commands of nft for the rules that services need, as `nftState` reads them back. Pure. */
export function nftTraffic(atoms: readonly Atom[]): string[] {
  return (['untracked', 'mark', 'masquerade', 'clamp'] as const).flatMap((what) => {
    const rules = atoms.filter(({ rule }) => rule === what).map(ruleText);
    if (rules.length === 0) return [];
    const [name] = CHAINS[what].split(' ');
    return [
      `add chain ${TABLES.traffic} ${CHAINS[what]}`,
      ...rules.map((rule) => `add rule ${TABLES.traffic} ${name} ${rule}`),
    ];
  });
}

/** An input chain of our own that drops what it doesn't know. `ssh` comes first: nothing may lock the operator out. */
export function nftClosed(atoms: readonly Atom[], ssh: readonly number[]): string[] {
  const rules = [
    ...ssh.map((port) => `tcp dport ${port} accept`),
    'iifname "lo" accept',
    'ct state established accept',
    'ct state related accept',
    `meta l4proto ${ICMP} accept`,
    `meta l4proto ${ICMP6} accept`,
    'ip6 saddr fe80::/10 udp dport 546 accept',
    ...atoms.map(ruleText),
    'drop',
  ];
  return [
    `add chain ${TABLES.filter} ${INPUT}`,
    ...[...new Set(rules)].map((rule) => `add rule ${TABLES.filter} input ${rule}`),
  ];
}

/** Accepts in the tables whose chains filter what comes in: an accept in a table of our own wouldn't keep theirs from dropping. */
export function nftGuest(atoms: readonly Atom[], into: readonly NftChain[]): string[] {
  return into.flatMap(({ family, table, chain }) => {
    const rules = atoms.filter((atom) => fits(atom, family)).map(ruleText);
    if (rules.length === 0) return [];
    return [
      `add chain ${family} ${table} ${GUEST}`,
      ...rules.map((rule) => `add rule ${family} ${table} ${GUEST} ${rule}`),
      `insert rule ${family} ${table} ${chain} jump ${GUEST}`,
    ];
  });
}

function fits({ family }: Atom, table: string): boolean {
  return family === null || table === 'inet' || table === (family === 4 ? 'ip' : 'ip6');
}

/** A rule as nft 1.0 prints it, but for protocols, which stand as numbers. */
function ruleText(atom: Atom): string {
  switch (atom.rule) {
    case 'mark':
      return `${destination(atom)} ${atom.protocol} dport ${range(atom.ports)} meta mark set ${atom.mark}`;
    case 'masquerade':
      return `${destination(atom)} ${atom.protocol} dport ${range(atom.ports)} masquerade`;
    case 'untracked':
      return `${destination(atom)} ${atom.protocol} dport ${range(atom.ports)} notrack`;
    case 'clamp': {
      const from = `${ip(atom.family)} saddr ${atom.address} tcp sport ${range(atom.ports)}`;
      return `${from} tcp flags & (syn|ack) == syn|ack tcp option maxseg size set ${atom.mss}`;
    }
    case 'accept':
      return [
        atom.from !== null && atom.family !== null ? `${ip(atom.family)} saddr ${atom.from}` : '',
        atom.from === null && atom.family !== null && typeof atom.protocol !== 'number'
          ? `meta nfproto ipv${atom.family}`
          : '',
        typeof atom.protocol === 'number' || (atom.protocol !== null && atom.ports === null)
          ? `meta l4proto ${atom.protocol}`
          : '',
        atom.protocol !== null && atom.ports !== null ? `${atom.protocol} dport ${range(atom.ports)}` : '',
        'accept',
      ]
        .filter((word) => word !== '')
        .join(' ');
  }
}

function destination({ family, address }: { family: 4 | 6; address: string }): string {
  return `${ip(family)} daddr ${address}`;
}

function ip(family: 4 | 6): string {
  return family === 4 ? 'ip' : 'ip6';
}

function range({ first, last }: Ports): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** What nft has of ours, as the commands that would make it, and the handles by which jumps to it can be deleted. */
export interface NftState {
  lines: string[];
  jumps: (NftChain & { handle: number })[];
}

/** Reads our part of a ruleset. Pure. */
export function nftState(ruleset: readonly NftObject[], purpose: 'traffic' | 'filter'): NftState {
  const own = TABLES[purpose];
  const chains: string[] = [];
  const rules: string[] = [];
  const inserted: string[] = [];
  const jumps: NftState['jumps'] = [];
  for (const { chain, rule } of ruleset) {
    if (isRecord(chain)) {
      const table = `${chain.family} ${chain.table}`;
      if (table === own) chains.push(`add chain ${table} ${chain.name} ${hookText(chain)}`.trimEnd());
      else if (purpose === 'filter' && chain.name === GUEST) chains.push(`add chain ${table} ${GUEST}`);
    } else if (isRecord(rule)) {
      const table = `${rule.family} ${rule.table}`;
      const text = expressionsText(rule.expr);
      if (table === own || (purpose === 'filter' && rule.chain === GUEST)) {
        rules.push(`add rule ${table} ${rule.chain} ${text}`);
      } else if (purpose === 'filter' && text === `jump ${GUEST}`) {
        inserted.push(`insert rule ${table} ${rule.chain} ${text}`);
        jumps.push({
          family: String(rule.family),
          table: String(rule.table),
          chain: String(rule.chain),
          handle: Number(rule.handle),
        });
      }
    }
  }
  const of = (lines: readonly string[], group: string) => lines.filter((line) => nftGroup(line) === group);
  const lines = chains.flatMap((line) => [line, ...of(rules, nftGroup(line))]);
  // A jump stands behind the last line of its table, as in `nftGuest`.
  for (const jump of inserted) {
    const table = jump.split(' ').slice(2, 4).join(' ');
    const at = lines.findLastIndex((line) => line.split(' ').slice(2, 4).join(' ') === table);
    lines.splice(at + 1, 0, jump);
  }
  return { lines, jumps };
}

function hookText({ type, hook, prio, policy }: NftObject): string {
  return type === undefined ? '' : `{ type ${type} hook ${hook} priority ${prio}; policy ${policy}; }`;
}

/** The chain that a command is about: `inet lvsctl mark`; a jump from another chain is about that one. */
export function nftGroup(line: string): string {
  return line.split(' ').slice(2, 5).join(' ');
}

/**
 * The script that makes the lines of `to` out of those of `from`, in one transaction: there is no moment without
 * rules. Our own table is made anew; in others' tables our chain is filled anew and only missing jumps are put in.
 */
export function nftScript(to: readonly string[], from: NftState): string {
  const tableOf = (line: string) => line.split(' ').slice(2, 4).join(' ');
  const tables = [...new Set([...to, ...from.lines].map(tableOf))];
  const commands = tables.flatMap((table): string[] => {
    const lines = to.filter((line) => tableOf(line) === table);
    const isOwn = table === TABLES.traffic || table === TABLES.filter;
    if (isOwn)
      return [
        `add table ${table}`,
        `delete table ${table}`,
        ...(lines.length > 0 ? [`add table ${table}`, ...lines] : []),
      ];
    const there = new Set(from.lines);
    const dropped = from.jumps
      .filter((jump) => `${jump.family} ${jump.table}` === table)
      .filter(({ chain }) => !lines.includes(`insert rule ${table} ${chain} jump ${GUEST}`))
      .map(({ chain, handle }) => `delete rule ${table} ${chain} handle ${handle}`);
    if (lines.length === 0) return [...dropped, `flush chain ${table} ${GUEST}`, `delete chain ${table} ${GUEST}`];
    const [chain = '', ...rest] = lines;
    return [
      chain,
      `flush chain ${table} ${GUEST}`,
      ...rest.filter((line) => !line.startsWith('insert') || !there.has(line)),
      ...dropped,
    ];
  });
  return commands.length === 0 ? '' : `${commands.join('\n')}\n`;
}

/** A jump that must be in a chain of others once, or not at all. */
export interface NftJump extends NftChain {
  to: string;
}

/**
 * What makes the lines of `to` out of any state between them and those of `from`: first `gone` goes, then the script is
 * run, then `there` is put in where it lacks.
 */
export function nftBack(
  to: readonly string[],
  from: readonly string[],
): { script: string; gone: NftJump[]; there: NftJump[] } {
  const tableOf = (line: string) => line.split(' ').slice(2, 4).join(' ');
  const isJump = (line: string) => line.startsWith('insert rule ');
  const commands = [...new Set([...to, ...from].map(tableOf))].flatMap((table): string[] => {
    const lines = to.filter((line) => tableOf(line) === table && !isJump(line));
    if (table === TABLES.traffic || table === TABLES.filter) {
      return [
        `add table ${table}`,
        `delete table ${table}`,
        ...(lines.length > 0 ? [`add table ${table}`, ...lines] : []),
      ];
    }
    const [chain = `add chain ${table} ${GUEST}`, ...rules] = lines;
    const flushed = [chain, `flush chain ${table} ${GUEST}`];
    return lines.length === 0 ? [...flushed, `delete chain ${table} ${GUEST}`] : [...flushed, ...rules];
  });
  const jumpsOf = (lines: readonly string[]) =>
    lines.filter(isJump).map((line): NftJump => {
      const [, , family = '', table = '', chain = '', , target = ''] = line.split(' ');
      return { family, table, chain, to: target };
    });
  return {
    script: commands.length === 0 ? '' : `${commands.join('\n')}\n`,
    gone: jumpsOf(from.filter((line) => !to.includes(line))),
    there: jumpsOf(to),
  };
}

/** The words of a rule, as `ruleText` writes them; what it never writes stays JSON, and so differs. */
function expressionsText(expressions: unknown): string {
  return (Array.isArray(expressions) ? expressions : []).map(expressionText).join(' ');
}

function expressionText(expression: unknown): string {
  const [[word, value] = ['', null]] = isRecord(expression) ? Object.entries(expression) : [];
  switch (word) {
    case 'accept':
    case 'drop':
    case 'notrack':
      return word;
    case 'masquerade':
      return value === null ? word : JSON.stringify(expression);
    case 'jump':
      return isRecord(value) ? `jump ${value.target}` : '';
    case 'match':
      return isRecord(value) ? matchText(value) : '';
    case 'mangle':
      return isRecord(value) ? mangleText(value) : '';
    default:
      return JSON.stringify(expression);
  }
}

const isFlags = (left: unknown) =>
  JSON.stringify(left) === '{"&":[{"payload":{"protocol":"tcp","field":"flags"}},["syn","ack"]]}' ||
  JSON.stringify(left) === '{"&":[{"payload":{"protocol":"tcp","field":"flags"}},{"|":["syn","ack"]}]}';

function matchText({ op, left, right }: NftObject): string {
  if (isFlags(left) && (op === '==' || op === 'in')) return 'tcp flags & (syn|ack) == syn|ack';
  if (!isRecord(left) || (op !== '==' && op !== 'in')) return JSON.stringify({ match: { op, left, right } });
  if (isRecord(left.payload)) return `${left.payload.protocol} ${left.payload.field} ${valueText(right)}`;
  if (isRecord(left.ct)) return `ct ${left.ct.key} ${valueText(right)}`;
  if (!isRecord(left.meta)) return JSON.stringify({ match: { op, left, right } });
  switch (left.meta.key) {
    case 'iifname':
      return `iifname "${right}"`;
    case 'l4proto':
      return `meta l4proto ${PROTOCOLS[String(right)] ?? right}`;
    default:
      return `meta ${left.meta.key} ${valueText(right)}`;
  }
}

/** nft's names of protocols come from the host's /etc/protocols. */
const PROTOCOLS: Record<string, number> = {
  icmp: 1,
  ipencap: 4,
  ipv6: 41,
  gre: 47,
  ah: 51,
  'ipv6-icmp': 58,
  vrrp: 112,
};

function valueText(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (isRecord(value) && Array.isArray(value.range)) return value.range.join('-');
  if (isRecord(value) && isRecord(value.prefix)) return `${value.prefix.addr}/${value.prefix.len}`;
  return JSON.stringify(value);
}

function mangleText({ key, value }: NftObject): string {
  switch (JSON.stringify(key)) {
    case '{"meta":{"key":"mark"}}':
      return `meta mark set ${value}`;
    case '{"tcp option":{"name":"maxseg","field":"size"}}':
      return `tcp option maxseg size set ${value}`;
    default:
      return JSON.stringify({ mangle: { key, value } });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
