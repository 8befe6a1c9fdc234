import { dirname, join } from 'node:path';
import { failure, LvsctlError, type Problem } from '../errors/index.ts';
import { hostNamed } from '../inventory/derived.ts';
import type { Area, Cluster, Host } from '../inventory/model.ts';
import type { Facts } from '../platform/facts.ts';
import { FAMILIES } from '../platform/families.ts';
import { makeOverrideRenderer, makeRenderer, type Renderer } from '../templates/render.ts';
import { apache } from './apache.ts';
import { application } from './application.ts';
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
const ROLES: readonly { role: (question: Question) => Part; areas: readonly Area[] }[] = [
  { role: router, areas: ['network'] },
  { role: realServer, areas: ['network'] },
  { role: tunnels, areas: ['network'] },
  { role: director, areas: ['ipvs'] },
  { role: keepalived, areas: ['vrrp', 'ipvs'] },
  { role: nginx, areas: ['web'] },
  { role: apache, areas: ['web'] },
  { role: application, areas: ['applications'] },
  { role: time, areas: ['time'] },
  { role: firewall, areas: ['firewall'] },
  { role: extras, areas: [] },
];

/**
 * Everything that a host is to have, in order, each key once. Pure but for reading the templates.
 * @param hostName one of the cluster's managed hosts
 * @param peers facts of the directors of `heldBy`, by name
 * @param template renders files; whoever doesn't look into files may do without their text
 * @throws ROLE-CONFLICT, HOST-NO-NETWORKMANAGER, HOST-OLD-NETWORKMANAGER, HOST-NO-KEYFILE, HOST-OTHER-PLATFORM,
 *   HOST-NO-SYSTEMD, HOST-NO-NEIGHBOUR, HOST-PEER-UNREAD, TPL-UNKNOWN-VARIABLE, TPL-SYNTAX
 */
export function desire(
  cluster: Cluster,
  hostName: string,
  facts: Facts,
  peers: ReadonlyMap<string, Facts> = new Map(),
  template: Renderer = rendererOf(cluster),
): Desired[] {
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
  const { own, others } = divide(
    host,
    ROLES.map(({ role, areas }) => ({ areas, part: role(question) })),
  );
  const wanted = settled(hostName, [
    ...moduleResources(question, own),
    ...sysctlResources(question, own),
    ...(host.owns.includes('network') ? connectionResources(question, own) : []),
    ...(host.owns.includes('firewall') ? firewallResources(question, own) : []),
    ...own.resources,
  ]);
  return [...wanted, ...needed(question, others, wanted)];
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
 * @throws LvsctlError with every problem, each once
 */
export function rehearse(cluster: Cluster): void {
  const problems = new Map<string, Problem>();
  const peers = new Map(cluster.hosts.map((host) => [host.name, madeUpFacts(host)]));
  const template = makeOverrideRenderer(overridesOf(cluster));
  for (const host of cluster.hosts.filter(({ managed }) => managed)) {
    const facts = madeUpFacts(host);
    try {
      try {
        desire(cluster, host.name, facts, peers, template);
      } catch (error) {
        if (!(error instanceof LvsctlError)) throw error;
        // Two that want the same file may want the same text, which that renderer doesn't know.
        desire(cluster, host.name, facts, peers);
      }
    } catch (error) {
      if (!(error instanceof LvsctlError)) throw error;
      for (const problem of error.problems)
        problems.set(JSON.stringify([problem.code, problem.place, problem.what]), problem);
    }
  }
  if (problems.size > 0) throw new LvsctlError([...problems.values()]);
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
