import { type Loaded, loadClusters } from '../inventory/index.ts';
import { rehearse } from '../roles/index.ts';
import { EXIT, type Output } from './output.ts';

export interface ValidateOptions {
  inventory: string[];
  cluster?: string;
  resolved?: boolean;
}

/** `lvsctl validate`: reads the inventory and reports every error in it; touches no host. */
export async function validateCommand(options: ValidateOptions, output: Output): Promise<number> {
  const clusters = loadClusters(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });
  for (const { cluster } of clusters) rehearse(cluster);
  for (const one of clusters) {
    if (options.resolved) await showResolved(one, output);
    else showCounts(one, output);
  }
  return EXIT.done;
}

function showCounts({ cluster }: Loaded, output: Output): void {
  const managed = cluster.hosts.filter((host) => host.managed).length;
  output.print(
    `${cluster.name}: ${counted(cluster.hosts.length, 'host')} (${managed} managed), ${counted(cluster.services.length, 'service')}. No errors found.`,
  );
  output.emit('valid', {
    cluster: cluster.name,
    hosts: cluster.hosts.length,
    managed,
    services: cluster.services.length,
  });
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
