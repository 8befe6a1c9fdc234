import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Lab } from '../../src/lab/index.ts';

/**
 * Traffic from a machine of the lab, each kind as one process there: starting a process costs 24 ms in these guests.
 * What needs a socket of its own making is perl, which every image has (perl-base).
 */

/** One request's outcome; `status` 0: no answer, `error` says why. */
export interface Answer {
  status: number;
  body: string;
  /** The address that it was asked from. */
  from: string;
  seconds: number;
  error?: string;
}

export interface HttpOptions {
  /** Requests from each source address; 1. */
  count?: number;
  /** Source addresses or interfaces of the client, asked from one after another. Absent: the kernel chooses. */
  from?: readonly string[];
  /** Seconds for each request; 3. */
  limit?: number;
  headers?: Readonly<Record<string, string>>;
  /** Failed requests are answers too. Otherwise the first one fails the test. */
  mayFail?: boolean;
}

const BEFORE = '\u001f';
const AFTER = '\u001e';

/** Requests one after the other, each over a new connection. */
export async function http(lab: Lab, client: string, url: string, options: HttpOptions = {}): Promise<Answer[]> {
  const { count = 1, limit = 3, mayFail = false, headers = {} } = options;
  const answers: Answer[] = [];
  for (const source of options.from ?? [undefined]) {
    const result = await lab.run(client, [
      'curl',
      ...['--silent', '--show-error', '--globoff', '--max-time', String(limit)],
      ...['--header', 'Connection: close'],
      ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
      ...(mayFail ? [] : ['--fail-early']),
      ...(source === undefined ? [] : ['--interface', source]),
      ...['--write-out', `${BEFORE}%{http_code} %{time_total} %{local_ip} %{errormsg}${AFTER}`],
      ...Array.from({ length: count }, () => url),
    ]);
    const found = answersOf(result.stdout);
    answers.push(...found);
    if (mayFail) continue;
    const failed = found.find((answer) => answer.status === 0);
    const where = `${client}${source === undefined ? '' : ` from ${source}`}: ${url}`;
    if (failed !== undefined || found.length !== count) {
      throw new Error(
        `${where}: request ${found.length} of ${count} failed: ${failed?.error ?? result.stderr.slice(0, 300)}`,
      );
    }
  }
  return answers;
}

/** Reads what curl wrote. Pure. */
export function answersOf(output: string): Answer[] {
  return output
    .split(AFTER)
    .slice(0, -1)
    .map((part) => {
      const at = part.lastIndexOf(BEFORE);
      const [, status, seconds, from = '', error = ''] =
        /^(\d+) (\S+) (\S*) ?([\s\S]*)$/.exec(part.slice(at + 1)) ?? [];
      return {
        status: Number(status),
        body: part.slice(0, at),
        from,
        seconds: Number(seconds),
        ...(error === '' ? {} : { error }),
      };
    });
}

/** How often each body came, trimmed. */
export function shares(answers: readonly { body: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { body } of answers) counts[body.trim()] = (counts[body.trim()] ?? 0) + 1;
  return counts;
}

/** Something that goes on until it is stopped. */
export interface Running<T> {
  stop(): Promise<T>;
}

// Everything that goes on leaves its output in a folder of its own on the machine's tmpfs.
let number = 0;

/** Starts a program that goes on; resolves when `ready` is in its output or errors. */
async function start(
  lab: Lab,
  host: string,
  argv: readonly string[],
  ready: string,
  signal = 'TERM',
): Promise<Running<string> & { output(): Promise<string> }> {
  number += 1;
  const folder = `/run/lvsctl-test-${process.pid}-${number}`;
  const began = await lab.run(host, [
    'sh',
    '-c',
    `f=$1; shift; ready=$1; shift; mkdir "$f" && cd "$f" || exit
    "$@" >out 2>err </dev/null & echo $! >pid
    until grep -qF "$ready" out err; do [ -d /proc/$! ] || { cat err >&2; exit 1; }; sleep 0.1; done`,
    'sh',
    folder,
    ready,
    ...argv,
  ]);
  expect(began, `${host}: ${argv[0]}`).toMatchObject({ code: 0 });
  return {
    output: async () => (await lab.run(host, ['cat', `${folder}/out`])).stdout,
    stop: async () => {
      const script = `cd "$1" && read -r pid <pid; kill -$2 $pid 2>/dev/null
      while [ -d /proc/$pid ]; do sleep 0.1; done; cat out; cd /; rm -r "$1"`;
      const ended = await lab.run(host, ['sh', '-c', script, 'sh', folder, signal]);
      expect(ended, `${host}: ${argv[0]}`).toMatchObject({ code: 0 });
      return ended.stdout;
    },
  };
}

const HOLDS = 'all connections are held';
const HELD = `use strict; use IO::Socket::IP; $| = 1;
my ($count, $address, $port, $path, $from) = @ARGV; my @held;
for (1 .. $count) {
  my $s = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Timeout => 5,
    ($from ? (LocalHost => $from) : ())) or die "no connection: $@\\n";
  print $s "GET $path HTTP/1.1\\r\\nHost: held\\r\\n\\r\\n";
  my ($length, $body) = (0, '');
  while (defined(my $line = <$s>)) { $line =~ s/\\r?\\n//; last if $line eq ''; $length = $1 if $line =~ /^content-length: *(\\d+)/i }
  read($s, $body, $length) == $length or die "no answer\\n" if $length;
  $body =~ s/\\s+$//; print "$body\\n"; push @held, $s;
}
print "${HOLDS}\\n"; sleep 3600;`;

export interface Held {
  /** What each connection was answered, in order. */
  answers: { body: string }[];
  release(): Promise<void>;
}

/** Opens connections one after the other, asks for `path` over each (the answer needs a Content-Length) and holds them. */
export async function held(
  lab: Lab,
  client: string,
  to: { address: string; port: number; path?: string },
  options: { count: number; from?: string },
): Promise<Held> {
  const argv = ['perl', '-e', HELD, String(options.count), to.address, String(to.port), to.path ?? '/'];
  const running = await start(lab, client, options.from === undefined ? argv : [...argv, options.from], HOLDS);
  const lines = (await running.output()).split('\n').filter((line) => line !== '' && line !== HOLDS);
  return {
    answers: lines.map((body) => ({ body })),
    release: async () => {
      await running.stop();
    },
  };
}

const LOAD = readFileSync(new URL('./load.pl', import.meta.url), 'utf8');

/** One request of a load: when it began, in seconds since 1970 by the client's clock, and what became of it. */
export interface Sample {
  at: number;
  seconds: number;
  result: 'ok' | 'bad' | 'refused' | 'reset' | 'timeout';
  body: string;
}

export interface Load extends Running<Sample[]> {
  /** When it was late, once it has ended: its machine had no time for it. */
  late(): Stall[];
  /** The requests that have ended. */
  soFar(): Promise<Sample[]>;
}

/** `rate` new connections a second from one client until stopped, each with a limit of its own (seconds). */
export async function load(
  lab: Lab,
  client: string,
  to: { address: string; port: number; path?: string },
  options: { rate: number; limit?: number },
): Promise<Load> {
  const { rate, limit = 1 } = options;
  const argv = ['perl', '-e', LOAD, to.address, String(to.port), to.path ?? '/', String(rate), String(limit)];
  const running = await start(lab, client, argv, 'load');
  let late: Stall[] = [];
  return {
    late: () => late,
    soFar: async () => samplesOf(await running.output()),
    stop: async () => {
      const output = await running.stop();
      late = latenessOf(output, client);
      return samplesOf(output);
    },
  };
}

/** When a load was late, by what it wrote. Pure. */
export function latenessOf(output: string, host: string): Stall[] {
  return [...output.matchAll(/^late (\S+) (\S+)$/gm)].map(([, at, seconds]) => {
    return { host, at: Number(at), seconds: Number(seconds) };
  });
}

/** Reads what a load wrote. Pure. */
export function samplesOf(output: string): Sample[] {
  return output.split('\n').flatMap((line) => {
    const [, at, seconds, result, body = ''] = /^(\S+) (\S+) (ok|bad|refused|reset|timeout) (.*)$/.exec(line) ?? [];
    if (result === undefined) return [];
    return [{ at: Number(at), seconds: Number(seconds), result: result as Sample['result'], body: body.trim() }];
  });
}

// Sleeps for 50 ms over and over; a line for each time that took 150 ms more: when it began, and how long it took.
const STALLS = `use strict; $| = 1;
sub clock { my $b = pack('qq', 0, 0); syscall(228, $_[0], $b); my ($s, $n) = unpack('qq', $b); $s + $n / 1e9 }
my $epoch = clock(0) - clock(1); my $last = clock(1); print "watches\\n";
while (1) { select undef, undef, undef, 0.05; my $now = clock(1); my $took = $now - $last;
  printf "%.3f %.3f\\n", $last + $epoch, $took if $took > 0.2; $last = $now }`;

/** A time in which a machine of the lab did nothing at all, because its own machine had no time for it. */
export interface Stall {
  host: string;
  /** Seconds since 1970. */
  at: number;
  seconds: number;
}

/** Seconds that machines stand still, all of them together, in which a request of a second isn't answered in time. */
const STALLED = 0.4;

/** Whether a request timed out, and machines stood still meanwhile. Pure. */
export function isStalled({ at, seconds, result }: Sample, stalls: readonly Stall[]): boolean {
  if (result !== 'timeout') return false;
  const during = stalls.map((one) => Math.min(one.at + one.seconds, at + seconds) - Math.max(one.at, at));
  return during.filter((overlap) => overlap > 0).reduce((sum, overlap) => sum + overlap, 0) > STALLED;
}

/**
 * Notes when machines of the lab stand still: what is lost then says nothing of what they do. One without power notes
 * nothing, and one that lost it has noted nothing.
 */
export async function watchStalls(lab: Lab, hosts: readonly string[]): Promise<Running<Stall[]>> {
  const running = await Promise.all(
    hosts.map(async (host) => {
      const none = { stop: async () => '' };
      return { host, ticks: await start(lab, host, ['perl', '-e', STALLS], 'watches').catch(() => none) };
    }),
  );
  return {
    stop: async () => {
      const found = await Promise.all(
        running.map(async ({ host, ticks }) =>
          (await ticks.stop().catch(() => '')).split('\n').flatMap((line): Stall[] => {
            const [, at, seconds] = /^(\S+) (\S+)$/.exec(line) ?? [];
            return at === undefined ? [] : [{ host, at: Number(at), seconds: Number(seconds) }];
          }),
        ),
      );
      return found.flat();
    },
  };
}

const UDP = `use strict; use IO::Socket::IP; use IO::Select;
my ($address, $port, $payload, $count, $limit, $same, @from) = @ARGV; $payload = pack 'H*', $payload;
for my $from (@from ? @from : '') {
  my $s;
  for (1 .. $count) {
    $s = undef unless $same;
    $s ||= IO::Socket::IP->new(Proto => 'udp', PeerHost => $address, PeerPort => $port, ($from ? (LocalHost => $from) : ()))
      or die "no socket: $@\\n";
    send $s, $payload, 0;
    my $reply = '';
    if (IO::Select->new($s)->can_read($limit)) { defined recv($s, $reply, 65535, 0) or $reply = '' }
    print unpack('H*', $reply), "\\n";
  }
}`;

export interface UdpOptions {
  count?: number;
  from?: readonly string[];
  limit?: number;
  /** All datagrams of one source address from one port: one flow, as one-packet scheduling is about. */
  samePort?: boolean;
  mayFail?: boolean;
}

/** Datagrams one after the other, each awaiting its reply; an empty buffer where none came. */
export async function udp(
  lab: Lab,
  client: string,
  to: { address: string; port: number },
  payload: Buffer,
  options: UdpOptions = {},
): Promise<Buffer[]> {
  const { count = 1, from = [], limit = 3, samePort = false, mayFail = false } = options;
  const words = [payload.toString('hex'), String(count), String(limit), samePort ? '1' : ''];
  const result = await lab.run(client, ['perl', '-e', UDP, to.address, String(to.port), ...words, ...from]);
  expect(result, `${client}: datagrams to ${to.address}:${to.port}`).toMatchObject({ code: 0 });
  const replies = result.stdout.split('\n').slice(0, -1);
  if (!mayFail && replies.includes('')) {
    throw new Error(`${client}: no reply to datagram ${replies.indexOf('') + 1} to ${to.address}:${to.port}`);
  }
  return replies.map((reply) => Buffer.from(reply, 'hex'));
}

const TYPES = { A: 1, TXT: 16, AAAA: 28 } as const;

/** A DNS query (RFC 1035, section 4). Pure. */
export function dnsQuery(name: string, type: keyof typeof TYPES): Buffer {
  const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
  const header = Buffer.from([0x4c, 0x56, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, TYPES[type], 0, 1])]);
}

/** The answers in a DNS reply to one question: addresses, or texts. Pure. */
export function dnsAnswers(reply: Buffer): string[] {
  if (reply.length < 12) return [];
  const afterName = (at: number): number => {
    for (let next = at; ; ) {
      const length = reply[next] ?? 0;
      if (length >= 0xc0) return next + 2;
      next += length + 1;
      if (length === 0) return next;
    }
  };
  let at = afterName(12) + 4;
  return Array.from({ length: reply.readUInt16BE(6) }, () => {
    const fixed = afterName(at);
    const type = reply.readUInt16BE(fixed);
    const data = reply.subarray(fixed + 10, fixed + 10 + reply.readUInt16BE(fixed + 8));
    at = fixed + 10 + data.length;
    if (type === TYPES.A) return [...data].join('.');
    if (type === TYPES.TXT) return data.subarray(1, 1 + (data[0] ?? 0)).toString();
    return data.toString('hex');
  });
}

/** DNS over UDP: the first answer of each reply as a body, so that `shares` counts them. */
export async function dns(
  lab: Lab,
  client: string,
  to: { address: string; port?: number },
  question: { name: string; type: keyof typeof TYPES },
  options: UdpOptions = {},
): Promise<{ body: string }[]> {
  const query = dnsQuery(question.name, question.type);
  const replies = await udp(lab, client, { address: to.address, port: to.port ?? 53 }, query, options);
  return replies.map((reply) => ({ body: dnsAnswers(reply)[0] ?? '' }));
}

// Reads a request's whole body and answers who it was, how many bytes came, and their sum modulo 2^32.
const RECEIVER = `use strict; use IO::Socket::IP; use Socket; $| = 1; $SIG{CHLD} = 'IGNORE';
my ($address, $port, $name) = @ARGV;
my $l = IO::Socket::IP->new(LocalHost => $address, LocalPort => $port, Listen => 50, ReuseAddr => 1) or die "$@\\n";
print "listens\\n";
while (1) {
  my $s = $l->accept or next; if (fork) { close $s; next }
  my ($length, $got, $sum) = (0, 0, 0);
  while (defined(my $line = <$s>)) {
    $line =~ s/\\r?\\n//; last if $line eq ''; $length = $1 if $line =~ /^content-length: *(\\d+)/i;
    print $s "HTTP/1.1 100 Continue\\r\\n\\r\\n" if $line =~ /^expect: *100/i }
  while ($got < $length) { my $n = read $s, my $piece, $length - $got > 65536 ? 65536 : $length - $got or last;
    $got += $n; $sum = ($sum + unpack '%32C*', $piece) % 2**32 }
  my $body = "$name $got $sum\\n";
  print $s "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: " . length($body) . "\\r\\n\\r\\n$body"; close $s; exit }`;

/** A server on a machine of the lab that takes uploads, until stopped. The port must be free. */
export async function receiver(lab: Lab, host: string, port: number, address = '0.0.0.0'): Promise<Running<string>> {
  return await start(lab, host, ['perl', '-e', RECEIVER, address, String(port), host], 'listens');
}

/** Sends `bytes` random bytes to a `receiver` and gives who took them; fails where not all arrived as sent. */
export async function upload(
  lab: Lab,
  client: string,
  url: string,
  bytes: number,
  options: { limit?: number } = {},
): Promise<string> {
  const script = `f=$(mktemp); head -c "$1" /dev/urandom >"$f"
    perl -e 'my $s = 0; while (read STDIN, my $p, 65536) { $s = ($s + unpack "%32C*", $p) % 2**32 } print "$s "' <"$f"
    curl -sS -g --max-time "$3" -X POST -H Expect: --data-binary @"$f" "$2"; e=$?; rm "$f"; exit $e`;
  const sent = await lab.run(client, ['sh', '-c', script, 'sh', String(bytes), url, String(options.limit ?? 20)]);
  const [, sum, who, got, gotSum] = /^(\d+) (\S+) (\d+) (\d+)\n$/.exec(sent.stdout) ?? [];
  if (who !== undefined && Number(got) === bytes && sum === gotSum) return who;
  throw new Error(`${client}: ${bytes} bytes to ${url} did not arrive: ${sent.stdout.trim()} ${sent.stderr.trim()}`);
}

/** What a machine knows of its neighbours: address → MAC, those without one left out. */
export async function neighbours(lab: Lab, host: string): Promise<Record<string, string>> {
  const shown = await lab.run(host, ['ip', 'neighbour', 'show']);
  // The management link is no part of the cluster.
  const pairs = [...shown.stdout.matchAll(/^(\S+) dev (?!lab0 )\S+ lladdr (\S+)/gm)].map(([, address, mac]) => [
    address,
    mac,
  ]);
  return Object.fromEntries(pairs);
}

/** Captures packets on an interface until stopped; gives tcpdump's lines (`-n -e -tt`: seconds since 1970 come first). */
export async function capture(lab: Lab, host: string, device: string, filter: string): Promise<Running<string[]>> {
  const running = await start(
    lab,
    host,
    // Without the immediate mode what came in its last second would be lost when it ends.
    ['tcpdump', '-n', '-e', '-tt', '-l', '--immediate-mode', '-i', device, filter],
    'listening on',
    'INT',
  );
  return {
    stop: async () => {
      // What came last is still on its way to the program where the machine is busy.
      await lab.run(host, ['sleep', '1']);
      return (await running.stop()).split('\n').filter((line) => line !== '');
    },
  };
}

/** The MACs that answered ARP requests for an address, from the lines of a capture. Pure. */
export function arpAnswers(lines: readonly string[], address: string): string[] {
  const found = lines.flatMap((line) => {
    const [, whose, mac] = /Reply (\S+) is-at (\S+?),/.exec(line) ?? [];
    return whose === address && mac !== undefined ? [mac] : [];
  });
  return [...new Set(found)];
}
