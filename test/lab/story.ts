import { expect } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import { labUp } from '../../src/lab/index.ts';
import { lvsctl, type Run } from '../cli/lvsctl.ts';

/** The built program, aimed at one inventory and its lab. */
export interface Story {
  /** `lvsctl ARGS -i INVENTORY`. */
  run(...args: string[]): Promise<Run>;
  /** Runs a command on a machine; it must go well. Gives its output. */
  on(host: string, command: string): Promise<string>;
  /** What a plan would change, as `HOST: KEY`; the exit code must agree. */
  pending(): Promise<string[]>;
  /** Forty requests from the client, each over a new connection: how many each real server answered. */
  shares(): Promise<Record<string, number>>;
}

/** Starts the inventory's lab; it ends with this process, whatever happens to that. */
export async function upWithThisTest(inventory: string): Promise<void> {
  await labUp(loadCluster([inventory]), { tied: true });
}

/** Tells a story with an inventory whose lab is up. */
export function tell(inventory: string): Story {
  const run = (...args: string[]): Promise<Run> => lvsctl([...args, '-i', inventory]);
  const on = async (host: string, command: string): Promise<string> => {
    const result = await lvsctl(['lab', 'run', '-i', inventory, host, '--', 'sh', '-c', command]);
    expect(result, `${host}: ${command}`).toMatchObject({ code: 0 });
    return result.out;
  };
  return {
    run,
    on,
    pending: async () => {
      const result = await run('plan', '--lab', '--json', '--detailed-exitcode');
      const found = eventsOf(result).find((each) => each.event === 'plan') as unknown as PlanEvent;
      const changes = found.plan.steps.flatMap((step) => step.changes.map((change) => `${step.host}: ${change.key}`));
      expect(result.code).toBe(changes.length > 0 ? 2 : 0);
      return changes;
    },
    shares: async () => {
      const ask = 'n=0; while [ $n -lt 40 ]; do n=$((n+1)); curl -sS --max-time 3 http://20.20.20.20/ || exit 1; done';
      const counts: Record<string, number> = {};
      for (const line of (await on('client', ask)).trim().split('\n')) counts[line] = (counts[line] ?? 0) + 1;
      return counts;
    },
  };
}

interface PlanEvent {
  plan: { steps: { host: string; changes: { key: string }[] }[] };
}

/** The JSON lines of a run. */
export function eventsOf(run: Run): { event: string }[] {
  return run.out.split('\n').map((line) => JSON.parse(line));
}
