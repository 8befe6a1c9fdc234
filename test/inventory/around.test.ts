import { describe, expect, test } from 'vitest';
import { inventory, problemsIn } from './files.ts';

// SHA-256 of "x\n".
const SHA = '73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac';

const proxy = (upstream: string) =>
  inventory({
    tail: `proxies:\n  front:\n    software: nginx\n    hosts: [d]\n    port: 8000\n    upstream: ${upstream}`,
  });
const application = (source: string) =>
  inventory({
    tail: `applications:\n  shop:\n    software: tomcat\n    hosts: [r]\n    port: 8080\n    source: ${source}`,
  });

describe('what stands around a service', () => {
  test.each([
    ['a proxy’s server in reserve', proxy('{ method: least_conn, servers: { r: { port: 80, backup: true } } }')],
    ['an archive', application(`{ archive: ./t.tgz, sha256: ${SHA}, java: { archive: ./t.tgz, sha256: ${SHA} } }`)],
  ])('%s is legal', (_, text) => {
    expect(problemsIn(text, { 't.tgz': 'x\n' })).toEqual([]);
  });

  test.each([
    [
      'in reserve beside ip_hash',
      proxy('{ method: ip_hash, servers: { r: { port: 80, backup: true } } }'),
      /^\d+:\d+ INV-NOT-IN-MODE ip_hash has no backup servers/,
    ],
    [
      'an archive that is not there',
      application(`{ archive: ./none.tgz, sha256: ${SHA} }`),
      /^\d+:\d+ INV-FILE-SOURCE the file none\.tgz can’t be read: ENOENT/,
    ],
    [
      'an archive of another content',
      application(`{ archive: ./t.tgz, sha256: ${'ab'.repeat(32)} }`),
      new RegExp(`^\\d+:\\d+ INV-ARCHIVE-SHA256 t\\.tgz has another SHA-256: ${SHA}`),
    ],
    [
      'a Java runtime of another content',
      application(`{ archive: ./t.tgz, sha256: ${SHA}, java: { archive: ./t.tgz, sha256: ${'cd'.repeat(32)} } }`),
      /INV-ARCHIVE-SHA256/,
    ],
  ])('%s is refused with its place', (_, text, expected) => {
    const problems = problemsIn(text, { 't.tgz': 'x\n' });
    expect(problems, problems.join('\n')).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
  });
});
