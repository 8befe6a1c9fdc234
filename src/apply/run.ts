import type { Problem } from '../errors/index.ts';
import type { Veil } from '../host/veil.ts';
import type { Plan } from '../plan/plan.ts';
import type { Connection, Transport } from '../transport/types.ts';
import type { StepOutcome } from './graph.ts';
import { newWatch, type Watch } from './health.ts';
import type { HookEvent } from './hooks.ts';
import type { Lease } from './lease.ts';
import type { Rollout } from './rollout.ts';
import type { Settled, Spans } from './transaction.ts';

/** What an apply reports while it goes on. */
export type ApplyEvent =
  | { type: 'checking'; host: string }
  | { type: 'hook-started'; step: string; host: string; hook: HookEvent }
  | { type: 'step-started'; step: string; host: string; run: string }
  | { type: 'op-done'; step: string; host: string; op: string; done: number; of: number }
  | { type: 'step-ended'; step: string; host: string; outcome: StepOutcome; problems: readonly Problem[] }
  | { type: 'looking-after'; step: string; host: string }
  | { type: 'confirming'; step: string; host: string }
  | { type: 'reverting'; host: string }
  | { type: 'settled'; host: string; settled: Settled }
  | { type: 'reading-back'; host: string };

/** The truth about one host after an apply: read from it, not remembered. */
export interface HostResult {
  host: string;
  /**
   * `done`: read back as planned. `unchanged`: none of its steps ran. `reverted`: what was done was taken back.
   * `partial`: neither as planned nor as before.
   */
  status: 'done' | 'partial' | 'unchanged' | 'reverted' | 'unknown';
  /** Keys of changes that were read back as planned. */
  done: string[];
  /** Keys of changes that the host doesn't have. */
  missing: string[];
  /** What was left on the host on purpose, in words for the operator: what something else uses, what packages leave. */
  left: string[];
  problems: readonly Problem[];
}

export interface ApplyResult {
  /** The run, as the hosts' history names it. */
  id: string;
  hosts: HostResult[];
  steps: Map<string, StepOutcome>;
  interrupted: boolean;
}

export interface ApplyOptions {
  transport: Transport;
  /** Connections that are open already (the plan's own); others are made. All are closed at the end. */
  connections?: Map<string, Connection>;
  parallel: number;
  /** Seconds for one observation. */
  timeout: number;
  /** Seconds for one step. */
  stepTimeout: number;
  /** Seconds after which a host takes its changes back by itself, unless they are confirmed; null: it never does. */
  confirmTimeout: number | null;
  /** Seconds in which hosts and services are to be well after a host's changes; absent: nobody looks. */
  healthTimeout?: number;
  /** Seconds to wait for hosts that another run holds. */
  lockWait?: number;
  rollout?: Rollout;
  signal?: AbortSignal;
  /** What puts secrets in their places on the hosts, and hides them here. */
  veil?: Veil;
  onEvent?: (event: ApplyEvent) => void;
}

/** What the steps of a run found out, by host. */
export interface Course {
  problems: Map<string, Problem[]>;
  left: Map<string, string[]>;
  /** Hosts on which an operation was begun. */
  touched: Set<string>;
  /** Hosts that were told what this run is. */
  noted: Set<string>;
  /** Hosts whose transaction may be open, by the step that it came to last. */
  open: Map<string, string>;
  settled: Map<string, Settled>;
  /** Why a new login on a host failed last, while its changes were open. */
  logins: Map<string, readonly Problem[]>;
  /** Connections that were replaced by newer ones. */
  extra: Connection[];
  leases: Map<string, Lease>;
  watch: Watch;
  /** A host that another run took, or whose lease was broken: nothing more is begun anywhere. */
  lost?: string;
}

/** One run of a plan. */
export interface Run {
  plan: Plan;
  /** Names its transactions and leases. */
  id: string;
  spans: Spans;
  connections: Map<string, Connection>;
  options: ApplyOptions;
  course: Course;
}

/** A course on which nothing has happened yet. */
export function newCourse(): Course {
  return {
    problems: new Map(),
    left: new Map(),
    touched: new Set(),
    noted: new Set(),
    open: new Map(),
    settled: new Map(),
    logins: new Map(),
    extra: [],
    leases: new Map(),
    watch: newWatch(),
  };
}

export function withSignal(phase: string, { signal }: ApplyOptions): { phase: string; signal?: AbortSignal } {
  return signal ? { phase, signal } : { phase };
}
