/** IPVS's table as `ipvsadm` writes and takes it: one service a line, its real servers behind it (ipvsadm(8)). */
import type { Protocol, Tunnel } from '../inventory/model.ts';

/** What packets belong to a virtual service. */
export type IpvsMatch =
  | { protocol: Protocol; address: string; port: number }
  /** Packets with a firewall mark; one mark can name a service of each family. */
  | { protocol: 'fwmark'; mark: number; family: 4 | 6 };

/** gate: direct routing, masq: NAT, tunnel: wrapped. */
export type IpvsForwarding = { method: 'gate' | 'masq' } | { method: 'tunnel'; tunnel: Tunnel };

/** One real server of a virtual service. */
export type IpvsDestination = IpvsForwarding & {
  address: string;
  /** 0 in services by firewall mark: the port that the client asked for. */
  port: number;
  /** 0: existing connections alone. */
  weight: number;
  /** Connections above which it gets no new ones, and below which it gets them again; 0 for none. */
  upper: number;
  lower: number;
};

/** A virtual service as the kernel has it. */
export interface IpvsService {
  scheduler: string;
  /** Further words of `ipvsadm -A` as `ipvsadm -Sn` writes them, e.g. `['-p', '300', '-b', 'sh-fallback,sh-port']`. */
  flags: string[];
  /** Sorted by address and port. */
  destinations: IpvsDestination[];
}

/** What a service can have besides its scheduler. */
export interface IpvsOptions {
  family: 4 | 6;
  /** Named flags (`sh-port`) or numbered ones (`flag-1`). */
  schedulerFlags: readonly string[];
  /** Seconds, and how many bits of a client's address count. */
  persistence?: { timeout: number; prefix: number } | undefined;
  engine?: 'sip' | undefined;
  onePacket: boolean;
}

/**
 * A service's options as `ipvsadm -Sn` writes them back: -p -M --pe -o -b, in this order, the flags in the order of
 * the kernel's bits, and no mask where every client counts for itself (ipvsadm 1.31). Pure.
 */
export function serviceFlags(options: IpvsOptions): string[] {
  const { family, schedulerFlags, persistence, engine, onePacket } = options;
  const words: string[] = [];
  if (persistence !== undefined) {
    const { timeout, prefix } = persistence;
    words.push('-p', String(timeout));
    if (prefix < (family === 4 ? 32 : 128)) words.push('-M', family === 4 ? netmask(prefix) : String(prefix));
  }
  if (engine !== undefined) words.push('--pe', engine);
  if (onePacket) words.push('-o');
  if (schedulerFlags.length > 0) words.push('-b', [...schedulerFlags].sort().join(','));
  return words;
}

/** `24` → `255.255.255.0`. */
function netmask(prefix: number): string {
  return [0, 8, 16, 24].map((from) => 256 - 2 ** (8 - Math.min(Math.max(prefix - from, 0), 8))).join('.');
}

const PROTOCOL_WORDS = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;

/** The words that name a service: `-t 20.20.20.20:80`, `-f 7 -6`. */
export function matchWords(match: IpvsMatch): string[] {
  if (match.protocol === 'fwmark') return ['-f', String(match.mark), ...(match.family === 6 ? ['-6'] : [])];
  return [PROTOCOL_WORDS[match.protocol], endpoint(match)];
}

export function endpoint({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The words that define a service: `-s wrr -p 300`. */
export function definitionWords({ scheduler, flags }: Pick<IpvsService, 'scheduler' | 'flags'>): string[] {
  return ['-s', scheduler, ...flags];
}

/**
 * The words that define a real server. All of them, always: `ipvsadm -e` sets back what isn't said, thresholds among
 * them.
 */
export function destinationWords(destination: IpvsDestination): string[] {
  const { weight, upper, lower } = destination;
  const limits = [...(upper > 0 ? ['-x', String(upper)] : []), ...(lower > 0 ? ['-y', String(lower)] : [])];
  return ['-r', endpoint(destination), ...forwardingWords(destination), '-w', String(weight), ...limits];
}

function forwardingWords(forwarding: IpvsForwarding): string[] {
  switch (forwarding.method) {
    case 'gate':
      return ['-g'];
    case 'masq':
      return ['-m'];
    case 'tunnel':
      return ['-i', ...tunnelWords(forwarding.tunnel)];
  }
}

/** Nothing for ipip: ipvsadm took no tunnel types before 1.30. */
function tunnelWords(tunnel: Tunnel): string[] {
  switch (tunnel.type) {
    case 'ipip':
      return [];
    case 'gre':
      return ['--tun-type', 'gre', `--tun-${checksumWord(tunnel.checksum)}`];
    case 'gue':
      return ['--tun-type', 'gue', '--tun-port', String(tunnel.port), `--tun-${checksumWord(tunnel.checksum)}`];
  }
}

function checksumWord(checksum: 'none' | 'csum' | 'remcsum'): string {
  return checksum === 'none' ? 'nocsum' : checksum;
}

export function byEndpoint(a: IpvsDestination, b: IpvsDestination): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port;
}

/** A service and its real servers as `ipvsadm -R` takes them: one command a line, nothing else. */
export function ruleLines(match: IpvsMatch, service: IpvsService | null): string[] {
  if (service === null) return [];
  const name = matchWords(match);
  return [
    ['-A', ...name, ...definitionWords(service)],
    ...service.destinations.map((each) => ['-a', ...name, ...destinationWords(each)]),
  ].map((words) => words.join(' '));
}

/** A whole table: services by their words (`matchWords`, joined by blanks). */
export type IpvsTable = Map<string, IpvsService>;

/**
 * Reads `ipvsadm -Sn` followed by `ipvsadm -Ln --thresholds`: the first of 1.31 tells all but the thresholds.
 * Anything else is passed over. Pure.
 */
export function parseTable(text: string): IpvsTable {
  const table: IpvsTable = new Map();
  let listed: IpvsService | undefined;
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const [command = '', ...rest] = words;
    if (command === '-A' || command === '-a') {
      const [name, more] = serviceName(rest);
      if (command === '-A') addService(table, name, more);
      else addDestination(table.get(name), more);
    } else if (command === '->') {
      setThresholds(listed, rest);
    } else if (LISTED.has(command)) {
      listed = table.get(listedName(words));
    }
  }
  for (const { destinations } of table.values()) destinations.sort(byEndpoint);
  return table;
}

/** The words of a service's name, joined, and those behind it. ipvsadm writes marks above 2^31 as negative numbers. */
function serviceName(words: readonly string[]): [string, string[]] {
  const [option = '', value = '', third] = words;
  if (option !== '-f') return [`${option} ${value}`, words.slice(2)];
  const six = third === '-6';
  return [`-f ${Number(value) >>> 0}${six ? ' -6' : ''}`, words.slice(six ? 3 : 2)];
}

function addService(table: IpvsTable, name: string, words: readonly string[]): void {
  const at = words.indexOf('-s');
  const scheduler = words[at + 1];
  if (at >= 0 && scheduler) table.set(name, { scheduler, flags: words.toSpliced(at, 2), destinations: [] });
}

function addDestination(service: IpvsService | undefined, words: readonly string[]): void {
  const place = parseEndpoint(wordAfter(words, '-r'));
  if (place === undefined) return;
  const weight = Number(wordAfter(words, '-w'));
  service?.destinations.push({ ...place, ...parseForwarding(words), weight, upper: 0, lower: 0 });
}

function parseEndpoint(text: string): { address: string; port: number } | undefined {
  const match = /^\[?(.*?)\]?:(\d+)$/.exec(text);
  return match?.[1] && match[2] ? { address: match[1], port: Number(match[2]) } : undefined;
}

function parseForwarding(words: readonly string[]): IpvsForwarding {
  if (words.includes('-m')) return { method: 'masq' };
  if (!words.includes('-i')) return { method: 'gate' };
  const checksum = words.includes('--tun-csum') ? 'csum' : 'none';
  switch (wordAfter(words, '--tun-type')) {
    case 'gre':
      return { method: 'tunnel', tunnel: { type: 'gre', checksum } };
    case 'gue': {
      const port = Number(wordAfter(words, '--tun-port'));
      const remote = words.includes('--tun-remcsum');
      return { method: 'tunnel', tunnel: { type: 'gue', port, checksum: remote ? 'remcsum' : checksum } };
    }
    default:
      return { method: 'tunnel', tunnel: { type: 'ipip' } };
  }
}

function wordAfter(words: readonly string[], flag: string): string {
  const at = words.indexOf(flag);
  return at < 0 ? '' : (words[at + 1] ?? '');
}

const LISTED = new Set(['TCP', 'UDP', 'SCTP', 'FWM']);

/** A service's heading in `ipvsadm -Ln` (`TCP  20.20.20.20:80 wrr`, `FWM  7 IPv6 rr`) as the words of its name. */
function listedName([protocol = '', value = '', third]: readonly string[]): string {
  if (protocol === 'FWM') return `-f ${Number(value) >>> 0}${third === 'IPv6' ? ' -6' : ''}`;
  return `${protocol === 'TCP' ? '-t' : protocol === 'UDP' ? '-u' : '--sctp-service'} ${value}`;
}

function setThresholds(service: IpvsService | undefined, [place = '', upper, lower]: readonly string[]): void {
  const found = service?.destinations.find((each) => endpoint(each) === place);
  if (found === undefined) return;
  found.upper = Number(upper);
  found.lower = Number(lower);
}
