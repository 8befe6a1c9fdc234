import { failure, type LvsctlError } from '../errors/index.ts';

/** Whom an error of the transport is about. */
export interface Whom {
  host: string;
  phase: string;
}

export type SshCode =
  | 'SSH-AUTH'
  | 'SSH-BUSY'
  | 'SSH-COMMAND-TIMEOUT'
  | 'SSH-CONFIG'
  | 'SSH-DNS'
  | 'SSH-ENDED'
  | 'SSH-HOST-KEY-CHANGED'
  | 'SSH-HOST-KEY-REVOKED'
  | 'SSH-HOST-KEY-UNKNOWN'
  | 'SSH-INTERRUPTED'
  | 'SSH-JUMP'
  | 'SSH-KILLED'
  | 'SSH-LOST'
  | 'SSH-PROTOCOL'
  | 'SSH-REFUSED'
  | 'SSH-SUDO-ASKS'
  | 'SSH-SUDO-PASSWORD'
  | 'SSH-SUDO-REFUSED'
  | 'SSH-TIMEOUT'
  | 'SSH-UNREACHABLE';

/** An error of the transport: stable code, host and phase, what happened, what to do next. */
export function sshFailure(whom: Whom, code: SshCode, what: string, next: string, cause?: unknown): LvsctlError {
  const exitCode = code === 'SSH-INTERRUPTED' ? 130 : 1;
  return failure(
    { code, place: { kind: 'host', host: whom.host, phase: whom.phase }, what, next },
    { cause, exitCode },
  );
}

/** The connection is gone although nobody closed it. */
export function lostFailure(whom: Whom, when: string, cause?: unknown): LvsctlError {
  const why = cause instanceof Error ? ` (${printable(cause.message)})` : '';
  return sshFailure(
    whom,
    'SSH-LOST',
    `the SSH connection was lost ${when}${why}`,
    'Check that the host is up and reachable, then run lvsctl again: it starts from what it finds there.',
    cause,
  );
}

export function interruptedFailure(whom: Whom): LvsctlError {
  return sshFailure(whom, 'SSH-INTERRUPTED', 'interrupted while connecting', 'Run lvsctl again.');
}

/** Foreign text for a message: one line, no control characters, cut short. */
export function printable(text: string, limit = 200): string {
  const line = text
    .replace(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > limit ? `${line.slice(0, limit)}…` : line;
}

/** `code` of a Node.js system error, through the AggregateError that trying several addresses gives. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return errorCode(error.errors[0]);
  return undefined;
}

/** The failure for a TCP connection that couldn't be made; undefined where trying again may help. */
export function dialFailure(whom: Whom, where: string, error: unknown): LvsctlError | undefined {
  switch (errorCode(error)) {
    case 'ECONNRESET':
    case 'EPIPE':
      return undefined;
    case 'ECONNREFUSED':
      return sshFailure(
        whom,
        'SSH-REFUSED',
        `${where} refuses the connection`,
        'Check that sshd runs there and that ssh.address and ssh.port are right.',
        error,
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return sshFailure(
        whom,
        'SSH-DNS',
        `the name of ${where} does not resolve`,
        'Check ssh.address in the inventory, HostName in your ssh_config, and DNS.',
        error,
      );
    case 'ETIMEDOUT':
      return timeoutFailure(whom, where, 'the TCP connection', error);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return sshFailure(
        whom,
        'SSH-UNREACHABLE',
        `there is no way to ${where} (${errorCode(error)})`,
        'Check ssh.address, the route from here, or name a jump host (ssh.jump).',
        error,
      );
    default:
      return sshFailure(
        whom,
        'SSH-UNREACHABLE',
        `no connection to ${where}: ${error instanceof Error ? printable(error.message) : 'unknown error'}`,
        'Check ssh.address and ssh.port, and the way from here.',
        error,
      );
  }
}

/** `doing`: what was waited for. */
export function timeoutFailure(whom: Whom, where: string, doing: string, cause?: unknown): LvsctlError {
  return sshFailure(
    whom,
    'SSH-TIMEOUT',
    `${where} did not answer in time (waiting for ${doing})`,
    'Check that the host is up and that no firewall drops the connection; a slow one needs a longer connect timeout.',
    cause,
  );
}
