import { iptablesWords } from './firewall-iptables.ts';
import type { Atom, Ports } from './firewall-rules.ts';

/**
 * Rich rules carry no comment, so ours are known by their priority: before every other accept or reject of a zone
 * (firewalld.richlanguage(5)).
 */
const PRIORITY = -8848;
/** Direct rules, which are lines of iptables, carry one. */
const COMMENT = '-m comment --comment lvsctl';

const TABLES = {
  untracked: ['raw', 'PREROUTING'],
  mark: ['mangle', 'PREROUTING'],
  masquerade: ['nat', 'POSTROUTING'],
  clamp: ['mangle', 'OUTPUT'],
} as const;

/** A change of firewalld's live or permanent rules, as `op_firewall_firewalld` takes it. */
export interface FirewalldRule {
  /** Which of its two configurations. */
  permanent: boolean;
  rule:
    | { as: 'rich'; zone: string; text: string }
    | { as: 'direct'; family: 'ipv4' | 'ipv6'; table: string; chain: string; words: string };
}

/** Rules that services need: firewalld's own language has no masquerade for a port, so they are direct rules. */
export function firewalldTraffic(atoms: readonly Atom[]): string[] {
  return both(
    atoms.flatMap((atom): FirewalldRule['rule'][] => {
      if (atom.rule === 'accept') return [];
      const [table, chain] = TABLES[atom.rule];
      const words = iptablesWords(atom).replace(/ -j /, ` ${COMMENT} -j `);
      return [{ as: 'direct', family: atom.family === 4 ? 'ipv4' : 'ipv6', table, chain, words }];
    }),
  );
}

/** Accepts, in each zone that an interface of the host may be in. */
export function firewalldFilter(atoms: readonly Atom[], zones: readonly string[]): string[] {
  const texts = atoms.flatMap((atom) => (atom.rule === 'accept' ? [richText(atom)] : []));
  return both(zones.flatMap((zone) => texts.map((text): FirewalldRule['rule'] => ({ as: 'rich', zone, text }))));
}

function both(rules: readonly FirewalldRule['rule'][]): string[] {
  return [false, true].flatMap((permanent) => rules.map((rule) => commandText({ permanent, rule })));
}

/** As firewalld itself writes it. */
function richText({ family, protocol, ports, from }: Extract<Atom, { rule: 'accept' }>): string {
  return [
    `rule priority="${PRIORITY}"`,
    family === null ? '' : `family="ipv${family}"`,
    from === null ? '' : `source address="${from}"`,
    ports !== null ? `port port="${range(ports)}" protocol="${protocol}"` : '',
    ports === null && protocol !== null ? `protocol value="${protocol}"` : '',
    'accept',
  ]
    .filter((word) => word !== '')
    .join(' ');
}

function range({ first, last }: Ports): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** The command of firewall-cmd(1) that adds a rule: how plans show it, and how states are compared. */
function commandText({ permanent, rule }: FirewalldRule): string {
  const scope = permanent ? ' --permanent' : '';
  return rule.as === 'rich'
    ? `firewall-cmd${scope} --zone=${rule.zone} --add-rich-rule='${rule.text}'`
    : `firewall-cmd${scope} --direct --add-rule ${rule.family} ${rule.table} ${rule.chain} 0 ${rule.words}`;
}

/** The operation's arguments for adding or removing what `commandText` made. */
export function firewalldArgs(verb: 'add' | 'remove', command: string): string[] {
  const scope = command.startsWith('firewall-cmd --permanent') ? 'permanent' : 'runtime';
  const rich = /--zone=(\S+) --add-rich-rule='(.*)'$/.exec(command);
  if (rich?.[1] && rich[2]) return [verb, scope, 'rich', rich[1], rich[2]];
  const direct = /--direct --add-rule (\S+) (\S+) (\S+) 0 (.*)$/.exec(command);
  if (!direct) throw new Error(`no rule of firewalld: ${command}`);
  const [, family = '', table = '', chain = '', words = ''] = direct;
  return [verb, scope, 'direct', family, table, chain, ...words.split(' ')];
}

/** Where firewalld keeps what is permanent; it writes a file anew, and its copy, with every change. */
export function firewalldFiles(purpose: 'traffic' | 'filter', zones: readonly string[]): string[] {
  const files = purpose === 'traffic' ? ['direct.xml'] : zones.map((zone) => `zones/${zone}.xml`);
  return files.flatMap((file) => [`/etc/firewalld/${file}`, `/etc/firewalld/${file}.old`]);
}

/** What to ask about: lines that `observe_firewall` understands. */
export function firewalldQuestions(purpose: 'traffic' | 'filter', zones: readonly string[]): string[] {
  return purpose === 'traffic' ? ['direct'] : zones.map((zone) => `zone:${zone}`);
}

/** Reads the answers `SCOPE rich ZONE JSON` and `SCOPE direct JSON` (busctl's `--json=short`). Pure. */
export function firewalldState(text: string, purpose: 'traffic' | 'filter', zones: readonly string[]): string[] {
  const rules = text.split('\n').flatMap((line): FirewalldRule[] => {
    const match = /^(runtime|permanent) (rich (\S+)|direct) (\{.*\})$/.exec(line);
    if (!match?.[4]) return [];
    const permanent = match[1] === 'permanent';
    const zone = match[3];
    const [list] = dataOf(match[4]);
    if (zone === undefined) {
      return purpose === 'traffic' ? directRules(list).map((rule) => ({ permanent, rule })) : [];
    }
    if (purpose !== 'filter' || !zones.includes(zone)) return [];
    return (Array.isArray(list) ? list : [])
      .filter((rule): rule is string => typeof rule === 'string' && rule.startsWith(`rule priority="${PRIORITY}" `))
      .map((rule) => ({ permanent, rule: { as: 'rich', zone, text: rule } }));
  });
  return [...new Set(rules.map(commandText))];
}

function directRules(list: unknown): FirewalldRule['rule'][] {
  return (Array.isArray(list) ? list : []).flatMap((one): FirewalldRule['rule'][] => {
    if (!Array.isArray(one)) return [];
    const [family, table, chain, priority, words] = one;
    const text = Array.isArray(words) ? words.join(' ') : '';
    if (priority !== 0 || (family !== 'ipv4' && family !== 'ipv6') || !text.includes(COMMENT)) return [];
    return [{ as: 'direct', family, table: String(table), chain: String(chain), words: text }];
  });
}

function dataOf(json: string): unknown[] {
  try {
    const answer: unknown = JSON.parse(json);
    return typeof answer === 'object' && answer !== null && 'data' in answer && Array.isArray(answer.data)
      ? answer.data
      : [];
  } catch {
    return [];
  }
}

/** firewalld's zones: the default one and those with interfaces, from `getDefaultZone` and `getActiveZones`. Pure. */
export function firewalldZones(text: string): string[] {
  const zones = text.split('\n').flatMap((line) => {
    const [first] = line.startsWith('{') ? dataOf(line) : [];
    if (typeof first === 'string') return [first];
    return typeof first === 'object' && first !== null ? Object.keys(first) : [];
  });
  return [...new Set(zones)].sort();
}
