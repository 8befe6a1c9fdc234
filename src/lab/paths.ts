import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import envPaths from 'env-paths';
import { failure } from '../errors/index.ts';

/** Where the lab keeps what is worth keeping: `LVSCTL_CACHE`, or the user's cache folder. */
export function cacheFolder(given?: string): string {
  return resolve(given ?? process.env.LVSCTL_CACHE ?? envPaths('lvsctl', { suffix: '' }).cache);
}

/** The folder of one running lab. */
export function labFolder(cache: string, key: string): string {
  return join(cache, 'labs', key);
}

// sockaddr_un holds 108 bytes (unix(7)).
const LONGEST_SOCKET_PATH = 100;

/**
 * The lab's control socket: in its folder, or in the user's runtime folder where that path is too long for a socket.
 * @throws LvsctlError `LAB-PATH-TOO-LONG`
 */
export function socketPath(folder: string): string {
  const first = join(folder, 'control');
  if (Buffer.byteLength(first) <= LONGEST_SOCKET_PATH) return first;
  const runtime = process.env.XDG_RUNTIME_DIR;
  const second = runtime === undefined ? undefined : join(runtime, `lvsctl-lab-${basename(folder)}`);
  if (second !== undefined && Buffer.byteLength(second) <= LONGEST_SOCKET_PATH) return second;
  throw failure({
    code: 'LAB-PATH-TOO-LONG',
    place: { kind: 'none' },
    what: `the cache folder's path is too long for a Unix socket: ${first}`,
    next: 'Set LVSCTL_CACHE to a folder with a shorter path',
  });
}

/** The built command, as arguments for a new process: the supervisor and ssh's proxy run from it. */
export function selfCommand(): string[] {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, 'lvsctl.js'), join(here, '..', 'lvsctl.js'), join(here, '../../dist/lvsctl.js')];
  const entry = candidates.find((candidate) => existsSync(candidate));
  if (entry === undefined) {
    throw failure({
      code: 'LAB-NOT-BUILT',
      place: { kind: 'none' },
      what: 'dist/lvsctl.js, which the lab runs in the background, is not there',
      next: 'Run npm run build',
    });
  }
  return [process.execPath, resolve(entry)];
}
