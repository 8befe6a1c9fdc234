import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { failure, type LvsctlError } from '../errors/index.ts';
import type { Layout } from './layout.ts';
import { run } from './run.ts';
import type { Tools } from './tools.ts';

/** The namespaces that a lab lives in; the supervisor is the first process inside. */
export const NAMESPACES = [
  '--user',
  '--map-root-user',
  '--net',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
] as const;

const none = { kind: 'none' } as const;

/** What a user-mode Linux binary and its packages exist for. */
export function checkPlatform(platform: string, arch: string): void {
  if (platform === 'linux' && arch === 'x64') return;
  throw failure({
    code: 'LAB-PLATFORM',
    place: none,
    what: `the lab’s kernels run on Linux on x86-64, and this is ${platform} on ${arch}`,
    next: 'Run the lab on an x86-64 Linux machine; everything else of lvsctl works here',
  });
}

/**
 * Makes sure that this user may have the lab's namespaces and wires, by making and dropping them.
 * @throws LvsctlError `LAB-NO-NAMESPACES`, `LAB-NO-VETH`, `LAB-NO-MOUNT`
 */
export async function checkNamespaces(tools: Tools, signal?: AbortSignal): Promise<void> {
  const options = { env: tools.env, ...(signal === undefined ? {} : { signal }) };
  const inside = (...argv: string[]) => run(['unshare', ...NAMESPACES, ...argv], options);
  await inside('true').catch(async (error) => {
    if (signal?.aborted) throw error;
    throw await noNamespaces(error);
  });
  const wires = 'link add name a type veth peer name b\nlink add name c type bridge\nlink set dev a master c up\n';
  await run(['unshare', ...NAMESPACES, 'ip', '-batch', '-'], { ...options, input: wires }).catch((error) => {
    if (signal?.aborted) throw error;
    throw failure(
      {
        code: 'LAB-NO-VETH',
        place: none,
        what: `this machine’s kernel gives no virtual Ethernet pairs and bridges: ${message(error)}`,
        next: 'Have an administrator load the modules: modprobe -a veth bridge af_packet',
      },
      { cause: error },
    );
  });
  await inside('mount', '-t', 'tmpfs', 'lvsctl-lab', '/tmp').catch((error) => {
    if (signal?.aborted) throw error;
    throw failure(
      {
        code: 'LAB-NO-MOUNT',
        place: none,
        what: `a tmpfs can’t be mounted in a namespace of one’s own: ${message(error)}`,
        next: 'Run outside the container, or let it mount file systems in user namespaces',
      },
      { cause: error },
    );
  });
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function noNamespaces(cause: unknown): Promise<LvsctlError> {
  const setting = async (path: string): Promise<string> => (await readFile(path, 'utf8').catch(() => '')).trim();
  const [apparmor, clone, most] = await Promise.all([
    setting('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'),
    setting('/proc/sys/kernel/unprivileged_userns_clone'),
    setting('/proc/sys/user/max_user_namespaces'),
  ]);
  const problem = (what: string, next: string) =>
    failure({ code: 'LAB-NO-NAMESPACES', place: none, what, next }, { cause });
  if (apparmor === '1') {
    return problem(
      'AppArmor keeps ordinary programs from making user namespaces here (Ubuntu’s default since 24.04)',
      'have an administrator run: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    );
  }
  if (clone === '0') {
    return problem(
      'ordinary users may not make user namespaces here',
      'have an administrator run: sysctl -w kernel.unprivileged_userns_clone=1',
    );
  }
  if (most === '0') {
    return problem(
      'no user namespaces are allowed here',
      'have an administrator run: sysctl -w user.max_user_namespaces=10000',
    );
  }
  return problem(
    `this user can’t make namespaces: ${message(cause)}`,
    'run outside the container, or let it make user namespaces (seccomp, --security-opt)',
  );
}

/** MiB that a kernel takes beside its machine's memory. */
const OVERHEAD = 40;

/**
 * How many kernels may start at once: bounded by cores and memory.
 * @param available MiB of memory that can be had
 * @throws LvsctlError `LAB-NO-MEMORY`
 */
export function parallelStarts(layout: Layout, available: number, cores: number = availableParallelism()): number {
  const needed = layout.hosts.reduce((sum, host) => sum + host.memory + OVERHEAD, 0);
  if (needed > available) {
    throw failure({
      code: 'LAB-NO-MEMORY',
      place: none,
      what: `the lab’s ${layout.hosts.length} hosts need ${needed} MB of memory, and ${Math.floor(available)} MB are free`,
      next: 'Free some memory, or rehearse a part of the inventory in a file of its own',
    });
  }
  // Starting is mostly computing, with some waiting between.
  return Math.max(1, Math.min(layout.hosts.length, cores * 2));
}

/** MiB of memory that can be had without swapping (proc(5), MemAvailable). */
export async function availableMemory(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return found === undefined ? Number.POSITIVE_INFINITY : Number(found) / 1024;
}
