import { keyOf } from './key.ts';
import type { Kind, Op } from './kind.ts';
import { sh } from './sh.ts';

/** A real server's silence about a VIP: it answers no ARP request for it, and asks in its own name. */
export interface ArptablesResource {
  kind: 'arptables';
  /** The VIP. */
  address: string;
  /** The real server's own address, which its requests carry in the VIP's place. */
  source: string;
  state: 'present' | 'absent';
}

/** The rules about the VIP, as `CHAIN WORDS`, e.g. `INPUT -d 20.20.20.20 -j DROP`, sorted. */
export interface ArptablesState {
  rules: string[];
}

/** Rules of arptables, over the kernel's arp_tables or over nftables: both print them alike. */
export const arptablesKind: Kind<ArptablesResource, ArptablesState> = {
  kind: 'arptables',
  ops: ['arptables'],
  shell: sh`
# Looking must change nothing: arptables loads its modules. Without them there are no rules.
observe_arptables() {
  command -v arptables >/dev/null || return 0
  line_of "$R/proc/sys/kernel/osrelease"
  ready=1
  set +f
  for file in "$R/lib/modules/$line"/kernel/net/netfilter/nf_tables.ko*; do
    if [ -e "$file" ]; then ready=; fi
  done
  set -f
  if [ -d "$R/sys/module/nf_tables" ] || [ -e "$R/proc/net/arp_tables_names" ]; then ready=1; fi
  [ -z "$ready" ] || arptables -nL
}

# arptables_gone -I|-D RULE: what takes back doesn't know whether it was ever there.
arptables_gone() {
  shift
  while arptables -D "$@" 2>/dev/null; do :; done
}

# A rule that is there twice goes twice.
op_arptables() {
  case $1 in
    -I)
      [ -z "$back" ] || arptables_gone "$@"
      arptables "$@"
      ;;
    -D)
      if [ -n "$back" ]; then arptables_gone "$@"; return 0; fi
      arptables "$@" || return 1
      while arptables "$@" 2>/dev/null; do :; done
      ;;
    *) echo "arptables $1 is refused"; return 1 ;;
  esac
}
`,
  undo: ({ resource, before }) => {
    const was = rulesIn(before);
    if (was === undefined) return undefined;
    return was.length === 0
      ? { ...resource, state: 'absent' }
      : { left: 'there were rules about this VIP before lvsctl came' };
  },
  back: (entry) => {
    const was = rulesIn(entry.before);
    const ours = wantedRules(entry.resource);
    if (was?.length === ours.length && ours.every((rule) => was.includes(rule)))
      return { ...entry.resource, state: 'present' };
    return arptablesKind.undo(entry, 'left');
  },
  revert({ before, after }) {
    const [was, is] = [rulesIn(before) ?? [], rulesIn(after) ?? []].map((rules) => rules.map(String)) as [
      string[],
      string[],
    ];
    const gone = is.filter((rule) => !was.includes(rule));
    return { ops: [...was.map((rule) => opOf('-I', rule)), ...gone.map((rule) => opOf('-D', rule))] };
  },
  ask: (resource) => [keyOf(resource)],
  parse({ text }, asked) {
    const rules = parseRules(text);
    return new Map(
      asked.map((resource) => [
        keyOf(resource),
        { rules: [...new Set(rules.filter((rule) => isAbout(rule, resource.address)))].sort() },
      ]),
    );
  },
  disturbs: () => true,
  diff(resource, state) {
    const wanted = resource.state === 'absent' ? [] : wantedRules(resource);
    const missing = wanted.filter((rule) => !state.rules.includes(rule));
    const surplus = state.rules.filter((rule) => !wanted.includes(rule));
    if (missing.length === 0 && surplus.length === 0) return [];
    return [
      {
        key: keyOf(resource),
        kind: 'arptables',
        direction: wanted.length === 0 ? 'remove' : state.rules.length === 0 ? 'add' : 'change',
        shown: [{ as: 'rules', before: state.rules, after: wanted }],
        ops: [...missing.map((rule) => opOf('-I', rule)), ...surplus.map((rule) => opOf('-D', rule))],
        before: { rules: state.rules },
        after: { rules: wanted },
      },
    ];
  },
};

/** arptables(8): requests for the VIP are dropped; in requests that would name it as the sender, the own address stands. */
export function wantedRules({ address, source }: Pick<ArptablesResource, 'address' | 'source'>): string[] {
  return [`INPUT -j DROP -d ${address}`, `OUTPUT -j mangle -s ${address} --mangle-ip-s ${source}`];
}

function opOf(command: '-I' | '-D', rule: string): Op {
  return { name: 'arptables', args: [command, ...rule.split(' ')] };
}

/** Reads `arptables -nL`: `Chain INPUT (policy ACCEPT)`, then a line a rule, which may carry counters and `*` interfaces. */
function parseRules(text: string): string[] {
  let chain = '';
  return text.split('\n').flatMap((line) => {
    const begins = /^Chain (\S+)/.exec(line)?.[1];
    if (begins !== undefined) chain = begins;
    const words = line.trim();
    return begins === undefined && words.startsWith('-') ? [`${chain} ${words.replace(/\s+/g, ' ')}`] : [];
  });
}

function isAbout(rule: string, address: string): boolean {
  const words = rule.split(' ');
  return ['-d', '-s'].some((option) => words[words.indexOf(option) + 1] === address && words.includes(option));
}

function rulesIn(value: unknown): unknown[] | undefined {
  return typeof value === 'object' && value !== null && 'rules' in value && Array.isArray(value.rules)
    ? value.rules
    : undefined;
}
