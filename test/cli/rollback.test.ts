import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../transport/sshd.ts';
import { lvsctl } from './lvsctl.ts';

/** The built program on this machine, with a folder of the test's own in place of `/`. */

let folder: string;
let root: string;
const owner = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim();
const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-cli-rollback-'));
  root = join(folder, 'root');
  put('/etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  put('/etc/motd', 'theirs\n');
  put('/proc/uptime', '100.25 300.00\n');
  for (const name of ['osrelease', 'arch', 'hostname', 'random/boot_id']) put(`/proc/sys/kernel/${name}`, 'x\n');
  put('/proc/sys/net/ipv4/ip_forward', '0\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

const on = (path: string) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : null);

/** The inventory: one host with these files. */
function describeFiles(files: Record<string, string>, ssh: object = {}): void {
  const here = {
    ssh,
    files: Object.fromEntries(Object.entries(files).map(([path, content]) => [path, { content, owner, group }])),
  };
  writeFileSync(join(folder, 'lvs.yaml'), JSON.stringify({ version: 1, name: 'test', hosts: { here } }));
}

const saved = (file: string) =>
  lvsctl(['apply', file, '--transport', 'local'], { cwd: folder, env: { LVSCTL_ROOT: root } });
const run = (...args: string[]) =>
  lvsctl([...args, '-i', 'lvs.yaml', '--transport', 'local'], { cwd: folder, env: { LVSCTL_ROOT: root } });

async function ok(...args: string[]): Promise<string> {
  const result = await run(...args);
  expect(result, result.err).toMatchObject({ code: 0 });
  return result.out;
}

interface Line {
  event: string;
  [name: string]: unknown;
}

async function events(...args: string[]): Promise<Line[]> {
  return (await run(...args, '--json')).out.split('\n').map((line) => JSON.parse(line));
}

/** The runs that the host tells of, newest first. */
async function runs(): Promise<{ id: string; purpose: string; hosts: { end: { state: string } }[] }[]> {
  const [line] = (await events('history')).filter(({ event }) => event === 'history');
  return line?.runs as Awaited<ReturnType<typeof runs>>;
}

describe('rollback', () => {
  test('there and back, and there again: each is a run, and the last two cancel each other', async () => {
    describeFiles({ '/etc/motd': 'one\n', '/etc/deep/two': 'two\n' });
    await ok('apply', '--yes');
    describeFiles({ '/etc/motd': 'three\n' });
    await ok('apply', '--yes');
    expect([on('/etc/motd'), on('/etc/deep/two')]).toEqual(['three\n', null]);
    // What is there again after it is what was there before that run, not before lvsctl.
    const back = await ok('rollback', '--yes');
    expect(back).toContain('-three\n      +one');
    expect(back).toContain('The inventory still describes what was taken back');
    expect([on('/etc/motd'), on('/etc/deep/two')]).toEqual(['one\n', 'two\n']);
    const pending = await run('plan', '--detailed-exitcode');
    expect(pending.code).toBe(2);
    expect(pending.out).toContain('Plan: 2 changes');
    await ok('rollback', '--yes');
    expect([on('/etc/motd'), on('/etc/deep/two')]).toEqual(['three\n', null]);
    expect(await run('plan', '--detailed-exitcode')).toMatchObject({ code: 0 });
    await ok('rollback', '--yes');
    expect([on('/etc/motd'), on('/etc/deep/two')]).toEqual(['one\n', 'two\n']);
    expect((await runs()).map(({ purpose }) => purpose)).toEqual([
      'rollback',
      'rollback',
      'rollback',
      'apply',
      'apply',
    ]);
    // The record is right all along: destroy gives back what was there before lvsctl.
    await ok('destroy', '--yes');
    expect([on('/etc/motd'), on('/etc/deep/two')]).toEqual(['theirs\n', null]);
    expect(existsSync(join(root, 'var/lib/lvsctl'))).toBe(false);
  });

  test('of the first run leaves nothing of lvsctl’s', async () => {
    describeFiles({ '/etc/motd': 'one\n', '/etc/deep/two': 'two\n' });
    await ok('apply', '--yes');
    await ok('rollback', '--yes');
    expect([on('/etc/motd'), existsSync(join(root, 'etc/deep'))]).toEqual(['theirs\n', false]);
    expect(JSON.parse(on('/var/lib/lvsctl/manifest.json') ?? '').entries).toEqual([]);
  });

  test('leaves what somebody, or a later run, changed since, and says so', async () => {
    describeFiles({ '/etc/motd': 'one\n', '/etc/two': 'two\n', '/etc/three': 'three\n' });
    await ok('apply', '--yes');
    const [first] = await runs();
    put('/etc/two', 'edited\n');
    describeFiles({ '/etc/motd': 'one\n', '/etc/two': 'edited\n', '/etc/three': 'later\n' });
    await ok('apply', '--yes');
    const out = await ok('rollback', first?.id.slice(0, 6) ?? '', '--yes');
    expect(out).toContain(`Takes back run ${first?.id}`);
    expect(out.match(/Warning .*/g)).toEqual([
      expect.stringMatching(/here, file \/etc\/three: changed since/),
      expect.stringMatching(/here, file \/etc\/two: changed since/),
    ]);
    expect([on('/etc/motd'), on('/etc/two'), on('/etc/three')]).toEqual(['theirs\n', 'edited\n', 'later\n']);
    // Once more, there is nothing left to take back.
    expect(await ok('rollback', first?.id ?? '', '--yes')).toContain('Nothing to take back');
  });

  test('says which hosts of the run the inventory does not have any more', async () => {
    describeFiles({ '/etc/motd': 'one\n' });
    await ok('apply', '--yes');
    const [entry = ''] = readdirSync(join(root, 'var/lib/lvsctl/history'));
    const path = `/var/lib/lvsctl/history/${entry}`;
    expect(on(path)).toContain('"part":{"host":"here","among":["here"]}');
    put(path, (on(path) ?? '').replace('"among":["here"]', '"among":["here","gone"]'));
    const told = /Warning {2}gone, run [0-9a-f]{8}: the inventory has no such host any more/;
    expect(await ok('rollback', '--out', 'back')).toMatch(told);
    expect(await ok('rollback', '--yes')).toMatch(told);
    expect(on('/etc/motd')).toBe('theirs\n');
  });

  test('is saved, looked at, and run later, once', async () => {
    describeFiles({ '/etc/motd': 'one\n' });
    await ok('apply', '--yes');
    expect(await ok('rollback', '--out', 'back')).toContain('-one\n      +theirs');
    expect(on('/etc/motd')).toBe('one\n');
    expect(await saved('back')).toMatchObject({ code: 0, out: expect.stringContaining('Taken back: 1 change') });
    expect(on('/etc/motd')).toBe('theirs\n');
    expect(await saved('back')).toMatchObject({ code: 1, err: expect.stringContaining('PLAN-USED') });
  });

  test('asks, and knows which runs there are', async () => {
    describeFiles({ '/etc/motd': 'one\n' });
    const none = await run('rollback', '--yes');
    expect(none).toMatchObject({ code: 1, err: expect.stringContaining('ROLLBACK-NOTHING') });
    await ok('apply', '--yes');
    expect(await run('rollback')).toMatchObject({ code: 1, err: expect.stringContaining('CLI-NO-TERMINAL') });
    expect(await run('rollback', 'zz', '--yes')).toMatchObject({ code: 1, err: expect.stringContaining('CLI-USAGE') });
    expect(await run('rollback', '0123456789abcdef', '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining('RUN-UNKNOWN'),
    });
    expect(on('/etc/motd')).toBe('one\n');
  });
});

describe('history and show', () => {
  test('who, when, from which commit, what, and how it ended', async () => {
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: folder, encoding: 'utf8' });
    describeFiles({ '/etc/motd': 'one\n' });
    git('init', '-q');
    git('add', 'lvs.yaml');
    git('commit', '-qm', 'first');
    const commit = git('rev-parse', 'HEAD').trim();
    await ok('apply', '--yes');
    describeFiles({ '/etc/motd': 'one\n', '/etc/no/folder': 'x\n' });
    put('/etc/no', 'a file where a folder should be\n');
    expect(await run('apply', '--yes')).toMatchObject({ code: 1 });
    const [second, first] = await runs();
    expect(first).toMatchObject({ commit: { id: commit, dirty: false }, purpose: 'apply', cluster: 'test' });
    expect(second).toMatchObject({ commit: { id: commit, dirty: true } });
    expect([first, second].map((one) => one?.hosts[0]?.end.state)).toEqual(['confirmed', 'reverted']);
    const table = (await ok('history', 'here')).split('\n');
    expect(table[1]).toMatch(
      /^[0-9a-f]{8} {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}apply {2}[0-9a-f]{7}\+ {2}1 on 1 +reverted /,
    );
    expect(table[2]).toMatch(/^[0-9a-f]{8} .* {2}apply {2}[0-9a-f]{7} {3}1 on 1 +confirmed /);
    expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(80);
    const shown = await ok('show', first?.id ?? '');
    expect(shown).toContain(`inventory: commit ${commit}\n`);
    expect(shown).toContain('-theirs\n      +one');
    expect(await ok('show', second?.id ?? '')).toMatch(/here {2}taken back: here\/\w+: APPLY-OP-FAILED/);
    const [event] = (await events('show', first?.id ?? '')).filter(({ event }) => event === 'run');
    expect(event).toMatchObject({ hosts: [{ host: 'here', changes: [{ key: 'file /etc/motd' }] }] });
    // A run that was taken back left nothing: the one before it is the last.
    await ok('rollback', '--yes');
    expect(on('/etc/motd')).toBe('theirs\n');
  });

  test('without a transaction, too', async () => {
    describeFiles({ '/etc/motd': 'one\n' });
    await ok('apply', '--yes', '--no-confirm');
    expect((await runs()).map(({ hosts }) => hosts[0]?.end.state)).toEqual(['done']);
    await ok('rollback', '--yes', '--no-confirm');
    expect(on('/etc/motd')).toBe('theirs\n');
  });
});

describe('a saved plan', () => {
  test('is run once, also where the host is again as it was when the plan was made', async () => {
    describeFiles({ '/etc/motd': 'one\n' });
    await ok('plan', '--out', 'saved');
    expect(await saved('saved')).toMatchObject({ code: 0 });
    expect(await saved('saved')).toMatchObject({ code: 1, err: expect.stringContaining('PLAN-USED') });
    await ok('rollback', '--yes');
    const again = await saved('saved');
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('PLAN-USED') });
    expect(again.err).toContain((await runs())[1]?.id);
    expect(on('/etc/motd')).toBe('theirs\n');
    // A copy that tells of no run is known by the hosts.
    const [whole = ''] = readFileSync(join(folder, 'saved'), 'utf8').split('\n');
    writeFileSync(join(folder, 'copy'), `${whole}\n`);
    expect(await saved('copy')).toMatchObject({ code: 1, err: expect.stringContaining('host here, check: PLAN-USED') });
    // Another one does the same.
    await ok('plan', '--out', 'other');
    expect(await saved('other')).toMatchObject({ code: 0 });
    expect(on('/etc/motd')).toBe('one\n');
    // With the host's history gone, the file tells.
    await ok('destroy', '--yes');
    expect(await saved('other')).toMatchObject({ code: 1, err: expect.stringContaining('PLAN-USED') });
    expect(on('/etc/motd')).toBe('theirs\n');
  });

  test('that was refused is not used up', async () => {
    describeFiles({ '/etc/motd': 'one\n' });
    await ok('plan', '--out', 'saved');
    put('/etc/motd', 'edited\n');
    expect(await saved('saved')).toMatchObject({ code: 1, err: expect.stringContaining('PLAN-STALE') });
    put('/etc/motd', 'theirs\n');
    expect(await saved('saved')).toMatchObject({ code: 0 });
  });

  const cases: [string, string, () => void][] = [
    ['a host that changed since', 'PLAN-STALE', () => put('/etc/motd', 'edited\n')],
    ['another inventory', 'PLAN-INVENTORY-CHANGED', () => describeFiles({ '/etc/motd': 'two\n' })],
    [
      'another version',
      'PLAN-VERSION',
      () =>
        writeFileSync(
          join(folder, 'saved'),
          readFileSync(join(folder, 'saved'), 'utf8').replace(/"version":\d+/, '"version":1'),
        ),
    ],
    [
      'one that was edited',
      'PLAN-DAMAGED',
      () => writeFileSync(join(folder, 'saved'), readFileSync(join(folder, 'saved'), 'utf8').replace('one', 'two')),
    ],
  ];
  test.each(cases)('for %s is refused, and nothing is changed', async (_, code, act) => {
    describeFiles({ '/etc/motd': 'one\n' });
    await ok('plan', '--out', 'saved');
    act();
    const before = on('/etc/motd');
    const result = await saved('saved');
    expect(result).toMatchObject({ code: 1, err: expect.stringContaining(code) });
    if (code === 'PLAN-STALE') expect(result.err).toContain('file /etc/motd');
    expect([on('/etc/motd'), existsSync(join(root, 'var/lib/lvsctl/run'))]).toEqual([before, false]);
  });
});

describe('over a real sshd', () => {
  let sshd: Sshd;
  beforeEach(async () => {
    sshd = await startSshd({ config: [`SetEnv LVSCTL_ROOT=${root}`] });
  });
  afterEach(() => sshd.stop());

  test('apply, rollback, and a lease that is shown and broken', async () => {
    const { port, user, identityFile: identity_file, knownHosts: known_hosts } = sshd;
    describeFiles({ '/etc/motd': 'one\n' }, { address: '127.0.0.1', port, user, identity_file, known_hosts });
    const there = (...args: string[]) => lvsctl([...args, '-i', 'lvs.yaml'], { cwd: folder });
    expect(await there('unlock', 'here')).toMatchObject({ code: 0, out: 'here is held by nobody.' });
    expect(await there('apply', '--yes')).toMatchObject({ code: 0 });
    expect(on('/etc/motd')).toBe('one\n');
    expect(await there('rollback', '--yes')).toMatchObject({ code: 0 });
    expect(on('/etc/motd')).toBe('theirs\n');
    expect(readdirSync(join(root, 'var/lib/lvsctl/history'))).toHaveLength(2);

    put('/run/lvsctl/lease', 'abc1\n150\nops@laptop\napply test\n2026-01-01T00:00:00.000Z\n');
    expect(await there('apply', '--yes')).toMatchObject({ code: 1, err: expect.stringContaining('LEASE-HELD') });
    const refused = await there('unlock', 'here');
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('CLI-NO-TERMINAL') });
    expect(refused.out).toContain('here is held by ops@laptop since 2026-01-01T00:00:00.000Z\n  for: apply test\n');
    expect(refused.out).toMatch(/its lease ends in \d+ s/);
    expect(existsSync(join(root, 'run/lvsctl/lease'))).toBe(true);
    const json = await there('unlock', 'here', '--yes', '--json');
    expect(json.out.split('\n').map((line) => JSON.parse(line))).toMatchObject([
      { event: 'lease', host: 'here', holder: { id: 'abc1', owner: 'ops@laptop', reason: 'apply test' } },
      { event: 'unlocked', host: 'here' },
    ]);
    expect(await there('unlock', 'here')).toMatchObject({ code: 0, out: 'here is held by nobody.' });
    // The mark that is left tells its owner; it holds nothing.
    expect(on('/run/lvsctl/lease')).toMatch(/^-\n0\n\S+@\S+\n$/);
    expect(await there('apply', '--yes')).toMatchObject({ code: 0 });
    expect(on('/etc/motd')).toBe('one\n');
  });
});
