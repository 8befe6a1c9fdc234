import { printable, sshFailure, timeoutFailure, type Whom } from './failures.ts';
import type { Try } from './retry.ts';

/** How ssh's master process ended before it was ready. */
export interface MasterEnd {
  exitCode?: number | undefined;
  stderr: string;
  code?: string | undefined;
  /** It was ended because it said more than anybody reads. */
  isMaxBuffer?: boolean | undefined;
}

type Code = Parameters<typeof sshFailure>[1];

/** What ssh (LC_ALL=C) says on stderr, in the order to look for it: the first that matches decides. */
const WORDS: readonly { match: RegExp; code: Code; next: string }[] = [
  {
    match: /REVOKED HOST KEY|host key .* marked as revoked|is revoked/i,
    code: 'SSH-HOST-KEY-REVOKED',
    next: 'Do not connect: the key may be in wrong hands. Give the host a new key.',
  },
  {
    match: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: 'SSH-HOST-KEY-CHANGED',
    next: 'Find out why: the host was installed anew, or somebody is in between. If it is right: ssh-keygen -R HOST.',
  },
  {
    match: /No \S+ host key is known for|Host key verification failed/,
    code: 'SSH-HOST-KEY-UNKNOWN',
    next: 'Compare the fingerprint with the host’s own and run with --accept-new-host-keys, or connect once by ssh.',
  },
  {
    match: /Permission denied \(|Too many authentication failures/,
    code: 'SSH-AUTH',
    next: 'Check ssh.user and the keys that ssh offers (ssh -v HOST shows them).',
  },
  {
    match: /Could not resolve hostname/,
    code: 'SSH-DNS',
    next: 'Check ssh.address in the inventory, HostName in your ssh_config, and DNS.',
  },
  {
    match: /Connection refused/,
    code: 'SSH-REFUSED',
    next: 'Check that sshd runs there and that ssh.address and ssh.port are right.',
  },
  {
    match: /No route to host|Network is unreachable/,
    code: 'SSH-UNREACHABLE',
    next: 'Check ssh.address, the route from here, or name a jump host (ssh.jump).',
  },
  {
    match: /Bad configuration option|Bad owner or permissions on|terminating, \d+ bad configuration/,
    code: 'SSH-CONFIG',
    next: 'Mend your ssh_config (ssh -G HOST shows the same).',
  },
];

/** The server closed before the login: ssh says so in one of these ways. */
const DROPPED =
  /kex_exchange_identification:|ssh_exchange_identification:|Connection (closed|reset) by .* port \d+|Exceeded MaxStartups/;

/** What the end of a master that never became ready means: worth another try, or an error (thrown). */
export function judgeMaster(end: MasterEnd, whom: Whom, where: string): Try<never> {
  const said = end.stderr.trim();
  const last = printable(said.split('\n').at(-1) ?? '');
  if (end.code === 'ENOENT') {
    throw sshFailure(
      whom,
      'SSH-CONFIG',
      'there is no ssh program here',
      'Install the OpenSSH client, or use --transport node-ssh.',
    );
  }
  if (end.isMaxBuffer) {
    throw sshFailure(
      whom,
      'SSH-PROTOCOL',
      `${where} says more before the login than anybody reads`,
      'Check ssh.address and ssh.port: ssh -v HOST shows what answers there.',
    );
  }
  const known = WORDS.find(({ match }) => match.test(said));
  if (known) throw sshFailure(whom, known.code, `${where}: ${printable(lineOf(said, known.match))}`, known.next);
  if (/timed out|Timeout, server .* not responding/.test(said)) throw timeoutFailure(whom, where, 'the connection');
  if (
    /banner line contains invalid characters|banner exchange: .*invalid format|Bad packet length|no matching .* found|Protocol/i.test(
      said,
    )
  ) {
    throw sshFailure(
      whom,
      'SSH-PROTOCOL',
      `${where}: ${last}`,
      'Check ssh.address and ssh.port, and the versions of both sides.',
    );
  }
  if (DROPPED.test(said)) return { kind: 'dropped', why: last };
  throw sshFailure(
    whom,
    'SSH-PROTOCOL',
    `ssh to ${where} ended: ${last || `exit status ${end.exitCode}`}`,
    'Try the same by hand: ssh -v HOST.',
  );
}

function lineOf(text: string, match: RegExp): string {
  return text.split('\n').find((line) => match.test(line)) ?? text;
}
