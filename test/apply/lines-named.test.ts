import { expect, test } from 'vitest';
import { linesNamed } from '../../src/apply/lines-named.ts';

const CONF = { path: '/etc/keepalived/keepalived.conf', content: 'one\n  two x\nthree\n' };
const SITE = { path: '/etc/nginx/conf.d/a.conf', content: 'server {\n  lissen 80;\n}\n' };

test.each<[string, string, { path: string; content: string }[], string[]]>([
  ['keepalived', `(${CONF.path}: Line 2) Unknown keyword 'two'`, [CONF], [`${CONF.path}:2: two x`]],
  ['keepalived, about its only file', "(Line 3) Unknown keyword 'three'", [CONF], [`${CONF.path}:3: three`]],
  ['which of two files isn’t said', '(Line 3) Unknown keyword', [CONF, SITE], []],
  [
    'nginx',
    `nginx: [emerg] unknown directive "lissen" in ${SITE.path}:2`,
    [CONF, SITE],
    [`${SITE.path}:2: lissen 80;`],
  ],
  ['apache', `AH00526: Syntax error on line 1 of ${SITE.path}:\nInvalid`, [SITE], [`${SITE.path}:1: server {`]],
  ['twice the same', `(Line 1) a\n(Line 1) b`, [CONF], [`${CONF.path}:1: one`]],
  ['another file', 'in /etc/nginx/nginx.conf:12', [SITE], []],
  ['a line that isn’t there', '(Line 9) x', [CONF], []],
])('%s', (_, words, files, lines) => {
  expect(linesNamed(words, files)).toEqual(lines);
});
