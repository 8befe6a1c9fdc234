import type { FirewallFacts } from '../platform/facts.ts';
import { rulesOf } from './firewall-iptables.ts';
import type { NftChain, NftObject } from './firewall-nftables.ts';

/** Which of a host's own rules decide what comes in. */
export interface Filters {
  /** Chains of nftables, but those that iptables made. */
  nft: NftChain[];
  /** Families in which iptables does, and over what. */
  iptables: { variant: 'legacy' | 'nft'; families: (4 | 6)[] } | null;
}

/**
 * A filter is an input chain that drops what it doesn't know: by its policy, or by a rule that drops or rejects without
 * asking where a packet is from. Lists of banned sources are none, and no lists of ours are counted. Pure.
 */
export function filtersOf(facts: FirewallFacts): Filters {
  const iptables = facts.iptables
    .map(({ variant, v4, v6 }) => ({
      variant,
      families: ([4, 6] as const).filter((family) => iptablesFilters(family === 4 ? v4 : v6)),
    }))
    .find(({ families }) => families.length > 0);
  const seenByIptables = facts.iptables.some(({ variant }) => variant === 'nft');
  const nft = inputChains(facts.ruleset)
    .filter(
      (chain) =>
        !(seenByIptables && chain.chain === 'INPUT' && chain.table === 'filter') &&
        !chain.table.startsWith('lvsctl') &&
        nftFilters(facts.ruleset, chain),
    )
    .map(({ family, table, chain }) => ({ family, table, chain }));
  return { nft, iptables: iptables ?? null };
}

/** The variant of iptables in which the host has rules of its own, of whatever kind. Pure. */
export function iptablesInUse(facts: FirewallFacts): 'legacy' | 'nft' | null {
  const own = ({ v4, v6 }: { v4: string[]; v6: string[] }) =>
    rulesOf([...v4, ...v6]).some(({ text }) => !text.includes('LVSCTL-') && !/^:\S+ (ACCEPT|-) /.test(text));
  return facts.iptables.find(own)?.variant ?? null;
}

function iptablesFilters(lines: readonly string[]): boolean {
  const rules = rulesOf(lines)
    .filter(({ table }) => table === 'filter')
    .map(({ text }) => text);
  if (rules.some((text) => text.startsWith(':INPUT DROP'))) return true;
  const targetsOf = (chain: string) =>
    rules.filter((text) => text.startsWith(`-A ${chain} `)).map((text) => / -[jg] (\S+)/.exec(text)?.[1] ?? '');
  const dropping = (chain: string) =>
    rules.some(
      (text) =>
        text.startsWith(`-A ${chain} `) &&
        / -j (DROP|REJECT)( |$)/.test(text) &&
        !/ -s |--match-set \S+ src|--ctstate INVALID|--state INVALID|-m recent/.test(text),
    );
  return reach('INPUT', targetsOf)
    .filter((chain) => !chain.startsWith('LVSCTL-'))
    .some(dropping);
}

function inputChains(ruleset: readonly NftObject[]): (NftChain & { policy: string })[] {
  return ruleset.flatMap(({ chain }) => {
    if (!isRecord(chain) || chain.hook !== 'input' || chain.type !== 'filter') return [];
    return [
      {
        family: String(chain.family),
        table: String(chain.table),
        chain: String(chain.name),
        policy: String(chain.policy),
      },
    ];
  });
}

function nftFilters(
  ruleset: readonly NftObject[],
  { family, table, chain, policy }: NftChain & { policy: string },
): boolean {
  if (policy === 'drop') return true;
  const rules = ruleset.flatMap(({ rule }) =>
    isRecord(rule) && rule.family === family && rule.table === table && Array.isArray(rule.expr)
      ? [{ chain: String(rule.chain), expr: rule.expr.filter(isRecord) }]
      : [],
  );
  const targetsOf = (from: string) =>
    rules
      .filter((rule) => rule.chain === from)
      .flatMap(({ expr }) => [...JSON.stringify(expr).matchAll(/"(?:jump|goto)":\{"target":"([^"]+)"/g)])
      .map(([, target = '']) => target);
  return reach(chain, targetsOf).some((one) =>
    rules.some((rule) => rule.chain === one && rule.expr.some(isDrop) && !rule.expr.some(asksForSource)),
  );
}

function isDrop(expression: Record<string, unknown>): boolean {
  return 'drop' in expression || 'reject' in expression;
}

function asksForSource(expression: Record<string, unknown>): boolean {
  const text = JSON.stringify(expression);
  return text.includes('"field":"saddr"') || (text.includes('"key":"state"') && text.includes('"invalid"'));
}

/** Every chain that a packet may come to from one, that one among them. */
function reach(start: string, targetsOf: (chain: string) => string[]): string[] {
  const seen = new Set([start]);
  for (const chain of seen) for (const target of targetsOf(chain)) seen.add(target);
  return [...seen];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
