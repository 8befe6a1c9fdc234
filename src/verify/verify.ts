import { howToAsk, realServersOf, serversOf } from '../inventory/derived.ts';
import type { Cluster, Host, Service } from '../inventory/model.ts';
import type { SeenHost } from '../plan/build.ts';
import type { Plan } from '../plan/plan.ts';
import type { Connection } from '../transport/types.ts';
import { type Check, judgeState, judgeTraffic, neighbourCheck } from './judge.ts';
import { judgePairs, masterOf } from './pairs.ts';
import { ask, neighbour } from './probe.ts';

/** What verification works with: hosts that were read and connections to them and to the clients. */
export interface VerifyContext {
  cluster: Cluster;
  seen: readonly SeenHost[];
  /** The plan that the same observation gives: what it would change is not in force. */
  plan: Plan;
  connections: ReadonlyMap<string, Connection>;
  requests: number;
  onCheck?: (check: Check) => void;
}

/** Seconds that one request may take. */
const REQUEST_SECONDS = 3;

/**
 * Asks the cluster hop by hop: what each host has, each real server from the director, the VIP from each client,
 * and who answers for the VIP on the wire. A director or real server is never asked for the VIP itself: in DR its
 * own answer says nothing about the clients' way.
 */
export async function verify(context: VerifyContext): Promise<Check[]> {
  const checks: Check[] = [];
  const add = (more: readonly Check[]): void => {
    for (const check of more) {
      checks.push(check);
      context.onCheck?.(check);
    }
  };
  add(judgeState(context.plan));
  add(judgePairs(context.cluster, context.seen));
  for (const service of context.cluster.services) {
    const bodies = await askRealServers(context, service, add);
    for (const client of clientsOf(context.cluster)) await askVip(context, service, client, bodies, add);
    await askNeighbours(context, service, add);
  }
  return checks;
}

/** Hosts that are described but not managed are where traffic comes from. */
export function clientsOf(cluster: Cluster): Host[] {
  return cluster.hosts.filter((host) => !host.managed);
}

async function askRealServers(
  context: VerifyContext,
  service: Service,
  add: (checks: readonly Check[]) => void,
): Promise<Map<string, string>> {
  const bodies = new Map<string, string>();
  if (service.protocol !== 'tcp') return bodies;
  for (const director of service.directors) {
    const connection = context.connections.get(director);
    for (const real of realServersOf(service)) {
      const port = real.port || (service.ports[0]?.first ?? 0);
      const hop = `${director} → ${real.host} ${real.address}:${port}`;
      if (connection === undefined) {
        add([{ hop, status: 'unknown', detail: `${director} could not be read` }]);
        continue;
      }
      const [answer] = await ask(connection, {
        address: real.address,
        port,
        count: 1,
        timeout: REQUEST_SECONDS,
        how: howToAsk(context.cluster, service, port),
      });
      if (answer?.ok && answer.text !== '') bodies.set(real.host, answer.text);
      add([
        { hop, status: answer?.ok ? 'ok' : 'failed', detail: answer?.ok ? 'answers' : (answer?.text ?? 'no answer') },
      ]);
    }
  }
  return bodies;
}

async function askVip(
  context: VerifyContext,
  service: Service,
  client: Host,
  bodies: ReadonlyMap<string, string>,
  add: (checks: readonly Check[]) => void,
): Promise<void> {
  for (const vip of service.vips) {
    for (const { first: port } of service.ports)
      await askOne(context, service, client, { address: vip.address, port }, bodies, add);
  }
}

async function askOne(
  context: VerifyContext,
  service: Service,
  client: Host,
  asked: { address: string; port: number },
  bodies: ReadonlyMap<string, string>,
  add: (checks: readonly Check[]) => void,
): Promise<void> {
  const connection = context.connections.get(client.name);
  const hop = `${client.name} → ${service.name} ${asked.address}:${asked.port}`;
  if (service.protocol !== 'tcp') {
    add([{ hop, status: 'unknown', detail: `${service.protocol} isn’t asked: no request suits every such service` }]);
    return;
  }
  if (connection === undefined) {
    add([{ hop, status: 'unknown', detail: `${client.name} cannot be reached, so the VIP was not asked from there` }]);
    return;
  }
  const answers = await ask(connection, {
    ...asked,
    count: context.requests,
    timeout: REQUEST_SECONDS,
    how: howToAsk(context.cluster, service, asked.port),
  });
  add([judgeTraffic(hop, realServersOf(service), answers, bodies, spreads(service))]);
}

/** Whether one client's requests, one after the other, reach every real server. */
function spreads(service: Service): boolean {
  return service.persistence === undefined && ['rr', 'wrr', 'lc', 'wlc', 'sed', 'nq'].includes(service.scheduler);
}

/** Who answers ARP for the VIP, as the described hosts on the directors' segment learnt it from the traffic. */
async function askNeighbours(
  context: VerifyContext,
  service: Service,
  add: (checks: readonly Check[]) => void,
): Promise<void> {
  const directors = context.seen.filter(({ host }) => service.directors.includes(host.name));
  const macs = new Map(
    directors.flatMap(({ host, facts }) =>
      Object.values(facts.devices).map((device) => [device.mac, host.name] as const),
    ),
  );
  const master = service.vrrp && masterOf(context.cluster, context.seen, service.vrrp);
  const involved = new Set([
    ...service.directors,
    ...service.virtuals.flatMap((row) => serversOf(service, row).map((server) => server.host)),
  ]);
  const segments = new Set(directors.flatMap(({ host }) => host.interfaces.map((each) => each.segment)));
  for (const { host } of context.seen) {
    const connection = context.connections.get(host.name);
    if (involved.has(host.name) || connection === undefined) continue;
    if (!host.interfaces.some((each) => segments.has(each.segment))) continue;
    for (const { address } of service.vips.filter(({ family }) => family === 4))
      add([neighbourCheck(host.name, address, await neighbour(connection, address), macs, master)]);
  }
}
