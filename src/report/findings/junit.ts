import { placeText } from '../../errors/index.ts';
import type { Counts, Told } from './index.ts';

/**
 * JUnit's XML: a test case for each finding, failed where it is an error (warnings are output of one that passed), and one
 * that passed for each cluster without errors. Pure.
 */
export function junitText(problems: readonly Told[], clusters: readonly Counts[]): string {
  const failures = problems.filter(({ severity }) => severity === 'error').length;
  const well = failures === 0 ? clusters : [];
  const cases = [
    ...well.map(({ cluster }) => `    <testcase classname="${xml(cluster)}" name="inventory"/>`),
    ...problems.map(caseOf),
  ];
  const counts = `tests="${cases.length}" failures="${failures}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="lvsctl validate" ${counts} errors="0">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
  ].join('\n');
}

function caseOf({ severity, place, code, what, next, also }: Told): string {
  const where = placeText(place);
  const file = place.kind === 'file' ? place.file : where || 'inventory';
  const name = where === '' ? code : `${code} ${where}`;
  const others = also.map((other) => `${placeText(other.place)}: ${other.says}`);
  const text = [where, what, ...others, next].filter((line) => line !== '').join('\n');
  const head = `    <testcase classname="${xml(file)}" name="${xml(name)}">`;
  const body =
    severity === 'error'
      ? `<failure type="${xml(code)}" message="${xml(what)}">${xml(text)}</failure>`
      : `<system-out>${xml(`${severity}: ${text}`)}</system-out>`;
  return `${head}\n      ${body}\n    </testcase>`;
}

/** Text and attributes of XML 1.0; what may not stand in it at all is shown as U+FFFD (section 2.2, Char). */
function xml(text: string): string {
  return text

    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"'\t\n\r]/gu, (char) => `&#${char.codePointAt(0)};`);
}
