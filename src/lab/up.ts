import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failure } from '../errors/index.ts';
import type { Cluster } from '../inventory/model.ts';
import { availableMemory, checkNamespaces, checkPlatform, NAMESPACES, parallelStarts } from './check.ts';
import { ask, follow, listens, tie } from './control.ts';
import { guestFiles } from './guest.ts';
import { ensureImage } from './image.ts';
import { ensureKeys } from './keys.ts';
import { attach, type Lab } from './lab.ts';
import { type Layout, labKey, layout } from './layout.ts';
import { withLock } from './lock.ts';
import { cacheFolder, labFolder, selfCommand, socketPath } from './paths.ts';
import type { OnProgress } from './progress.ts';
import type { LabFile, MachineStatus } from './protocol.ts';
import { RECIPES } from './recipes.ts';
import { interrupted, run } from './run.ts';
import { findTools, type Tools } from './tools.ts';

export interface LabUpOptions {
  cache?: string;
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** The lab is to end with this process, whatever happens to it. */
  tied?: boolean;
}

/** Seconds of computing that one host's start takes; with two cores five hosts take about 40 s. */
const START_SECONDS = 14;

async function readLabFile(folder: string): Promise<LabFile | undefined> {
  const text = await readFile(join(folder, 'lab.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as LabFile);
}

/** The lab of this inventory, where it runs; whether or not the inventory has changed since. */
export async function labFind(cluster: Cluster, options: { cache?: string } = {}): Promise<Lab | undefined> {
  const cache = cacheFolder(options.cache);
  const folder = labFolder(cache, labKey(cluster));
  const file = await readLabFile(folder);
  if (file === undefined || !(await listens(file.socket))) return undefined;
  return await attach(folder, file, cache);
}

/**
 * Starts the lab of this inventory, or gives the one that runs.
 * @throws LvsctlError `LAB-CHANGED` where a lab runs that the inventory no longer describes; `LAB-BOOT-FAILED`;
 * `LAB-INTERRUPTED` after an abort, when nothing is left running; and what `findTools`, `ensureImage` and the checks say
 */
export async function labUp(cluster: Cluster, options: LabUpOptions = {}): Promise<Lab> {
  checkPlatform(process.platform, process.arch);
  const cache = cacheFolder(options.cache);
  const plan = layout(cluster);
  const folder = labFolder(cache, plan.key);
  const { signal, onProgress } = options;
  const stoppable = signal === undefined ? {} : { signal };
  const common = { ...stoppable, ...(onProgress === undefined ? {} : { onProgress }) };
  await mkdir(dirname(folder), { recursive: true });
  return await withLock(
    `${folder}.lock`,
    async () => {
      const running = await readLabFile(folder);
      if (running !== undefined && (await listens(running.socket))) {
        if (running.layout.fingerprint !== plan.fingerprint) throw changed(plan);
        return await attach(folder, running, cache);
      }
      selfCommand();
      const tools = await findTools(cache, common);
      onProgress?.({ phase: 'check', text: 'checking what this machine allows' });
      await checkNamespaces(tools, signal);
      const parallel = parallelStarts(plan, await availableMemory());
      const images: LabFile['images'] = {};
      for (const platform of new Set(plan.hosts.map((host) => host.platform))) {
        images[platform] = await ensureImage(cache, tools, RECIPES[platform], common);
      }
      const file: LabFile = {
        version: 1,
        layout: plan,
        images,
        linux: tools.linux,
        socket: socketPath(folder),
        env: environmentOf(tools),
        parallel,
      };
      try {
        await prepare(folder, file, cache, tools);
        await boot(folder, file, options);
        if (options.tied === true) await tie(file.socket);
      } catch (error) {
        await end(folder, file);
        throw signal?.aborted ? interrupted() : error;
      }
      return await attach(folder, file, cache);
    },
    stoppable,
  );
}

function environmentOf(tools: Tools): Record<string, string> {
  const { PATH, LD_LIBRARY_PATH } = tools.env;
  return { ...(PATH === undefined ? {} : { PATH }), ...(LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH }) };
}

function changed(plan: Layout) {
  return failure({
    code: 'LAB-CHANGED',
    place: { kind: 'file', file: plan.file },
    what: 'the lab that runs was made from another state of this inventory: its hosts, interfaces or segments differ',
    next: 'Start it anew: lvsctl lab down, then lvsctl lab up',
  });
}

/** Writes the lab's folder: lab.json, known_hosts and each host's configuration disk. */
async function prepare(folder: string, file: LabFile, cache: string, tools: Tools): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keys = await ensureKeys(cache);
  for (const host of file.layout.hosts) {
    const work = join(folder, 'disk');
    for (const { path, content, mode } of guestFiles(host, keys)) {
      const target = join(work, 'lvsctl-lab', path);
      await mkdir(dirname(target), { recursive: true, mode: 0o755 });
      await writeFile(target, content);
      await chmod(target, mode);
    }
    const archive = join(folder, `${host.name}.tar`);
    const owner = ['--owner=0', '--group=0', '--numeric-owner'];
    await run(['tar', '-cf', archive, '--mode=u+rwX,go-w', ...owner, '-C', work, 'lvsctl-lab'], { env: tools.env });
    await rm(work, { recursive: true, force: true });
  }
  const addresses = file.layout.hosts.map((host) => host.management.guest).join(',');
  await writeFile(join(folder, 'known_hosts'), `${addresses} ${keys.hostPublicKey}\n`);
  await writeFile(join(folder, 'lab.json'), JSON.stringify(file, null, 1), { mode: 0o600 });
}

async function boot(folder: string, file: LabFile, options: LabUpOptions): Promise<void> {
  const count = file.layout.hosts.length;
  const expected = Math.ceil(4 + (count * START_SECONDS) / file.parallel);
  options.onProgress?.({ phase: 'boot', text: `starting ${count} hosts`, expected });
  const log = await open(join(folder, 'supervisor.log'), 'a', 0o600);
  const child = spawn('unshare', [...NAMESPACES, ...selfCommand(), 'lab', 'supervisor', folder], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, ...file.env },
  });
  child.unref();
  await log.close();
  await writeFile(join(folder, 'pid'), String(child.pid ?? ''));
  await waitForSocket(folder, file.socket, child, options.signal);
  const told = new Map<string, string>();
  const watching = { hold: 'start' as const, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  const hosts = await follow(file.socket, watching, (now) => {
    for (const host of now) {
      if (told.get(host.name) === host.state) continue;
      told.set(host.name, host.state);
      options.onProgress?.({ phase: 'boot', text: host.state, host: host.name });
    }
    return now.every((host) => host.state === 'up') || now.some((host) => host.state === 'failed');
  });
  const failed = hosts.filter((host) => host.state === 'failed');
  if (failed.length > 0) throw bootFailed(failed);
}

function bootFailed(failed: MachineStatus[]) {
  return failure({
    code: 'LAB-BOOT-FAILED',
    place: { kind: 'none' },
    what: failed.map((host) => `${host.name} did not start: ${host.reason ?? 'no reason given'}`).join('; '),
    next: 'Try again with fewer other programs running; a cached image that is damaged is rebuilt once its folder is deleted',
  });
}

async function waitForSocket(folder: string, socket: string, child: ChildProcess, signal?: AbortSignal): Promise<void> {
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  child.once('error', () => {
    ended = true;
  });
  while (!(await listens(socket))) {
    signal?.throwIfAborted();
    if (ended) {
      const log = await readFile(join(folder, 'supervisor.log'), 'utf8').catch(() => '');
      throw failure({
        code: 'LAB-SUPERVISOR',
        place: { kind: 'none' },
        what: `the lab’s supervisor ended at once: ${log.trim().split('\n').slice(-4).join(' | ')}`,
        next: 'See the message above',
      });
    }
    await sleep(50);
  }
}

/** Ends what runs of a lab and forgets its folder. */
async function end(folder: string, file: LabFile): Promise<void> {
  await ask(file.socket, { op: 'down' }).catch(() => undefined);
  const pid = Number(await readFile(join(folder, 'pid'), 'utf8').catch(() => ''));
  // Its namespaces are gone when their first process is reaped.
  for (let round = 0; pid > 0 && (await isSupervisor(pid, folder)); round += 1) {
    if (round === 40) kill(pid);
    await sleep(50);
  }
  await rm(file.socket, { force: true });
  await rm(folder, { recursive: true, force: true });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}

// A process number may since belong to another program.
async function isSupervisor(pid: number, folder: string): Promise<boolean> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return line.includes(folder);
}

/** Ends the lab of this inventory; gives false where none was there. */
export async function labDown(cluster: Cluster, options: { cache?: string } = {}): Promise<boolean> {
  const folder = labFolder(cacheFolder(options.cache), labKey(cluster));
  await mkdir(dirname(folder), { recursive: true });
  return await withLock(`${folder}.lock`, async () => {
    const file = await readLabFile(folder);
    if (file === undefined) return false;
    const ran = await listens(file.socket);
    await end(folder, file);
    return ran;
  });
}
