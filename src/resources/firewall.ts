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
import { isRecord } from './holds.ts';
import { keyOf } from './key.ts';
import type { Change, Kind, Op, Taken } from './kind.ts';
import { sh } from './sh.ts';

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
  shell: sh`
# Modules that came with our rules go when these are gone, those that something uses or that were there before aside. The
# module of a table counts as unused whatever rules are in it: only where there are none does it go.
op_firewall_modules() {
  [ -r "$R/var/lib/lvsctl/modules" ] && [ -r "$R/proc/modules" ] || return 0
  moved=1
  while [ -n "$moved" ]; do
    moved=
    unused=$(sed -n 's/^\(\(nf_\|nft_\|xt_\|ipt_\|ip6t_\|iptable_\|ip6table_\|ip_tables\|ip6_tables\|x_tables\|bpfilter\)[^ ]*\) [0-9]* 0 .*/\1/p' "$R/proc/modules")
    for module in $unused; do
      if grep -qxF "$module" "$R/var/lib/lvsctl/modules"; then continue; fi
      case $module in
        iptable_*) rules=$(iptables_of legacy 4 -save -t "\${module#iptable_}" 2>&1 | grep -v '^[#*:]\|^COMMIT') ;;
        ip6table_*) rules=$(iptables_of legacy 6 -save -t "\${module#ip6table_}" 2>&1 | grep -v '^[#*:]\|^COMMIT') ;;
        nf_tables) rules=$(nft list ruleset 2>&1) ;;
        *) rules= ;;
      esac
      if [ -z "$rules" ] && rmmod "$module" 2>/dev/null; then moved=1; fi
    done
  done
  return 0
}

# firewalld_call OBJECT INTERFACE METHOD SIGNATURE ARGUMENTS...: of the first two only what follows the common beginning.
firewalld_call() {
  object=/org/fedoraproject/FirewallD1$1
  interface=org.fedoraproject.FirewallD1$2
  shift 2
  busctl --json=short -- call org.fedoraproject.FirewallD1 "$object" "$interface" "$@" 2>&1
}

# Looking must change nothing: asking nft or iptables loads their modules, so they are asked only where these are loaded
# already, or where the kernel has them built in. A module of nftables' NAT stands for nftables as a whole: kernels
# have been seen that lack it for IPv4 and IPv6.
firewall_seen=
facts_firewall() {
  [ -z "$firewall_seen" ] || return 0
  firewall_seen=1
  notes=
  firewalld=
  if [ -e "$R/usr/sbin/firewalld" ] && systemctl --quiet is-active firewalld.service; then
    firewalld=1
    notes="firewalld$nl"
  fi
  line_of "$R/proc/sys/kernel/osrelease"
  modules=$R/lib/modules/$line/kernel/net/netfilter
  module=
  ready=no
  set +f
  for file in "$modules"/nf_tables.ko*; do [ -e "$file" ] && module=1; done
  for file in "$modules"/nft_chain_nat.ko*; do [ -e "$file" ] && ready=yes; done
  set -f
  rules=
  if command -v nft >/dev/null && { [ -z "$module" ] || [ -d "$R/sys/module/nf_tables" ]; }; then
    if [ -z "$firewalld" ]; then rules=$(nft -j -t list ruleset 2>/dev/null)
    else rules=$(nft -j list table inet lvsctl 2>/dev/null)
    fi
    if [ -z "$module" ]; then
      nft -c 'add table inet lvsctl_probe; add chain inet lvsctl_probe x { type nat hook postrouting priority 100; }' \
        2>/dev/null && ready=yes
    fi
  fi
  if [ -e "$R/proc/net/if_inet6" ]; then notes="\${notes}ipv6$nl"; fi
  if [ -n "\${SSH_CONNECTION-}" ]; then notes="\${notes}ssh \${SSH_CONNECTION##* }$nl"
  elif [ -n "\${SUDO_UID-}" ] && [ -r "/proc/$PPID/environ" ]; then
    line=$(tr '\0' '\n' <"/proc/$PPID/environ" | grep '^SSH_CONNECTION=')
    [ -z "$line" ] || notes="\${notes}ssh \${line##* }$nl"
  fi
  frame firewall
  printf '%snft %s\n' "$notes" "$ready"
  if [ -n "$rules" ]; then
    frame nft
    printf '%s\n' "$rules"
  fi
  if [ -n "$firewalld" ]; then
    frame firewalld
    firewalld_call '' '' getDefaultZone
    firewalld_call '' .zone getActiveZones
    return
  fi
  if line_of "$R/proc/net/ip_tables_names"; then frame iptables legacy 4; iptables_of legacy 4 -save; fi
  if line_of "$R/proc/net/ip6_tables_names"; then frame iptables legacy 6; iptables_of legacy 6 -save; fi
  case $rules in
    *'"INPUT"'* | *'"LVSCTL-'*)
      frame iptables nft 4
      iptables_of nft 4 -save
      frame iptables nft 6
      iptables_of nft 6 -save
      ;;
  esac
}

# iptables_of VARIANT FAMILY SUFFIX ARGUMENTS...: a host with one variant alone may have it under the plain name.
iptables_of() {
  program=iptables
  [ "$2" = 4 ] || program=ip6tables
  suffix=$3
  if command -v "$program-$1$suffix" >/dev/null; then program=$program-$1$suffix; else program=$program$suffix; fi
  shift 3
  "$program" "$@"
}

observe_firewall() {
  for want in $asked; do
    case $want in
      zone:*)
        want=\${want#zone:}
        echo "runtime rich $want $(firewalld_call '' .zone getRichRules s "$want")"
        path=$(firewalld_call /config .config getZoneByName s "$want")
        path=\${path##*/FirewallD1}
        echo "permanent rich $want $(firewalld_call "\${path%%\"*}" .config.zone getRichRules)"
        ;;
      direct)
        echo "runtime direct $(firewalld_call '' .direct getAllRules)"
        echo "permanent direct $(firewalld_call /config .config.direct getAllRules)"
        ;;
    esac
  done
  facts_firewall
}

# The whole script is one transaction: the kernel takes all of it or nothing (nft(8), -f).
op_firewall_nftables() {
  note_modules
  mkdir -p "$R/run/lvsctl" && take "$R/run/lvsctl/firewall" || return 1
  nft -f "$R/run/lvsctl/firewall"
  status=$?
  rm -f "$R/run/lvsctl/firewall"
  return "$status"
}

# firewall_nftables_jump there|gone FAMILY TABLE CHAIN TARGET
op_firewall_nftables_jump() {
  handles=$(nft -a list chain "$2" "$3" "$4" | sed -n "s/^[[:space:]]*jump $5 # handle //p")
  if [ "$1" = there ]; then
    [ -n "$handles" ] || nft insert rule "$2" "$3" "$4" jump "$5"
    return
  fi
  for handle in $handles; do nft delete rule "$2" "$3" "$4" handle "$handle" || return 1; done
}

# firewall_iptables_jump there|gone VARIANT FAMILY TABLE FROM CHAIN
op_firewall_iptables_jump() {
  if [ "$1" = there ]; then
    iptables_of "$2" "$3" '' -w -t "$4" -C "$5" -j "$6" 2>/dev/null || iptables_of "$2" "$3" '' -w -t "$4" -I "$5" -j "$6"
  else
    while iptables_of "$2" "$3" '' -w -t "$4" -D "$5" -j "$6" 2>/dev/null; do :; done
  fi
}

# firewall_iptables VARIANT FAMILY: each table is one transaction; all are tried first.
op_firewall_iptables() {
  note_modules
  mkdir -p "$R/run/lvsctl" && take "$R/run/lvsctl/firewall" || return 1
  iptables_of "$1" "$2" -restore -w --noflush --test "$R/run/lvsctl/firewall" \
    && iptables_of "$1" "$2" -restore -w --noflush "$R/run/lvsctl/firewall"
  status=$?
  rm -f "$R/run/lvsctl/firewall"
  return "$status"
}

# firewall_firewalld add|remove runtime|permanent rich ZONE RULE, or direct FAMILY TABLE CHAIN WORDS...: over D-Bus,
# which takes a hundredth of what firewall-cmd does. Nothing is reloaded: that would end what only runs.
op_firewall_firewalld() {
  verb=$1
  scope=$2
  as=$3
  shift 3
  case "$scope $as" in
    'runtime rich') set -- '' .zone "\${verb}RichRule" "$@" ;;
    'permanent rich')
      path=$(firewalld_call /config .config getZoneByName s "$1")
      path=\${path##*/FirewallD1}
      set -- "\${path%%\"*}" .config.zone "\${verb}RichRule" "$2"
      ;;
    'runtime direct') set -- '' .direct "\${verb}Rule" "$@" ;;
    'permanent direct') set -- /config .config.direct "\${verb}Rule" "$@" ;;
  esac
  path=$1
  scope_of=$2
  method=$3
  shift 3
  case "$scope $as $verb" in
    'runtime rich add') set -- ssi "$1" "$2" 0 ;;
    'runtime rich remove') set -- ss "$1" "$2" ;;
    'permanent rich'*) set -- s "$1" ;;
    *)
      family=$1
      table=$2
      chain=$3
      shift 3
      set -- sssias "$family" "$table" "$chain" 0 $# "$@"
      ;;
  esac
  output=$(firewalld_call "$path" "$scope_of" "$method" "$@") && return 0
  case "$verb:$output" in
    add:*ALREADY_ENABLED* | remove:*NOT_ENABLED*) return 0 ;;
  esac
  printf '%s\n' "$output"
  return 1
}

# The elements of a configuration of firewalld, whatever their order and indentation; it writes those of its own files anew.
elements_of() {
  tr -d '\n' <"$1" | sed 's/<?[^>]*?>//; s/>[[:space:]]*</>\n</g' | sort
}

# firewall_tidy ZONE...: when none of our rules is left, neither is a file that says no more than the distribution's, nor
# firewalld's copy of the file with our rules in it.
op_firewall_tidy() {
  for zone; do
    file=$R/etc/firewalld/zones/$zone.xml
    theirs=$R/usr/lib/firewalld/zones/$zone.xml
    if [ -e "$file" ] && [ -e "$theirs" ] && [ "$(elements_of "$file")" = "$(elements_of "$theirs")" ]; then rm -f "$file"; fi
    if grep -q 'priority="-8848"' "$file.old" 2>/dev/null; then rm -f "$file.old"; fi
  done
  file=$R/etc/firewalld/direct.xml
  if [ -e "$file" ] && ! grep -Eq '<(rule|chain|passthrough)[ >]' "$file"; then rm -f "$file"; fi
  if grep -q 'comment lvsctl' "$file.old" 2>/dev/null; then rm -f "$file.old"; fi
}
`,
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

/** What a host loads at boot to have a resource's rules, for lvsctl's script there. */
export interface BootParts {
  files: { path: string; content: string }[];
  /** Files for `nft -f`. */
  nft: string[];
  nftJumps: { from: string; chain: string }[];
  /** Files for `iptables-restore --noflush`, and jumps that must be there once. */
  iptables: {
    program: 'iptables' | 'ip6tables';
    variant: 'legacy' | 'nft';
    path: string;
    jumps: { table: string; from: string; chain: string }[];
  }[];
}

/** @param folder the files' absolute folder. Empty for firewalld, which keeps its rules itself. Pure. */
export function bootParts(resource: FirewallResource, folder: string): BootParts {
  const { place, purpose } = resource;
  const parts: BootParts = { files: [], nft: [], nftJumps: [], iptables: [] };
  const lines = linesOf(resource);
  switch (place.backend) {
    case 'firewalld':
      return parts;
    case 'nftables': {
      const path = `${folder}/firewall-${purpose}.nft`;
      const inserted = lines.filter((line) => line.startsWith('insert rule '));
      const script = nftScript(
        lines.filter((line) => !inserted.includes(line)),
        { lines: [], jumps: [] },
      );
      const jumps = inserted.map((line) => / ?insert rule (.*) jump (\S+)$/.exec(line));
      return {
        ...parts,
        files: [{ path, content: MARK + script }],
        nft: [path],
        nftJumps: jumps.map((match) => ({ from: match?.[1] ?? '', chain: match?.[2] ?? '' })),
      };
    }
    case 'iptables': {
      const jump = /^ip6?tables -t (\S+) -I (\S+) -j (\S+)$/;
      const isJump = (line: string) => jump.test(line);
      const scripts = iptablesScripts(lines, [], false).map(({ family, script }) => {
        const program = family === 4 ? ('iptables' as const) : ('ip6tables' as const);
        const jumps = lines
          .filter((line) => isJump(line) && line.startsWith(`${program} `))
          .map((line) => jump.exec(line));
        return {
          content: MARK + script,
          program,
          variant: place.variant,
          path: `${folder}/firewall-${purpose}.${program}`,
          jumps: jumps.map((match) => ({ table: match?.[1] ?? '', from: match?.[2] ?? '', chain: match?.[3] ?? '' })),
        };
      });
      return {
        ...parts,
        files: scripts.map(({ path, content }) => ({ path, content })),
        iptables: scripts.map(({ program, variant, path, jumps }) => ({ program, variant, path, jumps })),
      };
    }
  }
}

const MARK = '# lvsctl manages this file: change the inventory, not this.\n';
