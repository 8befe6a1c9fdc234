import { loadCluster } from '../inventory/index.ts';
import { rehearse } from '../roles/index.ts';
import { EXIT, type Output } from './output.ts';

/** `lvsctl validate`: reads the inventory and reports every error in it; touches no host. */
export async function validateCommand(
  options: { inventory: string[]; cluster?: string },
  output: Output,
): Promise<number> {
  const cluster = loadCluster(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });
  rehearse(cluster);
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
  return EXIT.done;
}

function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
