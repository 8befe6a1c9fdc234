import type { Problem } from '../errors/index.ts';
import type { Cluster, Host } from '../inventory/model.ts';
import type { Facts } from '../platform/facts.ts';
import { diffOne, holds, keyOf, noticesOf } from '../resources/index.ts';
import type { Op } from '../resources/kind.ts';
import { makeManifest, parseManifest, type StagedResource } from './manifest.ts';
import { orderSteps, type Staged } from './order.ts';
import { PLAN_VERSION, type Plan, type PlannedHost, type Step, type Warning } from './plan.ts';

/** A host that was read: what it is, what it shall have, what it has. */
export interface SeenHost {
  host: Host;
  facts: Facts;
  desired: readonly StagedResource[];
  /** The observed state of each resource, by key. */
  states: ReadonlyMap<string, unknown>;
}

/** A host that could not be read. */
export interface UnseenHost {
  host: Host;
  problems: readonly Problem[];
}

/** What a plan is made of besides the hosts. */
export interface PlanContext {
  cluster: Cluster;
  fingerprint: string;
  engine: string;
  lab: boolean;
  /** ISO 8601, UTC. */
  created: string;
}

/** Compares what is with what shall be and orders the difference. Pure. */
export function buildPlan(context: PlanContext, seen: readonly SeenHost[], unseen: readonly UnseenHost[]): Plan {
  const staged: Staged[] = [];
  const warnings: Warning[] = [];
  const hosts: PlannedHost[] = [];
  const records = new Map<string, Op>();
  for (const one of seen) {
    const changes = changesOf(one, warnings);
    staged.push(...changes);
    hosts.push({
      name: one.host.name,
      ssh: one.host.ssh,
      platform: one.facts.platform,
    });
    if (changes.length > 0) records.set(one.host.name, recordOp(context.cluster.name, one, changes));
  }
  return {
    format: 'lvsctl-plan',
    version: PLAN_VERSION,
    engine: context.engine,
    created: context.created,
    cluster: context.cluster.name,
    inventory: { file: context.cluster.file, fingerprint: context.fingerprint },
    lab: context.lab,
    hosts,
    unseen: unseen.map(({ host, problems }) => ({ host: host.name, problems })),
    steps: withRecords(orderSteps(staged), records),
    warnings,
  };
}

function changesOf(seen: SeenHost, warnings: Warning[]): Staged[] {
  const manifest = parseManifest(seen.facts.manifest);
  const written = new Map(manifest?.entries.map((entry) => [entry.key, entry]));
  const staged: Staged[] = [];
  for (const { stage, resource, leaving } of seen.desired) {
    const key = keyOf(resource);
    const state = seen.states.get(key);
    for (const text of noticesOf(resource, state)) warnings.push({ host: seen.host.name, key, text });
    const changes = diffOne(resource, state, seen.facts);
    const entry = written.get(key);
    if (changes.length > 0 && resource.kind === 'file' && resource.state === 'absent' && entry?.sha256 !== undefined) {
      if (!holds({ sha256: entry.sha256 }, state)) {
        warnings.push({
          host: seen.host.name,
          key,
          text: 'no longer asked for, but changed since lvsctl wrote it: left as it is',
        });
        continue;
      }
    }
    for (const change of changes) {
      const direction = leaving ? 'remove' : change.direction;
      staged.push({ host: seen.host.name, stage, change: { ...change, direction, resource } });
    }
  }
  return staged;
}

function recordOp(cluster: string, seen: SeenHost, changes: readonly Staged[]): Op {
  const before = new Map(changes.map(({ change }) => [change.key, change.before]));
  const manifest = makeManifest(cluster, seen.desired, parseManifest(seen.facts.manifest), before);
  return { name: 'manifest_write', args: [], input: `${JSON.stringify(manifest)}\n` };
}

/** Each changed host ends with a step that records what lvsctl manages there; it holds up nobody else. */
function withRecords(steps: Step[], records: ReadonlyMap<string, Op>): Step[] {
  const last = new Map(steps.map((step) => [step.host, step.id]));
  const ends = [...records].map(([host, op]): Step => {
    const own = last.get(host);
    return {
      id: `${host}/record`,
      host,
      stage: 'record',
      direction: 'add',
      needs: own === undefined ? [] : [own],
      changes: [],
      ops: [op],
    };
  });
  return [...steps, ...ends];
}
