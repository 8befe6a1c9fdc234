import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Problem } from '../../src/errors/index.ts';
import { columns, excerpt, wrapped } from '../../src/report/excerpt.ts';
import { makePaint } from '../../src/report/paint.ts';
import { problemText } from '../../src/report/problem-text.ts';

const plain = makePaint(false);
const at = (text: string, column: number) => excerpt([text], { line: 1, column }, plain);

test.each<[string, string]>([
  ['    auth_pass: hunter22', '    auth_pass: ••••••••'],
  ["a: { password: 'x, y', b: 1 }", 'a: { password: ••• ••• •• • •'],
  ['password: correct horse # battery', 'password: ••••••• ••••• • •••••••'],
  ['        auth_pass vTq7dK2z', '        auth_pass ••••••••'],
  ['auth_pass: { env: LVS_PASS }', 'auth_pass: { env: LVS_PASS }'],
  ['        auth_pass a,b#{c}', '        auth_pass •••••••'],
  ['wpa-psk=abc def', 'wpa-psk=••• •••'],
  ['authpass: hunter5', 'authpass: •••••••'],
  ['auth_pas: hunter6', 'auth_pas: •••••••'],
  ['{ virtual_router_id: 51, auth: hunter2 }', '{ virtual_router_id: 51, auth: ••••••• •'],
  ['auth_pass: { env: X, value: hunter7 }', 'auth_pass: { env: X, value: ••••••• }'],
  [
    'misc_path "/x.sh --pass hunter5 -phunter6 --api-key=hunter7"',
    'misc_path "/x.sh --pass ••••••• ••••••••• ••••••••••••••••••',
  ],
  ['        auth_type PASS', '        auth_type PASS'],
])('what stands where passwords do isn’t shown: %s', (text, shown) => {
  expect(at(text, 1)[0]).toBe(`   1 | ${shown}`);
});

describe('the marker stands beneath what is meant', () => {
  test.each<[string, number, string, string]>([
    ['a word', 8, 'port:  http', '          ^^^^'],
    ['a key', 1, 'port: 80', '   ^^^^'],
    ['a quoted text with a comma', 4, 'a: "x, y", b', '      ^^^^^^'],
    ['a list', 4, 'a: [1, [2], 3], b', '      ^^^^^^^^^^^'],
    ['a word in a map', 6, '{ a: bc, d: e }', '        ^^'],
    ['a word before a comment', 4, 'a: b # c', '      ^'],
    ['an address with colons', 4, 'a: 2001:db8::1', '      ^^^^^^^^^^^'],
    ['a comment', 6, 'a: b # lvsctl-ignore X: y', '        ^^^^^^^^^^^^^^^^^^^^'],
    ['behind letters of two columns', 5, '主机: x', '         ^'],
    ['behind a tab', 2, '\tx: 1', '    ^'],
  ])('%s', (_name, column, text, marker) => {
    const [line, below] = at(text, column);
    expect(line).toBe(`   1 | ${text.replaceAll('\t', ' ')}`);
    expect(below).toBe(`     |${marker.slice(2)}`);
  });

  it('also where the line is too long for the screen', () => {
    const text = `hosts: { ${'a: { b: c }, '.repeat(30)}here: 1, ${'d: { e: f }, '.repeat(30)} }`;
    const [line = '', marker = ''] = at(text, text.indexOf('here') + 1);
    expect(columns(line)).toBeLessThanOrEqual(80);
    expect(line.slice(marker.indexOf('^'), marker.lastIndexOf('^') + 1)).toBe('here');
  });

  it('and nothing where there is no such line', () => {
    expect(excerpt(['a'], { line: 2, column: 1 }, plain)).toEqual([]);
    expect(excerpt(undefined, { line: 1, column: 1 }, plain)).toEqual([]);
    expect(excerpt(['a'], {}, plain)).toEqual([]);
  });
});

test('no line, whatever stands in it, is wider than a screen, or moves the cursor', () => {
  const line = fc.string({
    unit: fc.oneof(
      fc.constantFrom(...'ab:,#"\'[]{} \t\u001b\u202e主😀\u0301'),
      fc.string({ minLength: 1, maxLength: 1 }),
    ),
    maxLength: 900,
  });
  fc.assert(
    fc.property(line, fc.nat(900), (text, column) => {
      for (const shown of at(text.replaceAll('\n', ''), column + 1)) {
        expect(columns(shown)).toBeLessThanOrEqual(80);
        expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/u);
      }
    }),
  );
});

test('wrapped text keeps its words and their order', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/u), { minLength: 1 }), (words) => {
      const lines = wrapped(words.join(' '), 20);
      expect(lines.join(' ')).toBe(words.join(' '));
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(20);
    }),
  );
});

test('an error with all that it can have', () => {
  const problem: Problem = {
    code: 'INV-X',
    place: { kind: 'file', file: '/x/lvs.yaml', line: 2, column: 4 },
    what: 'one thing stands here and another one there, which takes more words than a line of the screen has room for',
    next: 'Do something about it.',
    severity: 'warning',
    also: [{ place: { kind: 'file', file: '/x/hosts.yaml', line: 1, column: 1 }, says: 'the first' }],
  };
  const files: Record<string, string[]> = { '/x/lvs.yaml': ['a: b', 'c: d'], '/x/hosts.yaml': ['e: f'] };
  expect(problemText(problem, plain, (file) => files[file])).toBe(
    [
      '/x/lvs.yaml:2:4: warning: INV-X',
      '  one thing stands here and another one there, which takes more words than a',
      '  line of the screen has room for',
      '   2 | c: d',
      '     |    ^',
      '  /x/hosts.yaml:1:1: the first',
      '   1 | e: f',
      '     | ^',
      '  → Do something about it.',
    ].join('\n'),
  );
});
