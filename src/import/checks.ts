/** The checkers of a real server as an inventory's `health_check`. Defaults are those of keepalived.conf(5) 2.2.7. */
import { heading, type Statement } from '../conf/keepalived.ts';
import type { InventoryHealthCheck } from '../inventory/schema.ts';
import type { FilePlace, Gaps } from './gaps.ts';
import { type Block, block, leftOver } from './take.ts';

export const CHECKERS = [
  'HTTP_GET',
  'SSL_GET',
  'TCP_CHECK',
  'SMTP_CHECK',
  'DNS_CHECK',
  'MISC_CHECK',
  'PING_CHECK',
  'UDP_CHECK',
  'BFD_CHECK',
] as const;

type Checker = (typeof CHECKERS)[number];

/** Rhythm and virtual host as the virtual server and the real server say them, for checkers that don't. */
export interface CheckDefaults {
  interval?: number;
  timeout?: number;
  retries?: number;
  retryInterval?: number;
  startDown: boolean;
  inhibit: boolean;
  virtualHost?: string;
}

/** What a checker may need from the rest of the configuration. */
export interface CheckContext {
  /** `bfd_instance` blocks by name. */
  bfds: ReadonlyMap<string, Statement>;
  /** A script as the inventory may name it; undefined (and a gap) where it isn't here. */
  scriptOf(path: string, place: FilePlace): string | undefined;
  gaps: Gaps;
}

/** What a checker is in the inventory; undefined where it can't be said. */
export function importCheck(
  statement: Statement,
  above: CheckDefaults,
  context: CheckContext,
): InventoryHealthCheck | undefined {
  const name = statement.words[0]?.text as Checker;
  const said = block(statement.body ?? []);
  const own = rhythm(said, above);
  const check = checkOf(name, statement, said, own, context);
  const interval = own.interval ?? 60;
  if (isSpread(said.number('warmup'), interval)) said.all('warmup');
  for (const one of said.rest()) leftOver(one, name, context.gaps);
  if (check === undefined) return undefined;
  const retries = own.retries ?? (name === 'DNS_CHECK' ? 3 : name === 'MISC_CHECK' ? 0 : 1);
  const http = name === 'HTTP_GET' || name === 'SSL_GET';
  const retryInterval = own.retryInterval ?? (name === 'DNS_CHECK' ? interval : http ? 3 : 1);
  if (name === 'BFD_CHECK') return { ...check, ...(own.startDown ? {} : { start_down: false }), ...inhibited(own) };
  return {
    ...check,
    // What is as lvsctl has it without a word is left out.
    ...(interval === 6 ? {} : { interval }),
    ...((own.timeout ?? 5) === 3 ? {} : { timeout: own.timeout ?? 5 }),
    ...(retries === 3 ? {} : { retries }),
    ...(retryInterval === 2 ? {} : { retry_interval: retryInterval }),
    ...(own.startDown ? {} : { start_down: false }),
    ...inhibited(own),
  };
}

function inhibited({ inhibit }: CheckDefaults): { inhibit?: true } {
  return inhibit ? { inhibit: true } : {};
}

/** keepalived's own spread is `delay_loop`, lvsctl's at most a second: neither says anything of the service. */
export function isSpread(warmup: number | undefined, interval: number): boolean {
  return warmup === undefined || warmup === interval || warmup === Math.min(1, interval);
}

/** The rhythm that a block says, over what is said around it. */
export function rhythm(said: Block, above: CheckDefaults): CheckDefaults {
  const interval = said.number('delay_loop') ?? above.interval;
  const timeout = said.number('connect_timeout') ?? above.timeout;
  const retries = said.number('retry', 'nb_get_retry') ?? above.retries;
  const retryInterval = said.number('delay_before_retry') ?? above.retryInterval;
  const virtualHost = said.word('virtualhost') ?? above.virtualHost;
  return {
    startDown: said.flag('alpha') ?? above.startDown,
    inhibit: said.flag('inhibit_on_failure') ?? above.inhibit,
    ...(interval === undefined ? {} : { interval }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(retries === undefined ? {} : { retries }),
    ...(retryInterval === undefined ? {} : { retryInterval }),
    ...(virtualHost === undefined ? {} : { virtualHost }),
  };
}

function checkOf(
  name: Checker,
  statement: Statement,
  said: Block,
  own: CheckDefaults,
  context: CheckContext,
): InventoryHealthCheck | undefined {
  const asked = said.number('connect_port');
  const port = asked === undefined ? {} : { port: asked };
  switch (name) {
    case 'HTTP_GET':
    case 'SSL_GET': {
      const page = importUrl(statement, said, own, context.gaps);
      if (page === undefined) return undefined;
      // lvsctl says the name in TLS wherever a host is given.
      if (page.host !== undefined) said.flag('enable_sni');
      const http = { ...page, ...port };
      return name === 'HTTP_GET' ? { http_get: http } : { ssl_get: http };
    }
    case 'TCP_CHECK':
      return { tcp_check: port };
    case 'SMTP_CHECK': {
      const helo = said.word('helo_name');
      return { smtp_check: { ...port, ...(helo === undefined ? {} : { helo_name: helo }) } };
    }
    case 'DNS_CHECK': {
      const record = said.word('type');
      const asks = said.word('name');
      return {
        dns_check: {
          ...port,
          ...(asks === undefined || asks === '.' ? {} : { name: asks }),
          ...(record === undefined || record === 'SOA' ? {} : { type: record as 'A' }),
        },
      };
    }
    case 'PING_CHECK':
      return { ping_check: {} };
    case 'UDP_CHECK': {
      const payload = said.last('payload');
      const bytes = payload === undefined ? undefined : hex(payload.words.slice(1).map(({ text }) => text));
      const reply = said.last('require_reply');
      if (reply !== undefined && reply.words.length > 1) {
        context.gaps.add(reply.place, 'what the reply must hold is not in the inventory', 'Any reply counts there.');
      }
      return {
        udp_check: {
          ...port,
          ...(bytes === undefined ? {} : { payload: bytes }),
          ...(reply === undefined ? {} : { require_reply: true }),
        },
      };
    }
    case 'MISC_CHECK': {
      const line = said.last('misc_path');
      const [path = '', ...words] = commandWords(line);
      const timeout = said.number('misc_timeout');
      own.timeout = timeout ?? own.interval ?? 60;
      const script = line === undefined ? undefined : context.scriptOf(path, line.place);
      const dynamic = said.flag('misc_dynamic');
      if (script === undefined) return undefined;
      return {
        misc_check: {
          script,
          ...(words.length === 0 ? {} : { arguments: words }),
          ...(dynamic === true ? { dynamic: true } : {}),
        },
      };
    }
    case 'BFD_CHECK':
      return importBfd(statement, said, context);
  }
}

/** The words of a command between quotes: keepalived parts them at blanks outside quotes. */
export function commandWords(line: Statement | undefined): string[] {
  const text = line?.words
    .slice(1)
    .map(({ text: word }) => word)
    .join(' ');
  return [...(text ?? '').matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? '',
  );
}

/** `Ab12f 3` → `ab120f03`: keepalived takes digits in pairs, and a single one for a byte. */
function hex(words: readonly string[]): string {
  return words
    .flatMap((word) => word.toLowerCase().match(/.{1,2}/g) ?? [])
    .map((pair) => pair.padStart(2, '0'))
    .join('');
}

function importUrl(statement: Statement, said: Block, own: CheckDefaults, gaps: Gaps) {
  const [first, ...others] = said.all('url');
  for (const other of others) {
    gaps.add(other.place, 'a further url of one check is not in the inventory', 'The first one is asked there.');
  }
  if (first === undefined) {
    gaps.add(statement.place, `${heading(statement)} names no url`, 'Write one: url { path / }.');
    return undefined;
  }
  const url = block(first.body ?? []);
  const digest = url.word('digest');
  const host = url.word('virtualhost') ?? own.virtualHost;
  const codes = url.last('status_code');
  const status = codes === undefined ? undefined : statuses(codes);
  const page = {
    path: url.word('path') ?? '/',
    ...statusKey(status),
    ...(digest === undefined ? {} : { digest: digest.toLowerCase() }),
    ...(host === undefined ? {} : { host }),
  };
  for (const one of url.rest()) leftOver(one, 'url', gaps);
  return page;
}

/** All of 200-299 that there are (RFC 9110, RFC 4918, RFC 5842, RFC 3229): keepalived takes them where none is said. */
const WELL = [200, 201, 202, 203, 204, 205, 206, 207, 208, 226];

function statusKey(status: number[] | undefined): { status?: number | number[] } {
  const all = status ?? WELL;
  const [only] = all;
  if (all.length === 1 && only !== undefined) return only === 200 ? {} : { status: only };
  return { status: all };
}

function statuses({ words }: Statement): number[] {
  const found = words.slice(1).flatMap(({ text }) => {
    const [first = 0, last = first] = text.split('-').map(Number);
    if (!(first >= 100 && last <= 999 && first <= last)) return [];
    return Array.from({ length: last - first + 1 }, (_none, index) => first + index);
  });
  return [...new Set(found)];
}

function importBfd(statement: Statement, said: Block, { bfds, gaps }: CheckContext): InventoryHealthCheck | undefined {
  const name = said.word('name') ?? '';
  const instance = bfds.get(name);
  if (instance === undefined) {
    gaps.add(statement.place, `there is no bfd_instance “${name}”`, 'Describe the session, or use another check.');
    return undefined;
  }
  const session = block(instance.body ?? []);
  const time = (key: string): string | undefined => {
    const value = session.number(key);
    return value === undefined ? undefined : `${value}ms`;
  };
  const [minRx, minTx, multiplier] = [time('min_rx'), time('min_tx'), session.number('multiplier')];
  return {
    bfd: {
      ...(minRx === undefined ? {} : { min_rx: minRx }),
      ...(minTx === undefined ? {} : { min_tx: minTx }),
      ...(multiplier === undefined ? {} : { multiplier }),
    },
  };
}
