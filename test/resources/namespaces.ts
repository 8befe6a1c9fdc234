import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localShell } from '../host/local-shell.ts';

/** A network of its own, in which nothing of this machine's is seen or changed. */
export interface Namespace {
  /** Runs a command in it; its output. Throws where it fails. */
  run(command: string, input?: string): string;
  /** The host program in it, with an empty folder in place of `/`. */
  connection: ReturnType<typeof localShell>;
  /** The process that holds it. */
  pid: number;
  end(): void;
}

/** @param of a namespace that the new one shares its users with, so that links between them can be made */
export async function namespace(of?: Namespace): Promise<Namespace> {
  const [command, ...args] =
    of === undefined
      ? ['unshare', '-Urn', '--', 'sh', '-c', 'echo ready; exec sleep 3600']
      : ['nsenter', ...into(of), 'unshare', '-n', '--', 'sh', '-c', 'echo ready; exec sleep 3600'];
  const holder = spawn(command ?? '', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    holder.stdout.once('data', resolve);
    holder.once('exit', () => reject(new Error('no network namespace could be made')));
  });
  const pid = holder.pid ?? 0;
  const root = mkdtempSync(join(tmpdir(), 'lvsctl-namespace-'));
  symlinkSync('/proc', join(root, 'proc'));
  mkdirSync(join(root, 'run'));
  const enter = ['nsenter', '-t', String(pid), '-U', '-n', '--preserve-credentials'];
  const run = (text: string, input = '') =>
    execFileSync('nsenter', [...enter.slice(1), 'sh', '-c', text], { input, stdio: 'pipe' }).toString();
  run('ip link set lo up');
  return {
    run,
    connection: localShell({ shell: [...enter, 'dash'], env: { LVSCTL_ROOT: root } }),
    pid,
    end: () => {
      holder.kill('SIGKILL');
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function into({ pid }: Namespace): string[] {
  return ['-t', String(pid), '-U', '--preserve-credentials'];
}
