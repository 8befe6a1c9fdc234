import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { refuseOtherSecrets, secrecyOf } from '../../src/cli/veil.ts';
import { LvsctlError, placeText } from '../../src/errors/index.ts';
import { loadCluster } from '../../src/inventory/index.ts';
import { readSecrets, secretLines, secretsOf, secretText, withSecrets } from '../../src/inventory/secrets.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { settled } from '../../src/roles/desired.ts';
import { folder, problemsIn } from './files.ts';

const pair = (auth: string) => `version: 1
name: c
hosts:
  a: { interfaces: { eth0: { addresses: [10.0.0.2/24] } } }
  b: { interfaces: { eth0: { addresses: [10.0.0.3/24] } } }
vrrp:
  edge:
    nodes: { a: {}, b: { priority: 90 } }
    auth_pass: ${auth}
    instances: { outside: { virtual_router_id: 51, interface: eth0, addresses: [10.0.0.10/24] } }
`;

function clusterOf(auth: string, files: Record<string, string> = {}) {
  const path = folder({ 'lvs.yaml': pair(auth), ...files });
  return { path, cluster: loadCluster([join(path, 'lvs.yaml')]) };
}

/** What reading the secret gives: the value, or `PLACE CODE what`. */
function readingOf(auth: string, files: Record<string, string> = {}): string {
  const { path, cluster } = clusterOf(auth, files);
  try {
    return [...readSecrets(secretsOf(cluster)).values()].join();
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    return error.problems
      .map(({ place, code, what, next }) => `${placeText(place)} ${code} ${what} → ${next}`)
      .join('\n')
      .replaceAll(`${path}/`, '');
  }
}

describe('a secret is read from', () => {
  test('the environment', () => {
    process.env.LVS_TEST_PASS = 'abc';
    expect(readingOf('{ env: LVS_TEST_PASS }')).toBe('abc');
    delete process.env.LVS_TEST_PASS;
    expect(readingOf('{ env: LVS_TEST_PASS }')).toBe(
      'lvs.yaml:9:5 SECRET-UNSET the secret vrrp.edge.auth_pass is asked of the environment variable LVS_TEST_PASS, which is not set → Set it where lvsctl runs, for example: read -rs LVS_TEST_PASS; export LVS_TEST_PASS',
    );
  });
  test('a file beside the inventory, of which the first line counts', () => {
    expect(readingOf('{ file: ./pass }', { pass: 'abc\nmore\n' })).toBe('abc');
    expect(readingOf('{ file: ./pass }')).toContain('lvs.yaml:9:5 SECRET-FILE');
    expect(readingOf('{ file: ./pass }')).toContain('the file pass, which can’t be read: ENOENT');
    expect(readingOf('{ file: ./pass }', { pass: '\nabc\n' })).toContain('SECRET-EMPTY');
  });
  test('a command that is run in the inventory’s folder', () => {
    expect(readingOf('{ command: cat pass | tr a-z A-Z }', { pass: 'abc\n' })).toBe('ABC');
    const failed = readingOf('{ command: echo hush; exit 3 }');
    expect(failed).toContain('SECRET-COMMAND');
    expect(failed).toContain('which failed: exit code 3');
    expect(failed.replace('“echo hush; exit 3”', '')).not.toContain('hush');
  });
});

test.each([
  [
    'longer than counts',
    'ninechars',
    'SECRET-TOO-LONG the secret vrrp.edge.auth_pass has 9 characters, of which only 8',
  ],
  ['with a comment’s sign', 'a#b', 'SECRET-CHARACTERS'],
  ['with a space', 'a b', 'SECRET-CHARACTERS'],
])('a secret %s is refused without being told', (_name, value, expected) => {
  const said = readingOf('{ file: ./pass }', { pass: `${value}\n` });
  expect(said).toContain(expected);
  expect(said).not.toContain(value);
});

test.each([
  ['{}', 'INV-BAD-VALUE “auth_pass” must not be empty → A secret: from an environment variable'],
  ['{ env: A, file: b }', '9:5 INV-SECRET a secret comes from one of env, file and command; here are several'],
  ['1111', 'INV-WRONG-TYPE “auth_pass” must be a map; this is a number → A secret: from an environment variable'],
  ['{ evn: A }', 'INV-UNKNOWN-KEY “evn” is not a key of vrrp.edge.auth_pass → Did you mean “env”?'],
])('auth_pass: %s', (auth, expected) => {
  const problems = problemsIn(pair(auth));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(expected);
});

test('the model and what is rendered hold its name alone', () => {
  process.env.LVS_TEST_PASS = 'hush-1';
  const { cluster } = clusterOf('{ env: LVS_TEST_PASS }');
  expect(JSON.stringify(cluster)).not.toContain('hush-1');
  const [secret] = secretsOf(cluster);
  if (secret === undefined) throw new Error('no secret');
  const text = `  auth_pass ${secretText(secret)}\n`;
  expect(secretLines(text)).toEqual(['auth_pass']);
  expect(withSecrets(text, readSecrets([secret]))).toBe('  auth_pass hush-1\n');
});

test('a saved plan is refused when the secret is another one', () => {
  process.env.LVSCTL_STATE = folder({});
  const { path, cluster } = clusterOf('{ file: ./pass }', { pass: 'one\n' });
  const plan = { inventory: { file: 'lvs.yaml' }, secrets: secrecyOf(cluster).digests } as unknown as Plan;
  expect(() => refuseOtherSecrets(plan, secrecyOf(cluster))).not.toThrow();
  expect(JSON.stringify(plan)).not.toContain('one');
  writeFileSync(join(path, 'pass'), 'two\n');
  expect(() => refuseOtherSecrets(plan, secrecyOf(cluster))).toThrow('SECRET-CHANGED: vrrp.edge.auth_pass is another');
  // Nobody has to know a secret to take it away.
  expect(secrecyOf(clusterOf('{ env: LVS_NEVER_SET }').cluster, false).digests).toEqual([]);
});

test('a file that a secret stands in is its owner’s alone, whatever is asked', () => {
  const file = { kind: 'file', path: '/etc/x', state: 'present', owner: 'root', group: 'root', mode: '0644' } as const;
  const modeOf = (content: string) =>
    settled([{ stage: 'rules', resource: { ...file, content } }]).map(({ resource }) => resource);
  expect(modeOf('a <secret vrrp.edge.auth_pass>\n')).toMatchObject([{ mode: '0600' }]);
  expect(modeOf('a\n')).toMatchObject([{ mode: '0644' }]);
});
