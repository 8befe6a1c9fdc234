import type { Entry } from '../lint/rule.ts';
import { wrapped } from './excerpt.ts';
import type { Paint } from './paint.ts';

const WIDTH = 80;
const INDENT = 2;

/** What a code means, for a screen of 80 columns; examples stand as they are. Pure. */
export function explainText(entry: Entry, paint: Paint): string {
  const { code, severity, title, why, remedy, source, bad, good } = entry;
  const part = (heading: string, lines: readonly string[]) => [
    '',
    paint.strong(heading),
    ...lines.map((line) => (line === '' ? '' : ' '.repeat(INDENT) + line)),
  ];
  const prose = (heading: string, text: string) => part(heading, wrapped(text, WIDTH - INDENT));
  const example = (heading: string, text: string) => part(heading, text.trimEnd().split('\n'));
  return [
    `${colour(entry, paint)(`${severity} ${code}`)}`,
    ...wrapped(title, WIDTH),
    ...prose('Why', why),
    ...prose('What to do', remedy),
    ...(source === undefined ? [] : prose('Source', source)),
    ...(bad === undefined ? [] : example(`${exampleOf(code)} with it`, bad)),
    ...(good === undefined ? [] : example('The same without it', good)),
  ].join('\n');
}

function exampleOf(code: string): string {
  if (/^LVS-CONF-/.test(code)) return 'A keepalived.conf';
  return /^LVS-LIVE-/.test(code) ? 'What a host answers' : 'An inventory';
}

/** All rules as a table of 80 columns: code, severity, title. Pure. */
export function rulesTable(entries: readonly Entry[], paint: Paint): string {
  const wide = Math.max(...entries.map(({ code }) => code.length)) + 2;
  const severe = 'warning'.length + 2;
  return entries
    .flatMap((entry) => {
      const { code, severity, title } = entry;
      const [first = '', ...more] = wrapped(title, WIDTH - wide - severe);
      const head = `${code.padEnd(wide)}${colour(entry, paint)(severity)}${' '.repeat(severe - severity.length)}${first}`;
      return [head, ...more.map((line) => ' '.repeat(wide + severe) + line)];
    })
    .join('\n');
}

function colour({ severity }: Entry, paint: Paint): (text: string) => string {
  if (severity === 'error') return paint.removed;
  return severity === 'warning' ? paint.changed : paint.strong;
}
