import { failure } from '../errors/index.ts';
import { loadOne } from '../inventory/index.ts';
import type { Cluster, Host } from '../inventory/model.ts';
import type { Lab } from '../lab/index.ts';
import { type Around, lookAround } from '../survey/look.ts';
import { parseJump } from '../transport/jumps.ts';
import type { Target } from '../transport/types.ts';
import { aimAtLab, type HostOptions, refuseLocal, transportFor } from './context.ts';
import type { Output } from './output.ts';
import { shownOn } from './reading.ts';

/** Options of commands that read hosts which no inventory describes. */
export interface AroundOptions extends Omit<HostOptions, 'limit' | 'drain' | 'drainTimeout'> {
  /** Read as root by sudo. */
  sudo?: boolean;
}

/**
 * Reads hosts that are named as ssh(1) names them; with `lab`, machines of an inventory's lab by their names.
 * @throws CLI-NO-DESTINATION, CLI-UNKNOWN-HOST, CLI-LOCAL, LAB-NOT-UP
 */
export async function readAround(
  names: readonly string[],
  options: AroundOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Around & { targets: Target[] }> {
  const aimed = options.lab === true ? await lab(options) : undefined;
  const asked = [...new Set(names)];
  const targets = asked.map((name) => (aimed === undefined ? destination(name) : machine(name, aimed.cluster)));
  const named = targets.map((target, at) => withName(target, asked[at] ?? '', targets, options));
  return { ...(await read(named, options, aimed, output, signal)), targets: named };
}

/**
 * Reads the hosts that an inventory manages (those of its lab with `lab`), as they are.
 * @throws CLI-LOCAL, LAB-NOT-UP
 */
export async function readInventory(
  options: AroundOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Around & { hosts: Host[] }> {
  const cluster = options.cluster === undefined ? {} : { cluster: options.cluster };
  const aimed: Aimed =
    options.lab === true ? await lab(options) : { cluster: loadOne(options.inventory, cluster).cluster };
  const hosts = aimed.cluster.hosts.filter(({ managed }) => managed);
  const targets = hosts.map(({ name, ssh }) => ({ name, ssh }));
  return { ...(await read(targets, options, aimed, output, signal)), hosts };
}

/** What an inventory adds to the way to hosts. */
interface Aimed {
  cluster: Cluster;
  lab?: Lab;
  /** The interface of the lab's machines that they are reached by. */
  management?: string;
}

async function read(
  targets: readonly Target[],
  options: AroundOptions,
  aimed: Aimed | undefined,
  output: Output,
  signal: AbortSignal,
): Promise<Around> {
  if (options.transport === 'local') refuseLocal(targets, options.lab === true);
  const transport = await transportFor(options, output, aimed?.cluster, aimed?.lab);
  const phase = await output.progress.phase(
    'Reading hosts',
    targets.map(({ name }) => name),
  );
  try {
    const around = await lookAround(targets, {
      transport,
      parallel: options.parallel,
      timeout: options.timeout,
      signal,
      onEvent: shownOn(phase),
    });
    // What the lab reaches its machines by is none of their own.
    if (aimed?.management !== undefined) for (const { links } of around.seen) links.delete(aimed.management);
    return around;
  } finally {
    await phase.end();
    await transport.close();
  }
}

async function lab(options: AroundOptions): Promise<Aimed> {
  const { MANAGEMENT } = await import('../lab/layout.ts');
  const { cluster } = loadOne(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });
  return { ...(await aimAtLab(cluster)), management: MANAGEMENT };
}

function machine(name: string, cluster: Cluster): Target {
  const host = cluster.hosts.find((one) => one.name === name);
  if (host !== undefined) return { name, ssh: host.ssh };
  throw failure({
    code: 'CLI-UNKNOWN-HOST',
    place: { kind: 'none' },
    what: `the lab of ${cluster.name} has no machine ${name}`,
    next: `It has ${cluster.hosts.map((one) => one.name).join(', ')}.`,
  });
}

function destination(name: string): Target {
  const target = parseJump(name);
  if (target !== undefined) return target;
  throw failure({
    code: 'CLI-NO-DESTINATION',
    place: { kind: 'none' },
    what: `${name} is no ssh destination`,
    next: 'Name a host as ssh does: lvs1, root@lvs1, root@192.0.2.10:2222, or [2001:db8::1]:22.',
  });
}

/** A host is told by its address alone, where that tells it from the others. */
function withName(target: Target, said: string, all: readonly Target[], { sudo }: AroundOptions): Target {
  const ssh = sudo === true ? { ...target.ssh, become: 'sudo' as const } : target.ssh;
  return { name: all.filter(({ name }) => name === target.name).length > 1 ? said : target.name, ssh };
}
