import { failure } from '../errors/index.ts';
import {
  applicationsOn,
  directedBy,
  hostNamed,
  hostsIn,
  proxiesAsking,
  proxiesOn,
  rowsOf,
  serversAt,
  standsBehind,
  vrrpOn,
  webServersOn,
} from '../inventory/derived.ts';
import type { Check, Cluster, Host, PortRange, RealServer, Service, VrrpInstance } from '../inventory/model.ts';
import type { FirewallFacts } from '../platform/facts.ts';
import type { FirewallPlace, FirewallResource } from '../resources/firewall.ts';
import { bootParts } from '../resources/firewall-boot.ts';
import { filtersOf, iptablesInUse } from '../resources/firewall-filters.ts';
import type { AcceptRule, UntrackedRule } from '../resources/firewall-rules.ts';
import type { Stage } from '../resources/kind.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';

const FOLDER = '/etc/lvsctl';
const SCRIPT = `${FOLDER}/firewall.sh`;
const UNIT = 'lvsctl-firewall.service';

/** A host of which nothing is known but its kernel's age: nothing filters there. */
const NO_FIREWALL: FirewallFacts = { nft: true, ruleset: [], iptables: [], ipv6: true };

/**
 * What has to come in to a host, from the model, and what connection tracking must or must not follow there. Whether
 * any of it becomes a rule is decided by `firewallResources`: where nothing filters, nothing has to be let in.
 */
export function firewall(question: Question): Part {
  const { cluster, host, facts } = question;
  if (!host.owns.includes('firewall')) return NOTHING;
  const filtered = theirFilter(facts.firewall ?? NO_FIREWALL) !== null;
  const directed = directedBy(cluster, host.name);
  const translated = directed.some(({ mode }) => mode === 'nat' || mode === 'fullnat');
  return {
    ...NOTHING,
    // Stateful rules know nothing of IPVS's connections: they would take a real server's replies for strays
    // (ipvs-sysctl.rst, conntrack).
    sysctls: filtered && translated ? [{ stage: 'rules', name: 'net.ipv4.vs.conntrack', value: '1' }] : [],
    firewall: [
      ...accepts(cluster, host),
      ...(filtered ? directed.filter(({ mode }) => mode === 'dr' || mode === 'tun').flatMap(untracked) : []),
    ],
  };
}

/** The director sees one direction only, so tracking takes the end of each connection (FIN) for invalid. */
function untracked({ vips, protocol, ports }: Service): UntrackedRule[] {
  return vips.map(({ address, family }) => ({ rule: 'untracked', family, address, protocol, ports }));
}

function accepts(cluster: Cluster, host: Host): AcceptRule[] {
  const { webServers, proxies, applications } = cluster;
  const web = [...webServersOn(webServers, host.name), ...proxiesOn(proxies, host.name)];
  return [
    ...directedBy(cluster, host.name).map(({ protocol, ports }): AcceptRule => ({ rule: 'accept', protocol, ports })),
    ...vrrpOn(cluster.vrrp, host.name).flatMap(({ instances }) =>
      instances.flatMap((instance) => vrrp(instance, host)),
    ),
    ...synchronisation(cluster, host),
    ...standsBehind(cluster, host.name).flatMap((service) => asServer(cluster, host, service)),
    ...web.map(({ port }) => tcp(port)),
    ...applicationsOn(applications, host.name).map(({ port }) => tcp(port, proxiesOf(cluster, host, port))),
    ...cluster.firewall.trusted.map(
      ({ address, prefix }): AcceptRule => ({ rule: 'accept', protocol: 'any', from: [`${address}/${prefix}`] }),
    ),
  ];
}

function tcp(port: number, from: readonly string[] = []): AcceptRule {
  return { rule: 'accept', protocol: 'tcp', ports: [one(port)], ...(from.length === 0 ? {} : { from: [...from] }) };
}

function one(port: number): PortRange {
  return { first: port, last: port };
}

/** Advertisements of the other nodes, protocol 112 (RFC 9568). */
function vrrp({ nodes }: VrrpInstance, host: Host): AcceptRule[] {
  const peers = nodes.filter((node) => node.host !== host.name).map(({ address }) => address);
  if (peers.length === 0 || peers.length === nodes.length) return [];
  return [{ rule: 'accept', protocol: 'vrrp', from: peers }];
}

/** IPVS's connection synchronisation, from the other directors of a pair. */
function synchronisation({ ipvs: { sync }, vrrp, hosts }: Cluster, host: Host): AcceptRule[] {
  if (sync === undefined) return [];
  const [group] = vrrpOn(vrrp, host.name);
  const others = (group?.nodes ?? []).map((node) => node.host).filter((name) => name !== host.name);
  const from = hostsIn(hosts, others)
    .flatMap(({ interfaces }) => interfaces.filter(({ name }) => name === sync.interface))
    .flatMap(({ addresses }) => addresses.map(({ address }) => address));
  return from.length === 0 ? [] : [{ rule: 'accept', protocol: 'udp', ports: [one(sync.port)], from }];
}

/** Clients' packets, as the mode brings them there, and the directors' checks: nobody checks the sorry server. */
function asServer(cluster: Cluster, host: Host, service: Service): AcceptRule[] {
  const { mode, protocol, ports, tunnel } = service;
  const own = rowsOf(service, host.name).map(({ real }) => real);
  const from = addressesOf(cluster, service.directors);
  const served = serversAt(service, host.name).flatMap(({ server: { port } }) => (port === 0 ? ports : [one(port)]));
  const clients: AcceptRule = { rule: 'accept', protocol, ports: served };
  const carrier: AcceptRule[] =
    mode !== 'tun'
      ? []
      : tunnel.type === 'gue'
        ? [{ rule: 'accept', protocol: 'udp', ports: [one(tunnel.port)], from }]
        : tunnel.type === 'gre'
          ? [{ rule: 'accept', protocol: 'gre', from }]
          : (['ipip', 'ip6ip'] as const).map((outer) => ({ rule: 'accept', protocol: outer, from }));
  const checks =
    service.healthCheck === undefined ? [] : own.flatMap((real) => checkRules(service.healthCheck?.check, real, ports));
  return [clients, ...carrier, ...checks.map((rule) => ({ ...rule, from }))];
}

function checkRules(check: Check | undefined, real: RealServer, ports: readonly PortRange[]): AcceptRule[] {
  if (check === undefined) return [];
  const port = (own?: number): PortRange[] => {
    if (own !== undefined) return [one(own)];
    return real.port === 0 ? [...ports] : [one(real.port)];
  };
  switch (check.type) {
    case 'http_get':
    case 'ssl_get':
    case 'tcp_check':
      return [{ rule: 'accept', protocol: 'tcp', ports: port(check.port) }];
    case 'smtp_check':
      return [{ rule: 'accept', protocol: 'tcp', ports: port(check.port) }];
    case 'dns_check':
    case 'udp_check':
      return [{ rule: 'accept', protocol: 'udp', ports: port(check.port) }];
    case 'ping_check':
      return [{ rule: 'accept', protocol: 'icmp' }];
    // Control packets of single-hop BFD (RFC 5881).
    case 'bfd':
      return [{ rule: 'accept', protocol: 'udp', ports: [one(3784)] }];
    case 'misc_check':
      return [];
  }
}

/** The addresses of the proxies that ask an application; none where nothing describes who asks. */
function proxiesOf(cluster: Cluster, host: Host, port: number): string[] {
  const asking = proxiesAsking(cluster.proxies, host.name)
    .filter(({ upstream }) => upstream.servers.some((server) => server.host === host.name && server.port === port))
    .flatMap(({ hosts }) => hosts);
  return addressesOf(cluster, asking);
}

function addressesOf(cluster: Cluster, names: readonly string[]): string[] {
  return [...new Set(names)]
    .flatMap((name) => hostNamed(cluster, name) ?? [])
    .flatMap(({ interfaces }) => interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address)));
}

/** What filters on a host and isn't ours; null where nothing does. */
function theirFilter(facts: FirewallFacts): FirewallPlace | null {
  if (facts.firewalld !== undefined) return { backend: 'firewalld', zones: facts.firewalld.zones };
  const { iptables, nft } = filtersOf(facts);
  if (iptables !== null) return { backend: 'iptables', ...iptables };
  return nft.length > 0 ? { backend: 'nftables', into: nft } : null;
}

/** Where rules of our own stand: in tables of nftables where the kernel takes them and the host doesn't use iptables. */
function ownPlace(facts: FirewallFacts): FirewallPlace {
  const families: (4 | 6)[] = facts.ipv6 ? [4, 6] : [4];
  const inUse = facts.firewalld === undefined ? iptablesInUse(facts) : null;
  if (inUse !== null) return { backend: 'iptables', variant: inUse, families };
  if (facts.nft) return { backend: 'nftables', into: [] };
  if (facts.firewalld !== undefined) return { backend: 'firewalld', zones: facts.firewalld.zones };
  return { backend: 'iptables', variant: 'legacy', families };
}

/**
 * The packet filter's rules of all roles of a host: what services can't work without, wherever one asks for it; and
 * what is let in, where something filters, or where the inventory asks for a filter (`firewall: { manage: true }`).
 */
export function firewallResources(question: Question, part: Part): Desired[] {
  const { cluster, host } = question;
  if (!host.owns.includes('firewall')) return [];
  const facts = question.facts.firewall ?? NO_FIREWALL;
  const own = ownPlace(facts);
  const theirs = theirFilter(facts);
  const traffic = part.firewall.filter(({ rule }) => rule !== 'accept');
  const incoming = part.firewall.filter(({ rule }) => rule === 'accept');
  const ssh = [...new Set([facts.sshPort ?? host.ssh.port ?? 22, host.ssh.port ?? 22])];
  const shared = { kind: 'firewall' as const };
  const filter: FirewallResource[] =
    theirs !== null
      ? [{ ...shared, purpose: 'filter', place: theirs, rules: incoming, closed: null }]
      : cluster.firewall.manage
        ? [{ ...shared, purpose: 'filter', place: own, rules: incoming, closed: { ssh } }]
        : [];
  const resources: { stage: Stage; resource: FirewallResource }[] = [
    ...filter
      .filter(({ rules, closed }) => rules.length > 0 || closed !== null)
      .map((resource) => ({ stage: 'reach' as const, resource })),
    ...(traffic.length === 0
      ? []
      : [
          {
            stage: 'rules' as const,
            resource: { ...shared, purpose: 'traffic' as const, place: own, rules: traffic, closed: null },
          },
        ]),
  ];
  if (resources.length === 0) return [];
  return [
    ...packages(
      question,
      resources.map(({ resource }) => resource),
    ),
    ...resources,
    ...boot(question, resources),
  ];
}

/** The tool that the rules are put in with; firewalld and a filter of the host's own brought theirs. */
function packages({ family, facts }: Question, resources: readonly FirewallResource[]): Desired[] {
  const theirs =
    facts.firewall !== undefined && (facts.firewall.firewalld !== undefined || iptablesInUse(facts.firewall) !== null);
  const names = resources.flatMap(({ place }) => {
    if (place.backend === 'nftables') return [family.packages.nftables];
    return place.backend === 'iptables' && !theirs ? [family.packages.iptables] : [];
  });
  return [...new Set(names)].map((name) => ({ stage: 'packages', resource: { kind: 'package', name } }));
}

/** What brings the rules back at boot: files that hold them, a script that loads these, a unit that runs it. firewalld has its own. */
function boot(
  { host, facts, template }: Question,
  resources: readonly { stage: Stage; resource: FirewallResource }[],
): Desired[] {
  const parts = resources.map(({ stage, resource }) => ({ stage, ...bootParts(resource, FOLDER) }));
  const files = parts.flatMap(({ stage, files }) =>
    files.map((file) => ({ stage, resource: textFile(file.path, file.content) })),
  );
  if (files.length === 0) return [];
  if (!facts.systemd) {
    throw failure({
      code: 'HOST-NO-SYSTEMD',
      place: { kind: 'host', host: host.name, phase: 'desire' },
      what: `rules of its packet filter are wanted at boot by ${UNIT}, but systemd doesn’t run there`,
      next: 'Use a host that systemd runs on, or leave firewall out of what lvsctl manages there.',
    });
  }
  // The script loads all files: it comes with the last of them.
  const stage = files.some((file) => file.stage === 'rules') ? 'rules' : 'reach';
  const script = template('firewall/load.sh', {
    nft: parts.flatMap(({ nft }) => nft),
    nft_jumps: parts.flatMap(({ nftJumps }) => nftJumps),
    iptables: parts.flatMap(({ iptables }) => iptables),
  });
  return [
    ...files,
    { stage, resource: textFile(SCRIPT, script) },
    {
      stage,
      resource: textFile(
        `/etc/systemd/system/${UNIT}`,
        template('firewall/lvsctl-firewall.service', { script: SCRIPT }),
      ),
    },
    { stage, resource: { kind: 'service', unit: UNIT, enabled: true, running: true, config: [], activate: 'reload' } },
  ];
}
