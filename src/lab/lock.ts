import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted } from './run.ts';

/** Whether a process is there, whoever it belongs to. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function holder(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, 'pid'), 'utf8').catch(() => '');
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/**
 * Runs `work` while no other lvsctl of this user holds `folder`. A holder that died doesn't count.
 * `onWait` is called once when somebody else is at it.
 */
export async function withLock<T>(
  folder: string,
  work: () => Promise<T>,
  options: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<T> {
  let told = false;
  // A holder that has made the folder but not yet written its number gets this many rounds.
  let unnamed = 0;
  for (;;) {
    if (options.signal?.aborted) throw interrupted();
    const made = await mkdir(folder).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
    if (made) break;
    const pid = await holder(folder);
    unnamed = pid === undefined ? unnamed + 1 : 0;
    if ((pid !== undefined && !alive(pid)) || unnamed > 10) {
      await rm(folder, { recursive: true, force: true });
      continue;
    }
    if (!told) options.onWait?.();
    told = true;
    await sleep(300);
  }
  try {
    await writeFile(join(folder, 'pid'), String(process.pid));
    return await work();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
