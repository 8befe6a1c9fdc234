import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostKeyFiles } from '../../src/transport/host-keys.ts';
import {
  addLines,
  describeKey,
  emptyKnownHosts,
  judge,
  knownName,
  newLine,
  parseKnownHosts,
  typesKnown,
} from '../../src/transport/known-hosts.ts';
import { keygen, tempDir } from './sshd.ts';

let dir: string;
const keys: Record<string, { type: string; base64: string }> = {};
beforeAll(() => {
  dir = tempDir();
  for (const [name, type] of [
    ['a', 'ed25519'],
    ['b', 'ed25519'],
    ['e', 'ecdsa'],
    ['r', 'rsa'],
  ] as const) {
    keygen(join(dir, name), type);
    const [kind = '', base64 = ''] = readFileSync(join(dir, `${name}.pub`), 'utf8').split(' ');
    keys[name] = { type: kind, base64 };
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const key = (name: string) => keys[name] ?? { type: '', base64: '' };
/** A file's text, with `<a>` standing for key a. */
const text = (lines: string) => lines.replace(/<(\w)>/g, (_, name) => `${key(name).type} ${key(name).base64}`);
const load = (lines: string) => addLines(emptyKnownHosts(), parseKnownHosts(text(lines), 'known_hosts'));
/** The same file after `ssh-keygen -H`. */
const hashed = (lines: string) => {
  const file = join(dir, 'hashed');
  writeFileSync(file, text(lines));
  execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
  const result = readFileSync(file, 'utf8');
  expect(result).toContain('|1|');
  return addLines(emptyKnownHosts(), parseKnownHosts(result, 'known_hosts'));
};

const CASES: [string, string, number, string, string][] = [
  ['h1 <a>\n', 'h1', 22, 'a', 'known'],
  ['h1 <a>\n', 'H1', 22, 'a', 'known'],
  ['h1 <a>\n', 'h2', 22, 'a', 'unknown'],
  ['h1 <a>\n', 'h1', 22, 'b', 'changed'],
  ['h1 <a>\n', 'h1', 22, 'e', 'other-types'],
  ['h1 <a>\nh1 <b>\n', 'h1', 22, 'b', 'known'],
  ['[h1]:2222 <a>\n', 'h1', 2222, 'a', 'known'],
  ['[h1]:2222 <a>\n', 'h1', 22, 'a', 'unknown'],
  ['[h1]:2222 <a>\n', 'h1', 2222, 'b', 'changed'],
  ['h1 <a>\n', 'h1', 2222, 'a', 'known'],
  ['h1 <a>\n', 'h1', 2222, 'b', 'unknown'],
  ['h1,10.0.0.1 <a>\n', '10.0.0.1', 22, 'a', 'known'],
  ['2001:db8::1 <a>\n', '2001:DB8::1', 22, 'a', 'known'],
];

describe('as written by hand', () => {
  test.each([
    ...CASES,
    ['*.example.com <a>\n', 'web.example.com', 22, 'a', 'known'],
    ['*.example.com <a>\n', 'web.example.org', 22, 'a', 'unknown'],
    ['*.example.com,!bad.example.com <a>\n', 'bad.example.com', 22, 'a', 'unknown'],
    ['!bad.example.com,*.example.com <a>\n', 'web.example.com', 22, 'a', 'known'],
    ['web? <a>\n', 'web1', 22, 'a', 'known'],
    ['web? <a>\n', 'web12', 22, 'a', 'unknown'],
    ['[*]:2222 <a>\n', 'h1', 2222, 'a', 'known'],
    ['@revoked * <a>\nh1 <a>\n', 'h1', 22, 'a', 'revoked'],
    ['h1 <a>\n@revoked h1 <a>\n', 'h1', 22, 'a', 'revoked'],
    ['@revoked h2 <a>\nh1 <a>\n', 'h1', 22, 'a', 'known'],
    ['@revoked * <b>\nh1 <a>\n', 'h1', 22, 'a', 'known'],
    ['@cert-authority *.example.com <a>\n', 'web.example.com', 22, 'b', 'authority'],
    ['@cert-authority *.example.com <a>\n', 'web.example.com', 22, 'a', 'authority'],
    ['@cert-authority * <a>\nh1 <b>\n', 'h1', 22, 'b', 'known'],
    ['@nonsense h1 <a>\n', 'h1', 22, 'a', 'unknown'],
    ['# h1 <a>\n\n  \nh1\t<a> a comment\n', 'h1', 22, 'a', 'known'],
    ['h1 <a>', 'h1', 22, 'a', 'known'],
    ['h1 ssh-ed25519\nh1 ssh-ed25519 not*base64\n', 'h1', 22, 'a', 'unknown'],
    ['|1|broken\n|1|x|y <a>\n|2|x|y <a>\n', 'h1', 22, 'a', 'unknown'],
  ] as typeof CASES)('%j: %s port %i shows %s: %s', (lines, host, port, shown, verdict) => {
    expect(judge(load(lines), host, port, key(shown)).kind).toBe(verdict);
  });
});

describe('hashed by ssh-keygen -H', () => {
  test.each(CASES)('%j: %s port %i shows %s: %s', (lines, host, port, shown, verdict) => {
    expect(judge(hashed(lines), host, port, key(shown)).kind).toBe(verdict);
  });

  test('a revoked key stays revoked', () => {
    expect(judge(hashed('@revoked h1 <a>\nh2 <b>\n'), 'h1', 22, key('a')).kind).toBe('revoked');
  });
});

test('what another verdict rests on is named', () => {
  const verdict = judge(load('# one\nh1 <e>\nh1 <r>\n'), 'h1', 22, key('a'));
  expect(verdict).toMatchObject({
    kind: 'other-types',
    types: ['ecdsa-sha2-nistp256', 'ssh-rsa'],
    line: { file: 'known_hosts', line: 2 },
  });
});

test('types to ask for come in the order of the files, once each', () => {
  const known = load('h1 <r>\nother <e>\nh* <a>\nh1 <r>\n@cert-authority h1 <e>\n');
  expect(typesKnown(known, 'h1')).toEqual(['ssh-rsa', 'ssh-ed25519']);
});

test('names with a port', () => {
  expect([knownName('Web.Example', 22), knownName('::1', 2022)]).toEqual(['web.example', '[::1]:2022']);
});

test('ssh-keygen finds the lines we write, hashed or not', () => {
  for (const hash of [false, true]) {
    const file = join(dir, `written-${hash}`);
    writeFileSync(file, newLine('[h1]:2222', key('a'), hash));
    expect(readFileSync(file, 'utf8').startsWith('|1|')).toBe(hash);
    const found = execFileSync('ssh-keygen', ['-F', '[h1]:2222', '-f', file], { encoding: 'utf8' });
    expect(found).toContain(key('a').base64);
  }
});

test('a line we wrote is known again, whatever the name and the salt', () => {
  fc.assert(
    fc.property(fc.domain(), fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.boolean(), (name, salt, hash) => {
      const known = addLines(emptyKnownHosts(), parseKnownHosts(newLine(name, key('a'), hash, Buffer.from(salt)), 'f'));
      expect(judge(known, name, 22, key('a')).kind).toBe('known');
      expect(judge(known, `x${name}`, 22, key('a')).kind).toBe('unknown');
    }),
  );
});

test('any text is read without failing', () => {
  fc.assert(fc.property(fc.string(), (junk) => Array.isArray(parseKnownHosts(junk, 'f'))));
});

test('a key blob says its type; what is too short or too long is none', () => {
  expect(describeKey(Buffer.from(key('r').base64, 'base64'))).toEqual(key('r'));
  for (const junk of [
    Buffer.alloc(0),
    Buffer.from([0, 0, 0, 9, 65]),
    Buffer.from([0, 0, 0, 0]),
    Buffer.alloc(70, 255),
  ]) {
    expect(describeKey(junk)).toBeUndefined();
  }
});

describe('the files', () => {
  test('a new key makes a file of mode 0600 in a folder of mode 0700, and is known at once', async () => {
    const files = [join(dir, 'new', 'known_hosts')];
    const store = hostKeyFiles();
    await store.remember(files, 'h1', key('a'), false);
    expect(statSync(files[0] ?? '').mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'new')).mode & 0o777).toBe(0o700);
    expect(judge(await store.load(files), 'h1', 22, key('a')).kind).toBe('known');
  });

  test('a last line without its end is not glued to the new one; nothing else changes', async () => {
    mkdirSync(join(dir, 'glue'));
    const file = join(dir, 'glue', 'known_hosts');
    writeFileSync(file, text('h1 <a>'), { mode: 0o644 });
    await hostKeyFiles().remember([file], 'h2', key('b'), false);
    expect(readFileSync(file, 'utf8')).toBe(text('h1 <a>\nh2 <b>\n'));
    expect(statSync(file).mode & 0o777).toBe(0o644);
  });

  test('many at once: every key on a line of its own', async () => {
    const file = join(dir, 'many');
    const store = hostKeyFiles();
    const names = Array.from({ length: 40 }, (_, index) => `h${index}`);
    await Promise.all(names.map((name) => store.remember([file], name, key('a'), false)));
    expect(
      parseKnownHosts(readFileSync(file, 'utf8'), file)
        .map((line) => line.hosts)
        .sort(),
    ).toEqual(names.sort());
  });

  test('a file that is not there has no keys; several files count together', async () => {
    const first = join(dir, 'f1');
    const second = join(dir, 'f2');
    writeFileSync(first, text('h1 <a>\n'));
    writeFileSync(second, text('h2 <b>\n'));
    const known = await hostKeyFiles().load([first, join(dir, 'none'), second]);
    expect(judge(known, 'h1', 22, key('a')).kind).toBe('known');
    expect(judge(known, 'h2', 22, key('b')).kind).toBe('known');
  });
});
