import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parseDocument } from 'yaml';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster, Platform } from '../../src/inventory/model.ts';
import { type Lab, labUp } from '../../src/lab/index.ts';
import { layout } from '../../src/lab/layout.ts';
import { lvsctl, type Run } from '../cli/lvsctl.ts';
import { type Snapshot, snapshot } from './snapshot.ts';
import * as traffic from './traffic.ts';

export interface ClusterOptions {
  /** A file of inventories/ without `.yaml`. */
  inventory: string;
  /** Changes the inventory's text before it is read. */
  edit?: (text: string) => string;
  /** All hosts are of this family: written into the inventory's `defaults.host.platform`. */
  platform?: Platform;
  /** For the built program: secrets that the inventory takes from there. */
  env?: Readonly<Record<string, string>>;
}

/** An inventory's machines, running, and the built program aimed at them. They end with the test's process. */
export interface ClusterLab {
  /** The inventory: a copy in a folder of its own, with all that stands beside it, so that a test may change it. */
  file: string;
  cluster: Cluster;
  lab: Lab;
  /** Names of the hosts that lvsctl configures. */
  managed: string[];
  /** `lvsctl ARGS -i INVENTORY`. */
  run(...args: string[]): Promise<Run>;
  /** Applies without a question; it must go well. */
  apply(...args: string[]): Promise<Run>;
  /** What a plan would change, as `HOST: KEY`; the exit code must agree. */
  pending(): Promise<string[]>;
  /** Writes the inventory anew. */
  edit(change: (text: string) => string): void;
  /** Runs a shell command on a machine; it must end with 0. Gives its output. */
  on(host: string, command: string): Promise<string>;
  /** The same, however it ends. */
  attempt(host: string, command: string): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Cuts the power of a host, or of all, and gives it again; resolves when they have started. */
  powerCut(host?: string): Promise<void>;
  snapshot(host: string): Promise<Snapshot>;
  snapshots(): Promise<Record<string, Snapshot>>;
  http(client: string, url: string, options?: traffic.HttpOptions): Promise<traffic.Answer[]>;
  /** The name of the host that has this MAC. */
  ownerOf(mac: string): string | undefined;
  down(): Promise<void>;
}

const repository = new URL('../../', import.meta.url).pathname;

/** Starts the machines of an inventory. Several may run at once, also of one inventory. */
export async function clusterUp(options: ClusterOptions): Promise<ClusterLab> {
  const folder = mkdtempSync(join(tmpdir(), 'lvsctl-cluster-'));
  cpSync(join(repository, 'inventories'), folder, { recursive: true });
  const file = join(folder, `${options.inventory}.yaml`);
  const edit = (change: (text: string) => string): void => writeFileSync(file, change(readFileSync(file, 'utf8')));
  if (options.edit !== undefined) edit(options.edit);
  if (options.platform !== undefined) edit(withPlatform(options.platform));
  const cluster = loadCluster([file]);
  const run = (...args: string[]): Promise<Run> =>
    lvsctl([...args, '-i', file], options.env === undefined ? {} : { env: options.env });
  try {
    const lab = await labUp(cluster, { tied: true });
    return labOf({ folder, file, cluster, lab, run, edit });
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

function withPlatform(platform: Platform) {
  return (text: string): string => {
    const document = parseDocument(text);
    document.setIn(['defaults', 'host', 'platform'], platform);
    return document.toString({ lineWidth: 0 });
  };
}

interface Parts extends Pick<ClusterLab, 'file' | 'cluster' | 'lab' | 'run' | 'edit'> {
  folder: string;
}

function labOf({ folder, file, cluster, lab, run, edit }: Parts): ClusterLab {
  const attempt: ClusterLab['attempt'] = (host, command) => lab.run(host, ['sh', '-c', command]);
  const managed = cluster.hosts.filter((host) => host.managed).map((host) => host.name);
  const owners = layout(cluster).hosts.flatMap((host) => host.nics.map((nic) => [nic.mac, host.name] as const));
  return {
    ...{ file, cluster, lab, managed, run, edit, attempt },
    apply: async (...args) => {
      // No judgement by the clock: a busy machine takes its time to install things in many guests at once.
      const applied = await run('apply', '--lab', '--yes', '--step-timeout', '1800', ...args);
      expect(applied, `${applied.out}\n${applied.err}`).toMatchObject({ code: 0 });
      return applied;
    },
    pending: () => pending(run),
    on: async (host, command) => {
      const result = await attempt(host, command);
      expect(result, `${host}: ${command}`).toMatchObject({ code: 0 });
      return result.stdout;
    },
    powerCut: (host = 'all') => lab.power(host, 'cycle'),
    snapshot: (host) => snapshot(lab, host),
    snapshots: async () => {
      const taken: Record<string, Snapshot> = {};
      await Promise.all(
        managed.map(async (host) => {
          taken[host] = await snapshot(lab, host);
        }),
      );
      return taken;
    },
    http: (client, url, options) => traffic.http(lab, client, url, options),
    ownerOf: (mac) => owners.find(([one]) => one === mac.toLowerCase())?.[1],
    down: async () => {
      await run('lab', 'down');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface PlanEvent {
  event: string;
  plan: { steps: { host: string; changes: { key: string }[] }[] };
}

/** What a plan would change, as `HOST: KEY`; the exit code must agree. */
export async function pending(run: ClusterLab['run']): Promise<string[]> {
  const result = await run('plan', '--lab', '--json', '--detailed-exitcode');
  const found = eventsOf(result).find((each) => each.event === 'plan') as PlanEvent | undefined;
  if (found === undefined) throw new Error(`no plan: ${result.out}\n${result.err}`);
  const changes = found.plan.steps.flatMap((step) => step.changes.map((change) => `${step.host}: ${change.key}`));
  expect(result, result.out).toMatchObject({ code: changes.length > 0 ? 2 : 0 });
  return changes;
}

/** The JSON lines of a run. */
export function eventsOf(run: Run): { event: string }[] {
  return run.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
