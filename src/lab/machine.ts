import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Disks, kernelArguments } from './guest.ts';
import type { LabHost } from './layout.ts';
import type { MachineStatus } from './protocol.ts';
import { READY } from './recipe.ts';

/** Seconds until a kernel that hasn't said it is ready counts as failed: many times what a loaded machine needs. */
const BOOT_LIMIT = 300;
const REMEMBERED_LINES = 30;

export interface Machine {
  status(): MachineStatus;
  /** Turns the power on and resolves when the host has started; at once when it is up already. */
  on(): Promise<void>;
  /** Cuts the power: its kernel is gone when this resolves, and what it had not yet written to its disk is lost. */
  off(): Promise<void>;
  setCut(interfaces: string[]): void;
  waiting(): void;
}

export interface MachineOptions {
  host: LabHost;
  linux: string;
  disks: Disks;
  /** On a tmpfs: backs the machine's memory. */
  memory: string;
  console: string;
  /** The processor core that its kernel keeps to. */
  core: number | undefined;
  onChange: () => void;
}

/**
 * The words for `unshare` that start a host's kernel: in a pid namespace of its own, so that its processes end with its
 * first and no zombie of theirs comes to us; and on its core, where one is known. Pure.
 */
export function powerOn({ host, linux, disks, core }: Pick<MachineOptions, 'host' | 'linux' | 'disks' | 'core'>) {
  const bound = core === undefined ? [] : ['taskset', '--cpu-list', `${core}`];
  return ['--pid', '--fork', '--kill-child', ...bound, linux, ...kernelArguments(host, disks)];
}

/** A host: a kernel that is a process, in a process namespace of its own so that ending it leaves nothing of it. */
export function machine(options: MachineOptions): Machine {
  const { host, onChange } = options;
  let child: ChildProcess | undefined;
  let starting: Promise<void> | undefined;
  let status: MachineStatus = { name: host.name, state: 'off', boots: 0, cut: [] };
  const set = (change: Partial<MachineStatus>): void => {
    status = { ...status, ...change };
    onChange();
  };

  async function off(): Promise<void> {
    const running = child;
    child = undefined;
    if (running !== undefined && running.exitCode === null && running.signalCode === null) {
      const gone = new Promise<void>((resolve) => running.once('exit', () => resolve()));
      running.kill('SIGKILL');
      await gone;
    }
    if (status.state !== 'off') set({ state: 'off' });
  }

  function on(): Promise<void> {
    if (status.state === 'up') return Promise.resolve();
    starting ??= new Promise<void>(start).finally(() => {
      starting = undefined;
    });
    return starting;
  }

  function start(resolve: () => void, reject: (error: Error) => void): void {
    const run = join(options.disks.run, host.name);
    rmSync(run, { recursive: true, force: true });
    mkdirSync(options.disks.run, { recursive: true });
    const { reason: _, ...fresh } = status;
    status = fresh;
    set({ state: 'booting', boots: status.boots + 1 });
    const own = spawn('unshare', powerOn(options), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: options.memory },
    });
    child = own;
    const log = createWriteStream(options.console, { flags: 'a', mode: 0o600 });
    const last: string[] = [];
    const fail = (why: string): void => {
      clearTimeout(limit);
      if (child === own) {
        child = undefined;
        set({ state: 'failed', reason: [why, ...last.slice(-3)].join(' | ') });
      }
      reject(new Error(`${host.name}: ${why}`));
    };
    const limit = setTimeout(() => {
      fail(`not started after ${BOOT_LIMIT} s`);
      own.kill('SIGKILL');
    }, BOOT_LIMIT * 1000);
    const read = (text: string): void => {
      log.write(`${text}\n`);
      last.push(text.trim());
      if (last.length > REMEMBERED_LINES) last.shift();
      if (child !== own) return;
      if (text.includes(READY)) {
        clearTimeout(limit);
        set({ state: 'up' });
        resolve();
      } else if (text.includes('reboot: Restarting system')) {
        // This kernel comes back from a reboot without its network; ended and started anew it comes back whole.
        void off().then(() => start(resolve, reject));
      }
    };
    createInterface({ input: own.stdout }).on('line', read);
    createInterface({ input: own.stderr }).on('line', read);
    own.once('error', (error) => fail(error.message));
    own.once('exit', (code, signal) => {
      log.end();
      if (child !== own) {
        clearTimeout(limit);
        reject(new Error(`${host.name}: the power was cut`));
      } else if (status.state === 'up') {
        child = undefined;
        // A guest that shut itself down, as poweroff does.
        set({ state: 'off' });
      } else {
        fail(`its kernel ended with ${code ?? signal}`);
      }
    });
  }

  return {
    status: () => status,
    on,
    off,
    setCut: (cut) => set({ cut }),
    waiting: () => set({ state: 'waiting' }),
  };
}
