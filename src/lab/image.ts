import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, rename, rm, stat, statfs, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failure } from '../errors/index.ts';
import { makeArchive } from './archive.ts';
import { withLock } from './lock.ts';
import type { OnProgress } from './progress.ts';
import { type Recipe, recipeHash } from './recipe.ts';
import { run } from './run.ts';
import { osRelease, type Tools } from './tools.ts';

/** The two disks that all hosts of a family share, in all labs, read-only. */
export interface Image {
  base: string;
  packages: string;
}

/** Sparse: what hosts install needs room, and takes none here. */
const BASE_SIZE = 2500 * 1024 * 1024;
/** File systems beside their files: room for tables, and for blocks that files don't fill. */
const MARGIN = { factor: 1.05, bytes: 16 * 1024 * 1024 };
const NEEDED_ROOM = 1_600_000_000;
/** Seconds on two cores with a package mirror nearby; only said, never enforced. */
const EXPECTED = { debian: 120, rhel: 240 } as const;
const NAMES = { debian: 'base', rhel: 'RHEL look-alike' } as const;

export interface ImageOptions {
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/**
 * The shared disks, from the cache or built now.
 * @throws LvsctlError `LAB-NO-ROOM`, and those of `makeArchive` and `run`
 */
export async function ensureImage(
  cache: string,
  tools: Tools,
  recipe: Recipe,
  options: ImageOptions = {},
): Promise<Image> {
  const { codename } = await osRelease();
  const hash = recipeHash(recipe, { codename, kernel: tools.kernelRelease });
  const images = join(cache, 'images');
  const folder = join(images, hash);
  const image = { base: join(folder, 'base.ext4'), packages: join(folder, 'packages.ext4') };
  if (existsSync(folder)) return image;
  await mkdir(images, { recursive: true });
  return await withLock(
    join(images, `${hash}.lock`),
    async () => {
      if (existsSync(folder)) return image;
      // Whoever left these behind no longer holds the lock.
      for (const name of await readdir(images)) {
        if (name.startsWith(`${hash}.partial`)) await removeTree(join(images, name));
      }
      await enoughRoom(images);
      const partial = join(images, `${hash}.partial-${process.pid}`);
      await mkdir(join(partial, 'root'), { recursive: true });
      try {
        options.onProgress?.({
          phase: 'image',
          text: `building the ${NAMES[recipe.platform]} image, once`,
          expected: EXPECTED[recipe.platform],
        });
        await build(partial, codename, tools, recipe, options);
        await rename(partial, folder);
        return image;
      } catch (error) {
        await removeTree(partial);
        throw error;
      }
    },
    {
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onWait: () =>
        options.onProgress?.({
          phase: 'image',
          text: 'another lvsctl builds the image; waiting',
          expected: EXPECTED[recipe.platform],
        }),
    },
  );
}

async function build(
  partial: string,
  codename: string,
  tools: Tools,
  recipe: Recipe,
  options: ImageOptions,
): Promise<void> {
  const how = { env: tools.env, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  const archive = join(partial, 'root.tar');
  const root = join(partial, 'root');
  await makeArchive(tools, archive, codename, recipe, options);
  options.onProgress?.({ phase: 'image', text: 'writing the disks' });
  // Owners other than root can't be given by an ordinary user; they are set inside the finished file system.
  const listing = await run(['tar', '-tvf', archive, '--numeric-owner', '--exclude=./dev/*'], how);
  await run(['tar', '-xpf', archive, '-C', root, '--no-same-owner', '--exclude=./dev/*'], how);
  await rm(archive);
  await customize(root, tools, recipe);
  const packages = join(partial, 'srv');
  await rename(join(root, 'srv/packages'), packages);
  await mkdir(join(root, 'srv/packages'));
  const base = join(partial, 'base.ext4');
  // With a journal: the power of these machines is cut.
  await makeFileSystem(root, base, BASE_SIZE, ['-J', 'size=16', '-N', '65536'], how);
  const owners = ownerCommands(listing);
  await run(['debugfs', '-w', '-f', '-', base], { ...how, input: `${owners.join('\n')}\n` });
  const size = (await bytesIn(packages)) * MARGIN.factor + MARGIN.bytes;
  await makeFileSystem(packages, join(partial, 'packages.ext4'), size, ['-O', '^has_journal'], how);
  await removeTree(root);
  await removeTree(packages);
}

async function makeFileSystem(
  folder: string,
  file: string,
  size: number,
  options: string[],
  how: { env: NodeJS.ProcessEnv; signal?: AbortSignal },
): Promise<void> {
  await writeFile(file, '');
  await truncate(file, Math.ceil(size));
  // In a user namespace of its own the user's files are root's.
  const make = ['mke2fs', '-q', '-F', '-t', 'ext4', '-m', '0', '-E', 'lazy_itable_init=0', ...options];
  await run(['unshare', '--user', '--map-root-user', ...make, '-d', folder, file], how);
}

/** The bytes of all files below a folder. */
async function bytesIn(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return sum;
}

async function customize(root: string, tools: Tools, recipe: Recipe): Promise<void> {
  for (const path of recipe.removed) await rm(join(root, path), { force: true, recursive: true });
  for (const { path, content, mode } of recipe.files) {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await rm(file, { force: true });
    await writeFile(file, content);
    await chmod(file, mode);
  }
  for (const [path, target] of recipe.links) {
    const link = join(root, path);
    await mkdir(dirname(link), { recursive: true });
    await rm(link, { force: true, recursive: true });
    await symlink(target, link);
  }
  const modules = join(root, 'usr/lib/modules', tools.kernelRelease);
  await cp(tools.modules, modules, { recursive: true });
}

/**
 * debugfs(8) commands that give files their owners, from `tar -tv --numeric-owner`'s listing of those that aren't
 * root's. Pure.
 */
export function ownerCommands(listing: string): string[] {
  return listing.split('\n').flatMap((line) => {
    const [, kind, uid, gid, rest] = /^(.)\S+ +(\d+)\/(\d+) +\d+ \S+ \S+ \.(\/.*)$/.exec(line) ?? [];
    if (kind === undefined || uid === undefined || gid === undefined || rest === undefined) return [];
    // Hard links share the inode of their first name; device nodes aren't in the image.
    if (kind === 'h' || kind === 'c' || kind === 'b' || (uid === '0' && gid === '0')) return [];
    const path = kind === 'l' ? rest.split(' -> ')[0] : rest.replace(/(.)\/$/, '$1');
    return [`sif "${path}" uid ${uid}`, `sif "${path}" gid ${gid}`];
  });
}

async function removeTree(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

async function enoughRoom(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= NEEDED_ROOM) return;
  throw failure({
    code: 'LAB-NO-ROOM',
    place: { kind: 'none' },
    what: `the lab’s image needs ${Math.round(NEEDED_ROOM / 1e6)} MB in ${folder}, and ${Math.round((bavail * bsize) / 1e6)} MB are free`,
    next: 'Free some room, or set LVSCTL_CACHE to a folder that has it',
  });
}
