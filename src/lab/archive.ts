import { accessSync, constants } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { failure } from '../errors/index.ts';
import type { OnProgress } from './progress.ts';
import type { Recipe } from './recipe.ts';
import { interrupted, run } from './run.ts';
import type { Tools } from './tools.ts';

const MEGABYTE = 1024 * 1024;
/** What mmdebstrap unpacks in its temporary folder. */
const TEMPORARY_ROOM = 900 * MEGABYTE;

/**
 * The machine's own Debian or Ubuntu package sources for its release, as one-line sources.list(5) entries, from the
 * output of `apt-get indextargets --format '$(SITE)|$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)'`. Pure.
 */
export function sourcesOf(targets: string, codename: string): string[] {
  const sources = targets.split('\n').flatMap((line) => {
    const [site, release, name, component, origin] = line.split('|');
    if (site === undefined || name === undefined || component === undefined) return [];
    if (origin !== 'Debian' && origin !== 'Ubuntu') return [];
    // The release may be called by its suite, such as `stable`.
    if (name !== codename && !name.startsWith(`${codename}-`)) return [];
    return [`deb ${site} ${release} ${component}`];
  });
  return [...new Set(sources)];
}

/** Proxies that the machine's apt uses, from `apt-config dump`; mmdebstrap doesn't read them by itself. Pure. */
export function proxyOptions(dump: string): string[] {
  return dump.split('\n').flatMap((line) => {
    const [, key, value] = /^(Acquire::(?:http|https|ftp)::Proxy(?:::[^ ]*)?) "(.*)";$/.exec(line) ?? [];
    return key === undefined || value === undefined || value === '' ? [] : [`--aptopt=${key} "${value}";`];
  });
}

/** Makes the base system with the package source in /srv/packages, as a tar file. Needs no root. */
export async function makeArchive(
  tools: Tools,
  file: string,
  codename: string,
  recipe: Recipe,
  options: { onProgress?: OnProgress; signal?: AbortSignal },
): Promise<void> {
  await mayMapUsers(tools.env.PATH ?? '');
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const temporary = await temporaryFolder();
  // One of the machine's other sources may be broken; what matters is whether the distribution's can be had.
  const update = await run([...tools.apt, 'update'], { env: tools.env, ...signal }).catch((error: unknown) => error);
  if (options.signal?.aborted) throw interrupted();
  const format = '$(SITE)|$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)';
  const targets = await run([...tools.apt, 'indextargets', '--format', format, 'Created-By: Packages'], {
    env: tools.env,
  });
  const sources = sourcesOf(targets, codename);
  if (sources.length === 0) {
    const why = update instanceof Error ? ` (${update.message})` : '';
    throw failure({
      code: 'LAB-NO-SOURCES',
      place: { kind: 'none' },
      what: `apt reaches no Debian or Ubuntu package source for ${codename || 'this release'}${why}`,
      next: 'See to the network, or add the distribution’s own sources to /etc/apt/sources.list.d',
    });
  }
  const proxies = proxyOptions(await run(['apt-config', 'dump'], { env: tools.env }));
  // As a file: mmdebstrap repeats a failed hook's text, which would hide what failed in it.
  const hooks = await mkdtemp(join(temporary, 'lvsctl-lab-'));
  const hook = join(hooks, 'hook.sh');
  await writeFile(hook, recipe.hook);
  // Read by one of the users that it maps.
  await chmod(hooks, 0o755);
  await chmod(hook, 0o644);
  await run(
    [
      'mmdebstrap',
      '--variant=minbase',
      '--format=tar',
      `--include=${recipe.packages.join(',')}`,
      '--aptopt=Apt::Install-Recommends "false"',
      '--dpkgopt=path-exclude=/usr/share/man/*',
      '--dpkgopt=path-exclude=/usr/share/locale/*',
      '--dpkgopt=path-exclude=/usr/share/doc/*',
      '--dpkgopt=path-include=/usr/share/doc/*/copyright',
      ...proxies,
      `--customize-hook=sh '${hook}' "$1"`,
      // The hook has left the lists that hosts are to have, and nothing else.
      '--skip=cleanup/apt',
      codename,
      file,
      '-',
    ],
    {
      // Its temporary folder has to be within reach of the mapped users, which a private TMPDIR isn't.
      env: { ...tools.env, TMPDIR: temporary },
      input: `${sources.join('\n')}\n`,
      onLine: (line) => {
        const text = stepOf(line);
        if (text !== undefined) options.onProgress?.({ phase: 'image', text });
      },
      ...signal,
    },
  ).finally(() => rm(hooks, { recursive: true, force: true }));
}

/** What a line of mmdebstrap's is for people; most aren't. Pure. */
export function stepOf(line: string): string | undefined {
  if (line.startsWith('I: running --customize-hook')) return 'gathering what hosts will be able to install';
  return /^I: ((?:downloading|extracting|installing) .*)$/.exec(line)?.[1];
}

// mmdebstrap as an ordinary user needs a range of user ids, which only the setuid newuidmap can hand out.
async function mayMapUsers(path: string): Promise<void> {
  const user = userInfo();
  if (user.uid === 0) return;
  const has = (program: string) => path.split(delimiter).some((folder) => executable(join(folder, program)));
  if (!has('newuidmap') || !has('newgidmap')) {
    throw failure({
      code: 'LAB-NO-UIDMAP',
      place: { kind: 'none' },
      what: 'building the lab’s image as an ordinary user needs newuidmap and newgidmap, which are not on this machine',
      next: 'Have an administrator run once: apt-get install uidmap',
    });
  }
  for (const file of ['/etc/subuid', '/etc/subgid']) {
    const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
    if (lines.some((line) => line.startsWith(`${user.username}:`) || line.startsWith(`${user.uid}:`))) continue;
    throw failure({
      code: 'LAB-NO-SUBUID',
      place: { kind: 'none' },
      what: `building the lab’s image as an ordinary user needs a range of subordinate ids, and ${file} has none for ${user.username}`,
      next: `Have an administrator run once: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user.username}`,
    });
  }
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function temporaryFolder(): Promise<string> {
  const looked: string[] = [];
  for (const folder of [process.env.TMPDIR, '/tmp', '/var/tmp']) {
    if (folder === undefined || looked.includes(folder)) continue;
    looked.push(folder);
    const [info, room] = await Promise.all([
      stat(folder).catch(() => undefined),
      statfs(folder).catch(() => undefined),
    ]);
    const open = info !== undefined && (info.mode & 0o003) === 0o003;
    if (open && room !== undefined && room.bavail * room.bsize >= TEMPORARY_ROOM) return folder;
  }
  throw failure({
    code: 'LAB-NO-ROOM',
    place: { kind: 'none' },
    what: `no temporary folder has ${TEMPORARY_ROOM / MEGABYTE} MB free (looked at ${looked.join(', ')})`,
    next: 'Free some room there, or set TMPDIR to a folder that every user may write to',
  });
}
