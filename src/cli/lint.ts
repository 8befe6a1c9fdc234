import { includeFiles, readConf } from '../conf/files.ts';
import { parseKeepalived } from '../conf/keepalived.ts';
import { lintConf } from '../lint/conf/index.ts';
import type { Form } from '../report/findings/index.ts';
import { EXIT, type Output } from './output.ts';

export interface LintOptions {
  strict?: boolean;
  format?: 'pretty' | Form;
}

const NAMED = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)=(.+)$/s;

/** `lvsctl lint`: what is wrong or fragile in keepalived.conf files; several are the nodes of one cluster. */
export async function lintCommand(files: readonly string[], options: LintOptions, output: Output): Promise<number> {
  const confs = files.map((arg) => {
    const [, host, file = arg] = NAMED.exec(arg) ?? [];
    return parseKeepalived(file, readConf(file), {
      include: includeFiles,
      ...(host === undefined ? {} : { configId: host }),
    });
  });
  const found = lintConf(confs).map((one) =>
    options.strict && one.severity === 'warning' ? { ...one, severity: 'error' as const } : one,
  );
  if (options.format !== undefined && options.format !== 'pretty') {
    const { findingsText } = await import('../report/findings/index.ts');
    output.print(findingsText(options.format, found, []));
  } else {
    output.findings(found, 'whole');
    output.print(`${files.join(', ')}: ${countsText(found.map(({ severity }) => severity))}.`);
  }
  return found.some(({ severity }) => severity === 'error') ? EXIT.findings : EXIT.done;
}

/** How many of each, in words. */
export function countsText(severities: readonly string[]): string {
  const counts = (['error', 'warning', 'info'] as const).flatMap((one) => {
    const n = severities.filter((each) => each === one).length;
    return n === 0 ? [] : [`${n} ${one}${n === 1 ? '' : 's'}`];
  });
  return counts.join(', ') || 'nothing found';
}
