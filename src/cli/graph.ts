import { failure } from '../errors/index.ts';
import { layoutOf } from '../graph/layout.ts';
import { mermaidText } from '../graph/mermaid.ts';
import { diagramOf } from '../graph/model.ts';
import { svgText } from '../graph/svg.ts';
import { loadCluster } from '../inventory/index.ts';
import type { Cluster } from '../inventory/model.ts';
import { clientsOf, type Path, pathsOf } from '../path/ask.ts';
import { netOf } from '../path/build.ts';
import type { Net } from '../path/net.ts';
import { writeNew } from './import.ts';
import { EXIT, type Output } from './output.ts';

export interface GraphOptions {
  inventory: string[];
  cluster?: string;
  from?: string;
  to?: string;
  ways: boolean;
  format?: 'mermaid' | 'svg';
  out?: string;
}

/** `lvsctl graph`: draws the cluster, and the ways to one service; touches no host, writes no file that is there. */
export function graphCommand(options: GraphOptions, output: Output): number {
  const cluster = loadCluster(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });
  const net = netOf(cluster);
  const diagram = diagramOf(cluster, net, waysAsked(cluster, net, options));
  const { out } = options;
  const format = options.format ?? formOf(out);
  const drawing = format === 'svg' ? svgText(layoutOf(diagram)) : `${mermaidText(diagram)}\n`;
  if (out === undefined) output.print(drawing.trimEnd());
  else {
    writeNew(out, drawing);
    output.print(`Written: ${out}.`);
  }
  output.emit('graph', { format, drawing, ...(out === undefined ? {} : { file: out }) });
  return EXIT.done;
}

/** The form that a file's name says; Mermaid where there is none. @throws CLI-USAGE for a name that says another one */
function formOf(out: string | undefined): 'mermaid' | 'svg' {
  const [, ending] = /\.(\w+)$/.exec(out ?? '') ?? [];
  if (ending === 'svg') return 'svg';
  if (ending === undefined || ['mmd', 'mermaid', 'md', 'txt'].includes(ending)) return 'mermaid';
  throw failure({
    code: 'CLI-USAGE',
    place: { kind: 'none' },
    what: `${out}: what is drawn is Mermaid (.mmd) or SVG (.svg), not .${ending}`,
    next: 'Give another name, or say the form: --format svg.',
  });
}

/** The ways that are asked for; where nothing is said those to the first service, if they can be known. */
function waysAsked(cluster: Cluster, net: Net, { from, to, ways }: GraphOptions): Path[] | { why: string } {
  if (!ways) return { why: 'as asked' };
  if (to !== undefined) return pathsOf(cluster, net, { to, ...(from === undefined ? {} : { from }) });
  const [service] = cluster.services;
  const client = from ?? clientsOf(cluster)[0]?.name;
  if (service === undefined) return { why: 'there is no service' };
  if (client === undefined) return { why: 'no client is described' };
  return pathsOf(cluster, net, { to: service.name, from: client });
}
