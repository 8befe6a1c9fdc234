import { type Atom, ICMP, ICMP6, type Ports } from './firewall-rules.ts';

/** What `iptables-save` and `ip6tables-save` print, as lines. */
export interface IptablesRules {
  4: readonly string[];
  6: readonly string[];
}

/** Our chains, by what they hold: the table and the built-in chain that jumps there. */
const CHAINS = {
  untracked: { table: 'raw', from: 'PREROUTING', chain: 'LVSCTL-UNTRACKED' },
  mark: { table: 'mangle', from: 'PREROUTING', chain: 'LVSCTL-MARK' },
  masquerade: { table: 'nat', from: 'POSTROUTING', chain: 'LVSCTL-MASQUERADE' },
  clamp: { table: 'mangle', from: 'OUTPUT', chain: 'LVSCTL-CLAMP' },
  accept: { table: 'filter', from: 'INPUT', chain: 'LVSCTL-INPUT' },
} as const;
type What = keyof typeof CHAINS;
const TRAFFIC = ['untracked', 'mark', 'masquerade', 'clamp'] as const;

const PROGRAMS = { 4: 'iptables', 6: 'ip6tables' } as const;

/** Commands for the rules that services need, as `iptablesState` reads them back. Pure. */
export function iptablesTraffic(atoms: readonly Atom[]): string[] {
  return ([4, 6] as const).flatMap((family) =>
    TRAFFIC.flatMap((what) =>
      chainLines(
        family,
        what,
        atoms.filter((atom) => atom.rule === what && atom.family === family).map((atom) => iptablesWords(atom)),
      ),
    ),
  );
}

/**
 * Accepts, jumped to before any rule of the host's.
 * @param closed what isn't accepted is dropped; the ports of SSH come first: nothing may lock the operator out
 */
export function iptablesFilter(
  atoms: readonly Atom[],
  families: readonly (4 | 6)[],
  closed: { ssh: readonly number[] } | null,
): string[] {
  return families.flatMap((family) => {
    const accepts = atoms
      .filter((atom) => atom.rule === 'accept' && (atom.family === null || atom.family === family))
      .map((atom) => iptablesWords(atom, family));
    if (closed === null) return chainLines(family, 'accept', accepts);
    return chainLines(family, 'accept', [
      ...closed.ssh.map((port) => `-p tcp -m tcp --dport ${port} -j ACCEPT`),
      '-i lo -j ACCEPT',
      '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      `-p ${family === 4 ? 'icmp' : 'ipv6-icmp'} -j ACCEPT`,
      ...(family === 6 ? ['-s fe80::/10 -p udp -m udp --dport 546 -j ACCEPT'] : []),
      ...accepts,
      '-j DROP',
    ]);
  });
}

function chainLines(family: 4 | 6, what: What, rules: readonly string[]): string[] {
  if (rules.length === 0) return [];
  const { table, from, chain } = CHAINS[what];
  const command = `${PROGRAMS[family]} -t ${table}`;
  return [...[...new Set(rules)].map((rule) => `${command} -A ${chain} ${rule}`), `${command} -I ${from} -j ${chain}`];
}

/** A rule as iptables-save prints it, without its chain; protocols other than a few stand as numbers. */
export function iptablesWords(atom: Atom, family: 4 | 6 | null = atom.family): string {
  switch (atom.rule) {
    case 'mark':
      return `${destination(atom)} -j MARK --set-xmark 0x${atom.mark.toString(16)}/0xffffffff`;
    case 'masquerade':
      return `${destination(atom)} -j MASQUERADE`;
    case 'untracked':
      return `${destination(atom)} -j CT --notrack`;
    case 'clamp': {
      const from = `-s ${single(atom.address)} -p tcp -m tcp --sport ${range(atom.ports)}`;
      return `${from} --tcp-flags SYN,ACK SYN,ACK -j TCPMSS --set-mss ${atom.mss}`;
    }
    case 'accept':
      return [
        atom.from === null ? '' : `-s ${single(atom.from)}`,
        atom.protocol === null ? '' : `-p ${protocolWord(atom.protocol, family)}`,
        atom.ports === null ? '' : `-m ${atom.protocol} --dport ${range(atom.ports)}`,
        '-j ACCEPT',
      ]
        .filter((word) => word !== '')
        .join(' ');
  }
}

function protocolWord(protocol: string | number, family: 4 | 6 | null): string {
  if (protocol === ICMP && family === 4) return 'icmp';
  if (protocol === ICMP6 && family === 6) return 'ipv6-icmp';
  return String(protocol);
}

function destination({ address, protocol, ports }: { address: string; protocol: string; ports: Ports }): string {
  return `-d ${single(address)} -p ${protocol} -m ${protocol} --dport ${range(ports)}`;
}

function single(address: string): string {
  return address.includes('/') ? address : `${address}/${address.includes(':') ? 128 : 32}`;
}

function range({ first, last }: Ports): string {
  return first === last ? String(first) : `${first}:${last}`;
}

/** Reads our part of both families' rules, as the commands that would make it. Pure. */
export function iptablesState(saved: IptablesRules, purpose: 'traffic' | 'filter'): string[] {
  const whats: readonly What[] = purpose === 'traffic' ? TRAFFIC : ['accept'];
  return ([4, 6] as const).flatMap((family) => {
    const rules = rulesOf(saved[family]);
    return whats.flatMap((what) => {
      const { table, from, chain } = CHAINS[what];
      const command = `${PROGRAMS[family]} -t ${table}`;
      const own = rules.filter((one) => one.table === table && one.text.startsWith(`-A ${chain} `));
      const jumps = rules.filter((one) => one.table === table && one.text === `-A ${from} -j ${chain}`);
      return [
        ...own.map(({ text }) => `${command} ${withNumber(text)}`),
        ...jumps.map(() => `${command} -I ${from} -j ${chain}`),
      ];
    });
  });
}

export interface SavedRule {
  table: string;
  /** As it stands there, e.g. `-A INPUT -j DROP` or `:INPUT DROP [0:0]`. */
  text: string;
}

/** The lines of `iptables-save` with the table that each belongs to. Pure. */
export function rulesOf(lines: readonly string[]): SavedRule[] {
  let table = '';
  return lines.flatMap((line): SavedRule[] => {
    if (line.startsWith('*')) table = line.slice(1);
    return line.startsWith('-A ') || line.startsWith(':') ? [{ table, text: line.trimEnd() }] : [];
  });
}

/** Names that iptables-save takes from the host's /etc/protocols. */
const NAMED: Record<string, number> = { ipencap: 4, ipv6: 41, gre: 47, ah: 51, vrrp: 112 };

function withNumber(rule: string): string {
  return rule.replace(/(?<= -p )\S+/, (name) => String(NAMED[name] ?? name));
}

/** The chain that a command is about. */
export function iptablesGroup(line: string): string {
  const [program, , table] = line.split(' ');
  const chain = /LVSCTL-[A-Z]+/.exec(line)?.[0];
  return `${program} ${table} ${chain}`;
}

/**
 * What `iptables-restore --noflush` has to read to make the lines of `to` out of those of `from`, by family; empty
 * where nothing differs. A table is swapped in one piece, so there is no moment without rules.
 * @param withJumps false: jumps are left out, for a file that may be read where they are there already
 */
export function iptablesScripts(
  to: readonly string[],
  from: readonly string[],
  withJumps = true,
): { family: 4 | 6; script: string }[] {
  return ([4, 6] as const).flatMap((family) => {
    const mine = (lines: readonly string[]) => lines.filter((line) => line.startsWith(`${PROGRAMS[family]} `));
    const script = restoreScript(mine(to), mine(from), withJumps);
    return script === '' ? [] : [{ family, script }];
  });
}

/** A jump from a built-in chain that must be there once, or not at all. */
export interface IptablesJump {
  family: 4 | 6;
  table: string;
  from: string;
  chain: string;
}

/**
 * What makes the lines of `to` out of any state between them and those of `from`: first `gone` goes, then the scripts are
 * run, then `there` is put in where it lacks.
 */
export function iptablesBack(
  to: readonly string[],
  from: readonly string[],
): { scripts: { family: 4 | 6; script: string }[]; gone: IptablesJump[]; there: IptablesJump[] } {
  const isJump = (line: string) => line.split(' ')[3] === '-I';
  const gone: IptablesJump[] = [];
  const there: IptablesJump[] = [];
  const scripts = ([4, 6] as const).flatMap((family) => {
    const tables = ['raw', 'mangle', 'nat', 'filter'].flatMap((table): string[] => {
      const declared: string[] = [];
      const rules: string[] = [];
      for (const { table: own, from: builtIn, chain } of Object.values(CHAINS)) {
        const about = (line: string) => iptablesGroup(line) === `${PROGRAMS[family]} ${table} ${chain}`;
        const wanted = to.filter(about);
        if (own !== table || (wanted.length === 0 && !from.some(about))) continue;
        declared.push(`:${chain} - [0:0]`);
        (wanted.length === 0 ? gone : there).push({ family, table, from: builtIn, chain });
        if (wanted.length === 0) rules.push(`-X ${chain}`);
        else rules.push(...wanted.filter((line) => !isJump(line)).map((line) => line.split(' ').slice(3).join(' ')));
      }
      return declared.length === 0 ? [] : [`*${table}`, ...declared, ...rules, 'COMMIT'];
    });
    return tables.length === 0 ? [] : [{ family, script: `${tables.join('\n')}\n` }];
  });
  return { scripts, gone, there };
}

function restoreScript(to: readonly string[], from: readonly string[], withJumps: boolean): string {
  const tables = ['raw', 'mangle', 'nat', 'filter'].flatMap((table): string[] => {
    const commands = Object.values(CHAINS)
      .filter((one) => one.table === table)
      .flatMap(({ from: builtIn, chain }): string[] => {
        const about = (lines: readonly string[]) =>
          lines.filter((line) => iptablesGroup(line).endsWith(` ${table} ${chain}`));
        const [wanted, there] = [about(to), about(from)];
        if (wanted.length === there.length && wanted.every((line, index) => line === there[index])) return [];
        const jumps = there.filter((line) => line.includes(` -I ${builtIn} `)).length;
        if (wanted.length === 0) {
          return [`:${chain} - [0:0]`, ...Array(jumps).fill(`-D ${builtIn} -j ${chain}`), `-X ${chain}`];
        }
        const rules = wanted
          .filter((line) => !line.includes(` -I ${builtIn} `))
          .map((line) => line.split(' ').slice(3).join(' '));
        const jump = jumps === 0 ? [`-I ${builtIn} -j ${chain}`] : Array(jumps - 1).fill(`-D ${builtIn} -j ${chain}`);
        return [`:${chain} - [0:0]`, ...rules, ...(withJumps ? jump : [])];
      });
    if (commands.length === 0) return [];
    // Chains are declared before anything else of their table.
    const declared = commands.filter((line) => line.startsWith(':'));
    return [`*${table}`, ...declared, ...commands.filter((line) => !line.startsWith(':')), 'COMMIT'];
  });
  return tables.length === 0 ? '' : `${tables.join('\n')}\n`;
}
