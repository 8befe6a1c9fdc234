import { loadCluster } from '../inventory/index.ts';
import { type Asking, pathsOf } from '../path/ask.ts';
import { netOf } from '../path/build.ts';
import { pathText } from '../report/path-text.ts';
import { EXIT, type Output } from './output.ts';

export interface PathOptions extends Asking {
  inventory: string[];
  cluster?: string;
}

/** `lvsctl path`: which way a client's packet takes, there and back, and where it dies; touches no host. */
export async function pathCommand(options: PathOptions, output: Output): Promise<number> {
  const cluster = loadCluster(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });
  const paths = pathsOf(cluster, netOf(cluster), options);
  for (const [index, path] of paths.entries()) {
    output.print(`${index === 0 ? '' : '\n'}${pathText(path, output.paint)}`);
    output.emit('path', path);
  }
  return paths.every(({ ways }) => ways.every(({ fault }) => fault === undefined)) ? EXIT.done : EXIT.findings;
}
