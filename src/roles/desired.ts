import type { Cluster, Host } from '../inventory/model.ts';
import { holdsSecret } from '../inventory/secrets.ts';
import type { Facts } from '../platform/facts.ts';
import type { Family } from '../platform/families.ts';
import type { FirewallRule } from '../resources/firewall.ts';
import { keyOf } from '../resources/key.ts';
import { STAGES, type Stage } from '../resources/kind.ts';
import type { Resource } from '../resources/resource.ts';
import type { Renderer } from '../templates/render.ts';

/** A resource that a host is to have, with the stage at which it is brought about. */
export interface Desired {
  stage: Stage;
  resource: Resource;
  /** Only takes away what an earlier apply left, as far as that can be told without the manifest. */
  fallback?: boolean;
  /** Needed, and not lvsctl's matter on this host (`manage`): looked at, warned of, never changed. */
  foreign?: boolean;
  /** Nothing of the cluster needs it as it shall be; something may still need it as it was, until it is let go. */
  idle?: boolean;
}

/** What a role is asked about. */
export interface Question {
  cluster: Cluster;
  host: Host;
  facts: Facts;
  family: Family;
  /** What other hosts told of themselves, where this one's resources need it (`heldBy`). */
  peers: ReadonlyMap<string, Facts>;
  /** Renders a template of lvsctl, or the operator's in its place. */
  template: Renderer;
}

/** What one role of a host wants. Parameters, modules and addresses of all roles end in common files. */
export interface Part {
  sysctls: { stage: Stage; name: string; value: string }[];
  modules: { stage: Stage; name: string }[];
  /** Addresses (CIDR) besides the interface's own, by device. */
  addresses: { stage: Stage; device: string; address: string }[];
  /** For the host's packet filter; their stage follows from what they do (firewall.ts). */
  firewall: FirewallRule[];
  resources: Desired[];
}

export const NOTHING: Part = { sysctls: [], modules: [], addresses: [], firewall: [], resources: [] };

/** The earliest of several stages. */
export function earliest(stages: readonly Stage[]): Stage {
  return STAGES.find((stage) => stages.includes(stage)) ?? 'reach';
}

/** Within a stage: what is on disk before what is live, devices before rules before services. */
const KINDS = [
  'package',
  'account',
  'archive',
  'file',
  'selinux_boolean',
  'module',
  'tunnel',
  'sysctl',
  'arptables',
  'connection',
  'neighbour',
  'firewall',
  'ipvs',
  'ipvs_timeouts',
  'service',
  'keepalived',
  'clock',
  'selinux_port',
] as const satisfies Resource['kind'][];

/** Puts resources in order, each key once: the first wish for it, at the earliest stage that it is wanted at. */
export function settled(wanted: readonly Desired[]): Desired[] {
  const byKey = new Map<string, Desired>();
  for (const one of wanted) {
    const key = keyOf(one.resource);
    const earlier = byKey.get(key);
    if (earlier === undefined || STAGES.indexOf(one.stage) < STAGES.indexOf(earlier.stage)) byKey.set(key, one);
  }
  const rank = ({ stage, resource }: Desired) => STAGES.indexOf(stage) * KINDS.length + KINDS.indexOf(resource.kind);
  return [...byKey.values()].map(secretive).sort((a, b) => rank(a) - rank(b));
}

/** A file that a secret stands in is its owner's alone. */
function secretive(wanted: Desired): Desired {
  const { resource } = wanted;
  if (resource.kind !== 'file' || resource.state !== 'present' || !holdsSecret(resource.content)) return wanted;
  const mode = resource.mode.replace(/[0-7]{2}$/, '00');
  return { ...wanted, resource: { ...resource, mode } };
}
