import type { FilePlace, Problem, Severity } from '../errors/index.ts';
import { alsoAt } from '../inventory/findings.ts';
import type { Loaded } from '../inventory/index.ts';
import type { Inventory } from '../inventory/schema.ts';
import { ADDRESSES } from './addresses.ts';
import { CHECKS } from './checks.ts';
import { DR } from './dr.ts';
import { HOSTS } from './hosts.ts';
import { NAT } from './nat.ts';
import { PARAMETERS } from './parameters.ts';
import { PATH } from './path.ts';
import type { Question, Rule } from './rule.ts';
import { SCHEDULERS } from './schedulers.ts';
import { SERVICES } from './services.ts';
import { silenced } from './silenced.ts';
import { SYNC } from './sync.ts';
import { VRRP } from './vrrp.ts';
import { WEB } from './web.ts';

/** Every rule, by topic. A new topic is one file and a line here. */
export const RULES: readonly Rule[] = [
  ...NAT,
  ...DR,
  ...SERVICES,
  ...SCHEDULERS,
  ...CHECKS,
  ...VRRP,
  ...SYNC,
  ...ADDRESSES,
  ...HOSTS,
  ...PARAMETERS,
  ...WEB,
  ...PATH,
];

/** What a rule found, where. */
export interface Finding extends Problem {
  place: FilePlace;
  severity: Severity;
}

/**
 * Goes through all rules with clusters that were loaded: what is legal, and can't carry traffic or not well. What a
 * comment silences is left out; a comment that silences nothing is a finding. In the order of the files. Pure.
 */
export function lint(loaded: readonly Loaded[]): Finding[] {
  const found = loaded.flatMap(({ cluster, document }) =>
    findingsOf({ cluster, said: document.value as Inventory, document }),
  );
  const once = [...new Map(found.map((one) => [JSON.stringify(one), one])).values()];
  return silenced(
    once,
    loaded.map(({ document }) => document),
    RULES.map(({ code }) => code),
  ).sort(byPlace);
}

/** With `--strict` warnings are errors. Pure. */
export function strictly(findings: readonly Finding[]): Finding[] {
  return findings.map((one) => (one.severity === 'warning' ? { ...one, severity: 'error' } : one));
}

/** What the rules find in one cluster, silenced or not. Pure. */
export function findingsOf(question: Question): Finding[] {
  return RULES.flatMap((rule) =>
    [...rule.check(question)].map(({ path, of, what, next = rule.remedy, also }): Finding => {
      const { code, severity } = rule;
      const others = also === undefined ? {} : { also: [alsoAt(question.document, also)] };
      return { code, severity, place: question.document.place(path, of), what, next, ...others };
    }),
  );
}

function byPlace(a: Finding, b: Finding): number {
  if (a.place.file !== b.place.file) return a.place.file < b.place.file ? -1 : 1;
  return (a.place.line ?? 0) - (b.place.line ?? 0) || (a.place.column ?? 0) - (b.place.column ?? 0);
}
