import { readScript } from './beside.ts';
import type { Path } from './document.ts';
import { seconds } from './duration.ts';
import type { Findings } from './findings.ts';
import type { Check, HealthCheck, Protocol } from './model.ts';
import type { InventoryHealthCheck } from './schema.ts';
import { CHECKS } from './service-defaults.ts';

/** In seconds; keepalived 2.2.7 counts timeouts in microseconds, in 32 bits, and refuses what is longer. */
const SHORTEST = 0.001;
const LONGEST = 4294;

/** What each check speaks; the others ask no port. */
const SPEAKS: Partial<Record<Check['type'], Protocol>> = {
  http_get: 'tcp',
  ssl_get: 'tcp',
  tcp_check: 'tcp',
  smtp_check: 'tcp',
  dns_check: 'udp',
  udp_check: 'udp',
};

/**
 * A check that speaks another protocol than the service asks a port that nobody need listen on: all real servers would
 * count as down.
 */
export function checkProtocol(
  service: { name: string; protocol: Protocol; healthCheck?: HealthCheck },
  said: InventoryHealthCheck,
  path: Path,
  findings: Findings,
): void {
  const { check } = service.healthCheck ?? {};
  const spoken = check && SPEAKS[check.type];
  if (check === undefined || spoken === undefined || spoken === service.protocol) return;
  const asked = said[check.type];
  if (asked !== undefined && 'port' in asked && asked.port !== undefined) return;
  findings.add(
    [...path, check.type],
    'INV-CHECK-PROTOCOL',
    `${check.type} asks over ${spoken}, and ${service.name} is a service over ${service.protocol}`,
    `Say which ${spoken} port is asked (port), or use another check.`,
    'key',
  );
}

/**
 * A service's health check: exactly one check, and its rhythm.
 * @param incomplete something in it was left out because it is wrong in itself
 */
export function resolveHealthCheck(
  said: InventoryHealthCheck,
  path: Path,
  incomplete: boolean,
  findings: Findings,
): HealthCheck | undefined {
  const given = CHECKS.filter((check) => said[check] !== undefined);
  const [first] = given;
  if (first === undefined && incomplete) return undefined;
  if (first === undefined || given.length > 1) {
    findings.add(
      path,
      'INV-HEALTH-CHECK',
      given.length === 0 ? 'the health check says no check' : `the health check says ${given.join(' and ')}`,
      `Give one of ${CHECKS.join(', ')}.`,
      'key',
    );
    return undefined;
  }
  const check = resolveCheck(first, said, [...path, first], findings);
  for (const key of ['interval', 'timeout', 'retry_interval'] as const) {
    if (said[key] === undefined || (seconds(said[key]) >= SHORTEST && seconds(said[key]) <= LONGEST)) continue;
    findings.add(
      [...path, key],
      'INV-BAD-VALUE',
      seconds(said[key]) === 0 ? `“${key}” must be more than 0` : `“${key}” can be from 1 ms to ${LONGEST} s`,
      'Give it a time between these.',
    );
  }
  if (check === undefined) return undefined;
  return {
    check,
    interval: seconds(said.interval ?? 6),
    timeout: seconds(said.timeout ?? 3),
    retries: said.retries ?? 3,
    retryInterval: seconds(said.retry_interval ?? 2),
    startDown: said.start_down ?? true,
    inhibit: said.inhibit ?? false,
  };
}

function resolveCheck(
  type: Check['type'],
  said: InventoryHealthCheck,
  path: Path,
  findings: Findings,
): Check | undefined {
  switch (type) {
    case 'http_get':
    case 'ssl_get': {
      const { path: asked, status = 200, digest, port, host } = said[type] ?? { path: '/' };
      return {
        type,
        path: asked,
        status: [status].flat(),
        ...(digest === undefined ? {} : { digest }),
        ...(port === undefined ? {} : { port }),
        ...(host === undefined ? {} : { host }),
      };
    }
    case 'tcp_check': {
      const { port } = said.tcp_check ?? {};
      return { type, ...(port === undefined ? {} : { port }) };
    }
    case 'smtp_check': {
      const { port, helo_name } = said.smtp_check ?? {};
      return {
        type,
        ...(port === undefined ? {} : { port }),
        ...(helo_name === undefined ? {} : { heloName: helo_name }),
      };
    }
    case 'dns_check': {
      const { port, name, type: recordType = 'SOA' } = said.dns_check ?? {};
      return {
        type,
        recordType,
        ...(port === undefined ? {} : { port }),
        ...(name === undefined ? {} : { name }),
      };
    }
    case 'ping_check':
      return { type };
    case 'udp_check': {
      const { port, payload, require_reply = false } = said.udp_check ?? {};
      return {
        type,
        requireReply: require_reply,
        ...(port === undefined ? {} : { port }),
        ...(payload === undefined ? {} : { payload }),
      };
    }
    case 'misc_check': {
      const misc = said.misc_check;
      const script = misc && readScript(misc.script, [...path, 'script'], findings);
      if (misc === undefined || script === undefined) return undefined;
      misc.arguments?.forEach((one, index) => {
        // keepalived takes a command apart by quotes and backslashes, and `$NAME` and `@NAME` for its own.
        if (!/['"\\$@]/.test(one)) return;
        findings.add(
          [...path, 'arguments', index],
          'INV-BAD-VALUE',
          'quotes, backslashes, $ and @ mean something else to keepalived',
          'Put what needs them into the script.',
        );
      });
      return { type, script, arguments: misc.arguments ?? [], dynamic: misc.dynamic ?? false };
    }
    case 'bfd': {
      const { min_rx, min_tx, multiplier } = said.bfd ?? {};
      for (const [key, time] of Object.entries({ min_rx, min_tx })) {
        if (time === undefined || inMilliseconds(seconds(time))) continue;
        findings.add(
          [...path, key],
          'INV-BAD-VALUE',
          `BFD counts in whole milliseconds, from 1 ms to ${LONGEST} s`,
          'Give it so.',
        );
      }
      return {
        type,
        ...(min_rx === undefined ? {} : { minRx: seconds(min_rx) }),
        ...(min_tx === undefined ? {} : { minTx: seconds(min_tx) }),
        ...(multiplier === undefined ? {} : { multiplier }),
      };
    }
  }
}

function inMilliseconds(time: number): boolean {
  return time >= SHORTEST && time <= LONGEST && Number.isInteger(Math.round(time * 1e6) / 1e3);
}
