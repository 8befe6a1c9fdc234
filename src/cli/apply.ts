import { type ApplyEvent, type ApplyResult, applyPlan, refuseUnseen } from '../apply/apply.ts';
import { refuseOtherHooks } from '../apply/hooks.ts';
import { owner } from '../apply/lease.ts';
import type { Rollout } from '../apply/rollout.ts';
import { failure } from '../errors/index.ts';
import { ENGINE_VERSION } from '../host/index.ts';
import type { Veil } from '../host/veil.ts';
import { inventoryFingerprint, type Loaded, loadOne } from '../inventory/index.ts';
import { noteRun, readPlan } from '../plan/file.ts';
import { isEmpty, type Plan } from '../plan/plan.ts';
import { planText } from '../report/plan-text.ts';
import type { Phase } from '../report/progress.ts';
import { resultText } from '../report/result-text.ts';
import type { Connection, Transport } from '../transport/types.ts';
import {
  type Aim,
  aim,
  aimAtLab,
  confirm,
  type HostOptions,
  refuseFindings,
  refuseLocal,
  transportFor,
} from './context.ts';
import { type makePlan, planAfterOthers } from './make-plan.ts';
import { EXIT, type Output } from './output.ts';
import { refuseOtherSecrets, secrecyOf } from './veil.ts';

export interface ApplyOptions extends HostOptions {
  yes?: boolean;
  strict?: boolean;
  skipUnreachable?: boolean;
  stepTimeout: number;
  /** Seconds. */
  confirmTimeout: number;
  /** commander's word for `--no-confirm`. */
  confirm: boolean;
  /** Seconds. */
  healthTimeout?: number;
  /** commander's word for `--no-health`. */
  health?: boolean;
  /** Seconds. */
  lockWait?: number;
  serial?: NonNullable<Rollout['serial']>;
  canary?: string;
  maxFail?: number;
}

/** `lvsctl apply PLANFILE`: does exactly what a saved plan says. */
export async function applySaved(
  file: string,
  options: Omit<ApplyOptions, 'inventory'> & Partial<Pick<ApplyOptions, 'inventory'>>,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  refuseAims(options);
  const plan = readPlan(file, ENGINE_VERSION);
  if (options.transport === 'local') refuseLocal(plan.hosts, plan.lab);
  refuseUnseen(plan, options.skipUnreachable === true);
  const loaded = refuseOtherInventory(plan);
  const { cluster } = loaded;
  if (plan.purpose === 'apply') await refuseFindings(loaded, { strict: options.strict === true }, output);
  if (isEmpty(plan)) {
    output.print('The plan changes nothing.');
    output.emit('applied', { hosts: [] });
    return EXIT.done;
  }
  const secrecy = secrecyOf(cluster, plan.purpose === 'apply');
  refuseOtherSecrets(plan, secrecy);
  refuseOtherHooks(plan, cluster.hooks);
  const target = plan.lab ? await aimAtLab(cluster) : { cluster, lab: undefined };
  const transport = await transportFor(options, output, target.cluster, target.lab);
  try {
    const onBegun = (run: string) => noteRun(file, { run, who: owner(), when: new Date().toISOString() });
    return await runPlan(plan, transport, undefined, { ...options, veil: secrecy.veil, onBegun }, output, signal);
  } finally {
    await transport.close();
  }
}

/** `lvsctl apply -i …`: plans, shows, asks, and applies what was shown. */
export function applyInventory(options: ApplyOptions, output: Output, signal: AbortSignal): Promise<number> {
  return agreeAndRun(options, output, signal, {
    instead: 'Say --yes, or save a plan (lvsctl plan --out FILE), look at it, and apply that (lvsctl apply FILE).',
    question: 'Apply this plan?',
    rules: true,
    make: (target) => planAfterOthers(target, options, output, { keep: true, signal }),
  });
}

/** What is particular to a command that changes hosts. */
export interface Agreement {
  /** What to do where there is no terminal to ask on. */
  instead: string;
  question: string;
  /** Whether the rules come first: not where hosts are only given back what they had. */
  rules?: boolean;
  /** `after` is said when the plan was run. */
  make: (target: Aim) => Promise<Awaited<ReturnType<typeof makePlan>> & { after?: string }>;
}

/** Plans, shows, asks, and does what was shown. */
export async function agreeAndRun(
  options: ApplyOptions,
  output: Output,
  signal: AbortSignal,
  { instead, question, rules, make }: Agreement,
): Promise<number> {
  if (options.yes !== true && !output.interactive) {
    throw failure({
      code: 'CLI-NO-TERMINAL',
      place: { kind: 'none' },
      what: 'there is no terminal to ask on, so nothing was changed',
      next: instead,
    });
  }
  const target = await aim(options, output, rules ? { strict: options.strict === true } : undefined);
  let connections: Map<string, Connection> | undefined;
  try {
    const { plan, survey, veil, after } = await make(target);
    connections = survey.connections;
    output.print(planText(plan, output.paint));
    output.emit('plan', { plan });
    if (output.json) output.problems(plan.unseen.flatMap(({ problems }) => problems));
    refuseUnseen(plan, options.skipUnreachable === true);
    if (isEmpty(plan)) {
      output.emit(WORDS[plan.purpose].event, { hosts: [] });
      return EXIT.done;
    }
    if (options.yes !== true && !(await confirm(`\n${question}`, signal))) {
      output.print('Nothing was changed.');
      return EXIT.done;
    }
    const code = await runPlan(plan, target.transport, connections, { ...options, veil }, output, signal);
    if (after !== undefined) output.print(after);
    return code;
  } finally {
    await Promise.all([...(connections?.values() ?? [])].map((connection) => connection.close()));
    await target.transport.close();
  }
}

/** A saved plan says itself what it is about: an option that says it otherwise would be passed over in silence. */
function refuseAims(options: Partial<HostOptions>): void {
  const { inventory, cluster, limit, lab, drainTimeout } = options;
  const noDrain = options.drain === false ? true : undefined;
  const all = { inventory, cluster, limit, lab, 'drain-timeout': drainTimeout, 'no-drain': noDrain };
  const given = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`]));
  if (given.length === 0) return;
  throw failure({
    code: 'CLI-PLAN-OPTIONS',
    place: { kind: 'none' },
    what: `${given.join(' and ')} can't be said of a saved plan: it holds the inventory and the hosts that it is for`,
    next: 'Leave it out, or make another plan with it: lvsctl plan --out FILE.',
  });
}

/** A plan for an inventory that has changed since would bring about what nobody describes any more. */
function refuseOtherInventory(plan: Plan): Loaded {
  const loaded = loadOne([plan.inventory.file], { cluster: plan.cluster });
  if (inventoryFingerprint(loaded.cluster) === plan.inventory.fingerprint) return loaded;
  throw failure({
    code: 'PLAN-INVENTORY-CHANGED',
    place: { kind: 'file', file: plan.inventory.file },
    what: 'the inventory was changed after this plan was made',
    next: 'Nothing was changed. Make a new plan: lvsctl plan --out FILE.',
  });
}

/** Runs a plan that the operator agreed to, showing progress and what came of it. */
async function runPlan(
  plan: Plan,
  transport: Transport,
  connections: Map<string, Connection> | undefined,
  options: Omit<ApplyOptions, 'inventory'> & { veil: Veil; onBegun?: (run: string) => void },
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const phase = await output.progress.phase(
    WORDS[plan.purpose].title,
    plan.steps.map((step) => step.id),
  );
  let begun = false;
  const result = await applyPlan(plan, {
    transport,
    ...(connections === undefined ? {} : { connections }),
    parallel: options.parallel,
    timeout: options.timeout,
    stepTimeout: options.stepTimeout,
    confirmTimeout: options.confirm ? options.confirmTimeout : null,
    ...(options.health === true && options.healthTimeout !== undefined ? { healthTimeout: options.healthTimeout } : {}),
    lockWait: options.lockWait ?? 0,
    rollout: {
      ...(options.serial === undefined ? {} : { serial: options.serial }),
      ...(options.canary === undefined ? {} : { canary: options.canary }),
      ...(options.maxFail === undefined ? {} : { maxFail: options.maxFail }),
    },
    veil: options.veil,
    signal,
    onEvent: (event) => {
      if (event.type === 'step-started' && !begun) {
        begun = true;
        options.onBegun?.(event.run);
      }
      showEvent(event, phase);
      if (event.type === 'op-done') output.emit('op', event);
      if (event.type === 'settled') output.emit('settled', event);
    },
  }).finally(() => phase.end());
  output.print(resultText(result, output.paint, plan.purpose));
  output.emit(WORDS[plan.purpose].event, {
    run: result.id,
    hosts: result.hosts,
    steps: Object.fromEntries(result.steps),
    interrupted: result.interrupted,
  });
  output.problems(result.hosts.flatMap((host) => host.problems));
  return exitCode(result);
}

const WORDS = {
  apply: { title: 'Applying', event: 'applied' },
  destroy: { title: 'Giving back', event: 'destroyed' },
  rollback: { title: 'Taking back', event: 'rolled-back' },
} as const;

function showEvent(event: ApplyEvent, phase: Phase): void {
  switch (event.type) {
    case 'step-started':
      phase.update(event.step, 'running');
      break;
    case 'hook-started':
      phase.update(event.step, event.hook);
      break;
    case 'op-done':
      phase.update(event.step, `${event.done} of ${event.of}, ${event.op.replaceAll('_', ' ')}`);
      break;
    case 'step-ended':
      if (event.outcome === 'done') phase.done(event.step);
      else phase.failed(event.step, event.outcome);
      break;
    case 'looking-after':
      phase.update(event.step, 'is it well?');
      break;
    case 'confirming':
      phase.update(event.step, 'confirming over a new connection');
      break;
    case 'checking':
    case 'reverting':
    case 'settled':
    case 'reading-back':
      break;
  }
}

function exitCode(result: ApplyResult): number {
  if (result.interrupted) return EXIT.interrupted;
  // A hook may have failed after a step that is done.
  return result.hosts.every((host) => host.status === 'done' && host.problems.length === 0) ? EXIT.done : EXIT.error;
}
