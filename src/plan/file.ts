import {
  appendFileSync,
  closeSync,
  fchmodSync,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { failure } from '../errors/index.ts';
import { sha256 } from '../resources/file.ts';
import { PLAN_VERSION, type Plan } from './plan.ts';

/**
 * Writes a plan to a file, readable by its owner alone, sealed with a digest so that a cut or edited one is
 * noticed.
 * @throws PLAN-NOT-WRITTEN
 */
export function writePlan(file: string, plan: Plan): void {
  const body = JSON.stringify(plan);
  try {
    const opened = openSync(file, 'w', 0o600);
    try {
      // One that was there may be for everybody to read.
      if (fstatSync(opened).isFile()) fchmodSync(opened, 0o600);
      writeFileSync(opened, `{"sha256":"${sha256(body)}","plan":${body}}\n`);
    } finally {
      closeSync(opened);
    }
  } catch (cause) {
    throw failure(
      {
        code: 'PLAN-NOT-WRITTEN',
        place: { kind: 'file', file },
        what: `the plan could not be written: ${String(cause instanceof Error ? cause.message : cause)}`,
        next: 'Name a file in a folder that you can write to.',
      },
      { cause },
    );
  }
}

/** What a plan's file tells of its run. */
interface Ran {
  run: string;
  who: string;
  /** ISO 8601, UTC. */
  when: string;
}

/**
 * Notes in a plan's file that it is being run: hosts tell that too, but not after `destroy`, which leaves nothing of lvsctl
 * there. A file that can't be written, or is none (a pipe), tells nothing.
 */
export function noteRun(file: string, ran: Ran): void {
  try {
    if (statSync(file).isFile()) appendFileSync(file, `${JSON.stringify({ ran })}\n`);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}

/**
 * Reads a saved plan.
 * @throws PLAN-NOT-FOUND, PLAN-DAMAGED (cut off, edited, not a plan), PLAN-VERSION (written by another version), PLAN-USED
 */
export function readPlan(file: string, engine: string): Plan {
  const place = { kind: 'file', file } as const;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const what = why === 'ENOENT' ? 'there is no such plan file' : `the plan can't be read: ${why}`;
    throw failure({ code: 'PLAN-NOT-FOUND', place, what, next: 'Make one: lvsctl plan --out FILE.' }, { cause });
  }
  const again = 'Make a new one: lvsctl plan --out FILE.';
  const sealed = parseSealed(text);
  if (sealed === undefined || sealed.plan.format !== 'lvsctl-plan') {
    throw failure({ code: 'PLAN-DAMAGED', place, what: 'this is not a whole lvsctl plan', next: again });
  }
  const { plan } = sealed;
  if (plan.version !== PLAN_VERSION || plan.engine !== engine) {
    throw failure({
      code: 'PLAN-VERSION',
      place,
      what: `the plan was made by another version of lvsctl (plan ${plan.version}, host program ${plan.engine}; this one has ${PLAN_VERSION}, ${engine})`,
      next: again,
    });
  }
  if (sealed.sha256 !== sha256(JSON.stringify(plan))) {
    throw failure({ code: 'PLAN-DAMAGED', place, what: 'the plan was changed after lvsctl wrote it', next: again });
  }
  if (sealed.ran !== undefined) {
    const { run, who, when } = sealed.ran;
    const what = `this plan was run already, by ${who} at ${when} (${run}): a plan is run once`;
    throw failure({ code: 'PLAN-USED', place, what, next: 'Nothing was changed. Make a new plan and look at it.' });
  }
  return plan;
}

/** The first line is the plan; each other one tells that it was run. */
function parseSealed(text: string): { sha256: string; plan: Plan; ran?: Record<keyof Ran, unknown> } | undefined {
  try {
    const [first = '', ...lines] = text.trimEnd().split('\n');
    const value: unknown = JSON.parse(first);
    if (typeof value !== 'object' || value === null || !('sha256' in value) || !('plan' in value)) return undefined;
    if (typeof value.sha256 !== 'string' || typeof value.plan !== 'object' || value.plan === null) return undefined;
    const [ran] = lines.map((line) => (JSON.parse(line) as { ran: Record<keyof Ran, unknown> }).ran);
    return { sha256: value.sha256, plan: value.plan as Plan, ...(ran === undefined ? {} : { ran }) };
  } catch {
    return undefined;
  }
}
