import { accessSync, constants, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { failure } from '../errors/index.ts';
import type { OnProgress } from './progress.ts';
import { interrupted, run } from './run.ts';

/** Programs of this machine that the lab uses, and the Debian package that each comes from. */
const NEEDED = [
  { program: 'linux.uml', package: 'user-mode-linux' },
  { program: 'mmdebstrap', package: 'mmdebstrap' },
  { program: 'ip', package: 'iproute2' },
  { program: 'mke2fs', package: 'e2fsprogs' },
  { program: 'debugfs', package: 'e2fsprogs' },
] as const;

export interface Tools {
  /** The environment for every program of the lab: PATH with what was fetched. */
  env: NodeJS.ProcessEnv;
  /** The user-mode kernel, an absolute path. */
  linux: string;
  /** The folder of its modules, named by its release. */
  modules: string;
  kernelRelease: string;
  /** apt-get with lists and a download folder of the lab's own, so that it needs no root and changes nothing. */
  apt: readonly [string, ...string[]];
}

function which(program: string, path: string): string | undefined {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

function toolPath(unpacked: string): string {
  // An ordinary user's PATH often lacks the sbin folders, where mke2fs and ip stand.
  const system = (process.env.PATH ?? '/usr/bin:/bin').split(delimiter);
  const fetched = ['usr/bin', 'usr/sbin', 'bin', 'sbin'].map((folder) => join(unpacked, folder));
  return [...new Set([...system, '/usr/local/sbin', '/usr/sbin', '/sbin', ...fetched])].join(delimiter);
}

function environment(unpacked: string): NodeJS.ProcessEnv {
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map((folder) => join(unpacked, folder));
  const there = libraries.filter((folder) => existsSync(folder));
  const given = process.env.LD_LIBRARY_PATH;
  const all = [...there, ...(given === undefined ? [] : [given])];
  return {
    ...process.env,
    PATH: toolPath(unpacked),
    // Programs' messages are read in places.
    LC_ALL: 'C.UTF-8',
    ...(all.length === 0 ? {} : { LD_LIBRARY_PATH: all.join(delimiter) }),
  };
}

function aptIn(cache: string): readonly [string, ...string[]] {
  const folder = join(cache, 'apt');
  mkdirSync(join(folder, 'lists/partial'), { recursive: true });
  mkdirSync(join(folder, 'cache/archives/partial'), { recursive: true });
  return [
    'apt-get',
    '-o',
    `Dir::State::lists=${folder}/lists`,
    '-o',
    `Dir::Cache=${folder}/cache`,
    // Only the dpkg status of this machine is read: nothing to lock, no other user to become.
    '-o',
    'Debug::NoLocking=1',
    '-o',
    'APT::Sandbox::User=root',
    '-o',
    'APT::Update::Post-Invoke-Success::=',
    '-o',
    'Acquire::Languages=none',
  ];
}

/**
 * Finds what the lab runs on this machine and fetches what is missing: packages from the machine's own sources,
 * unpacked into the cache without root.
 * @throws LvsctlError `LAB-NO-APT` where there is no apt-get, `LAB-FETCH-FAILED` where a package can't be had
 */
export async function findTools(
  cache: string,
  options: { onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<Tools> {
  const unpacked = join(cache, 'tools');
  const missing = () => {
    const path = toolPath(unpacked);
    return [...new Set(NEEDED.filter((tool) => which(tool.program, path) === undefined).map((tool) => tool.package))];
  };
  const lacking = missing();
  const env = environment(unpacked);
  if (which('apt-get', toolPath(unpacked)) === undefined || which('dpkg-deb', toolPath(unpacked)) === undefined) {
    throw failure({
      code: 'LAB-NO-APT',
      place: { kind: 'none' },
      what: 'apt-get and dpkg are not on this machine, and the lab builds its machines from Debian packages',
      next: 'Run the lab on Debian or Ubuntu',
    });
  }
  const apt = aptIn(cache);
  if (lacking.length > 0) {
    options.onProgress?.({ phase: 'tools', text: `fetching ${lacking.join(', ')}`, expected: 30 });
    await fetchPackages(lacking, { cache, unpacked, apt, env, ...options });
    const still = missing();
    if (still.length > 0) throw fetchFailed(still, undefined);
  }
  const after = environment(unpacked);
  const linux = which('linux.uml', after.PATH ?? '');
  if (linux === undefined) throw fetchFailed(['user-mode-linux'], undefined);
  const folders = [join(linux, '../../lib/uml/modules'), '/usr/lib/uml/modules'];
  const modules = folders.find((folder) => existsSync(folder) && readdirSync(folder).length > 0);
  if (modules === undefined) throw fetchFailed(['user-mode-linux'], undefined);
  const version = (await run([linux, '--version'], { env: after })).trim();
  const kernelRelease =
    readdirSync(modules).find((name) => version.split('\n').includes(name)) ?? readdirSync(modules)[0] ?? '';
  return { env: after, linux, modules: join(modules, kernelRelease), kernelRelease, apt };
}

interface Fetch {
  cache: string;
  unpacked: string;
  apt: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

async function fetchPackages(packages: string[], fetch: Fetch): Promise<void> {
  const runIt = { env: fetch.env, ...(fetch.signal === undefined ? {} : { signal: fetch.signal }) };
  const archives = join(fetch.cache, 'apt/cache/archives');
  const partial = `${fetch.unpacked}.partial-${process.pid}`;
  try {
    // One of the machine's other sources may be broken: the installation below says what can't be had.
    await run([...fetch.apt, 'update'], runIt).catch(() => {
      if (fetch.signal?.aborted) throw interrupted();
    });
    // Downloads the packages and those of their dependencies that this machine lacks.
    await run(
      [...fetch.apt, '--yes', '--no-install-recommends', '--download-only', '--reinstall', 'install', ...packages],
      runIt,
    );
    mkdirSync(partial, { recursive: true });
    for (const deb of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
      await run(['dpkg-deb', '-x', join(archives, deb), partial], runIt);
    }
    await rm(fetch.unpacked, { recursive: true, force: true });
    await rename(partial, fetch.unpacked);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (fetch.signal?.aborted) throw error;
    throw fetchFailed(packages, error);
  }
}

function fetchFailed(packages: readonly string[], cause: unknown) {
  return failure(
    {
      code: 'LAB-FETCH-FAILED',
      place: { kind: 'none' },
      what: `the lab needs ${packages.join(', ')}, and this machine's package sources didn't give ${packages.length === 1 ? 'it' : 'them'}${cause instanceof Error ? `: ${cause.message}` : ''}`,
      next: `Install by hand: sudo apt-get install ${packages.join(' ')}`,
    },
    { cause },
  );
}

/** This machine's Debian or Ubuntu release. */
export async function osRelease(): Promise<{ id: string; codename: string }> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const value = (key: string) => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  return { id: value('ID'), codename: value('VERSION_CODENAME') };
}
