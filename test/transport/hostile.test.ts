import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { ServerChannel } from 'ssh2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import { survey } from '../../src/survey/survey.ts';
import { nodeSshTransport } from '../../src/transport/node-ssh.ts';
import { opensshTransport } from '../../src/transport/openssh.ts';
import type { TransportOptions } from '../../src/transport/options.ts';
import type { Target, Transport } from '../../src/transport/types.ts';
import { type Fault, faulty } from './faults.ts';
import { type HostileServer, type Hostility, hostileServer } from './hostile.ts';
import { keygen, type Sshd, startSshd, tempDir } from './sshd.ts';

/**
 * A cluster with every kind of bad host in it, and a good one: each bad one has its own error with a stable code, its
 * name and what to do next, in bounded time and memory, and the good one is read all the same.
 */

/** Writes for as long as the other end takes it. */
function flood(channel: NodeJS.WritableStream, chunk: Buffer): void {
  const more = () => {
    if (channel.write(chunk)) setImmediate(more);
    else channel.once('drain', more);
  };
  channel.on('error', () => undefined);
  more();
}

const chunk = Buffer.alloc(32 * 1024, 'x');
const lines = Buffer.from('x\n'.repeat(16 * 1024));
const answer =
  (text: string | Buffer, then: (channel: ServerChannel) => void): NonNullable<Hostility['exec']> =>
  (accept) => {
    const channel = accept();
    channel.on('error', () => undefined);
    channel.write(text);
    then(channel);
  };
const ends = (channel: ServerChannel) => {
  channel.exit(0);
  channel.end();
};

/** Name, what the server does, the code, and what the message says. */
const SERVERS: [string, Hostility, string, RegExp][] = [
  ['banner', { banner: 'Welcome! \u001b[2J\n'.repeat(2000), exec: answer('', ends) }, 'HOST-LOST', /did not start/],
  ['banner-beyond-measure', { banner: 'x'.repeat(2_000_000) }, 'SSH-LOST', /during the login.*packet length/],
  ['banners', { banners: true }, 'SSH-TIMEOUT', /login/],
  ['no-answer-to-login', { silent: true }, 'SSH-TIMEOUT', /the login/],
  ['no-session', { session: (_accept, reject) => reject() }, 'SSH-BUSY', /no session/],
  ['no-program', { exec: (_accept, reject) => reject() }, 'SSH-PROTOCOL', /did not start the program/],
  ['says-nothing', { exec: (accept) => void accept() }, 'SSH-COMMAND-TIMEOUT', /did not end within/],
  ['never-starts', { exec: () => undefined }, 'SSH-TIMEOUT', /start/],
  ['no-answer-to-session', { session: () => undefined }, 'SSH-TIMEOUT', /start/],
  ['stdout-flood', { exec: (accept) => flood(accept(), lines) }, 'HOST-PROTOCOL', /more than 64 MiB/],
  ['stdout-one-line', { exec: (accept) => flood(accept(), chunk) }, 'HOST-PROTOCOL', /more than 64 MiB/],
  ['stderr-flood', { exec: (accept) => flood(accept().stderr, chunk) }, 'SSH-COMMAND-TIMEOUT', /did not end/],
  [
    'invalid-utf8',
    { exec: answer(Buffer.from('\n\xff\xfe\x00\xc3\n'.repeat(1000), 'latin1'), ends) },
    'HOST-LOST',
    /did not start/,
  ],
  ['no-exit-status', { exec: answer('bye\n', (channel) => channel.end()) }, 'SSH-PROTOCOL', /without saying how/],
  [
    'exits-127',
    {
      exec: (accept) => {
        const channel = accept();
        channel.stderr.write('sh: \xff not found\n');
        channel.exit(127);
        channel.end();
      },
    },
    'HOST-LOST',
    /exit code 127.*not found/,
  ],
  [
    'echoes-input',
    {
      exec: (accept) => {
        const channel = accept();
        channel.pipe(channel);
      },
    },
    'SSH-COMMAND-TIMEOUT',
    /did not end/,
  ],
];

/** Those that don't get as far as SSH. */
const SOCKETS: [string, (socket: Socket) => void, string, RegExp][] = [
  ['half-open', () => undefined, 'SSH-TIMEOUT', /greeting/],
  ['no-key-exchange', (socket) => void socket.write('SSH-2.0-x\r\n'), 'SSH-TIMEOUT', /in time/],
  ['greeting-flood', (socket) => flood(socket, lines), 'SSH-PROTOCOL', /does not talk SSH/],
  ['not-ssh', (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'SSH-PROTOCOL', /does not talk SSH/],
];

let dir: string;
let sshd: Sshd;
const servers: HostileServer[] = [];
const sockets: Fault[] = [];
const targets = new Map<string, Target['ssh']>();

beforeAll(async () => {
  dir = tempDir();
  mkdirSync(dir, { recursive: true });
  sshd = await startSshd();
  targets.set('good', sshd.target().ssh);
  const none = join(dir, 'none');
  writeFileSync(none, '');
  targets.set('unknown-key', sshd.target({ knownHosts: none }).ssh);
  keygen(join(dir, 'other'));
  const other = join(dir, 'changed');
  writeFileSync(other, `[127.0.0.1]:${sshd.port} ${readFileSync(join(dir, 'other.pub'), 'utf8')}`);
  targets.set('changed-key', sshd.target({ knownHosts: other }).ssh);
  for (const [name, how] of SERVERS) {
    const server = await hostileServer(dir, name, how);
    servers.push(server);
    targets.set(name, server.target.ssh);
  }
  for (const [name, act] of SOCKETS) {
    const socket = await faulty(act);
    sockets.push(socket);
    targets.set(name, sshd.target({ port: socket.port }).ssh);
  }
});
afterAll(async () => {
  await Promise.all([...servers, ...sockets].map((one) => one.stop()));
  await sshd.stop();
  rmSync(dir, { recursive: true, force: true });
});

const EXPECTED: [string, string, RegExp][] = [
  ...SERVERS.map(([name, , code, what]): [string, string, RegExp] => [name, code, what]),
  ...SOCKETS.map(([name, , code, what]): [string, string, RegExp] => [name, code, what]),
  ['unknown-key', 'SSH-HOST-KEY-UNKNOWN', /host key/],
  ['changed-key', 'SSH-HOST-KEY-CHANGED', /host key/],
];

/** Whichever limit comes first: how much, or how long. */
const FLOODED: [RegExp, RegExp] = [/^(HOST-PROTOCOL|SSH-COMMAND-TIMEOUT)$/, /more than 64 MiB|did not end within/];
const FLOODS = { 'stdout-flood': FLOODED, 'stdout-one-line': FLOODED };

/** What OpenSSH's own program makes of it, where that is something else. */
const BY_OPENSSH: Record<string, [RegExp, RegExp]> = {
  'banner-beyond-measure': [/^SSH-PROTOCOL$/, /corrupted|packet length/],
  banners: [/^SSH-(PROTOCOL|TIMEOUT)$/, /more before the login than anybody reads|waiting for the login/],
  'changed-key': [/^SSH-HOST-KEY-CHANGED$/, /IDENTIFICATION HAS CHANGED/],
  // Its master hears of these, and the session's own program doesn't.
  'no-program': [/^SSH-COMMAND-TIMEOUT$/, /did not end within/],
  'never-starts': [/^SSH-COMMAND-TIMEOUT$/, /did not end within/],
  'no-answer-to-session': [/^SSH-COMMAND-TIMEOUT$/, /did not end within/],
  ...FLOODS,
  // 255 is its own.
  'no-exit-status': [/^HOST-LOST$/, /exit code 255/],
  'half-open': [/^SSH-TIMEOUT$/, /in time/],
  'not-ssh': [/^SSH-(BUSY|PROTOCOL)$/, /before the login|invalid/],
  'greeting-flood': [/^SSH-PROTOCOL$/, /invalid format/],
};

const WAYS: [string, (options: TransportOptions) => Transport, Record<string, [RegExp, RegExp]>][] = [
  ['node-ssh', nodeSshTransport, FLOODS],
  ['openssh', opensshTransport, BY_OPENSSH],
];

test.each(WAYS)(
  'by %s, every bad host says what is wrong with it, and the good one is read',
  async (way, make, others) => {
    const inventory = join(dir, `${way}.yaml`);
    const hosts = Object.fromEntries([...targets.keys()].map((name) => [name, { ssh: { address: '127.0.0.1' } }]));
    writeFileSync(inventory, JSON.stringify({ version: 1, name: 'bad', hosts }));
    const cluster = loadCluster([inventory]);
    const inner = make({
      sshConfig: 'none',
      environment: {},
      connectTimeout: 4,
      retry: { attempts: 2, seconds: 5 },
    });
    const transport: Transport = {
      ...inner,
      connect: (target, options) => inner.connect({ ...target, ssh: targets.get(target.name) ?? target.ssh }, options),
    };
    const before = process.resourceUsage().maxRSS;
    const read = await survey(cluster, cluster.hosts, { transport, parallel: 50, timeout: 8, keep: false });
    await transport.close();
    // KiB; the servers that flood are in this process too.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(1024 * 1024);

    expect(read.seen.map(({ host }) => host.name)).toEqual(['good']);
    const found = read.unseen.map(({ host, problems }) => {
      const [problem, ...more] = problems;
      expect(more).toEqual([]);
      expect(problem?.place).toMatchObject({ kind: 'host', host: host.name });
      expect(problem?.next).toMatch(/\w{3}.*\.$/);
      // Nothing that a terminal would take for a command.
      expect(JSON.stringify(problem)).not.toMatch(/\\u00[01]|\\n/);
      return [host.name, problem?.code, problem?.what];
    });
    const wanted = EXPECTED.map(([name, code, what]) => {
      const [otherCode, otherWhat] = others[name] ?? [new RegExp(`^${code}$`), what];
      return [name, expect.stringMatching(otherCode), expect.stringMatching(otherWhat)];
    });
    expect(found.toSorted()).toEqual(wanted.toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)));
  },
  120_000,
);
