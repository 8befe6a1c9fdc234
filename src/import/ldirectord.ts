/** ldirectord.cf (ldirectord(8)). Times and defaults are those of its manual. */
import { parseAddress } from '../inventory/addresses.ts';
import type { InventoryHealthCheck } from '../inventory/schema.ts';
import type { FilePlace, Gaps } from './gaps.ts';
import { emptyHost, type ImportedHost, type ImportedMethod, type ImportedService } from './imported.ts';
import { prefixOf } from './ranges.ts';

/** Whether a file looks like an ldirectord.cf. */
export function isLdirectord(text: string): boolean {
  return /^virtual6?\s*=\s*\S+/m.test(text);
}

interface Line {
  key: string;
  value: string;
  place: FilePlace;
}

/** Global lines that hold for every virtual service that doesn't say otherwise, and the services with their own. */
function linesOf(file: string, text: string): { globals: Line[]; services: Line[][] } {
  const globals: Line[] = [];
  const services: Line[][] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const match = /^(\s*)([A-Za-z0-9]+)\s*=\s*(.*?)\s*$/.exec(raw.replace(/^(\s*)#.*$/, '$1').replace(/\s#.*$/, ''));
    if (match === null) {
      if (raw.trim() !== '' && !raw.trim().startsWith('#')) {
        globals.push({ key: '', value: raw.trim(), place: { kind: 'file', file, line: index + 1, column: 1 } });
      }
      continue;
    }
    const [, indent = '', key = '', value = ''] = match;
    const line: Line = { key, value, place: { kind: 'file', file, line: index + 1, column: indent.length + 1 } };
    if (/^virtual6?$/.test(key)) services.push([line]);
    else if (indent !== '' && services.length > 0) services.at(-1)?.push(line);
    else globals.push(line);
  }
  return { globals, services };
}

/** Global words that a service may say too. */
const SHARED = [
  'checktimeout',
  'negotiatetimeout',
  'checkinterval',
  'checkcount',
  'failurecount',
  'quiescent',
  'fallback',
];

export function importLdirectord(name: string, file: string, text: string, gaps: Gaps): ImportedHost {
  const host = emptyHost(name);
  const { globals, services } = linesOf(file, text);
  for (const { key, value, place } of globals) {
    if (SHARED.includes(key)) continue;
    const what =
      key === '' ? `“${value.slice(0, 60)}” is no line of an ldirectord.cf` : `“${key}” is not in the inventory`;
    gaps.add(place, what, key === '' ? 'It is left out.' : 'It says how ldirectord itself works.');
  }
  host.services = services.flatMap((lines) => serviceOf(lines, globals, gaps));
  return host;
}

function serviceOf(lines: readonly Line[], globals: readonly Line[], gaps: Gaps): ImportedService[] {
  const [head, ...body] = lines;
  if (head === undefined) return [];
  const taken = new Set<Line>();
  const all = (key: string): Line[] => {
    const found = body.filter((one) => one.key === key);
    for (const one of found) taken.add(one);
    return found;
  };
  const own = (key: string) => all(key).at(-1);
  const value = (key: string) => own(key)?.value ?? globals.findLast((one) => one.key === key)?.value;
  const protocol = value('protocol') ?? (/^\d+$/.test(head.value) ? 'fwm' : 'tcp');
  const at = socketOf(head.value);
  if (protocol !== 'fwm' && (at === undefined || at.port === undefined)) {
    gaps.add(head.place, `“${head.value}” is no address and port`, 'The service is left out.');
    return [];
  }
  const reals = all('real').flatMap((one) => realOf(one, gaps));
  const [first, ...others] = reals;
  if (others.some(({ method }) => method.mode !== first?.method.mode)) {
    gaps.add(head.place, 'its real servers are reached in several ways', 'The first server’s way is written.');
  }
  const scheduler = value('scheduler') ?? 'wrr';
  const persistent = value('persistent');
  const mask = value('netmask');
  const prefix = mask === undefined ? undefined : prefixOf(mask);
  const check = checkOf(head, value, own, gaps);
  const sorry = fallback(own('fallback') ?? globals.findLast((one) => one.key === 'fallback'), gaps);
  for (const one of body.filter((each) => !taken.has(each))) {
    gaps.add(
      one.place,
      `“${one.key}” of virtual=${head.value} is not in the inventory`,
      'The inventory has no word for it.',
    );
  }
  return [
    {
      place: head.place,
      match:
        protocol === 'fwm' || at?.port === undefined
          ? { by: 'fwmark', mark: Number(head.value), family: head.key === 'virtual6' ? 6 : 4 }
          : { by: 'socket', protocol: protocol === 'udp' ? 'udp' : 'tcp', address: at.address, port: at.port },
      scheduler,
      flags: [],
      method: first?.method ?? { mode: 'dr' },
      ...(persistent === undefined
        ? {}
        : { persistence: { timeout: Number(persistent), ...(prefix === undefined ? {} : { prefix }) } }),
      onePacket: false,
      ...(check === undefined ? {} : { check }),
      ...(sorry === undefined ? {} : { sorry }),
      reals: reals.map(({ address, port, weight }) => ({
        address,
        port: port ?? at?.port ?? 0,
        weight,
        upper: 0,
        lower: 0,
      })),
      notes: [],
    },
  ];
}

function socketOf(text: string): { address: string; port?: number } | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:\s]*))(?::(\d+))?$/.exec(text) ?? [];
  const parsed = parseAddress(bracketed ?? plain ?? '');
  return parsed && { address: parsed.address, ...(port === undefined ? {} : { port: Number(port) }) };
}

const METHODS: Readonly<Record<string, ImportedMethod>> = {
  gate: { mode: 'dr' },
  masq: { mode: 'nat' },
  ipip: { mode: 'tun', tunnel: { type: 'ipip' } },
};

/** `real=10.0.0.2:80 gate 5 "request", "receive"`, also with a range of addresses. */
function realOf(line: Line, gaps: Gaps) {
  const [socket = '', ...words] = line.value.split(/\s+/);
  const at = socketOf(socket);
  const word = words.find((one) => one in METHODS);
  const weight = words.find((one) => /^\d+$/.test(one));
  if (at === undefined) {
    gaps.add(line.place, `“${socket}” is no address and port`, 'Write each real server by its address.');
    return [];
  }
  if (line.value.includes('"'))
    gaps.add(line.place, 'a request of one real server alone is not in the inventory', 'The service’s own is asked.');
  return [{ ...at, weight: Number(weight ?? 1), method: METHODS[word ?? 'gate'] ?? { mode: 'dr' as const } }];
}

function fallback(line: Line | undefined, gaps: Gaps): ImportedService['sorry'] {
  if (line === undefined) return undefined;
  const [socket = ''] = line.value.split(/\s+/);
  const at = socketOf(socket);
  if (at === undefined || /^127\.|^::1$/.test(at.address)) {
    gaps.add(
      line.place,
      `the fallback ${socket} is not in the inventory`,
      'A sorry server is another host, by its address.',
    );
    return undefined;
  }
  return at;
}

/** `checktype` and what belongs to it. */
function checkOf(
  head: Line,
  value: (key: string) => string | undefined,
  own: (key: string) => Line | undefined,
  gaps: Gaps,
): InventoryHealthCheck | undefined {
  const type = value('checktype') ?? 'negotiate';
  const service = value('service') ?? serviceByPort(head.value);
  const asked = value('checkport');
  const port = asked === undefined ? {} : { port: Number(asked) };
  const [interval, timeout, count] = [
    value('checkinterval'),
    value('checktimeout'),
    value('checkcount') ?? value('failurecount'),
  ];
  // ldirectord(8): quiescent is on unless said: what fails stays with weight 0.
  const quiescent = (value('quiescent') ?? 'yes') === 'yes';
  const rhythm = {
    interval: Number(interval ?? 10),
    timeout: Number(value('negotiatetimeout') ?? timeout ?? 5),
    retries: Math.max(0, Number(count ?? 1) - 1),
    ...(quiescent ? { inhibit: true } : {}),
  };
  for (const key of ['receive', 'login', 'passwd', 'database', 'secret', 'httpmethod', 'checkcommand']) {
    const line = own(key);
    if (line !== undefined)
      gaps.add(
        line.place,
        `“${key}” of ${head.value} is not in the inventory`,
        'The inventory’s checks don’t ask for it.',
      );
  }
  const [request, host] = [
    value('request')?.replace(/^"(.*)"$/, '$1'),
    value('virtualhost')?.replace(/^"(.*)"$/, '$1'),
  ];
  const page = {
    path: request === undefined ? '/' : request.replace(/^(?!\/)/, '/'),
    ...(host === undefined ? {} : { host }),
    ...port,
  };
  switch (type) {
    case 'off':
    case 'on':
      return undefined;
    case 'connect':
      return { tcp_check: port, ...rhythm };
    case 'ping':
      return { ping_check: {}, ...rhythm };
    case 'negotiate':
      if (service === 'http') return { http_get: page, ...rhythm };
      if (service === 'https') return { ssl_get: page, ...rhythm };
      if (service === 'smtp') return { smtp_check: port, ...rhythm };
      if (service === 'dns')
        return { dns_check: { ...port, ...(request === undefined ? {} : { name: request }) }, ...rhythm };
      break;
  }
  gaps.add(
    own('checktype')?.place ?? head.place,
    `checktype ${type}${type === 'negotiate' ? ` for ${service ?? 'its service'}` : ''} is not in the inventory`,
    'A connection is opened in its place (tcp_check).',
  );
  return { tcp_check: port, ...rhythm };
}

function serviceByPort(socket: string): string | undefined {
  return { '80': 'http', '443': 'https', '25': 'smtp', '53': 'dns' }[socketOf(socket)?.port?.toString() ?? ''];
}
