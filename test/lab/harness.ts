import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Cluster, Host } from '../../src/inventory/model.ts';
import { type Lab, labDown, labUp } from '../../src/lab/index.ts';
import { cluster } from './hosts.ts';

/** A lab for one test file. It ends with the test's process, whatever happens to that. */
export interface TestLab {
  lab: Lab;
  cluster: Cluster;
  /** Runs a shell command on a host; it must end with 0. */
  on(host: string, command: string): Promise<string>;
  /** Processes of this machine that belong to the lab. */
  processes(): number[];
  down(): Promise<void>;
}

/** Starts these hosts as a lab of its own. */
export async function startLab(hosts: Host[]): Promise<TestLab> {
  const folder = await mkdtemp(join(tmpdir(), 'lvsctl-lab-'));
  const described = cluster(join(folder, 'small.yaml'), hosts);
  const lab = await labUp(described, { tied: true });
  // The lab's folder is named by a hash that stands in every one of its processes' arguments.
  const known = lab.sshFor(lab.hosts[0] ?? '').knownHosts ?? '';
  const mark = known.replace(/\/known_hosts$/, '');
  return {
    lab,
    cluster: described,
    on: async (host, command) => {
      const result = await lab.run(host, ['sh', '-c', command]);
      expect(result, `${host}: ${command}`).toMatchObject({ code: 0 });
      return result.stdout;
    },
    processes: () => processesNaming(mark),
    down: async () => {
      await labDown(described);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function processesNaming(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/cmdline`).includes(mark) || read(`/proc/${pid}/mountinfo`).includes(mark))
    .map(Number);
}

// A process may end while it is looked at.
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** A process's arguments as one line; empty where it has ended: guests' processes come and go. */
export function commandLine(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
}

/** The network namespaces that these processes are in, each once. */
export function networksOf(pids: readonly (number | 'self')[]): string[] {
  const links = pids.flatMap((pid) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/net`)];
    } catch {
      return [];
    }
  });
  return [...new Set(links)];
}
