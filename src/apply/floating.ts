import type { Floating } from '../plan/floating.ts';
import type { Look, Seen } from '../verify/health.ts';
import { look, tried } from './looks.ts';
import type { Run } from './run.ts';

/** Who has a floating address, as far as its nodes can be asked. */
interface Holders {
  floating: Floating;
  /** In the nodes' order. */
  having: string[];
  unread: string[];
}

/** Notes which addresses one node has, and no other that can be asked: what wasn't so before is held against nobody. */
export async function noteHolders(run: Run): Promise<void> {
  const { plan, course } = run;
  for (const { floating, having } of await holders(plan.health?.floating ?? [], run))
    if (having.length === 1) course.watch.held.add(floating);
}

/** Addresses that several nodes have, or none of all. */
export async function astray(floating: readonly Floating[], run: Run): Promise<string[]> {
  return (await holders(floating, run)).flatMap(({ floating: { instance, address, nodes }, having, unread }) => {
    const name = `${instance} ${address}`;
    if (having.length > 1) return [`${name}: ${having.join(' and ')} have it at the same time`];
    if (having.length + unread.length > 0) return [];
    return [`${name}: nobody has it (${nodes.map(({ host }) => host).join(', ')})`];
  });
}

async function holders(floating: readonly Floating[], run: Run): Promise<Holders[]> {
  const hosts = [...new Set(floating.flatMap(({ nodes }) => nodes.map(({ host }) => host)))];
  const seen = await Promise.all(hosts.map(async (host) => [host, await hadBy(host, floating, run)] as const));
  const states = new Map(seen);
  return floating.map((one): Holders => {
    const are = (state: Seen['state']) =>
      one.nodes.map(({ host }) => host).filter((host) => (states.get(host)?.get(one) ?? 'unknown') === state);
    return { floating: one, having: are('well'), unread: are('unknown') };
  });
}

/** What one node says of each address that it may have; of none where it can't be asked. */
async function hadBy(host: string, floating: readonly Floating[], run: Run): Promise<Map<Floating, Seen['state']>> {
  const own = floating.flatMap((one) =>
    one.nodes
      .filter((node) => node.host === host)
      .map(({ device }) => ({ one, look: { what: 'having', device, address: one.address } satisfies Look })),
  );
  const seen = await tried(
    look(
      host,
      own.map((each) => each.look),
      run,
    ),
  );
  return new Map(own.map(({ one }, index) => [one, seen[index]?.state ?? 'unknown']));
}
