import { createInterface, type Interface } from 'node:readline/promises';
import { failure, LvsctlError } from '../errors/index.ts';
import { inventoryFingerprint, type Loaded, loadOne } from '../inventory/index.ts';
import type { Cluster } from '../inventory/model.ts';
import type { Lab } from '../lab/index.ts';
import { chooseHosts } from '../survey/survey.ts';
import { createTransport } from '../transport/index.ts';
import type { Transport } from '../transport/types.ts';
import type { Output } from './output.ts';

/** Options that commands which reach hosts share. */
export interface HostOptions {
  inventory: string[];
  cluster?: string;
  limit?: string[];
  lab?: boolean;
  transport: 'node-ssh' | 'openssh' | 'local';
  parallel: number;
  acceptNewHostKeys?: boolean;
  /** Seconds; absent: ssh_config's, else the transport's own. */
  connectTimeout?: number;
  timeout: number;
  /** commander's word for `--no-drain`. */
  drain?: boolean;
  /** Seconds; absent: `DRAIN_TIMEOUT`. */
  drainTimeout?: number;
}

/** Seconds to wait for the end of what a real server serves, where nobody says otherwise. */
export const DRAIN_TIMEOUT = 60;

/** A loaded cluster, aimed at its real hosts or at its lab. */
export interface Aim {
  cluster: Cluster;
  /** Digest of the inventory as resolved, before it was aimed at a lab. */
  fingerprint: string;
  lab?: Lab;
  transport: Transport;
}

/**
 * Loads the inventory and makes the transport that reaches its hosts (or its lab's machines, with `--lab`).
 * @param rules given: the rules come first (`refuseFindings`)
 */
export async function aim(options: HostOptions, output: Output, rules?: { strict: boolean }): Promise<Aim> {
  const loaded = loadOne(options.inventory, options.cluster === undefined ? {} : { cluster: options.cluster });
  if (rules !== undefined) await refuseFindings(loaded, rules, output);
  const described = loaded.cluster;
  const fingerprint = inventoryFingerprint(described);
  if (options.transport === 'local') refuseLocal(chooseHosts(described, options.limit), options.lab === true);
  if (!options.lab)
    return { cluster: described, fingerprint, transport: await transportFor(options, output, described) };
  const { lab, cluster } = await aimAtLab(described);
  return { cluster, fingerprint, lab, transport: await transportFor(options, output, cluster, lab) };
}

/**
 * Goes through the rules before hosts are changed, or a plan for that is made: errors end the command, warnings are a
 * line each.
 * @throws LvsctlError with all errors (with `strict`: and warnings)
 */
export async function refuseFindings(loaded: Loaded, { strict }: { strict: boolean }, output: Output): Promise<void> {
  const { lint, strictly } = await import('../lint/index.ts');
  const found = lint([loaded]);
  const findings = strict ? strictly(found) : found;
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new LvsctlError(errors);
  output.findings(
    findings.filter(({ severity }) => severity === 'warning'),
    'short',
  );
}

/**
 * This machine is one host and no machine of a lab: all else would be done here in place of where it belongs.
 * @throws CLI-LOCAL
 */
export function refuseLocal(hosts: readonly { name: string }[], lab: boolean): void {
  if (!lab && hosts.length <= 1) return;
  throw failure({
    code: 'CLI-LOCAL',
    place: { kind: 'none' },
    what: lab
      ? '--transport local is this machine itself, not a machine of the lab'
      : `--transport local is this machine itself, and can't be ${hosts.length} hosts at once`,
    next: lab ? 'Leave out --transport local.' : 'Say which host this machine is: --limit HOST.',
  });
}

/** Replaces every host's SSH settings by those of the inventory's running lab. */
export async function aimAtLab(cluster: Cluster): Promise<{ cluster: Cluster; lab: Lab }> {
  const { labFind } = await import('../lab/index.ts');
  const lab = await labFind(cluster);
  if (lab === undefined) {
    throw failure({
      code: 'LAB-NOT-UP',
      place: { kind: 'none' },
      what: `the lab of ${cluster.name} is not up`,
      next: `Start it: lvsctl lab up -i ${cluster.file}`,
    });
  }
  const hosts = cluster.hosts.map((host) => ({ ...host, ssh: lab.sshFor(host.name) }));
  return { cluster: { ...cluster, hosts }, lab };
}

/** The transport that the options ask for. */
export async function transportFor(
  options: Pick<HostOptions, 'transport' | 'acceptNewHostKeys' | 'connectTimeout'>,
  output: Output,
  cluster: Cluster | undefined,
  lab?: Lab,
): Promise<Transport> {
  return createTransport(options.transport, {
    ...(options.connectTimeout === undefined ? {} : { connectTimeout: options.connectTimeout }),
    interactive: output.interactive,
    inventoryHost: (name) => cluster?.hosts.find((host) => host.name === name),
    acceptNewHostKeys: options.acceptNewHostKeys === true,
    ...(output.interactive ? { prompt: askHidden } : {}),
    ...(lab === undefined
      ? {}
      : {
          socket: (target) => lab.openStream(target.name).catch((error: unknown) => onHost(target.name, error)),
          proxyCommand: (target) => lab.proxyCommand(target.name),
        }),
  });
}

/** The lab speaks of itself; here it was asked for one host. */
function onHost(host: string, error: unknown): never {
  if (!(error instanceof LvsctlError)) throw error;
  const place = { kind: 'host', host, phase: 'connect' } as const;
  throw new LvsctlError(
    error.problems.map((problem) => (problem.place.kind === 'none' ? { ...problem, place } : problem)),
    { cause: error, exitCode: error.exitCode },
  );
}

/** Asks on the terminal without showing what is typed. */
export async function askHidden(question: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  // readline echoes through this private hook; writing the prompt first and muting it hides the answer.
  process.stderr.write(question);
  const muted = reader as unknown as { _writeToOutput: (text: string) => void };
  muted._writeToOutput = () => undefined;
  try {
    return await answered(reader, reader.question(''));
  } finally {
    reader.close();
    process.stderr.write('\n');
  }
}

/**
 * Asks a yes-or-no question; anything but y or yes is no, and so is the end of the input.
 * @throws the signal's reason when it aborts
 */
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await answered(reader, reader.question(`${question} [y/N] `, { signal }));
    signal.throwIfAborted();
    return /^y(es)?$/iu.test(answer.trim());
  } finally {
    reader.close();
  }
}

/** The answer, or nothing once the input ends: readline leaves a question open for ever then. */
async function answered(reader: Interface, answer: Promise<string>): Promise<string> {
  // A terminal that readline reads gives it Ctrl-C as a key: it is passed on as the signal that it stands for.
  reader.on('SIGINT', () => {
    process.emit('SIGINT');
    reader.close();
  });
  const closed = new Promise<string>((resolve) => reader.once('close', () => resolve('')));
  return await Promise.race([answer, closed]);
}
