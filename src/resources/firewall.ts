import type { FirewallFacts } from '../platform/facts.ts';
import {
  firewalldArgs,
  firewalldFiles,
  firewalldFilter,
  firewalldQuestions,
  firewalldState,
  firewalldTraffic,
} from './firewall-firewalld.ts';
import {
  type IptablesJump,
  iptablesBack,
  iptablesFilter,
  iptablesGroup,
  iptablesScripts,
  iptablesState,
  iptablesTraffic,
} from './firewall-iptables.ts';
import {
  type NftChain,
  type NftJump,
  type NftState,
  nftBack,
  nftClosed,
  nftGroup,
  nftGuest,
  nftScript,
  nftState,
  nftTraffic,
} from './firewall-nftables.ts';
import { atomsOf, type FirewallRule } from './firewall-rules.ts';
import { FIREWALL_SHELL } from './firewall-shell.ts';
import { isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, Kind, Op, Taken } from './kind.ts';

export type { FirewallRule } from './firewall-rules.ts';

/** Whose rules they become, and where. */
export type FirewallPlace =
  /** `into`: chains of the host's own that filter; none: tables of ours. */
  | { backend: 'nftables'; into: NftChain[] }
  /** `variant`: iptables over the kernel's own tables, or over nftables. */
  | { backend: 'iptables'; variant: 'legacy' | 'nft'; families: (4 | 6)[] }
  | { backend: 'firewalld'; zones: string[] };

/** Rules of ours in a host's packet filter, exactly these and no others of ours. Rules of others are never touched. */
export interface FirewallResource {
  kind: 'firewall';
  /** `traffic`: what services can't work without, also on a host without a filter. `filter`: what is let in. */
  purpose: 'traffic' | 'filter';
  place: FirewallPlace;
  rules: FirewallRule[];
  /** What isn't let in is dropped, but for SSH on these ports; null: what drops is the host's own, or nothing. */
  closed: { ssh: number[] } | null;
  /** Brought back: these lines, in the place of what the rules say. */
  lines?: string[];
}

/** Our rules as commands that would make them, each chain's in their order. */
export interface FirewallState {
  rules: string[];
}

interface Observed extends FirewallState {
  /** nftables only: how to delete jumps. */
  jumps?: NftState['jumps'];
}

/**
 * A host's packet filter, live; a boot file or firewalld's own permanent configuration brings the rules back. What is
 * new comes before what goes: a change that also removes something becomes two, the second in the subtractive half.
 */
export const firewallKind: Kind<FirewallResource, Observed> = {
  kind: 'firewall',
  ops: [
    'firewall_nftables',
    'firewall_iptables',
    'firewall_firewalld',
    'firewall_tidy',
    'firewall_modules',
    'firewall_nftables_jump',
    'firewall_iptables_jump',
  ],
  shell: FIREWALL_SHELL,
  ask({ place, purpose }) {
    const questions = place.backend === 'firewalld' ? firewalldQuestions(purpose, place.zones) : [];
    return [place.backend, ...questions];
  },
  parse({ text, facts }, asked) {
    return new Map(asked.map((resource) => [keyOf(resource), stateOf(resource, text, facts.firewall)]));
  },
  diff(resource, state) {
    const shared = { key: keyOf(resource), kind: 'firewall', before: { rules: state.rules } };
    const wanted = linesOf(resource);
    const group = groupOf(resource.place);
    const missing = wanted.filter((line) => !state.rules.includes(line));
    const surplus = state.rules.filter((line) => !wanted.includes(line));
    const change = (direction: Change['direction'], from: Observed, to: string[]): Change[] =>
      sameLines(from.rules, to)
        ? []
        : [
            {
              ...shared,
              direction,
              shown: [{ as: 'rules', before: from.rules, after: to }],
              ops: opsBetween(resource, from, to),
              after: { rules: to },
            },
          ];
    const ordered = resource.place.backend === 'firewalld' ? arranged(wanted, state.rules) : state.rules;
    const there: Observed = { ...state, rules: ordered };
    if (missing.length === 0 && surplus.length > 0) return change('remove', there, wanted);
    if (surplus.length === 0) return change(state.rules.length === 0 ? 'add' : 'change', there, wanted);
    const together = union(wanted, surplus, group);
    const jumps = state.jumps ?? [];
    return [...change('change', there, together), ...change('remove', { rules: together, jumps }, wanted)];
  },
  undo: ({ resource }) => ({ ...resource, rules: [], closed: null }),
  back: ({ resource, before }) =>
    isRecord(before) && Array.isArray(before.rules)
      ? { ...resource, rules: [], closed: null, lines: before.rules.map(String) }
      : undefined,
  revert: (change, resource, state) => revertFirewall(resource, state?.rules ?? [], rulesAfter(change)),
};

function rulesAfter({ after }: Change): string[] {
  return isRecord(after) && Array.isArray(after.rules) ? after.rules.map(String) : [];
}

/** From wherever it was stopped, whether or not anything was done: nothing is told of the rules that are live. */
function revertFirewall({ place, purpose }: FirewallResource, was: readonly string[], is: readonly string[]): Taken {
  switch (place.backend) {
    case 'nftables': {
      const { script, gone, there } = nftBack(was, is);
      const jump =
        (verb: 'gone' | 'there') =>
        ({ family, table, chain, to }: NftJump): Op => ({
          name: 'firewall_nftables_jump',
          args: [verb, family, table, chain, to],
        });
      return {
        ops: [
          ...gone.map(jump('gone')),
          { name: 'firewall_nftables', args: [], input: script },
          ...there.map(jump('there')),
        ],
      };
    }
    case 'iptables': {
      const { scripts, gone, there } = iptablesBack(was, is);
      const jump =
        (verb: 'gone' | 'there') =>
        ({ family, table, from, chain }: IptablesJump): Op => ({
          name: 'firewall_iptables_jump',
          args: [verb, place.variant, String(family), table, from, chain],
        });
      return {
        ops: [
          ...gone.map(jump('gone')),
          ...scripts.map(({ family, script }): Op => {
            return { name: 'firewall_iptables', args: [place.variant, String(family)], input: script };
          }),
          ...there.map(jump('there')),
        ],
      };
    }
    case 'firewalld': {
      const op =
        (verb: 'add' | 'remove') =>
        (line: string): Op => ({ name: 'firewall_firewalld', args: firewalldArgs(verb, line) });
      // Its own files as well, to the byte; at boot they alone.
      const paths = firewalldFiles(purpose, place.zones);
      return {
        ops: [
          ...was.map(op('add')),
          ...is.filter((line) => !was.includes(line)).map(op('remove')),
          ...paths.map((path): Op => ({ name: 'tx_file', args: [path] })),
        ],
        paths,
      };
    }
  }
}

function stateOf({ place, purpose }: FirewallResource, text: string, facts: FirewallFacts | undefined): Observed {
  switch (place.backend) {
    case 'nftables': {
      const { lines, jumps } = nftState(facts?.ruleset ?? [], purpose);
      return { rules: lines, jumps };
    }
    case 'iptables': {
      const saved = facts?.iptables.find(({ variant }) => variant === place.variant);
      return { rules: iptablesState({ 4: saved?.v4 ?? [], 6: saved?.v6 ?? [] }, purpose) };
    }
    case 'firewalld':
      return { rules: firewalldState(text, purpose, place.zones) };
  }
}

/** The commands that would make a resource's rules on a host that has none of ours. Pure. */
export function linesOf({ purpose, place, rules, closed, lines }: FirewallResource): string[] {
  if (lines !== undefined) return lines;
  const atoms = atomsOf(rules);
  switch (place.backend) {
    case 'nftables':
      if (purpose === 'traffic') return nftTraffic(atoms);
      return closed === null ? nftGuest(atoms, place.into) : nftClosed(atoms, closed.ssh);
    case 'iptables':
      return purpose === 'traffic' ? iptablesTraffic(atoms) : iptablesFilter(atoms, place.families, closed);
    case 'firewalld':
      return purpose === 'traffic' ? firewalldTraffic(atoms) : firewalldFilter(atoms, place.zones);
  }
}

function groupOf(place: FirewallPlace): (line: string) => string {
  switch (place.backend) {
    case 'nftables':
      return nftGroup;
    case 'iptables':
      return iptablesGroup;
    case 'firewalld':
      return () => '';
  }
}

function opsBetween({ place }: FirewallResource, from: Observed, to: readonly string[]): Op[] {
  const modules: Op[] = to.length === 0 ? [{ name: 'firewall_modules', args: [] }] : [];
  switch (place.backend) {
    case 'nftables': {
      const input = nftScript(to, { lines: from.rules, jumps: from.jumps ?? [] });
      return [{ name: 'firewall_nftables', args: [], input }, ...modules];
    }
    case 'iptables':
      return [
        ...iptablesScripts(to, from.rules).map(({ family, script }) => ({
          name: 'firewall_iptables',
          args: [place.variant, String(family)],
          input: script,
        })),
        ...modules,
      ];
    case 'firewalld': {
      const ops = (verb: 'add' | 'remove', lines: readonly string[]): Op[] =>
        lines.map((line) => ({ name: 'firewall_firewalld', args: firewalldArgs(verb, line) }));
      return [
        ...ops(
          'add',
          to.filter((line) => !from.rules.includes(line)),
        ),
        ...ops(
          'remove',
          from.rules.filter((line) => !to.includes(line)),
        ),
        ...(to.length === 0 ? [{ name: 'firewall_tidy', args: place.zones }] : []),
      ];
    }
  }
}

function sameLines(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, index) => line === b[index]);
}

/** firewalld lists rules in an order of its own, and none is meant: what is wanted first, in the wanted order. */
function arranged(wanted: readonly string[], there: readonly string[]): string[] {
  return [...wanted.filter((line) => there.includes(line)), ...there.filter((line) => !wanted.includes(line))];
}

/**
 * What is wanted together with what is to go, chain by chain. The old ones stand behind the new: of two marks the
 * later one holds, until the service through the new one is there. What ends a chain (a drop, a jump to it) stays last.
 */
function union(wanted: readonly string[], surplus: readonly string[], group: (line: string) => string): string[] {
  const ends = (line: string) => /( drop| -j DROP)$/.test(line) || / -I |^insert /.test(line);
  const opens = (line: string) => line.startsWith('add chain ');
  return [...new Set([...wanted, ...surplus].map(group))].flatMap((one) => {
    const ours = wanted.filter((line) => group(line) === one);
    const old = surplus.filter((line) => group(line) === one && !(opens(line) && ours.some(opens)));
    const lines = [...ours, ...old];
    return [...lines.filter((line) => !ends(line)), ...new Set(lines.filter(ends))];
  });
}
