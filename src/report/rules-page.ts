import { OTHER_CODES } from '../lint/catalogue.ts';
import type { Entry } from '../lint/rule.ts';

const OTHERS: ReadonlySet<string> = new Set(OTHER_CODES.map(({ code }) => code));

/** docs/rules.md: every code with what it means; made of the catalogue, never written by hand. Pure. */
export function rulesPage(entries: readonly Entry[]): string {
  const conf = entries.filter(aboutConf);
  const live = entries.filter(aboutHosts);
  const rules = entries.filter((entry) => entry.code.startsWith('LVS-') && !aboutConf(entry) && !aboutHosts(entry));
  const others = entries.filter(({ code }) => OTHERS.has(code));
  const errors = entries.filter(({ code }) => !code.startsWith('LVS-') && !OTHERS.has(code));
  return [
    '# Rules',
    '',
    '<!-- Made of the catalogue in src/lint: npx vitest run test/docs/rules.test.ts -u -->',
    '',
    'What [`lvsctl validate`](commands/validate.md) finds, and `plan` and `apply` look at first. `lvsctl explain CODE` shows an',
    'inventory that has it, and the same one without it. How to silence a rule in a line:',
    '[silencing](commands/validate.md#silencing-a-rule). What else is known to go wrong, and why it needs no rule:',
    '[what is caught where](mistakes.md#what-is-caught-where).',
    '',
    '## Legal, and can’t carry traffic or not well',
    ...rules.flatMap(section),
    '',
    '## Errors of the inventory',
    'Without these mended there is no cluster to go on with: they can’t be silenced.',
    ...errors.flatMap(section),
    '',
    '## keepalived.conf',
    'What [`lvsctl lint`](commands/lint.md) finds in the files of hosts that lvsctl doesn’t manage.',
    ...conf.flatMap(section),
    '',
    '## Running hosts',
    'What [`lvsctl audit`](commands/audit.md) finds on hosts, besides what stands above of their keepalived.conf.',
    ...live.flatMap(section),
    '',
    '## Commands, plans, hosts, the lab',
    'What commands end with, and what goes wrong on hosts and on the way to them.',
    ...others.flatMap(section),
    '',
  ].join('\n');
}

/** A rule about bare files of keepalived. */
function aboutConf({ code }: { code: string }): boolean {
  return /^LVS-CONF-/.test(code);
}

/** A rule about hosts as they are. */
function aboutHosts({ code }: { code: string }): boolean {
  return /^LVS-LIVE-/.test(code);
}

function section({ code, severity, title, why, remedy, source }: Entry): string[] {
  const from = source === undefined ? [] : ['', `Source: ${cell(source)}.`];
  return ['', `### ${code}`, `**${severity}: ${cell(title)}.** ${cell(why)}`, '', `→ ${cell(remedy)}`, ...from];
}

/** What Markdown and the docs’ own tests would take for something else. */
function cell(text: string): string {
  return text
    .replaceAll('*', '\\*')
    .replaceAll('_', '\\_')
    .replaceAll('{{', '{ {')
    .replaceAll('<', '&lt;')
    .replaceAll('[', '\\[');
}
