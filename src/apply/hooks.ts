import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { failure, type Problem } from '../errors/index.ts';
import type { Plan, Step } from '../plan/plan.ts';
import type { StepOutcome } from './graph.ts';

/** When a hook runs: before a step, or after it. */
export type HookEvent = 'before_change' | 'after_change';

/** Where the programs are, as the inventory says: absolute paths. */
interface Hooks {
  beforeChange?: string;
  afterChange?: string;
}

/** Bytes of a hook's output that are kept: its end. */
const OUTPUT_KEPT = 16 * 1024;
/** Seconds between the polite and the other way to end a hook that takes too long. */
const GRACE = 5;
/** Milliseconds that a hook's last words may take after its end: what it left in the background may hold the pipe. */
const LAST_WORDS = 200;

/**
 * The inventory's hooks with the hashes that a plan binds them by: what the operator agreed to is what runs.
 * @throws HOOK-UNREADABLE
 */
export function bindHooks({ beforeChange, afterChange }: Hooks): Pick<Plan, 'hooks'> {
  if (beforeChange === undefined && afterChange === undefined) return {};
  return {
    hooks: {
      ...(beforeChange === undefined ? {} : { beforeChange: bound(beforeChange) }),
      ...(afterChange === undefined ? {} : { afterChange: bound(afterChange) }),
    },
  };
}

function bound(file: string): { file: string; sha256: string } {
  try {
    return { file, sha256: createHash('sha256').update(readFileSync(file)).digest('hex') };
  } catch (cause) {
    throw failure(
      {
        code: 'HOOK-UNREADABLE',
        place: { kind: 'file', file },
        what: `this hook can’t be read: ${cause instanceof Error ? cause.message : String(cause)}`,
        next: 'Nothing was changed. Give lvsctl’s user the right to read it.',
      },
      { cause },
    );
  }
}

/**
 * A plan's hooks must be those that it was made with.
 * @param now the inventory's hooks, as it is now
 * @throws HOOK-CHANGED, HOOK-UNREADABLE
 */
export function refuseOtherHooks(plan: Plan, now: Hooks = pathsOf(plan)): void {
  const current = bindHooks(now).hooks;
  for (const key of ['beforeChange', 'afterChange'] as const) {
    const [planned, found] = [plan.hooks?.[key], current?.[key]];
    if (planned?.file === found?.file && planned?.sha256 === found?.sha256) continue;
    throw failure({
      code: 'HOOK-CHANGED',
      place: { kind: 'file', file: found?.file ?? plan.inventory.file },
      what: `${EVENTS[key]} is another program than when the plan was made`,
      next: 'Nothing was changed. Make a new plan.',
    });
  }
}

const EVENTS = { beforeChange: 'before_change', afterChange: 'after_change' } as const;

function pathsOf({ hooks = {} }: Plan): Hooks {
  const { beforeChange, afterChange } = hooks;
  return {
    ...(beforeChange === undefined ? {} : { beforeChange: beforeChange.file }),
    ...(afterChange === undefined ? {} : { afterChange: afterChange.file }),
  };
}

/** What a hook is told besides its step. */
export interface HookCall {
  event: HookEvent;
  /** After the step: how it ended. */
  outcome?: StepOutcome;
  /** Seconds; a hook that takes longer is ended, and has failed. */
  timeout: number;
  /** What takes secrets out of its words. */
  hidden?: (text: string) => string;
}

/**
 * Runs a plan's hook for one step: on this machine, in the inventory's folder, as `HOOK HOST STEP`, with lvsctl's
 * environment and what docs/commands/apply.md lists. It is never ended by Ctrl-C: whoever silences something must get
 * to the end of it.
 * @returns what went wrong; nothing where there is no such hook, or it ended with 0
 */
export async function runHook(plan: Plan, step: Step, call: HookCall): Promise<Problem | undefined> {
  const hook = call.event === 'before_change' ? plan.hooks?.beforeChange : plan.hooks?.afterChange;
  if (hook === undefined) return undefined;
  const { end, output } = await run(
    hook.file,
    [step.host, step.id],
    dirname(plan.inventory.file),
    variables(plan, step, call),
    call.timeout,
  );
  if (end === 'exit code 0') return undefined;
  const words = (call.hidden ?? ((text) => text))(output).trim();
  return {
    code: 'APPLY-HOOK-FAILED',
    place: { kind: 'host', host: step.host, phase: `${call.event} of ${step.id}` },
    what: `${hook.file} failed (${end}): ${words || 'it said nothing'}`,
    next:
      call.event === 'before_change'
        ? 'This step was not begun, and nothing after it on this host; mend the cause and run the same command again.'
        : 'The host is as reported; see to what the hook was to do.',
  };
}

function variables(plan: Plan, step: Step, { event, outcome }: HookCall): NodeJS.ProcessEnv {
  const host = plan.hosts.find(({ name }) => name === step.host);
  return {
    ...process.env,
    LVSCTL_EVENT: event,
    LVSCTL_CLUSTER: plan.cluster,
    LVSCTL_PURPOSE: plan.purpose,
    LVSCTL_LAB: plan.lab ? '1' : '0',
    LVSCTL_HOST: step.host,
    LVSCTL_ADDRESS: host?.ssh.address ?? '',
    LVSCTL_STEP: step.id,
    LVSCTL_STAGE: step.stage,
    LVSCTL_DIRECTION: step.direction,
    ...(outcome === undefined ? {} : { LVSCTL_OUTCOME: outcome }),
  };
}

interface Ended {
  /** `exit code 3`, `signal SIGKILL`, `not ended after 60 s`, or why it could not be started. */
  end: string;
  output: string;
}

function run(file: string, args: string[], cwd: string, env: NodeJS.ProcessEnv, timeout: number): Promise<Ended> {
  return new Promise((resolve) => {
    // A session of its own: Ctrl-C doesn't reach it, and what it started can be ended with it.
    const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = Buffer.alloc(0);
    const keep = (chunk: Buffer) => {
      output = Buffer.concat([output, chunk]).subarray(-OUTPUT_KEPT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    let late = false;
    let force: NodeJS.Timeout | undefined;
    const limit = setTimeout(() => {
      late = true;
      endGroup(child.pid, 'SIGTERM');
      force = setTimeout(() => endGroup(child.pid, 'SIGKILL'), GRACE * 1000);
    }, timeout * 1000);
    const settle = (end: string) => {
      clearTimeout(limit);
      if (late) endGroup(child.pid, 'SIGKILL');
      clearTimeout(force);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ end: late ? `not ended after ${timeout} s` : end, output: new TextDecoder().decode(output) });
    };
    child.on('error', (error) => settle(`it could not be started: ${error.message}`));
    child.on('exit', (code, signal) => {
      const end = signal === null ? `exit code ${code}` : `signal ${signal}`;
      const waiting = setTimeout(() => settle(end), LAST_WORDS);
      child.on('close', () => {
        clearTimeout(waiting);
        settle(end);
      });
    });
  });
}

/** Ends a hook with all that it started. */
function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nothing of it is left.
  }
}
