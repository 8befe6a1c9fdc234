import { randomBytes } from 'node:crypto';
import type { Connection } from '../transport/types.ts';
import { takeAll } from './lease.ts';
import { settleLeft } from './transaction.ts';

/**
 * Ends what earlier runs left open: a run that still holds one of the hosts is waited for.
 * @throws LEASE-HELD, APPLY-UNSETTLED
 */
export async function settleAll(
  connections: ReadonlyMap<string, Connection>,
  { wait, signal }: { wait: number; signal: AbortSignal },
): Promise<void> {
  const id = randomBytes(8).toString('hex');
  const leases = await takeAll(connections, { id, reason: 'ending what an earlier run left open', wait, signal });
  try {
    await Promise.all([...connections.values()].map(settleLeft));
  } finally {
    await Promise.all([...leases.values()].map((lease) => lease.release()));
  }
}
