import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../transport/sshd.ts';
import { lvsctl } from './lvsctl.ts';

/** What an operator's bad day brings to the command line. All hosts are this machine itself: nothing is ever applied. */

const program = new URL('../../dist/lvsctl.js', import.meta.url).pathname;
let folder: string;
let inventory: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-bad-day-'));
  inventory = write('lvs.yaml', {
    version: 1,
    name: 'test',
    hosts: { here: { ssh: { address: 'localhost' }, files: { [join(folder, 'wanted')]: { content: 'hello\n' } } } },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: object | string | Buffer): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content));
  return file;
}

/** The JSON lines of an output; every line must be one. */
function lines(out: string): { event: string; code?: string }[] {
  return out.split('\n').map((line) => JSON.parse(line));
}

/** Nothing could be looked at; else there are findings. */
const UNREAD = ['INV-NO-FILE', 'INV-NO-CLUSTER'];

describe('a wrong command line', () => {
  it.each([
    ['an unknown option', ['plan', '--limt', 'a'], 'Did you mean --limit?'],
    ['a number that is none', ['plan', '--parallel', 'x'], 'whole number'],
    ['a missing value', ['plan', '--limit'], 'argument missing'],
    // What a script passes whose variable isn't set: neither "no host" nor "all hosts".
    ['an empty list of hosts', ['plan', '--limit', ''], 'at least one host'],
    ['an empty list with a comma', ['plan', '--limit', ' , '], 'at least one host'],
    ['an inventory without a name', ['validate', '-i', ''], 'file or a folder'],
    ['a word too many', ['validate', 'extra'], 'too many arguments'],
    ['an unknown command', ['aply'], 'Did you mean apply?'],
  ])('%s: one error, as text and as JSON', async (_name, args, what) => {
    const text = await lvsctl(args);
    expect(text).toMatchObject({ code: 1, out: '' });
    expect(text.err).toContain('CLI-USAGE');
    expect(text.err.replace(/\s+/g, ' ')).toContain(what);
    const [command = '', ...rest] = args;
    const json = await lvsctl([command, '--json', ...rest]);
    expect(json).toMatchObject({ code: 1, err: '' });
    expect(lines(json.out)).toEqual([
      {
        v: 1,
        event: 'error',
        code: 'CLI-USAGE',
        place: { kind: 'none' },
        what: expect.any(String),
        next: expect.any(String),
      },
    ]);
  });
});

describe('an inventory that is none', () => {
  const cases: [string, () => string, string, string][] = [
    ['no end', () => '/dev/zero', 'INV-TOO-LARGE', '4 MiB'],
    ['no text', () => write('binary.yaml', Buffer.from([0xff, 0xfe, 0x61, 0x00])), 'INV-NOT-YAML', 'not UTF-8'],
    [
      'too many levels',
      () => write('deep.yaml', `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`),
      'INV-NOT-YAML',
      'nested too deep',
    ],
    ['a list as a key', () => write('key.yaml', '? [a, b]\n: 1\n'), 'INV-NOT-YAML', 'where a key belongs'],
    ['two documents', () => write('two.yaml', 'version: 1\n---\nname: x\n'), 'INV-NOT-YAML', 'second document'],
    ['aliases that multiply', () => write('bomb.yaml', bomb()), 'INV-NOT-YAML', 'aliases'],
    ['a folder without one', () => folderOf('empty'), 'INV-NO-CLUSTER', 'no cluster'],
  ];
  it.each(cases)('%s', async (_name, file, code, what) => {
    const run = await lvsctl(['validate', '-i', file()]);
    expect(run).toMatchObject({ code: UNREAD.includes(code) ? 1 : 3, out: '' });
    expect(run.err).toContain(code);
    expect(run.err.replace(/\s+/g, ' ')).toContain(what);
    // Neither a stack nor a warning of Node's.
    expect(run.err).not.toMatch(/^\s+at |\(node:|LVSCTL-BUG/mu);
  });
});

function bomb(): string {
  const levels = Array.from(
    { length: 12 },
    (_, level) => `a${level + 1}: &a${level + 1} [${Array(9).fill(`*a${level}`)}]\n`,
  );
  return `version: 1\nname: x\na0: &a0 [x]\n${levels.join('')}`;
}

function folderOf(name: string): string {
  mkdirSync(join(folder, name), { recursive: true });
  return join(folder, name);
}

describe('a saved plan', () => {
  let saved: string;
  let text: string;
  beforeAll(async () => {
    saved = join(folder, 'plan');
    expect(await lvsctl(['plan', '-i', inventory, '--transport', 'local', '--out', saved])).toMatchObject({ code: 0 });
    text = readFileSync(saved, 'utf8');
  });

  const cases: [string, () => string, string][] = [
    ['cut off', () => text.slice(0, 500), 'PLAN-DAMAGED'],
    ['edited', () => text.replaceAll('hello', 'jello'), 'PLAN-DAMAGED'],
    ['of another version', () => text.replace(/"version":\d+/u, '"version":99'), 'PLAN-VERSION'],
    ['of another host program', () => text.replace(/"engine":"[^"]*"/u, '"engine":"0-other"'), 'PLAN-VERSION'],
    ['empty', () => '', 'PLAN-DAMAGED'],
    ['another JSON', () => '{"sha256":"x","plan":{}}', 'PLAN-DAMAGED'],
  ];
  it.each(cases)('%s is refused', async (_name, content, code) => {
    const run = await lvsctl(['apply', write('other.plan', content()), '--transport', 'local', '--json']);
    expect(run.code).toBe(1);
    expect(lines(run.out)).toEqual([expect.objectContaining({ event: 'error', code })]);
  });

  it('says why it cannot be read', async () => {
    expect((await lvsctl(['apply', folder])).err).toContain('EISDIR');
  });

  it.each([['--limit', 'nobody'], ['-i', 'other.yaml'], ['--lab'], ['--cluster', 'x']])(
    'is not narrowed by %s: an option that would be passed over is refused',
    async (...option) => {
      const run = await lvsctl(['apply', saved, '--transport', 'local', ...option]);
      expect(run.code).toBe(1);
      expect(run.err).toContain('CLI-PLAN-OPTIONS');
    },
  );
});

describe('verify', () => {
  it('does not call verified what it could not read', async () => {
    const hosts = { gone: { ssh: { address: '127.0.0.1', port: await freePort() } } };
    const run = await lvsctl(['verify', '-i', write('gone.yaml', { version: 1, name: 'test', hosts })]);
    expect(run.code).toBe(1);
    expect(run.out).toContain('Not verified: 1 of the hosts could not be read.');
    expect(run.err).toMatch(/^host gone, connect: SSH-REFUSED$/mu);
  });
});

describe('nobody reads', () => {
  it.each(['stdout', 'stderr'] as const)(
    '%s any more: the command ends by itself, with its own exit code',
    async (stream) => {
      const args = ['plan', '-i', inventory, '--transport', 'local', '--detailed-exitcode', '--json'];
      const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      child[stream].destroy();
      child.stdout.resume();
      child.stderr.resume();
      const ended = await new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
      expect(ended).toEqual({ code: 2, signal: null });
    },
  );

  it.each([
    ['a result', 'validate -i "$2"'],
    ['the help', '--help'],
    ['the help of a command', 'plan --help'],
    ['the version', '--version'],
  ])('stdout takes no more (%s): one plain error, exit code 1', async (_name, args) => {
    const run = await execa('sh', ['-c', `exec "$0" "$1" ${args} >/dev/full`, process.execPath, program, inventory], {
      reject: false,
      env: { NO_COLOR: '1' },
    });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(/^CLI-NOT-PRINTED\n {2}what the command says can’t be written: ENOSPC\n {2}→ /u);
    expect(run.stderr.match(/CLI-NOT-PRINTED/gu)).toHaveLength(1);
    expect(run.stderr).not.toMatch(/^\s+at /mu);
  });

  it.each(['--help', 'validate'])('neither stream takes more (%s): exit code 1', async (command) => {
    const run = await execa('sh', ['-c', `exec "$0" "$1" ${command} >/dev/full 2>&1`, process.execPath, program], {
      reject: false,
      cwd: folder,
    });
    expect(run.exitCode).toBe(1);
  });

  it('the help: it ends by itself, and says nothing of it', async () => {
    const child = spawn(process.execPath, [program, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.destroy();
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const ended = await new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    expect(ended).toEqual({ code: 0, signal: null });
    expect(said).toBe('');
  });
});

describe('a run’s id that can be none', () => {
  it.each([
    ['show', 'last'],
    ['show', '0123456789abcdef0'],
    ['rollback', 'web1'],
    ['rollback', ''],
  ])('%s %s: refused before any host is asked', async (command, id) => {
    const hosts = { gone: { ssh: { address: '127.0.0.1', port: await freePort() } } };
    const file = write('gone.yaml', { version: 1, name: 'test', hosts });
    const run = await lvsctl([command, id, '-i', file]);
    expect(run).toMatchObject({ code: 1, out: '' });
    expect(run.err).toMatch(/^CLI-USAGE\n {2}no run’s id begins with/u);
    expect(run.err).not.toContain('SSH-');
  });
});

describe('the question before an apply', () => {
  it.each([
    ['Ctrl-C', '\u0003', 130],
    ['the end of the input', '\u0004', 0],
    ['anything but yes', 'maybe\r', 0],
  ])('%s changes nothing', async (_name, key, code) => {
    const line = `'${process.execPath}' '${program}' apply -i '${inventory}' --transport local; echo "code $?"`;
    const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const asked = shown.includes('[y/N]');
      shown += chunk.toString();
      if (!asked && shown.includes('[y/N]')) child.stdin.write(key);
    });
    await new Promise((resolve) => child.once('close', resolve));
    expect(shown).toContain(`code ${code}`);
    expect(shown).toContain(code === 130 ? 'INTERRUPTED' : 'Nothing was changed.');
  });
});
