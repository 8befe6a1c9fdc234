import { lintLive } from '../lint/live/index.ts';
import { type Summary, summaries } from '../lint/live/summary.ts';
import type { Observed } from '../observed/observed.ts';
import type { Source } from '../report/excerpt.ts';
import type { Form } from '../report/findings/index.ts';
import { type AroundOptions, readAround } from './around.ts';
import { countsText } from './lint.ts';
import { EXIT, type Output } from './output.ts';

export interface AuditOptions extends AroundOptions {
  strict?: boolean;
  format?: 'pretty' | Form;
}

/** `lvsctl audit`: what is wrong or fragile on hosts of which no inventory tells; changes nothing there. */
export async function auditCommand(
  hosts: readonly string[],
  options: AuditOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { seen, unseen } = await readAround(hosts, options, output, signal);
  const found = lintLive(seen).map((one) =>
    options.strict && one.severity === 'warning' ? { ...one, severity: 'error' as const } : one,
  );
  const unread = unseen.flatMap(({ problems }) => problems);
  if (options.format !== undefined && options.format !== 'pretty') {
    const { findingsText } = await import('../report/findings/index.ts');
    output.print(findingsText(options.format, [...unread, ...found], []));
  } else {
    const told = summaries(seen);
    for (const one of told) output.print(summaryText(one, output));
    for (const one of told) output.emit('audited', { ...one });
    output.problems(unread);
    output.findings(found, 'whole', textsOf(seen));
    const names = seen.map(({ name }) => name).join(', ');
    if (seen.length > 0) output.print(`${names}: ${countsText(found.map(({ severity }) => severity))}.`);
  }
  if (found.some(({ severity }) => severity === 'error')) return EXIT.findings;
  return unread.length > 0 ? EXIT.error : EXIT.done;
}

function summaryText({ host, system, roles }: Summary, { paint }: Output): string {
  const what = roles.length === 0 ? 'neither director nor real server, as far as can be seen' : roles.join('; ');
  return `${paint.strong(host)}: ${what} (${system})`;
}

/** Lines of the hosts' files, as findings show them. */
function textsOf(seen: readonly Observed[]): Source {
  return (file) => {
    const host = seen.find(({ name, files }) => file.startsWith(`${name}:`) && files.has(file.slice(name.length + 1)));
    return host?.files.get(file.slice(host.name.length + 1))?.split(/\r?\n/u);
  };
}
