import { dirname, join } from 'node:path';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { hostNamed } from '../inventory/derived.ts';
import type { SourceDocument } from '../inventory/document.ts';
import type { Area, Cluster, Host, Platform } from '../inventory/model.ts';
import type { Inventory } from '../inventory/schema.ts';
import type { Facts } from '../platform/facts.ts';
import { FAMILIES } from '../platform/families.ts';
import { makeOverrideRenderer, makeRenderer, type Renderer } from '../templates/render.ts';
import { apache } from './apache.ts';
import { application } from './application.ts';
import { conflictProblems, type HostConflict, type RoleName, resourceConflicts, sysctlConflicts } from './conflicts.ts';
import { connectionResources } from './connections.ts';
import { type Desired, type Part, type Question, settled } from './desired.ts';
import { director } from './director.ts';
import { extras } from './extras.ts';
import { firewall, firewallResources } from './firewall.ts';
import { keepalived } from './keepalived.ts';
import { moduleResources, sysctlResources } from './kernel.ts';
import { nginx } from './nginx.ts';
import { divide, needed, onPlatform } from './ownership.ts';
import { realServer } from './real-server.ts';
import { router } from './router.ts';
import { time } from './time.ts';
import { tunnels } from './tunnels.ts';

export type { Desired } from './desired.ts';

/** What a host can be, and whose matter that is (`manage`). A new role is one file and a line here. */
const ROLES: readonly { name: RoleName; role: (question: Question) => Part; areas: readonly Area[] }[] = [
  { name: 'router', role: router, areas: ['network'] },
  { name: 'real server', role: realServer, areas: ['network'] },
  { name: 'tunnels', role: tunnels, areas: ['network'] },
  { name: 'director', role: director, areas: ['ipvs'] },
  { name: 'keepalived', role: keepalived, areas: ['vrrp', 'ipvs'] },
  { name: 'nginx', role: nginx, areas: ['web'] },
  { name: 'apache', role: apache, areas: ['web'] },
  { name: 'application', role: application, areas: ['applications'] },
  { name: 'time', role: time, areas: ['time'] },
  { name: 'firewall', role: firewall, areas: ['firewall'] },
  { name: 'extras', role: extras, areas: [] },
];

/**
 * Everything that a host is to have, in order, each key once. Pure but for reading the templates.
 * @param hostName one of the cluster's managed hosts
 * @param peers facts of the directors of `heldBy`, by name
 * @param template renders files; whoever doesn't look into files may do without their text
 * @throws ROLE-CONFLICT (all of them), HOST-NO-NETWORKMANAGER, HOST-OLD-NETWORKMANAGER, HOST-NO-KEYFILE,
 *   HOST-OTHER-PLATFORM, HOST-NO-SYSTEMD, HOST-NO-NEIGHBOUR, HOST-PEER-UNREAD, TPL-UNKNOWN-VARIABLE, TPL-SYNTAX
 */
export function desire(
  cluster: Cluster,
  hostName: string,
  facts: Facts,
  peers: ReadonlyMap<string, Facts> = new Map(),
  template: Renderer = rendererOf(cluster),
): Desired[] {
  const { desired, conflicts } = composed(cluster, hostName, facts, peers, template);
  if (conflicts.length > 0) throw new LvsctlError(conflictProblems(conflicts));
  return desired;
}

/** What all roles want of a host, and what they want in two ways. */
function composed(
  cluster: Cluster,
  hostName: string,
  facts: Facts,
  peers: ReadonlyMap<string, Facts>,
  template: Renderer,
): { desired: Desired[]; conflicts: HostConflict[] } {
  const described = hostNamed(cluster, hostName);
  if (described === undefined) throw new Error(`${hostName} is no host of ${cluster.name}`);
  checkPlatform(described, facts);
  const host = onPlatform(described, facts.platform);
  const question: Question = {
    cluster,
    host,
    facts,
    family: FAMILIES[facts.platform],
    peers,
    template,
  };
  const wishes = ROLES.map(({ name, role, areas }) => ({ role: name, areas, part: role(question) }));
  const { own, others } = divide(host, wishes);
  const wanted = [
    ...moduleResources(question, own),
    ...sysctlResources(question, own),
    ...(host.owns.includes('network') ? connectionResources(question, own) : []),
    ...(host.owns.includes('firewall') ? firewallResources(question, own) : []),
    ...own.resources,
  ];
  const conflicts = [
    ...sysctlConflicts(own, wishes),
    ...sysctlConflicts(others, wishes),
    ...resourceConflicts(wanted, wishes),
  ];
  const ordered = settled(wanted);
  return {
    desired: [...ordered, ...needed(question, others, ordered)],
    conflicts: conflicts.map((one) => ({ ...one, host: described, platform: facts.platform })),
  };
}

const renderers = new WeakMap<Cluster, Renderer>();

/** One renderer a cluster: its templates are read once for all hosts. */
function rendererOf(cluster: Cluster): Renderer {
  const known = renderers.get(cluster) ?? makeRenderer(overridesOf(cluster));
  renderers.set(cluster, known);
  return known;
}

function overridesOf(cluster: Cluster): string {
  return join(dirname(cluster.file), 'templates');
}

/**
 * Desires everything for made-up facts: finds, without touching a host, templates that can't be rendered and roles
 * that contradict each other.
 * @param document what the cluster was made of: then conflicts are told at their places in it
 * @throws LvsctlError with every problem, each once
 */
export function rehearse(cluster: Cluster, document?: SourceDocument): void {
  const problems = new Map<string, Problem>();
  const conflicts: HostConflict[] = [];
  const peers = new Map(cluster.hosts.map((host) => [host.name, madeUpFacts(host)]));
  const template = makeOverrideRenderer(overridesOf(cluster));
  for (const host of cluster.hosts.filter(({ managed }) => managed)) {
    for (const platform of platformsOf(host)) {
      const facts = { ...(peers.get(host.name) ?? madeUpFacts(host)), platform };
      try {
        conflicts.push(...rehearsed(cluster, host.name, facts, peers, template));
      } catch (error) {
        if (!(error instanceof LvsctlError)) throw error;
        for (const problem of error.problems)
          problems.set(JSON.stringify([problem.code, problem.place, problem.what]), problem);
      }
    }
  }
  const where = document === undefined ? undefined : { cluster, said: document.value as Inventory, document };
  const all = [...problems.values(), ...conflictProblems(conflicts, where)];
  if (all.length > 0) throw new LvsctlError(all);
}

/** The families that a host may be of, as far as it makes a difference to what the inventory says of it. */
function platformsOf({ platform, byPlatform }: Host): Platform[] {
  if (platform !== undefined) return [platform];
  const { rhel } = byPlatform;
  return rhel === undefined ? ['debian'] : ['debian', 'rhel'];
}

/** The conflicts of one host. Two that want the same file may want the same text, which an override's renderer doesn't know. */
function rehearsed(
  cluster: Cluster,
  host: string,
  facts: Facts,
  peers: ReadonlyMap<string, Facts>,
  template: Renderer,
): HostConflict[] {
  try {
    if (composed(cluster, host, facts, peers, template).conflicts.length === 0) return [];
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
  }
  return composed(cluster, host, facts, peers, rendererOf(cluster)).conflicts;
}

const NO_DEVICE = { mac: '00:00:00:00:00:00', up: true, mtu: 1500, addresses: [] };

/** A host of which nothing is known but what the inventory says of it. */
export function madeUpFacts(host: Host): Facts {
  const nowhere = { osId: '', osVersion: '', kernel: '', arch: '', bootId: '', hostname: host.name };
  return {
    ...nowhere,
    platform: host.platform ?? 'debian',
    systemd: true,
    networkManager: '1.42.0',
    devices: Object.fromEntries(host.interfaces.map(({ name }) => [name, NO_DEVICE])),
    profiles: [],
  };
}

function checkPlatform(host: Host, facts: Facts): void {
  if (host.platform === undefined || host.platform === facts.platform) return;
  throw failure({
    code: 'HOST-OTHER-PLATFORM',
    place: { kind: 'host', host: host.name, phase: 'desire' },
    what: `the inventory says platform ${host.platform}, the host is ${facts.platform} (${facts.osId} ${facts.osVersion})`,
    next: 'Correct the inventory, or leave platform out: it is observed.',
  });
}
