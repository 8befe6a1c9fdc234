import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadClusters } from '../../src/inventory/index.ts';
import { CATALOGUE } from '../../src/lint/catalogue.ts';
import { lint, RULES } from '../../src/lint/index.ts';
import { SILENCERS } from '../../src/lint/silencer-rules.ts';
import { findingsIn } from './findings.ts';

const codeOf = ([, code = '']: RegExpExecArray): string => code;
const root = new URL('../../', import.meta.url).pathname;

describe('each rule', () => {
  const rules = [...RULES, ...Object.values(SILENCERS)];

  test.each(rules.map((rule) => [rule.code, rule] as const))(
    '%s: its example has it, and nothing else',
    (code, rule) => {
      const found = findingsIn(rule.bad);
      expect(found.map((one) => one.code)).toEqual([code]);
      expect(found[0]?.severity).toBe(rule.severity);
      expect(found[0]?.at).not.toBe('');
    },
  );

  test.each(rules.map((rule) => [rule.code, rule] as const))('%s: the other one has nothing', (_code, rule) => {
    expect(findingsIn(rule.good)).toEqual([]);
  });
});

describe('each error of loading', () => {
  const shown = CATALOGUE.filter(({ code, bad }) => !code.startsWith('LVS-') && bad !== undefined);

  test('all have an example but those that one file can’t show', () => {
    const without = CATALOGUE.filter(({ code, bad }) => code.startsWith('INV-') && bad === undefined);
    expect(without.map(({ code }) => code)).toEqual([
      'INV-DUPLICATE-CLUSTER',
      'INV-INCLUDE-CLUSTER',
      'INV-NO-CLUSTER',
      'INV-NOT-INVENTORY',
      'INV-SEVERAL-CLUSTERS',
      'INV-TOO-LARGE',
      'INV-UNKNOWN-CLUSTER',
    ]);
  });

  test.each(shown.map((entry) => [entry.code, entry] as const))('%s: its example has it', (code, { bad = '' }) => {
    const found = findingsIn(bad);
    expect(
      found.map((one) => one.code),
      JSON.stringify(found),
    ).toEqual([code]);
  });

  test.each(shown.map((entry) => [entry.code, entry] as const))('%s: the mended one has nothing', (_code, entry) => {
    expect(entry.good).toBeDefined();
    expect(entry.good).not.toBe(entry.bad);
    expect(findingsIn(entry.good ?? '')).toEqual([]);
  });
});

describe('the catalogue', () => {
  test('knows every code that the program prints, and no other', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.startsWith('lint/'))
      .map((path) => readFileSync(join(root, 'src', path), 'utf8'));
    // A code stands behind `code:`, or is handed on by itself: then its first word is one that others have behind it.
    const behind = files
      .flatMap((text) => [...text.matchAll(/\bcode: '([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*)'/gu)].map(codeOf))
      // What the system calls an error stands there too: ETIMEDOUT.
      .filter((code) => !/^E[A-Z]+$/u.test(code));
    const areas = new Set(behind.filter((code) => code !== 'LVSCTL-BUG').map((code) => code.split('-')[0] ?? ''));
    const words = files.flatMap((text) => [...text.matchAll(/'([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)'/gu)].map(codeOf));
    const handed = words.filter((code) => areas.has(code.split('-')[0] ?? ''));
    const known = CATALOGUE.map(({ code }) => code).filter((code) => !code.startsWith('LVS-'));
    expect(known.toSorted()).toEqual([...new Set([...behind, ...handed])].toSorted());
  });

  test('has each code once, in one form', () => {
    const codes = CATALOGUE.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const { code } of RULES) expect(code).toMatch(/^LVS-[A-Z]+-\d{3}$/u);
  });

  test.each(CATALOGUE.map((entry) => [entry.code, entry] as const))(
    '%s says what, why and what to do',
    (_code, entry) => {
      expect(entry.title).toMatch(/^\S.{4,70}[^.]$/u);
      expect(entry.why).toMatch(/^.{20,}[.)]$/u);
      expect(entry.remedy).toMatch(/\S{3}/u);
    },
  );
});

describe('the inventories that come with lvsctl', () => {
  const names = readdirSync(join(root, 'inventories')).filter((name) => name.endsWith('.yaml'));

  test.each(names)('%s has no findings', (name) => {
    expect(lint(loadClusters([join(root, 'inventories', name)]))).toEqual([]);
  });
});
