import { LvsctlError } from '../errors/index.ts';
import { loadCluster } from '../inventory/index.ts';
import { type Asking, pathsOf } from '../path/ask.ts';
import { netOf } from '../path/build.ts';
import type { Live } from '../path/live.ts';
import type { Net } from '../path/net.ts';
import { pathText } from '../report/path-text.ts';
import type { AroundOptions } from './around.ts';
import { EXIT, type Output } from './output.ts';

export interface PathOptions extends Asking, AroundOptions {
  live?: boolean;
}

/**
 * `lvsctl path`: which way a client's packet takes, there and back, and where it dies: as the inventory describes it, which
 * touches no host, or with `live` as the hosts are.
 */
export async function pathCommand(options: PathOptions, output: Output, signal: AbortSignal): Promise<number> {
  const cluster = loadCluster(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });
  const described = netOf(cluster);
  const net = options.live === true ? await observedNet(described, options, output, signal) : described;
  const paths = pathsOf(cluster, net, options);
  for (const [index, path] of paths.entries()) {
    output.print(`${index === 0 ? '' : '\n'}${pathText(path, output.paint)}`);
    output.emit('path', path);
  }
  return paths.every(({ ways }) => ways.every(({ fault }) => fault === undefined)) ? EXIT.done : EXIT.findings;
}

/** @throws LvsctlError with everything that kept managed hosts from being read: a way through one of them isn't known */
async function observedNet(described: Net, options: PathOptions, output: Output, signal: AbortSignal): Promise<Net> {
  const [{ readInventory }, { liveNet }] = await Promise.all([import('./around.ts'), import('../path/live.ts')]);
  const { hosts, seen, unseen } = await readInventory(options, output, signal);
  if (unseen.length > 0) throw new LvsctlError(unseen.flatMap(({ problems }) => problems));
  return liveNet(
    described,
    hosts.flatMap((host): Live[] => {
      const found = seen.find(({ name }) => name === host.name);
      return found === undefined ? [] : [{ host, seen: found }];
    }),
  );
}
