import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Problem } from '../../src/errors/index.ts';
import { CATALOGUE } from '../../src/lint/catalogue.ts';
import { findingsText } from '../../src/report/findings/index.ts';

/** Any text that a name, a file or a message may be. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...'<>&"\'%:,;\n\r\t]\u0000\u001b\u202e\ud800\ufffe::'),
    fc.string({ minLength: 1, maxLength: 2 }),
  ),
  maxLength: 40,
});
const place = fc.record({
  kind: fc.constant('file' as const),
  file: text.map((name) => `/tmp/${name}`),
  line: fc.integer({ min: 1, max: 99 }),
  column: fc.integer({ min: 1, max: 99 }),
});
const problem: fc.Arbitrary<Problem> = fc.record({
  code: fc.constantFrom(...CATALOGUE.map(({ code }) => code)),
  severity: fc.constantFrom('error', 'warning', 'info'),
  place,
  what: text,
  next: text,
  also: fc.array(fc.record({ place, says: text }), { maxLength: 2 }),
});
const problems = fc.array(problem, { maxLength: 4 });
const clusters = [{ cluster: 'a<b', hosts: 1, managed: 1, services: 0 }];
const each = (check: (list: Problem[]) => void) => fc.assert(fc.property(problems, check), { numRuns: 300 });

describe('github', () => {
  /** What the runner makes of a command (actions/runner, ActionCommand.cs). */
  const decoded = (value: string, more: [string, string][] = []) =>
    [...more, ['%0D', '\r'], ['%0A', '\n'], ['%25', '%']].reduce(
      (all, [from = '', to = '']) => all.replaceAll(from, to),
      value,
    );
  const inProperty: [string, string][] = [
    ['%3A', ':'],
    ['%2C', ','],
  ];

  test('each finding is one line, and means what it said', () => {
    each((list) => {
      const printed = findingsText('github', list, clusters);
      const lines = printed === '' ? [] : printed.split('\n');
      expect(lines).toHaveLength(list.length);
      for (const [index, line] of lines.entries()) {
        const one = list[index];
        const [, command, said = '', message = ''] = /^::(error|warning|notice) (.*?)::(.*)$/su.exec(line) ?? [];
        expect(command).toBe(one?.severity === 'info' ? 'notice' : one?.severity);
        const properties = Object.fromEntries(said.split(',').map((pair) => pair.split(/=(.*)/su).slice(0, 2)));
        expect(decoded(properties.title, inProperty)).toBe(one?.code);
        expect(properties.line).toBe(String(one?.place.kind === 'file' ? one.place.line : ''));
        expect(decoded(message).startsWith(`${one?.what}\n`)).toBe(true);
        expect(decoded(message).endsWith(`\n${one?.next}`)).toBe(true);
      }
    });
  });

  test('a file with a comma and a colon', () => {
    const [one] = fc.sample(problem, { numRuns: 1, seed: 1 });
    const odd = { ...one, place: { kind: 'file' as const, file: '/a,b:c%', line: 1, column: 2 } } as Problem;
    expect(findingsText('github', [odd], [])).toContain(' file=/a%2Cb%3Ac%25,line=1,col=2,title=');
  });
});

describe('junit', () => {
  test('is well-formed, whatever stands in it, and counts', () => {
    each((list) => {
      const xml = findingsText('junit', list, clusters);
      expect(wellFormed(xml)).toBe(true);
      const failed = list.filter(({ severity }) => severity === 'error').length;
      expect(xml.match(/<failure /gu)?.length ?? 0).toBe(failed);
      expect(xml.match(/<testcase /gu)?.length ?? 0).toBe(list.length + (failed === 0 ? 1 : 0));
      expect(xml).toContain(`<testsuites tests="${list.length + (failed === 0 ? 1 : 0)}" failures="${failed}">`);
    });
  });

  test('says what was said', () => {
    each((list) => {
      const messages = [
        ...findingsText('junit', list, clusters).matchAll(/<failure type="[^"]*" message="([^"]*)">/gu),
      ];
      const plain = (value: string) => value.replace(/&#(\d+);/gu, (_all, code) => String.fromCodePoint(Number(code)));
      const legal = (value: string) =>
        value.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd');
      expect(messages.map(([, message = '']) => plain(message))).toEqual(
        list.filter(({ severity }) => severity === 'error').map(({ what }) => legal(what)),
      );
    });
  });

  /** Tags open and close in order, attributes are quoted, and no character stands that XML has not. */
  function wellFormed(xml: string): boolean {
    if (/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(xml)) return false;
    const open: string[] = [];
    const rest = xml
      .replace(/^<\?xml [^<>]*\?>\n/u, '')
      .replace(/<(\/?)([a-z-]+)((?: [a-z]+="[^"<>]*")*)(\/?)>/gu, (_all, closes, name, _attributes, empty) => {
        if (closes !== '' && open.pop() !== name) open.push('wrong');
        if (closes === '' && empty === '') open.push(name);
        return '';
      });
    return open.length === 0 && !/[<>]|&(?!#\d+;)/u.test(rest);
  }
});

describe('sarif', () => {
  test('holds to the parts of SARIF 2.1.0 that it uses', () => {
    each((list) => {
      const log = JSON.parse(findingsText('sarif', list, clusters));
      expect(log.version).toBe('2.1.0');
      const [run] = log.runs;
      const ids: string[] = run.tool.driver.rules.map(({ id }: { id: string }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      for (const rule of run.tool.driver.rules) {
        for (const key of ['shortDescription', 'fullDescription', 'help']) expect(rule[key].text).toMatch(/\S/u);
        expect(['error', 'warning', 'note']).toContain(rule.defaultConfiguration.level);
      }
      expect(run.results).toHaveLength(list.length);
      for (const [index, result] of run.results.entries()) {
        expect(ids[result.ruleIndex]).toBe(result.ruleId);
        expect(result.ruleId).toBe(list[index]?.code);
        expect(['error', 'warning', 'note']).toContain(result.level);
        expect(result.message.text).toContain(list[index]?.what);
        for (const { physicalLocation } of [...result.locations, ...(result.relatedLocations ?? [])]) {
          const { uri } = physicalLocation.artifactLocation;
          expect(uri).toMatch(/^file:\/\/\/[\u0021-\u007e]*$/u);
          expect(physicalLocation.region.startLine).toBeGreaterThanOrEqual(1);
          expect(physicalLocation.region.startColumn).toBeGreaterThanOrEqual(1);
        }
      }
    });
  });
});

test('json: one document, versioned, with all that was found', () => {
  each((list) => {
    const told = JSON.parse(findingsText('json', list, clusters));
    expect(told.v).toBe(1);
    expect(told.clusters).toEqual(clusters);
    expect(told.findings).toHaveLength(list.length);
    for (const one of told.findings)
      expect(Object.keys(one).sort()).toEqual(['also', 'code', 'next', 'place', 'severity', 'what']);
  });
});

test('a file below the working folder is named from there', () => {
  const [one] = fc.sample(problem, { numRuns: 1, seed: 1 });
  const own = {
    ...one,
    place: { kind: 'file' as const, file: `${process.cwd()}/a b/lvs.yaml`, line: 1, column: 1 },
  } as Problem;
  expect(findingsText('sarif', [own], [])).toContain('"uri": "a%20b/lvs.yaml"');
  expect(findingsText('github', [own], [])).toContain('file=a b/lvs.yaml,');
});
