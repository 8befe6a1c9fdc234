import type { Cluster, VrrpGroup } from '../inventory/model.ts';
import { FAMILIES } from '../platform/families.ts';
import { differingInstances } from '../resources/keepalived-conf.ts';
import type { SeenHost } from './build.ts';
import { heldNow } from './directors.ts';
import { isDrain, type Step, type Warning } from './plan.ts';

/**
 * Nodes of a pair take up their configuration one after the other, the standby first: what it can't bear shows where
 * nobody is served. Who that is, is read when the steps run. Where settings change that both must share, each node would
 * refuse the other's adverts in between and be master beside it: then both go at once, and the plan says so. Pure.
 */
export function withTurns(
  cluster: Cluster,
  seen: readonly SeenHost[],
  steps: readonly Step[],
): { steps: Step[]; warnings: Warning[] } {
  const turns = new Map<string, NonNullable<Step['turn']>>();
  const warnings: Warning[] = [];
  for (const group of cluster.vrrp) {
    const address = group.instances.flatMap(({ addresses }) => addresses)[0]?.address;
    const reloading = steps.filter((step) => reloads(group, seen, step));
    warnings.push(...alone(group, seen, reloading));
    for (const [first, second, ...more] of byLane(reloading)) {
      if (first === undefined || second === undefined || address === undefined) continue;
      const nodes = [first, second, ...more];
      const different = nodes.flatMap((step) => differing(seen, step).map((instance) => ({ step, instance })));
      if (different.length > 0) {
        const names = [...new Set(different.map(({ instance }) => instance))].join(', ');
        const text = `settings of ${names} change that all nodes must share: until the last one has taken them up, more than one may be master`;
        for (const { step } of different) warnings.push({ host: step.host, key: `vrrp ${group.name}`, text });
        continue;
      }
      for (const step of nodes) turns.set(step.id, { among: nodes.map(({ id }) => id), address });
    }
  }
  return {
    steps: steps.map((step) => {
      const turn = turns.get(step.id);
      return turn === undefined ? step : { ...step, turn };
    }),
    warnings,
  };
}

/** A node that takes up what it must share with one that takes no part: nothing ends that but another apply. */
function alone(group: VrrpGroup, seen: readonly SeenHost[], reloading: readonly Step[]): Warning[] {
  const absent = group.nodes.map(({ host }) => host).filter((name) => !seen.some(({ host }) => host.name === name));
  if (absent.length === 0) return [];
  return reloading.flatMap((step) =>
    differing(seen, step).map((instance) => ({
      host: step.host,
      key: `vrrp ${group.name}`,
      text: `settings of ${instance} change that all nodes must share, and ${absent.join(' and ')} ${absent.length === 1 ? 'takes' : 'take'} no part: more than one would be master, and have its addresses`,
    })),
  );
}

function reloads(group: VrrpGroup, seen: readonly SeenHost[], step: Step): boolean {
  const facts = seen.find(({ host }) => host.name === step.host)?.facts;
  if (isDrain(step) || facts === undefined || !group.nodes.some((node) => node.host === step.host)) return false;
  const key = `service ${FAMILIES[facts.platform].keepalived.unit}`;
  return step.changes.some((change) => change.key === key && change.ops.some(({ name }) => name === 'service_reload'));
}

function byLane(steps: readonly Step[]): Step[][] {
  const lanes = new Map<string, Step[]>();
  for (const step of steps) {
    const lane = `${step.stage}/${step.direction}`;
    lanes.set(lane, [...(lanes.get(lane) ?? []), step]);
  }
  return [...lanes.values()];
}

/** Instances of a node whose settings in common with its peers change. */
function differing(seen: readonly SeenHost[], { host }: Step): string[] {
  const node = seen.find((one) => one.host.name === host);
  const { keepalived } = node === undefined ? {} : heldNow(node);
  if (keepalived?.file.state !== 'present') return [];
  return differingInstances(keepalived.text, keepalived.file.content);
}
