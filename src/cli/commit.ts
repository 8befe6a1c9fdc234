import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Plan } from '../plan/plan.ts';

const run = promisify(execFile);

/**
 * The commit of the git work tree that an inventory is in, and whether the files in its folder differ from that, or it
 * isn't part of it; nothing where there is no git, no work tree or no commit.
 */
export async function commitOf(file: string): Promise<Plan['inventory']['commit']> {
  const git = async (...args: string[]): Promise<string> => {
    // Nothing that the repository's own configuration names is run.
    const options = { cwd: dirname(file), timeout: 10_000, maxBuffer: 16 * 1024 * 1024 };
    return (await run('git', ['-c', 'core.fsmonitor=false', '--no-optional-locks', ...args], options)).stdout;
  };
  try {
    const [id, changed, known] = await Promise.all([
      git('rev-parse', '--verify', 'HEAD'),
      git('status', '--porcelain', '--untracked-files=no', '.'),
      git('ls-files', '--', file),
    ]);
    return { id: id.trim(), dirty: changed.trim() !== '' || known.trim() === '' };
  } catch {
    return undefined;
  }
}
