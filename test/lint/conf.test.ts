import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseKeepalived } from '../../src/conf/keepalived.ts';
import { CONF_RULES, lintConf } from '../../src/lint/conf/index.ts';
import { SECOND_FILE } from '../../src/lint/conf/rule.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-lint-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is found in one file, or in those of two nodes. */
function found(text: string) {
  const confs = text
    .split(SECOND_FILE)
    .map((part, index) => parseKeepalived(`node${index + 1}.conf`, part, { include: () => ({ files: [] }) }));
  expect(confs.flatMap(({ problems }) => problems)).toEqual([]);
  return lintConf(confs);
}

const rules = CONF_RULES.map((rule) => [rule.code, rule] as const);

test('a check that is misspelt is told at its line, with the one that was meant', () => {
  const text = `virtual_server 192.0.2.100 80 {
    lvs_method DR
    lvs_sched rr
    protocol TCP
    real_server 192.0.2.11 80 {
        TCP_CHEK { connect_timeout 3 }
    }
}
`;
  expect(found(text)).toMatchObject([
    {
      code: 'LVS-CONF-019',
      place: { line: 6 },
      what: 'real_server 192.0.2.11 80 has no check: keepalived knows no TCP_CHEK; did you mean TCP_CHECK?',
    },
  ]);
});

describe('each rule about keepalived.conf', () => {
  test.each(rules)('%s: its example has it, once, with its line, and nothing else', (code, rule) => {
    const all = found(rule.bad);
    expect(all.map((one) => one.code)).toEqual([code]);
    const [one] = all;
    expect(one).toMatchObject({
      severity: rule.severity,
      place: { line: expect.any(Number), column: expect.any(Number) },
    });
    expect(one?.what).toMatch(/^\S.*[^.]$/u);
  });

  test.each(rules)('%s: the other one has nothing', (_code, rule) => {
    expect(found(rule.good)).toEqual([]);
  });

  test.each(rules.filter(([, { good }]) => !good.includes(SECOND_FILE)))(
    '%s: keepalived itself takes the other one',
    (code, rule) => {
      const file = join(folder, `${code}.conf`);
      // Scripts and interfaces of the example are not on this machine, and not what is looked at.
      writeFileSync(file, rule.good.replaceAll(/interface eth\d/gu, 'interface lo'));
      let said = '';
      try {
        execFileSync('/usr/sbin/keepalived', ['-t', '-f', file], { encoding: 'utf8', stdio: 'pipe' });
      } catch (error) {
        said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
      }
      expect(
        said
          .split('\n')
          .filter((line) =>
            /Unknown keyword|Unexpected|Missing|defaulting|resetting|Truncating|duplicated/u.test(line),
          ),
      ).toEqual([]);
    },
  );
});

describe('what keepalived says of an example is what the rule says', () => {
  // keepalived -t tells these; the others it takes in silence.
  test.each([
    ['LVS-CONF-001', /no protocol set - defaulting to UDP/u],
    ['LVS-CONF-002', /no forwarding method set, setting default NAT/u],
    ['LVS-CONF-003', /zero port only valid for persistent services/u],
    ['LVS-CONF-004', /is duplicated - removing second rs/u],
    ['LVS-CONF-007', /hysteresis 1 >= quorum 1/u],
    ['LVS-CONF-017', /ports don't match - resetting/u],
    ['LVS-CONF-021', /no scheduler set, setting default 'wlc'/u],
  ])('%s', (code, words) => {
    const rule = CONF_RULES.find((one) => one.code === code);
    const file = join(folder, `bad-${code}.conf`);
    writeFileSync(file, rule?.bad ?? '');
    let said = '';
    try {
      execFileSync('/usr/sbin/keepalived', ['-t', '-f', file], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    }
    expect(said).toMatch(words);
  });
});
