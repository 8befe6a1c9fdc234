import { parseAddress } from '../inventory/addresses.ts';
import type { Facts } from '../platform/facts.ts';
import { parseTable } from '../resources/ipvs-table.ts';
import { bootSettings, oneLine } from './boot.ts';
import type { Link, LinkAddress, Listening, Observed, ObservedTable, Unit } from './observed.ts';

/** A part of what a host answered: words that say which, and its text. */
export interface Part {
  words: readonly string[];
  text: string;
}

/**
 * Makes the value of what the host program's `look` answered. What is missing there, or isn't in the form that is
 * known, is missing in the value. Pure.
 * @param facts those that stand in the same answer
 */
export function parseObserved(name: string, parts: readonly Part[], facts: Facts): Observed {
  const text = (...words: string[]): string =>
    parts.find((part) => words.every((word, at) => part.words[at] === word))?.text ?? '';
  const lines = (...words: string[]): string[] =>
    text(...words)
      .split('\n')
      .filter((line) => line.trim() !== '');
  const paths = (word: string) => parts.filter(({ words }) => words[0] === word).map(({ words }) => restOf(words));
  const links = parseLinks(lines('link'), lines('addr'));
  const boot = bootSettings({
    paths: lines('boot-files').map((path) => path.replace(/^\.\//, '/')),
    lines: lines('boot'),
    systemd: facts.systemd,
  });
  const [file = '/etc/keepalived/keepalived.conf', ...notes] = lines('keepalived');
  return {
    name,
    facts: { ...facts, devices: devicesOf(links) },
    root: text('user').trim() === '0',
    links,
    routes: ([4, 6] as const).flatMap((family) =>
      lines('route', String(family)).map((line) => ({ family, line: oneLine(line) })),
    ),
    rules: [...lines('rule', '4'), ...lines('rule', '6')].map(oneLine).filter((line) => !/^(0|3276[67]):/.test(line)),
    neighbours: lines('neighbour').flatMap(neighbourOf),
    fou: lines('fou').map(oneLine),
    sysctls: new Map(lines('sysctls').flatMap(sysctlOf)),
    ...boot,
    modules: {
      loaded: new Set(lines('modules').map(underscored)),
      boot: new Set(lines('modules-load').flatMap(bootModule)),
    },
    ipvs: tableOf(text('ipvs')),
    units: unitsOf(lines('units')),
    keepalived: { file, running: notes.includes('running') },
    files: new Map(
      parts.flatMap(({ words, text: content }) => (words[0] === 'file' ? [[restOf(words), content] as const] : [])),
    ),
    unread: paths('unread'),
    listens: lines('listen').flatMap(listeningOf),
    arptables: rulesOf(lines('arptables')),
  };
}

function restOf(words: readonly string[]): string {
  return words.slice(1).join(' ');
}

/** Lines of `ip -d -o link show` and `ip -o addr show` (iproute2 6.1; busybox prints the first two parts alike). */
function parseLinks(links: readonly string[], addresses: readonly string[]): Map<string, Link> {
  const found = new Map<string, Link>();
  for (const line of links) {
    const [, device = '', flags = '', rest = ''] =
      /^\d+:\s+([^\s:@]+)(?:@[^\s:]+)?:\s+<([^>]*)>\s*(.*)$/.exec(line) ?? [];
    if (device === '') continue;
    const [, layer = '', mac = ''] = /link\/(\S+)(?:\s+([0-9a-f:.]+))?/.exec(rest) ?? [];
    const detail = oneLine(rest.split('\\')[2] ?? '');
    const kind = detail.split(' ')[0] ?? '';
    found.set(device, {
      kind: /^[a-z][a-z0-9_]*$/.test(kind) && !NO_KIND.test(kind) ? kind : '',
      layer,
      up: flags.split(',').includes('UP'),
      mtu: Number(/\bmtu (\d+)/.exec(rest)?.[1] ?? 0),
      mac,
      detail,
      addresses: [],
    });
  }
  for (const line of addresses) {
    const match = /^\d+:\s+([^\s:@]+)\S*\s+inet6?\s+(\S+)(.*)$/.exec(line);
    const [, device = '', own = '', rest = ''] = match ?? [];
    const address = addressOf(own, rest);
    if (address === undefined || /\bscope link\b/.test(rest)) continue;
    found.get(device)?.addresses.push(address);
  }
  return found;
}

/** What stands in the third part for plain Ethernet. */
const NO_KIND = /^(addrgenmode|numtxqueues|gso_max_size|promiscuity|alias)$/;

function addressOf(own: string, rest: string): LinkAddress | undefined {
  // `10.0.0.1 peer 10.0.0.2/32`
  const peer = /^\s*peer \S+\/(\d+)/.exec(rest)?.[1];
  const [text = '', prefix = peer] = own.split('/');
  const parsed = parseAddress(text);
  if (parsed === undefined) return undefined;
  const { address, family } = parsed;
  return {
    address,
    family,
    prefix: prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix),
    dynamic: /\bdynamic\b/.test(rest),
  };
}

function devicesOf(links: ReadonlyMap<string, Link>): Facts['devices'] {
  return Object.fromEntries(
    [...links].map(([device, { mac, up, mtu, addresses }]) => [
      device,
      { mac, up, mtu, addresses: addresses.map(({ address, prefix }) => `${address}/${prefix}`) },
    ]),
  );
}

function neighbourOf(line: string) {
  const [, text = '', device = '', mac = ''] = /^(\S+) dev (\S+) lladdr (\S+)/.exec(line) ?? [];
  const address = parseAddress(text)?.address;
  return address === undefined ? [] : [{ device, address, mac }];
}

/** `./net/ipv4/conf/eth0/rp_filter:1` */
function sysctlOf(line: string): [string, string][] {
  const [, name = '', value = ''] = /^\.\/([^:]+):(.*)$/.exec(line) ?? [];
  return name === '' ? [] : [[name, oneLine(value)]];
}

/** Names are written with `-` or `_`, as one likes (modprobe(8)). */
function underscored(name: string): string {
  return name.trim().replaceAll('-', '_');
}

/** `./etc/modules:5:ip_vs` */
function bootModule(line: string): string[] {
  const [name = ''] = (/^\.\/.*?:\d+:(.*)$/.exec(line)?.[1] ?? '').trim().split(/\s+/);
  return name === '' ? [] : [underscored(name)];
}

function tableOf(text: string): ObservedTable {
  const said = text.trim();
  if (said === 'no module') return { state: 'none' };
  if (said === 'no tool') return { state: 'unknown', why: 'ipvsadm is not installed there' };
  if (!/^IP Virtual Server version/m.test(text))
    return { state: 'unknown', why: oneLine(said.split('\n')[0] ?? '') || 'it was not told' };
  const saved = text.split('\n').filter((line) => /^-[Aa] /.test(line));
  return { state: 'known', table: parseTable(text), text: saved.map((line) => `${line}\n`).join('') };
}

/** Blocks of `systemctl show -p Id,LoadState,ActiveState,UnitFileState`, and `sysv NAME` for links of init scripts. */
function unitsOf(lines: readonly string[]): Map<string, Unit> {
  const linked = new Set(lines.flatMap((line) => /^sysv (\S+)$/.exec(line)?.[1] ?? []));
  const units = new Map<string, Unit>();
  let values: Record<string, string> = {};
  const close = (): void => {
    const { Id: id, LoadState: load = '', ActiveState: active = '', UnitFileState: file = '' } = values;
    if (id !== undefined) {
      const script = file === 'generated' && linked.has(id.replace(/\.service$/, ''));
      units.set(id, {
        load,
        active: /^(active|reloading|activating)$/.test(active),
        enabled: script || /^(enabled|enabled-runtime|alias|linked)$/.test(file),
      });
    }
    values = {};
  };
  for (const line of lines) {
    const [, key = '', value = ''] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (key === '') continue;
    // The order of the properties is systemd's own: a property that comes again begins the next unit.
    if (Object.hasOwn(values, key)) close();
    values[key] = value;
  }
  close();
  return units;
}

/** `tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*` of `ss -Hltun`. */
function listeningOf(line: string): Listening[] {
  const [protocol, , , , place = ''] = line.trim().split(/\s+/);
  const [, address = '', port = ''] = /^(.*):(\d+)$/.exec(place) ?? [];
  if ((protocol !== 'tcp' && protocol !== 'udp') || port === '') return [];
  const bare = address.replace(/%.*$/, '').replace(/^\[(.*)\]$/, '$1');
  return [
    {
      protocol,
      address: /^(\*|0\.0\.0\.0|::)$/.test(bare) ? '' : (parseAddress(bare)?.address ?? bare),
      port: Number(port),
    },
  ];
}

/** `arptables -nL`: chains with their rules below. */
function rulesOf(lines: readonly string[]): string[] {
  let chain = '';
  return lines.flatMap((line) => {
    const [, name] = /^Chain (\S+)/.exec(line) ?? [];
    if (name !== undefined) {
      chain = name;
      return [];
    }
    return chain === '' ? [] : [`${chain} ${oneLine(line)}`];
  });
}
