import pLimit from 'p-limit';
import { LvsctlError, type Problem } from '../errors/index.ts';
import { look } from '../host/looking.ts';
import type { Observed } from '../observed/observed.ts';
import { parseObserved } from '../observed/parse.ts';
import type { Target, Transport } from '../transport/types.ts';
import type { SurveyEvent } from './survey.ts';

export interface LookAroundOptions {
  transport: Transport;
  /** How many hosts are read at once. */
  parallel: number;
  /** Seconds for one host. */
  timeout: number;
  signal?: AbortSignal;
  onEvent?: (event: SurveyEvent) => void;
}

export interface Around {
  /** In the order of the targets. */
  seen: Observed[];
  unseen: { name: string; problems: readonly Problem[] }[];
}

/** Reads hosts of which no inventory tells, each in one remote execution. One that can't be read doesn't stop the others. */
export async function lookAround(targets: readonly Target[], options: LookAroundOptions): Promise<Around> {
  const limit = pLimit(options.parallel);
  const results = await Promise.all(targets.map((target) => limit(() => lookAt(target, options))));
  options.signal?.throwIfAborted();
  return {
    seen: results.flatMap((one) => ('facts' in one ? [one] : [])),
    unseen: results.flatMap((one) => ('problems' in one ? [one] : [])),
  };
}

async function lookAt(target: Target, options: LookAroundOptions): Promise<Observed | Around['unseen'][number]> {
  const { transport, timeout, onEvent } = options;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const { name } = target;
  onEvent?.({ type: 'reading', host: name });
  let close = async (): Promise<void> => {};
  try {
    const connection = await transport.connect(target, { phase: 'connect', ...signal });
    close = () => connection.close();
    const { facts, parts } = await look(connection, { timeout, ...signal });
    onEvent?.({ type: 'read', host: name });
    return parseObserved(name, parts, facts);
  } catch (error) {
    if (options.signal?.aborted || !(error instanceof LvsctlError)) throw error;
    onEvent?.({ type: 'unread', host: name, problems: error.problems });
    return { name, problems: error.problems };
  } finally {
    await close();
  }
}
