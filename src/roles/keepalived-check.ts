import { createHash } from 'node:crypto';
import { holds } from '../inventory/addresses.ts';
import type { Check, HealthCheck, Host, RealServer, Script, Service } from '../inventory/model.ts';

/** A checker of keepalived.conf(5): its name and the lines in its block. */
export interface Checker {
  name: string;
  lines: string[];
}

/** The first check of each server comes within so many seconds, and not at once for all of them. Pure. */
export function warmup({ interval }: HealthCheck): number {
  return Math.min(1, interval);
}

/**
 * How one real server of a service is checked.
 * @param pathOf where a script lands on the host
 */
export function checkerOf(
  service: Service,
  health: HealthCheck,
  real: RealServer,
  pathOf: (script: Script) => string,
): Checker {
  const { check, retries, retryInterval, timeout, interval } = health;
  const retry = [`retry ${retries}`, `delay_before_retry ${retryInterval}`];
  switch (check.type) {
    case 'http_get':
    case 'ssl_get':
      return {
        name: check.type === 'http_get' ? 'HTTP_GET' : 'SSL_GET',
        lines: [
          ...urlLines(check),
          ...(check.type === 'ssl_get' && check.host !== undefined ? ['enable_sni'] : []),
          ...connection(service, check, real, timeout),
          ...retry,
        ],
      };
    case 'tcp_check':
      return { name: 'TCP_CHECK', lines: [...connection(service, check, real, timeout), ...retry] };
    case 'smtp_check':
      return {
        name: 'SMTP_CHECK',
        lines: [
          ...connection(service, check, real, timeout),
          ...retry,
          ...(check.heloName === undefined ? [] : [`helo_name ${check.heloName}`]),
        ],
      };
    case 'dns_check':
      return {
        name: 'DNS_CHECK',
        lines: [
          ...connection(service, check, real, timeout),
          ...retry,
          `type ${check.recordType}`,
          `name ${check.name ?? '.'}`,
        ],
      };
    case 'ping_check':
      return { name: 'PING_CHECK', lines: [`connect_timeout ${timeout}`, ...retry] };
    case 'udp_check':
      return {
        name: 'UDP_CHECK',
        lines: [
          ...connection(service, check, real, timeout),
          ...retry,
          ...(check.payload === undefined ? [] : [`payload ${check.payload}`]),
          ...(check.requireReply ? ['require_reply'] : []),
        ],
      };
    case 'misc_check':
      return {
        name: 'MISC_CHECK',
        lines: [
          `misc_path "${[pathOf(check.script), ...check.arguments.map(argument)].join(' ')}"`,
          `misc_timeout ${Math.max(1, Math.ceil(timeout))}`,
          ...(check.dynamic ? ['misc_dynamic'] : []),
          `delay_loop ${interval}`,
          ...retry,
        ],
      };
    case 'bfd':
      return { name: 'BFD_CHECK', lines: [`name ${bfdName(real.address)}`] };
  }
}

function urlLines(check: Extract<Check, { type: 'http_get' | 'ssl_get' }>): string[] {
  return [
    'url {',
    `    path ${quoted(check.path)}`,
    `    status_code ${check.status.join(' ')}`,
    ...(check.digest === undefined ? [] : [`    digest ${check.digest}`]),
    ...(check.host === undefined ? [] : [`    virtualhost ${check.host}`]),
    '}',
  ];
}

/** keepalived takes `#` and `!` outside quotes for the beginning of a comment. */
function quoted(text: string): string {
  return /[#!{}]/.test(text) ? `"${text}"` : text;
}

/** keepalived splits a command at blanks outside quotes. */
function argument(text: string): string {
  return /\s/.test(text) ? `'${text}'` : text;
}

/** A server of a service by mark has no port of its own: the service's first is asked. */
function connection(service: Service, { port }: { port?: number }, real: RealServer, timeout: number): string[] {
  const asked = port ?? (real.port === 0 ? service.ports[0]?.first : undefined);
  return [...(asked === undefined ? [] : [`connect_port ${asked}`]), `connect_timeout ${timeout}`];
}

/** keepalived's names of BFD instances have at most 31 characters. */
const BFD_NAME = 31;

function bfdName(address: string): string {
  const name = `bfd_${address.replaceAll(/[.:]/g, '_')}`;
  if (name.length <= BFD_NAME) return name;
  return `bfd_${createHash('sha256')
    .update(address)
    .digest('hex')
    .slice(0, BFD_NAME - 4)}`;
}

/** The BFD sessions that checks need, each once, from the director's address in the server's network. Pure. */
export function bfdsOf(host: Host, services: readonly Service[]) {
  const byName = new Map(services.flatMap((service) => sessions(host, service)).map((one) => [one.name, one]));
  return [...byName.values()];
}

function sessions(host: Host, { healthCheck, virtuals }: Service) {
  const check = healthCheck?.check;
  if (check?.type !== 'bfd') return [];
  // keepalived.conf(5): in milliseconds.
  const milliseconds = (seconds: number | undefined) => (seconds === undefined ? null : Math.round(seconds * 1000));
  const own = host.interfaces.flatMap((one) => one.addresses);
  return virtuals.flatMap(({ family, realServers }) =>
    realServers.map(({ address }) => ({
      name: bfdName(address),
      neighbour: address,
      source: own.find((each) => holds(each, { address, family }))?.address ?? null,
      min_rx: milliseconds(check.minRx),
      min_tx: milliseconds(check.minTx),
      multiplier: check.multiplier ?? null,
    })),
  );
}
