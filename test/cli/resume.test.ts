import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../transport/sshd.ts';
import { lvsctl } from './lvsctl.ts';

/** A rollout over three hosts, each behind an sshd of its own, that is cut short; and the one that goes on with it. */

const program = new URL('../../dist/lvsctl.js', import.meta.url).pathname;
const owner = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim();
const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
const HOSTS = ['a', 'b', 'c'];

const which = (name: string) => execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();

let folder: string;
let base: string;
const sshds = new Map<string, Sshd>();

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'lvsctl-resume-'));
  // On b a file's owner is set only when nothing holds it: it is in the middle then.
  const slow = join(base, 'slow');
  const hold = join(base, 'now/hold');
  mkdirSync(slow);
  writeFileSync(
    join(slow, 'chown'),
    `#!/bin/sh\ncase "$*" in */etc/.lvsctl.*) if [ -e ${hold} ]; then : >${base}/now/held; while [ -e ${hold} ]; do sleep 0.1; done; fi ;; esac\nexec ${which('chown')} "$@"\n`,
    { mode: 0o755 },
  );
  for (const host of HOSTS) {
    const path = host === 'b' ? ` PATH=${slow}:${process.env.PATH}` : '';
    sshds.set(host, await startSshd({ config: [`SetEnv LVSCTL_ROOT=${join(base, 'now', host)}${path}`] }));
  }
});
afterAll(async () => {
  for (const sshd of sshds.values()) await sshd.stop();
  rmSync(base, { recursive: true });
});
beforeEach(() => {
  folder = join(base, 'now');
  for (const host of HOSTS) {
    put(host, '/etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
    put(host, '/etc/motd', 'theirs\n');
    for (const name of ['osrelease', 'arch', 'hostname', 'random/boot_id'])
      put(host, `/proc/sys/kernel/${name}`, 'x\n');
    put(host, '/proc/sys/net/ipv4/ip_forward', '0\n');
    symlinkSync('/proc/uptime', join(folder, host, 'proc/uptime'));
  }
});
afterEach(() => rmSync(folder, { recursive: true, maxRetries: 5 }));

function put(host: string, path: string, content: string): void {
  mkdirSync(dirname(join(folder, host, path)), { recursive: true });
  writeFileSync(join(folder, host, path), content);
}

const on = (host: string, path: string) =>
  existsSync(join(folder, host, path)) ? readFileSync(join(folder, host, path), 'utf8') : null;

/** Each host gets a file and a parameter. */
function describeHosts(content: string): void {
  const hosts = Object.fromEntries(
    HOSTS.map((host) => {
      const { port, user, identityFile: identity_file, knownHosts: known_hosts } = sshds.get(host) as Sshd;
      const ssh = { address: '127.0.0.1', port, user, identity_file, known_hosts };
      return [
        host,
        { ssh, sysctls: { 'net.ipv4.ip_forward': '1' }, files: { '/etc/motd': { content, owner, group } } },
      ];
    }),
  );
  writeFileSync(join(folder, 'lvs.yaml'), JSON.stringify({ version: 1, name: 'test', hosts }));
}

const run = (...args: string[]) => lvsctl([...args, '-i', 'lvs.yaml'], { cwd: folder });

/** Processes that this one started. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
}

interface PlanLine {
  event: string;
  plan: { steps: { id: string; host: string }[] };
}

/** The hosts that the only plan of this output changes. */
function planned(out: string): string[] {
  const lines: PlanLine[] = out.split('\n').map((line) => JSON.parse(line));
  const steps = lines.filter(({ event }) => event === 'plan').flatMap(({ plan }) => plan.steps);
  return [...new Set(steps.map(({ host }) => host))].toSorted();
}

/** Runs an apply of a canary and the others, and waits until the second host is in the middle. */
async function halfway(...args: string[]): Promise<ChildProcess> {
  writeFileSync(join(folder, 'hold'), '');
  const rollout = ['--canary', 'a', '--serial', '1'];
  const child = spawn(process.execPath, [program, 'apply', ...args, ...rollout], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: 'ignore',
  });
  for (let left = 1200; left > 0 && !existsSync(join(folder, 'held')); left -= 1) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    await sleep(50);
  }
  return child;
}

describe('a rollout that is cut short', () => {
  test.each<[string, NodeJS.Signals]>([
    ['killed', 'SIGKILL'],
    ['stopped', 'SIGINT'],
    ['left by its terminal', 'SIGHUP'],
  ])('%s: apply alone goes on with it', async (_, signal) => {
    describeHosts('new\n');
    const child = await halfway('--yes', '-i', 'lvs.yaml');
    const [done, open] = ['a', 'b'].map((host) => on(host, '/var/lib/lvsctl/tx/id'));
    expect([done, open]).toEqual([null, expect.stringMatching(/^[0-9a-f]+\n$/)]);
    expect(on('a', '/etc/motd')).toBe('new\n');
    const before = { c: on('c', '/etc/motd') };
    child.kill(signal);
    rmSync(join(folder, 'hold'));
    await once(child, 'exit');
    if (signal !== 'SIGKILL') expect(on('b', '/var/lib/lvsctl/tx/id')).toBeNull();

    // What is done is seen to be done; what is open is ended first; the rest is changed.
    const next = await run('apply', '--yes', '--json', '--lock-wait', '60s');
    expect(next, next.err).toMatchObject({ code: 0 });
    expect(planned(next.out)).toEqual(before.c === 'new\n' ? ['b'] : ['b', 'c']);
    expect(HOSTS.map((host) => [on(host, '/etc/motd'), on(host, '/proc/sys/net/ipv4/ip_forward')])).toEqual(
      HOSTS.map(() => ['new\n', '1\n']),
    );
    expect(HOSTS.map((host) => on(host, '/var/lib/lvsctl/tx/id'))).toEqual([null, null, null]);
    expect(await run('plan', '--detailed-exitcode')).toMatchObject({ code: 0 });
    const ends = await run('history', 'b', '--json');
    expect(ends.out).toMatch(/"state":"confirmed".*"state":"reverted"/s);
  });

  test('cut off from a host: it takes back what it did there over a new connection, and leaves it free', async () => {
    describeHosts('new\n');
    const child = await halfway('--yes', '-i', 'lvs.yaml');
    const server = Number(readFileSync(join((sshds.get('b') as Sshd).dir, 'pid'), 'utf8'));
    for (const session of childrenOf(server)) process.kill(session, 'SIGKILL');
    rmSync(join(folder, 'hold'));
    await once(child, 'exit');
    expect(child.exitCode).toBe(1);
    expect([on('b', '/etc/motd'), on('b', '/var/lib/lvsctl/tx/id')]).toEqual(['theirs\n', null]);
    expect(on('b', '/run/lvsctl/lease')).toMatch(/^[0-9a-f]+\n0\n/);
    expect(await run('apply', '--yes')).toMatchObject({ code: 0 });
    expect(HOSTS.map((host) => on(host, '/etc/motd'))).toEqual(['new\n', 'new\n', 'new\n']);
  });

  test('a saved plan that was cut short is not run again: a new one goes on', async () => {
    describeHosts('new\n');
    expect(await run('plan', '--out', 'saved')).toMatchObject({ code: 0 });
    const child = await halfway('saved');
    child.kill('SIGINT');
    rmSync(join(folder, 'hold'));
    await once(child, 'exit');
    const before = HOSTS.map((host) => on(host, '/etc/motd'));
    expect(before.slice(0, 2)).toEqual(['new\n', 'theirs\n']);
    const again = await lvsctl(['apply', 'saved'], { cwd: folder });
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('PLAN-USED') });
    expect(HOSTS.map((host) => on(host, '/etc/motd'))).toEqual(before);
    expect(await run('apply', '--yes')).toMatchObject({ code: 0 });
    expect(HOSTS.map((host) => on(host, '/etc/motd'))).toEqual(['new\n', 'new\n', 'new\n']);
  });
});

describe('a saved plan for several hosts', () => {
  test('of which one changed since: refused with what and where, and nothing is changed on any', async () => {
    describeHosts('new\n');
    expect(await run('plan', '--out', 'saved')).toMatchObject({ code: 0 });
    put('b', '/etc/motd', 'edited\n');
    const refused = await lvsctl(['apply', 'saved'], { cwd: folder });
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('PLAN-STALE') });
    expect(refused.err).toMatch(/host b.*PLAN-STALE[\s\S]*file \/etc\/motd/);
    expect(refused.err).not.toMatch(/host [ac][ ,]/);
    expect(HOSTS.map((host) => on(host, '/etc/motd'))).toEqual(['theirs\n', 'edited\n', 'theirs\n']);
    expect(HOSTS.map((host) => on(host, '/var/lib/lvsctl/manifest.json'))).toEqual([null, null, null]);
  });

  test('applied twice: the second time no host is changed', async () => {
    describeHosts('new\n');
    expect(await run('plan', '--out', 'saved')).toMatchObject({ code: 0 });
    copyFileSync(join(folder, 'saved'), join(folder, 'copy'));
    expect(await lvsctl(['apply', 'saved'], { cwd: folder })).toMatchObject({ code: 0 });
    for (const host of HOSTS) put(host, '/etc/motd', 'theirs\n');
    const twice = await lvsctl(['apply', 'copy'], { cwd: folder });
    expect(twice).toMatchObject({ code: 1 });
    expect(twice.err.match(/PLAN-USED/g)).toHaveLength(3);
    expect(HOSTS.map((host) => on(host, '/etc/motd'))).toEqual(['theirs\n', 'theirs\n', 'theirs\n']);
  });
});
