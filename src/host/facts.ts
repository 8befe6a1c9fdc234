import type { Platform } from '../inventory/model.ts';
import type { Facts, FirewallFacts, PastRun, Profile } from '../platform/facts.ts';
import { firewalldZones } from '../resources/firewall-firewalld.ts';
import type { Frame } from './frames.ts';

const RHEL = ['rhel', 'fedora', 'centos', 'rocky', 'almalinux', 'openeuler', 'ol'];

/** Makes the facts from the frames that the host program answered with. Pure. */
export function parseFacts(frames: readonly Frame[]): Facts {
  const text = (name: string): string | undefined => {
    const frame = frames.find((each) => each.words[0] === name);
    return frame === undefined ? undefined : decode(frame.content);
  };
  const base = new Map((text('base') ?? '').split('\n').flatMap((line) => split(line, ' ')));
  const release = new Map((text('os-release') ?? '').split('\n').flatMap((line) => split(line, '=')));
  const osId = unquote(release.get('ID') ?? 'linux');
  const like = unquote(release.get('ID_LIKE') ?? '').split(' ');
  const version = /version ([0-9][\w.+~-]*)/.exec(text('networkmanager') ?? '')?.[1];
  const manifest = parseJson(text('manifest'));
  const transaction = text('transaction')?.trim();
  const firewall = parseFirewall(frames);
  const keyfiles = new Map(
    frames
      .filter(({ words }) => words[0] === 'keyfile')
      .map(({ words, content }) => [words.slice(1).join(' '), decode(content)]),
  );
  return {
    platform: platformOf([osId, ...like]),
    osId,
    osVersion: unquote(release.get('VERSION_ID') ?? ''),
    kernel: base.get('kernel') ?? '',
    arch: base.get('arch') ?? '',
    bootId: base.get('boot') ?? '',
    hostname: base.get('hostname') ?? '',
    systemd: base.get('systemd') === 'yes',
    ...(version === undefined ? {} : { networkManager: version }),
    devices: parseAddresses(text('addresses') ?? ''),
    profiles: parseProfiles(text('profiles') ?? '', keyfiles),
    ...(firewall === undefined ? {} : { firewall }),
    ...(manifest === undefined ? {} : { manifest }),
    ...(transaction === undefined ? {} : { transaction }),
    ...parseRuns(frames),
  };
}

/** What `facts_history` and `facts_run` say (history.ts). */
function parseRuns(frames: readonly Frame[]): Pick<Facts, 'history' | 'run'> {
  const named = (name: string): PastRun[] =>
    frames
      .filter(({ words }) => words[0] === name)
      .map(({ content }) => {
        const [result = '', id = '', head, changes] = decode(content).split('\n');
        return { id, result, head: parseJson(head), ...(name === 'run' ? { changes: parseJson(changes) } : {}) };
      });
  const history = named('history');
  const [run] = named('run');
  return { ...(history.length === 0 ? {} : { history }), ...(run === undefined ? {} : { run }) };
}

/** os-release(5): ID is case-sensitive by rule, but openEuler writes `openEuler`. */
function platformOf(ids: readonly string[]): Platform {
  return ids.some((id) => RHEL.includes(id.toLowerCase())) ? 'rhel' : 'debian';
}

/** `ip -j addr show` (ip-address(8)). */
function parseAddresses(json: string): Facts['devices'] {
  const devices: Facts['devices'] = {};
  const links = parseJson(json);
  for (const link of Array.isArray(links) ? links : []) {
    if (!isRecord(link) || typeof link.ifname !== 'string') continue;
    const flags = Array.isArray(link.flags) ? link.flags : [];
    const infos = Array.isArray(link.addr_info) ? link.addr_info : [];
    devices[link.ifname] = {
      mac: typeof link.address === 'string' ? link.address : '',
      up: flags.includes('UP'),
      mtu: typeof link.mtu === 'number' ? link.mtu : 0,
      addresses: infos.flatMap((info) =>
        isRecord(info) && typeof info.local === 'string' && info.scope !== 'link'
          ? [`${info.local}/${info.prefixlen}`]
          : [],
      ),
    };
  }
  return devices;
}

/** Lines `DEVICE:TYPE:UUID:NAME:FILENAME` of `nmcli -t -e no`; a name may hold colons, a file's path begins with `/`.
 * The type is given as keyfiles write it. */
function parseProfiles(text: string, keyfiles: ReadonlyMap<string, string>): Profile[] {
  return text.split('\n').flatMap((line): Profile[] => {
    const match = /^([^:]*):([^:]*):([0-9a-f-]{36}):(.*):((?:\/.*)?)$/.exec(line);
    if (match === null) return [];
    const [, device = '', type = '', uuid = '', name = '', file = ''] = match;
    return [
      {
        name,
        uuid,
        type: type === '802-3-ethernet' ? 'ethernet' : type,
        device,
        file,
        content: device === '' ? '' : (keyfiles.get(file) ?? ''),
      },
    ];
  });
}

/** What `facts_firewall` says (firewall.ts); undefined where it wasn't asked. */
function parseFirewall(frames: readonly Frame[]): FirewallFacts | undefined {
  const text = (...words: string[]): string | undefined => {
    const frame = frames.find((each) => words.every((word, index) => each.words[index] === word));
    return frame === undefined ? undefined : decode(frame.content);
  };
  const notes = text('firewall')?.split('\n');
  if (notes === undefined) return undefined;
  const rules = parseJson(text('nft'));
  const objects = isRecord(rules) && Array.isArray(rules.nftables) ? rules.nftables.filter(isRecord) : [];
  const lines = (variant: string, family: string) => text('iptables', variant, family)?.split('\n');
  const port = notes.find((line) => line.startsWith('ssh '))?.slice('ssh '.length);
  return {
    ...(notes.includes('firewalld') ? { firewalld: { zones: firewalldZones(text('firewalld') ?? '') } } : {}),
    nft: notes.includes('nft yes'),
    ruleset: objects,
    iptables: (['legacy', 'nft'] as const).flatMap((variant) => {
      const [v4, v6] = [lines(variant, '4'), lines(variant, '6')];
      return v4 === undefined && v6 === undefined ? [] : [{ variant, v4: v4 ?? [], v6: v6 ?? [] }];
    }),
    ipv6: notes.includes('ipv6'),
    ...(port === undefined || !/^\d+$/.test(port) ? {} : { sshPort: Number(port) }),
  };
}

function split(line: string, separator: string): [string, string][] {
  const at = line.indexOf(separator);
  return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
}

function unquote(value: string): string {
  return value.replace(/^(["'])(.*)\1$/, '$2');
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
