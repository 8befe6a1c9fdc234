import { describe, expect, test } from 'vitest';
import { hostsIn } from '../../src/lint/live/examples.ts';
import { LIVE_RULES, lintLive } from '../../src/lint/live/index.ts';

const rules = LIVE_RULES.map((rule) => [rule.code, rule] as const);

describe('each rule about running hosts', () => {
  test.each(rules)('%s: its example has it, once, and nothing else', (code, rule) => {
    const found = lintLive(hostsIn(rule.bad)).filter((one) => !one.code.startsWith('LVS-CONF-'));
    expect(found.map((one) => [one.code, one.what])).toEqual([[code, expect.stringMatching(/^\S.*[^.]$/u)]]);
    expect(found[0]).toMatchObject({ severity: rule.severity, next: rule.remedy });
    expect(found[0]?.place.kind).not.toBe('none');
  });

  test.each(rules)('%s: the other one has nothing', (_code, rule) => {
    expect(lintLive(hostsIn(rule.good)).filter((one) => !one.code.startsWith('LVS-CONF-'))).toEqual([]);
  });
});
