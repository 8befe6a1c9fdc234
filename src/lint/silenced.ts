import type { SourceDocument } from '../inventory/document.ts';
import type { Silencer } from '../inventory/silencers.ts';
import { suggest } from '../inventory/suggest.ts';
import type { Finding } from './index.ts';
import { SILENCERS } from './silencer-rules.ts';

/**
 * Leaves out what a comment `# lvsctl-ignore CODE: reason` silences, and adds what is wrong with such comments. One in
 * a file that others share counts as used where any of the clusters has need of it. Pure.
 */
export function silenced(
  findings: readonly Finding[],
  documents: readonly SourceDocument[],
  rules: readonly string[],
): Finding[] {
  const comments = new Map<string, Silencer>();
  for (const one of documents.flatMap((document) => document.comments)) {
    comments.set(`${one.file}:${one.line}:${one.column}`, one);
  }
  if (comments.size === 0) return [...findings];
  const byLine = new Map<string, Silencer[]>();
  for (const one of comments.values()) {
    const key = `${one.file}:${one.about}`;
    byLine.set(key, [...(byLine.get(key) ?? []), one]);
  }
  const used = new Set<string>();
  const left = findings.filter(({ code, place }) => {
    const by = byLine.get(`${place.file}:${place.line}`)?.find(({ codes }) => codes.includes(code));
    if (by !== undefined) used.add(keyOf(by, code));
    return by === undefined;
  });
  return [...left, ...[...comments.values()].flatMap((one) => troubles(one, used, rules))];
}

function keyOf({ file, line, column }: Silencer, code: string): string {
  return `${file}:${line}:${column} ${code}`;
}

function troubles(one: Silencer, used: ReadonlySet<string>, rules: readonly string[]): Finding[] {
  const { unused, strange, bare } = SILENCERS;
  const finding = (
    { code, severity, remedy }: (typeof SILENCERS)[keyof typeof SILENCERS],
    what: string,
    next: string = remedy,
  ): Finding => ({
    code,
    severity,
    place: { kind: 'file', file: one.file, line: one.line, column: one.column },
    what,
    next,
  });
  if (one.codes.length === 0) return [finding(strange, 'the comment names no rule')];
  const known = one.codes.filter((code) => rules.includes(code));
  return [
    ...one.codes
      .filter((code) => !known.includes(code))
      .map((code) =>
        finding(
          strange,
          code.startsWith('INV-')
            ? `${code} is no rule but an error of the inventory, and can’t be silenced`
            : `there is no rule ${code}`,
          didYouMean(code, rules),
        ),
      ),
    ...known
      .filter((code) => !used.has(keyOf(one, code)))
      .map((code) => finding(unused, `${code} isn’t found in line ${one.about}: the comment silences nothing`)),
    ...(one.reason === '' ? [finding(bare, `no reason is given why ${one.codes.join(', ')} is silenced`)] : []),
  ];
}

function didYouMean(code: string, rules: readonly string[]): string | undefined {
  const meant = code.startsWith('LVS-') ? suggest(code, rules) : undefined;
  return meant === undefined ? undefined : `Did you mean ${meant}?`;
}
