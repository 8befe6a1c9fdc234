import { LvsctlError, type Problem } from '../errors/index.ts';
import { type Loaded, loadClusters } from '../inventory/index.ts';
import { lint, strictly } from '../lint/index.ts';
import type { Form } from '../report/findings/index.ts';
import { rehearse } from '../roles/index.ts';
import { EXIT, type Output } from './output.ts';

export interface ValidateOptions {
  inventory: string[];
  cluster?: string;
  resolved?: boolean;
  strict?: boolean;
  format?: 'pretty' | Form;
}

/** Problems for which nothing was looked at. */
const NOTHING_READ = ['INV-NO-FILE', 'INV-NO-CLUSTER', 'INV-UNKNOWN-CLUSTER', 'INV-SEVERAL-CLUSTERS'];

/** `lvsctl validate`: reads the inventory, goes through the rules, and reports everything it finds; touches no host. */
export async function validateCommand(options: ValidateOptions, output: Output): Promise<number> {
  const { loaded, errors } = read(options);
  const found = lint(loaded);
  const findings = options.strict ? strictly(found) : found;
  if (options.format !== undefined && options.format !== 'pretty') {
    const { findingsText } = await import('../report/findings/index.ts');
    output.print(findingsText(options.format, [...errors, ...findings], loaded.map(countsOf)));
    return exitCode([...errors, ...findings]);
  }
  output.problems(errors);
  output.findings(findings, 'whole');
  if (errors.length === 0) {
    for (const one of loaded) {
      if (options.resolved) await showResolved(one, output);
      else showCounts(one, findings, loaded.length > 1, output);
    }
  }
  return exitCode([...errors, ...findings]);
}

/** The clusters, and every error in them; what can't be read at all is an error of its own. */
function read(options: ValidateOptions): { loaded: Loaded[]; errors: readonly Problem[] } {
  let loaded: Loaded[];
  try {
    loaded = loadClusters(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    return { loaded: [], errors: error.problems };
  }
  const errors = loaded.flatMap(({ cluster, document }) => {
    try {
      rehearse(cluster, document);
      return [];
    } catch (error) {
      if (!(error instanceof LvsctlError)) throw error;
      return error.problems;
    }
  });
  return { loaded, errors };
}

function exitCode(found: readonly Problem[]): number {
  const errors = found.filter(({ severity = 'error' }) => severity === 'error');
  if (errors.length === 0) return EXIT.done;
  const unread = errors.every(
    ({ code, place }) => NOTHING_READ.includes(code) && (place.kind !== 'file' || place.line === undefined),
  );
  return unread ? EXIT.error : EXIT.findings;
}

/** What a cluster has. */
function countsOf({ cluster }: Loaded) {
  return {
    cluster: cluster.name,
    hosts: cluster.hosts.length,
    managed: cluster.hosts.filter((host) => host.managed).length,
    services: cluster.services.length,
  };
}

function showCounts(one: Loaded, findings: readonly Problem[], several: boolean, output: Output): void {
  const { cluster, hosts, managed, services } = countsOf(one);
  const own = several
    ? findings.filter(({ place }) => place.kind === 'file' && one.document.files.includes(place.file))
    : findings;
  const count = (wanted: string) => own.filter(({ severity }) => severity === wanted).length;
  const errors = count('error');
  const told = [
    errors === 0 ? 'No errors found' : counted(errors, 'error'),
    ...(count('warning') === 0 ? [] : [counted(count('warning'), 'warning')]),
  ];
  output.print(
    `${cluster}: ${counted(hosts, 'host')} (${managed} managed), ${counted(services, 'service')}. ${told.join(', ')}.`,
  );
  if (errors === 0) output.emit('valid', { cluster, hosts, managed, services });
}

async function showResolved({ cluster, document }: Loaded, output: Output): Promise<void> {
  const { resolvedText, resolvedValues } = await import('../inventory/resolved.ts');
  const values = resolvedValues(cluster, document);
  output.print(resolvedText(values, document).trimEnd());
  output.emit('resolved', { cluster: cluster.name, values });
}

function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
