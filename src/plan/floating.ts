import type { Cluster, VrrpGroup, VrrpInstance } from '../inventory/model.ts';
import { FAMILIES } from '../platform/families.ts';
import { instanceName } from '../resources/keepalived.ts';
import { stayingAddresses } from '../resources/keepalived-conf.ts';
import type { SeenHost } from './build.ts';
import { heldNow } from './directors.ts';
import { isDrain, isTaken, type Step } from './plan.ts';

/** An address that VRRP moves: one of the nodes, and no other, is to have it. */
export interface Floating {
  /** As the inventory names it: `edge.outside`. */
  instance: string;
  address: string;
  nodes: { host: string; device: string }[];
  /** Seconds after which a node that hears no other has become master, and one that gave up is replaced. */
  election: number;
  /**
   * Whether the nodes agree on it at each moment of the plan. Where they don't, e.g. while a password has changed on
   * one of them, it is asked for when none of them has anything left to do.
   */
  agreed: boolean;
}

/**
 * What is asked of the nodes of each VRRP group of which one is changed: of each instance an address of each family. An
 * instance moves as a whole, so that its others needn't be asked for. Pure.
 */
export function floatingOf(cluster: Cluster, seen: readonly SeenHost[], steps: readonly Step[]): Floating[] {
  const changed = new Set(steps.filter(isTaken).map(({ host }) => host));
  return cluster.vrrp
    .filter(({ nodes }) => nodes.some(({ host }) => changed.has(host)))
    .flatMap((group) => {
      const staying = stayingOn(group, seen, steps);
      // Instances of a group move together: with one of them on one node alone, all of that node's become master.
      const names = group.instances.map((instance) => instanceName(group, instance));
      const agreed = staying.every((one) => one !== undefined && names.every((name) => one.has(name)));
      return group.instances.flatMap((instance) => ofInstance(group, instance, { staying, agreed }));
    });
}

function ofInstance(
  group: VrrpGroup,
  instance: VrrpInstance,
  { staying, agreed }: { staying: readonly Staying[]; agreed: boolean },
): Floating[] {
  const key = instanceName(group, instance);
  // An address that comes from another instance is that one's until the last node has changed.
  const asked = instance.addresses.filter(
    ({ address, prefix }) => !agreed || staying.every((one) => one?.get(key)?.includes(`${address}/${prefix}`)),
  );
  const nodes = instance.nodes.map(({ host, device }) => ({ host, device }));
  return ([4, 6] as const).flatMap((family) => {
    const found = asked.find((one) => one.family === family);
    if (found === undefined) return [];
    const name = `${group.name}.${instance.name}`;
    // Three intervals and the skew time: less than one, or in version 2 than a second (Master_Down_Interval of RFC 5798).
    const election = 4 * Math.max(1, group.advertInterval);
    return [{ instance: name, address: found.address, nodes, election, agreed }];
  });
}

/** By instance its addresses before and after a node's change; undefined where it isn't known what was there. */
type Staying = ReadonlyMap<string, string[]> | undefined;

/** Of each node whose keepalived is changed. */
function stayingOn(group: VrrpGroup, seen: readonly SeenHost[], steps: readonly Step[]): Staying[] {
  return group.nodes.flatMap((node): Staying[] => {
    const one = seen.find(({ host }) => host.name === node.host);
    if (one === undefined) return [];
    const { config, unit } = FAMILIES[one.facts.platform].keepalived;
    const keys = [`file ${config}`, `service ${unit}`];
    const own = steps.filter((step) => step.host === node.host && !isDrain(step));
    if (!own.some(({ changes }) => changes.some(({ key }) => keys.includes(key)))) return [];
    const { keepalived } = heldNow(one);
    if (keepalived?.file.state !== 'present') return [undefined];
    return [stayingAddresses(keepalived.text, keepalived.file.content)];
  });
}
