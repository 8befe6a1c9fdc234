import { failure, LvsctlError } from '../errors/index.ts';
import { holdsSecret } from '../inventory/secrets.ts';
import { kinds } from '../resources/index.ts';
import type { Op } from '../resources/kind.ts';
import type { Connection } from '../transport/types.ts';
import type { Frame } from './frames.ts';
import { openInput, sendInput } from './input.ts';
import { type Talk, talk } from './session.ts';
import type { Veil } from './veil.ts';

/** Bytes of one operation's output that are kept: its beginning and its end. */
const OUTPUT_KEPT = 64 * 1024;

export interface OpResult {
  op: Op;
  /** `not-run`: an earlier one failed, or stopping was asked for. */
  status: 'done' | 'failed' | 'not-run';
  /** What it printed, both streams together, shortened in the middle. */
  output: string;
}

export interface ExecuteOptions {
  /** Told after each operation. */
  onOp?: (result: OpResult) => void;
  /** Aborting lets the running operation end and starts no other. */
  signal?: AbortSignal;
  /** Seconds for all operations together. */
  timeout?: number;
  /** For errors; `apply` unless told. */
  phase?: string;
  /** What puts secrets in their places; without one there are none. */
  veil?: Veil;
}

/** Operations that the host does as one, e.g. one installation for several packages. */
interface Batch {
  op: Op;
  of: Op[];
}

/**
 * Does operations on a host one after the other, up to the first that fails.
 * When it returns, what was done is on the disks.
 * @returns one result an operation, in their order
 * @throws HOST-LOST when the answer stops in the middle: it names the operation whose end isn't known;
 *   APPLY-INPUT when a file that is to be sent can't be read
 */
export async function execute(
  connection: Connection,
  ops: readonly Op[],
  options: ExecuteOptions = {},
): Promise<OpResult[]> {
  const results: OpResult[] = [];
  const report = (batch: Batch, status: OpResult['status'], output: string) => {
    for (const op of batch.of) {
      const result: OpResult = { op, status, output };
      results.push(result);
      if (status !== 'not-run') options.onOp?.(result);
    }
  };
  const batches = batchesOf(ops);
  if (batches.length === 0) return results;
  const phase = options.phase ?? 'apply';
  let going = options.signal?.aborted !== true;
  const host = going
    ? await talk(connection, 'apply', { phase, timeout: options.timeout, keep: OUTPUT_KEPT })
    : undefined;
  try {
    for (const [number, batch] of batches.entries()) {
      going &&= options.signal?.aborted !== true;
      if (!going || host === undefined) {
        report(batch, 'not-run', '');
        continue;
      }
      const sent = options.veil?.op(connection.host, batch.op) ?? withoutPlaces(batch.op);
      const { status, output } = await runOne(host, sent, number).catch((error: unknown) => {
        throw inTheMiddle(error, connection, phase, batch.op);
      });
      going = status === 0;
      report(batch, going ? 'done' : 'failed', options.veil?.hidden(output) ?? output);
    }
    host?.end();
    // The last thing that the host does is to write its disks' caches out.
    while (host !== undefined && (await host.next()) !== undefined);
    return results;
  } catch (error) {
    host?.kill();
    throw error;
  }
}

/** Nobody would know what to put there. */
function withoutPlaces(op: Op): Op {
  if (holdsSecret(op.input ?? '')) throw new Error(`${op.name} has the place of a secret in it, and there is no veil`);
  return op;
}

async function runOne(host: Talk, op: Op, number: number): Promise<{ status: number; output: string }> {
  if (op.inputFile === undefined) {
    host.send(wire(op, host.nonce));
    return resultOf(host, number, () => host.next());
  }
  const file = await openInput(op.inputFile);
  let ended = false;
  try {
    host.send(head(op, file.size));
    // Sending everything is not the end of the operation; not being able to is.
    const unsent = sendInput(host, file, () => ended).then(() => new Promise<never>(() => {}));
    return await resultOf(host, number, () => Promise.race([host.next(), unsent]));
  } finally {
    ended = true;
    await file.handle.close();
  }
}

async function resultOf(
  host: Talk,
  number: number,
  next: () => Promise<Frame | undefined>,
): Promise<{ status: number; output: string }> {
  let output: string | undefined;
  for (;;) {
    const frame = await next();
    if (frame === undefined) throw host.broken('the host program ended before the operation did');
    const [word, detail, last] = frame.words;
    if (word !== 'op' && word !== 'result') continue;
    const whose = word === 'op' ? detail : last;
    // Never the result of another one: an answer that came twice tells nothing of what comes next.
    if ((word === 'op') !== (output === undefined) || whose !== String(number)) {
      throw host.broken('its answers are out of order');
    }
    if (word === 'op') output = new TextDecoder().decode(frame.content).trimEnd();
    if (word === 'result') return { status: Number(detail), output: output ?? '' };
  }
}

/** An operation as it is sent; a line with the nonce after the input proves to the host that all of it arrived. */
function wire(op: Op, nonce: string): Buffer {
  const input = op.input === undefined ? undefined : Buffer.from(op.input);
  const first = Buffer.from(head(op, input?.length ?? 0));
  return input === undefined ? first : Buffer.concat([first, input, Buffer.from(`${nonce}\n`)]);
}

function head(op: Op, size: number): string {
  for (const arg of op.args) {
    if (arg.includes('\n') || arg.includes('\0')) throw new Error(`a line break in an argument of ${op.name}`);
  }
  return `op ${op.name} ${op.args.length} ${size}\n${op.args.map((arg) => `${arg}\n`).join('')}`;
}

/** Operations in their order, neighbours joined where their kind can. Pure. */
function batchesOf(ops: readonly Op[]): Batch[] {
  const batches: Batch[] = [];
  for (const op of ops) {
    const last = batches.at(-1);
    const merged = last && mergeOps(last.op, op);
    if (last && merged) {
      last.op = merged;
      last.of.push(op);
    } else {
      batches.push({ op, of: [op] });
    }
  }
  return batches;
}

function mergeOps(first: Op, second: Op): Op | undefined {
  for (const kind of Object.values(kinds)) {
    const merged = kind.merge?.(first, second);
    if (merged) return merged;
  }
  return undefined;
}

function inTheMiddle(error: unknown, connection: Connection, phase: string, op: Op): unknown {
  if (!(error instanceof LvsctlError)) return error;
  const [problem] = error.problems;
  if (problem?.code === 'APPLY-INPUT') return error;
  return failure(
    {
      code: problem?.code ?? 'HOST-LOST',
      place: { kind: 'host', host: connection.host, phase },
      what: `${problem?.what ?? 'the answer stopped'}; it was in the middle of ${[op.name, ...op.args].join(' ')}, whose end is unknown`,
      next: 'Run lvsctl plan: it reads from the host what was done and what was not.',
    },
    { cause: error, exitCode: error.exitCode },
  );
}
