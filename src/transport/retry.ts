import { setTimeout as sleep } from 'node:timers/promises';
import { sshFailure, type Whom } from './failures.ts';

/** One try at a connection: made, or the server dropped it before the login (MaxStartups does that at random). */
export type Try<T> = { kind: 'made'; value: T } | { kind: 'dropped'; why: string };

export interface RetryLimits {
  attempts: number;
  /** From the first attempt's start. */
  seconds: number;
}

/** Milliseconds to wait before attempt `n` (from 1): full jitter around a doubling time, so that hosts that were refused together don't come back together. */
export function backoff(n: number, random: number): number {
  const ceiling = Math.min(100 * 2 ** n, 4000);
  return ceiling / 4 + random * ceiling * 0.75;
}

/** Tries until the connection is made. Throws SSH-BUSY when the limits are reached; whatever `attempt` throws ends it at once. */
export async function retryStart<T>(
  attempt: () => Promise<Try<T>>,
  limits: RetryLimits,
  whom: Whom,
  where: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  const start = performance.now();
  for (let n = 1; ; n++) {
    const outcome = await attempt();
    if (outcome.kind === 'made') return outcome.value;
    const pause = backoff(n, Math.random());
    const elapsed = performance.now() - start;
    if (n >= limits.attempts || elapsed + pause > limits.seconds * 1000) {
      throw sshFailure(
        whom,
        'SSH-BUSY',
        `${where} dropped the connection before the login, ${n} times in ${Math.ceil(elapsed / 1000)} s (${outcome.why})`,
        'Its sshd may have too many logins under way (MaxStartups; use a smaller --parallel), or refuse this address (firewall, PerSourcePenalties).',
      );
    }
    // An abort is told by the next attempt.
    await sleep(pause, undefined, signal ? { signal } : {}).catch(() => {});
  }
}
