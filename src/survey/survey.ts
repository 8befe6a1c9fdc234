import pLimit from 'p-limit';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { type FactGroup, observe } from '../host/client.ts';
import type { Veil } from '../host/veil.ts';
import { heldBy, standsBehind } from '../inventory/derived.ts';
import type { Cluster, Host } from '../inventory/model.ts';
import type { SeenHost, UnseenHost } from '../plan/build.ts';
import { isTakeable, parseChanges, parseRun, takenBack } from '../plan/history.ts';
import { parseManifest, removals, type StagedResource } from '../plan/manifest.ts';
import type { Facts } from '../platform/facts.ts';
import { keyOf, refusalsOf } from '../resources/index.ts';
import type { Connection, Transport } from '../transport/types.ts';

/** What a survey reports while it goes on. */
export type SurveyEvent =
  | { type: 'reading'; host: string }
  | { type: 'read'; host: string }
  | { type: 'unread'; host: string; problems: readonly Problem[] };

export interface SurveyOptions {
  transport: Transport;
  /** How many hosts are read at once. */
  parallel: number;
  /** Seconds for one host's observation. */
  timeout: number;
  /** Keep the connections open for the apply that follows. */
  keep: boolean;
  /** What is asked of a host: what the inventory describes unless told (`askedOf`); `giveBack` asks for what was there before. */
  ask?: (cluster: Cluster, host: Host, peers: ReadonlyMap<string, Facts>) => Promise<Asking>;
  signal?: AbortSignal;
  /** What hides secrets. */
  veil?: Veil;
  onEvent?: (event: SurveyEvent) => void;
}

export interface Survey {
  seen: SeenHost[];
  unseen: UnseenHost[];
  /** Open connections of the hosts that were read, when `keep` is set. */
  connections: Map<string, Connection>;
}

/** What is to be desired of a host, once it has said what it is; asking for less facts is faster. */
export interface Asking {
  facts: FactGroup[];
  desire: (facts: Facts) => StagedResource[];
}

/** What the inventory describes, and what gives back what it describes no more. */
async function askedOf(cluster: Cluster, host: Host, peers: ReadonlyMap<string, Facts>): Promise<Asking> {
  // Loaded while the host answers: the templates' engine takes its time.
  const { desire } = await import('../roles/index.ts');
  return {
    facts: factGroups(host, cluster),
    desire: (facts) => {
      const wanted = desire(cluster, host.name, facts, peers);
      const asked = wanted.filter(({ fallback }) => fallback !== true);
      const given = removals(parseManifest(facts.manifest), asked);
      // What the record gives back as it was needs no stand-in.
      const keys = new Set(given.map(({ resource }) => keyOf(resource)));
      const standIns = wanted.filter(({ fallback, resource }) => fallback === true && !keys.has(keyOf(resource)));
      return [...asked, ...standIns, ...given];
    },
  };
}

/** For `SurveyOptions.ask`: all that gives a host back as it was before lvsctl. */
export function giveBack({ keepPackages }: { keepPackages: boolean }): NonNullable<SurveyOptions['ask']> {
  return async () => ({
    facts: [],
    desire: (facts) =>
      removals(parseManifest(facts.manifest), [], 'destroy').filter(
        ({ resource }) => !(keepPackages && resource.kind === 'package'),
      ),
  });
}

/** For `SurveyOptions.ask`: what takes back what one run changed on a host, and what is known of a director's table. */
export function takeBack(run: string): NonNullable<SurveyOptions['ask']> {
  return async (cluster, host) => {
    const { withKnown } = await import('./known.ts');
    return {
      facts: [`run:${run}`],
      desire: (facts) => {
        const head = facts.run === undefined ? undefined : parseRun(facts.run);
        const taken = facts.run !== undefined && head !== undefined && isTakeable(head) ? parseChanges(facts.run) : [];
        return withKnown(cluster, host, facts, takenBack(taken));
      },
    };
  };
}

/** For `SurveyOptions.ask`: what is told of the runs on a host, or of one of them all. */
export function readRuns(run?: string): NonNullable<SurveyOptions['ask']> {
  return async () => ({ facts: [run === undefined ? 'history' : `run:${run}`], desire: () => [] });
}

/**
 * Reads hosts: one connection and one remote execution each. A router that holds directors' MAC addresses (`heldBy`) is
 * read after these. A host that can't be read doesn't stop the others.
 * @param hosts the managed hosts to read, in the order in which they are to be reported
 */
export async function survey(cluster: Cluster, hosts: readonly Host[], options: SurveyOptions): Promise<Survey> {
  const limit = pLimit(options.parallel);
  const connections = new Map<string, Connection>();
  const peers = new Map<string, Facts>();
  const read = (host: Host) =>
    limit(async () => {
      const found = await readHost(cluster, host, options, connections, peers);
      if ('facts' in found) peers.set(host.name, found.facts);
      return found;
    });
  const isLater = (host: Host) => options.ask === undefined && heldBy(cluster, host.name).length > 0;
  const later = hosts.filter(isLater);
  const told = new Set(later.flatMap((host) => heldBy(cluster, host.name).flatMap(({ directors }) => directors)));
  const sooner = hosts.filter((host) => !isLater(host));
  const strange = cluster.hosts.filter((host) => told.has(host.name) && host.managed && !sooner.includes(host));
  const first = await Promise.allSettled([
    ...sooner.map(read),
    ...strange.map((host) => limit(() => readFacts(host, options, peers))),
  ]);
  const second = await Promise.allSettled(later.map(read));
  const order = (host: Host) => (isLater(host) ? second[later.indexOf(host)] : first[sooner.indexOf(host)]);
  const settled = hosts.flatMap((host) => order(host) ?? []);
  const stopped = options.signal?.aborted
    ? interrupted()
    : settled.find((result) => result.status === 'rejected')?.reason;
  if (stopped !== undefined) {
    await Promise.all([...connections.values()].map((connection) => connection.close()));
    throw stopped;
  }
  const results = settled.flatMap((result) => (result.status === 'fulfilled' && result.value ? [result.value] : []));
  return {
    seen: results.flatMap((result) => ('facts' in result ? [result] : [])),
    unseen: results.flatMap((result) => ('problems' in result ? [result] : [])),
    connections,
  };
}

function interrupted(): LvsctlError {
  const problem = {
    code: 'INTERRUPTED',
    place: { kind: 'none' },
    what: 'stopped on request while hosts were being read: nothing was changed anywhere',
    next: 'Run the same command again.',
  } as const;
  return failure(problem, { exitCode: 130 });
}

async function readHost(
  cluster: Cluster,
  host: Host,
  options: SurveyOptions,
  connections: Map<string, Connection>,
  peers: ReadonlyMap<string, Facts>,
): Promise<SeenHost | UnseenHost> {
  let connection: Connection | undefined;
  let kept = false;
  options.onEvent?.({ type: 'reading', host: host.name });
  try {
    options.signal?.throwIfAborted();
    const connecting = options.transport.connect(
      { name: host.name, ssh: host.ssh },
      { phase: 'connect', ...(options.signal ? { signal: options.signal } : {}) },
    );
    const [connected, asking] = await Promise.all([connecting, (options.ask ?? askedOf)(cluster, host, peers)]);
    connection = connected;
    let desired: StagedResource[] = [];
    const answer = await observe(connection, {
      facts: asking.facts,
      desire: (facts) => {
        desired = asking.desire(facts);
        return desired.map(({ resource }) => resource);
      },
      timeout: options.timeout,
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.veil ? { veil: options.veil } : {}),
    });
    checkPossible(host, desired, answer.states);
    if (options.keep) {
      connections.set(host.name, connection);
      kept = true;
    }
    options.onEvent?.({ type: 'read', host: host.name });
    return { host, facts: answer.facts, desired, states: answer.states };
  } catch (error) {
    if (options.signal?.aborted || !(error instanceof LvsctlError)) throw error;
    options.onEvent?.({ type: 'unread', host: host.name, problems: error.problems });
    return { host, problems: error.problems };
  } finally {
    if (!kept) await connection?.close();
  }
}

/** Only the facts of a host that isn't to be read otherwise; without them the one that needs them says so. */
async function readFacts(host: Host, options: SurveyOptions, peers: Map<string, Facts>): Promise<undefined> {
  let connection: Connection | undefined;
  const signal = options.signal ? { signal: options.signal } : {};
  try {
    connection = await options.transport.connect({ name: host.name, ssh: host.ssh }, { phase: 'connect', ...signal });
    const answer = await observe(connection, {
      facts: ['network'],
      desire: () => [],
      timeout: options.timeout,
      ...signal,
    });
    peers.set(host.name, answer.facts);
  } catch (error) {
    if (options.signal?.aborted || !(error instanceof LvsctlError)) throw error;
  } finally {
    await connection?.close();
  }
}

/** @throws LvsctlError with everything that this host can't have */
function checkPossible(host: Host, desired: readonly StagedResource[], states: ReadonlyMap<string, unknown>): void {
  const place = { kind: 'host', host: host.name, phase: 'observe' } as const;
  const asked = desired.filter(({ leaving, foreign, known }) => !leaving && !foreign && !known);
  const problems = asked.flatMap(({ resource }) =>
    refusalsOf(resource, states.get(keyOf(resource))).map((refusal): Problem => ({ ...refusal, place })),
  );
  if (problems.length > 0) throw new LvsctlError(problems);
}

/** The facts that this host's desire needs: asking for less is faster. */
function factGroups(host: Host, cluster: Cluster): FactGroup[] {
  const serves = standsBehind(cluster, host.name).length > 0;
  const network: FactGroup[] = host.interfaces.length > 0 || serves ? ['network'] : [];
  return host.owns.includes('firewall') ? [...network, 'firewall'] : network;
}

/**
 * The hosts that a command is about.
 * @throws CLI-UNKNOWN-HOST where `--limit` names a host that isn't one, or isn't managed
 */
export function chooseHosts(cluster: Cluster, limit: readonly string[] | undefined): Host[] {
  const managed = cluster.hosts.filter((host) => host.managed);
  if (limit === undefined) return managed;
  const known = new Set(managed.map((host) => host.name));
  const unknown = limit.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw failure({
      code: 'CLI-UNKNOWN-HOST',
      place: { kind: 'none' },
      what: `--limit names ${unknown.join(', ')}, not among the hosts that this inventory manages`,
      next: `It manages: ${[...known].join(', ')}.`,
    });
  }
  return managed.filter((host) => limit.includes(host.name));
}
