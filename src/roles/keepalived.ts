import { directedBy, vrrpOn } from '../inventory/derived.ts';
import type { Cidr, Script, Service, VirtualService, VrrpGroup, VrrpInstance } from '../inventory/model.ts';
import { secretText } from '../inventory/secrets.ts';
import type { AcceptRule } from '../resources/firewall-rules.ts';
import { instanceName } from '../resources/keepalived.ts';
import type { KeepalivedResource } from '../resources/resource.ts';
import type { Validator } from '../resources/validators.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { type IpvsRule, ipvsRules, tableOwner } from './ipvs.ts';
import { bfdsOf, checkerOf, warmup } from './keepalived-check.ts';
import { textFile } from './kernel.ts';
import { configuredService } from './service.ts';

/**
 * keepalived: floating addresses of a pair, the IPVS table, and the checks of real servers. It has the whole table of
 * its host (`tableOwner`). Facts are those of keepalived.conf(5) for 2.2.
 */
export function keepalived(question: Question): Part {
  const { cluster, host, family, template } = question;
  const groups = vrrpOn(cluster.vrrp, host.name);
  const owner = tableOwner(cluster, host.name) === 'keepalived';
  if (groups.length === 0 && !owner) return NOTHING;
  const services = owner ? directedBy(cluster, host.name) : [];
  const { config, unit } = family.keepalived;
  const text = { ...textFile(config, template('keepalived/keepalived.conf', variables(question, groups, services))) };
  // It holds the password; keepalived itself reads it as root.
  const file = checked({ ...text, mode: '0600' });
  const { timeouts } = cluster.ipvs;
  return {
    ...NOTHING,
    firewall: groups.flatMap((group) => accepts(question, group)),
    resources: [
      ...[family.packages.keepalived, ...(owner ? [family.packages.ipvsadm] : [])].map(
        (name): Desired => ({ stage: 'packages', resource: { kind: 'package', name } }),
      ),
      ...scriptsOf(question, groups, services).map((script): Desired => {
        return { stage: 'rules', resource: checked({ ...textFile(script.path, script.content), mode: '0755' }) };
      }),
      { stage: 'rules', resource: file },
      ...(owner ? keepalivedTable(services) : []),
      ...(owner && timeouts !== undefined
        ? [{ stage: 'vip' as const, resource: { kind: 'ipvs_timeouts' as const, ...timeouts } }]
        : []),
      // Two owners of one table would each take away what the other wrote.
      ...(owner ? [alone(family.ipvsadm.unit)] : []),
      ...waiting(question, groups),
      ...configuredService(question, { stage: 'vip', unit, activate: 'reload' }, [file]),
      { stage: 'vip', resource: watched(question, groups, services) },
    ],
  };
}

function checked<T extends object>(file: T): T & { validate: Validator } {
  return { ...file, validate: 'keepalived' };
}

/** At boot keepalived must not come before the addresses that it speaks from. */
function waiting({ host, family, template }: Question, groups: readonly VrrpGroup[]): Desired[] {
  const addresses = groups.flatMap(({ instances }) =>
    instances.flatMap(({ nodes }) => nodes.filter((node) => node.host === host.name).map(({ address }) => address)),
  );
  if (addresses.length === 0) return [];
  const path = `/etc/systemd/system/${family.keepalived.unit}.d/lvsctl-wait.conf`;
  const content = template('keepalived/wait.conf', { addresses: [...new Set(addresses)] });
  return [{ stage: 'vip', resource: textFile(path, content) }];
}

/** The rows as they must be where keepalived has them: taking servers out and putting them back is its matter. */
export function keepalivedTable(services: readonly Service[]): Desired[] {
  return services.flatMap((service) =>
    ipvsRules([service]).map((rule): Desired => {
      const { healthCheck } = service;
      const checker = {
        inhibit: healthCheck?.inhibit ?? false,
        dynamic: healthCheck?.check.type === 'misc_check' && healthCheck.check.dynamic,
        ...sorryOf(service, rule),
      };
      return { stage: 'rules', resource: { ...rule, checker } };
    }),
  );
}

/** A sorry server without a port of its own is asked on the service's. */
function sorryOf({ sorryServer }: Service, rule: IpvsRule): { sorryServer?: { address: string; port: number } } {
  if (sorryServer === undefined) return {};
  return {
    sorryServer: {
      address: sorryServer.address,
      port: sorryServer.port ?? (rule.protocol === 'fwmark' ? 0 : rule.port),
    },
  };
}

function alone(unit: string): Desired {
  const resource = {
    kind: 'service' as const,
    unit,
    enabled: false,
    running: null,
    config: [],
    packaged: true as const,
  };
  return { stage: 'rules', resource: { ...resource, activate: 'restart' } };
}

function watched({ host }: Question, groups: readonly VrrpGroup[], services: readonly Service[]): KeepalivedResource {
  return {
    kind: 'keepalived',
    instances: groups.flatMap((group) =>
      group.instances.flatMap((instance) => {
        const own = instance.nodes.find((node) => node.host === host.name);
        if (own === undefined || instance.addresses.length === 0) return [];
        const { device } = own;
        return [{ name: instanceName(group, instance), device, addresses: instance.addresses.map(cidrText) }];
      }),
    ),
    services: services.flatMap((service) =>
      ipvsRules([service]).map(({ kind, state, ...rule }) => ({
        ...rule,
        sorry: service.sorryServer !== undefined,
        inhibit: service.healthCheck?.inhibit ?? false,
      })),
    ),
  };
}

function cidrText({ address, prefix }: Cidr): string {
  return `${address}/${prefix}`;
}

/** What is sent between the nodes: adverts, and what the table's synchronisation says. */
function accepts({ cluster, host }: Question, group: VrrpGroup): AcceptRule[] {
  const { sync } = cluster.ipvs;
  return group.instances.flatMap((instance): AcceptRule[] => {
    const own = instance.nodes.find((node) => node.host === host.name);
    const peers = instance.nodes.filter((node) => node.host !== host.name).map(({ address }) => address);
    if (own === undefined || peers.length === 0) return [];
    return [
      { rule: 'accept', protocol: 'vrrp', from: peers },
      ...(sync !== undefined && own.device === sync.interface
        ? [
            {
              rule: 'accept' as const,
              protocol: 'udp' as const,
              ports: [{ first: sync.port, last: sync.port }],
              from: peers,
            },
          ]
        : []),
    ];
  });
}

/** Where a script lands: below a folder that root alone can write, as `enable_script_security` demands. */
function scriptPath({ family }: Question, script: Script): string {
  return `${family.keepalived.scripts}/${script.name}`;
}

function scriptsOf(question: Question, groups: readonly VrrpGroup[], services: readonly Service[]) {
  const scripts = [
    ...groups.flatMap(({ trackScripts }) => trackScripts.map(({ script }) => script)),
    ...groups.flatMap(({ notify }) => Object.values(notify)),
    ...services.flatMap(({ healthCheck }) =>
      healthCheck?.check.type === 'misc_check' ? [healthCheck.check.script] : [],
    ),
  ];
  return scripts.map((script) => ({ path: scriptPath(question, script), content: script.content }));
}

function variables(question: Question, groups: readonly VrrpGroup[], services: readonly Service[]) {
  const { cluster, host } = question;
  const grouped = (group: VrrpGroup) => group.instances.length > 1;
  const notify = (group: VrrpGroup) =>
    Object.entries(group.notify).map(([event, script]) => ({
      event: event === 'any' ? 'notify' : `notify_${event}`,
      path: scriptPath(question, script),
    }));
  return {
    router_id: host.name,
    sync: syncOf(question, groups),
    timeouts: services.length > 0 ? (cluster.ipvs.timeouts ?? null) : null,
    scripts: groups.flatMap(({ name, trackScripts }) =>
      trackScripts.map((one) => ({
        name: `${name}_${one.name}`,
        path: scriptPath(question, one.script),
        interval: one.interval,
        timeout: one.timeout ?? null,
        weight: one.weight ?? null,
        rise: one.rise ?? null,
        fall: one.fall ?? null,
      })),
    ),
    bfds: bfdsOf(host, services),
    sync_groups: groups.filter(grouped).map((group) => ({
      name: group.name,
      instances: group.instances.map((instance) => instanceName(group, instance)),
      track_scripts: group.trackScripts.map(({ name }) => `${group.name}_${name}`),
      notify: notify(group),
    })),
    instances: groups.flatMap((group) =>
      group.instances.flatMap((instance) => {
        const found = instanceOf(question, group, instance);
        if (found === undefined) return [];
        const own = grouped(group)
          ? { track_scripts: [], notify: [] }
          : { track_scripts: group.trackScripts.map(({ name }) => `${group.name}_${name}`), notify: notify(group) };
        return [{ ...found, ...own }];
      }),
    ),
    services: services.flatMap((service) => service.virtuals.map((row) => serviceOf(question, service, row))),
  };
}

/** The daemon follows one instance: of the first group with a peer. */
function syncOf({ cluster }: Question, groups: readonly VrrpGroup[]) {
  const group = groups.find(({ nodes }) => nodes.length > 1);
  const [first] = group?.instances ?? [];
  const { sync } = cluster.ipvs;
  if (sync === undefined || group === undefined || first === undefined) return null;
  return { ...sync, instance: instanceName(group, first) };
}

function instanceOf({ host }: Question, group: VrrpGroup, instance: VrrpInstance) {
  const own = instance.nodes.find((node) => node.host === host.name);
  const six = own?.address.includes(':') ?? false;
  // The family of an instance is that of the addresses in its adverts; others may be of either.
  const anchor = instance.addresses.find(({ family }) => (family === 6) === six) ?? instance.addresses[0];
  if (own === undefined || anchor === undefined) return undefined;
  const peers = instance.nodes.filter((node) => node.host !== host.name).map(({ address }) => address);
  return {
    name: instanceName(group, instance),
    preempt: group.preempt,
    preempt_delay: group.preempt ? (group.preemptDelay ?? null) : null,
    device: own.device,
    virtual_router_id: instance.virtualRouterId,
    priority: group.nodes.find((node) => node.host === host.name)?.priority ?? 100,
    advert_interval: group.advertInterval,
    version: group.version,
    address: own.address,
    peers: group.unicast ? peers : [],
    // Version 3 has no authentication (RFC 5798).
    auth_pass: group.authPass === undefined || group.version === 3 ? null : secretText(group.authPass),
    anchor: cidrText(anchor),
    others: instance.addresses.filter((each) => each !== anchor).map(cidrText),
    // Its own it follows anyway; naming that one makes `keepalived -t` end with an error (keepalived 2.2.7).
    track_interfaces: instance.trackInterfaces.filter((device) => device !== own.device),
  };
}

/** Words of `lvs_method`; always written: without it keepalived takes NAT. */
function methodWords({ mode, tunnel }: Service): string {
  switch (mode) {
    case 'dr':
      return 'DR';
    case 'nat':
    case 'fullnat':
      return 'NAT';
    case 'tun': {
      const sum = tunnel.type === 'ipip' || tunnel.checksum === 'none' ? '' : ` ${tunnel.checksum}`;
      switch (tunnel.type) {
        case 'ipip':
          return 'TUN';
        case 'gre':
          return `TUN type gre${sum}`;
        case 'gue':
          return `TUN type gue port ${tunnel.port}${sum}`;
      }
    }
  }
}

function serviceOf(question: Question, service: Service, { match, family, realServers }: VirtualService) {
  const { persistence, healthCheck, sorryServer } = service;
  const prefix = family === 4 ? persistence?.prefix4 : persistence?.prefix6;
  return {
    name: service.name,
    match: match.by === 'fwmark' ? `fwmark ${match.mark}` : `${match.address} ${match.port}`,
    // A mark says no family, and neither do tunnelled servers.
    family6: match.by === 'fwmark' && family === 6 && service.mode === 'tun',
    // Always written: without it keepalived takes UDP. A mark has none.
    protocol: match.by === 'fwmark' ? null : match.protocol.toUpperCase(),
    scheduler: service.scheduler,
    flags: service.schedulerFlags,
    method: methodWords(service),
    one_packet: service.onePacket,
    persistence: persistence && prefix !== undefined ? persistenceOf(persistence, family, prefix) : null,
    quorum: service.quorum ?? null,
    hysteresis: service.hysteresis ?? null,
    check:
      healthCheck === undefined
        ? null
        : {
            start_down: healthCheck.startDown,
            inhibit: healthCheck.inhibit,
            interval: healthCheck.interval,
            warmup: warmup(healthCheck),
          },
    sorry_server: sorryServer?.family === family ? sorryText(sorryServer, match) : null,
    real_servers: realServers.map((real) => ({
      host: real.host,
      socket: real.port === 0 ? real.address : `${real.address} ${real.port}`,
      weight: real.weight,
      upper_threshold: real.upperThreshold ?? null,
      lower_threshold: real.lowerThreshold ?? null,
      checker:
        healthCheck === undefined
          ? null
          : checkerOf(service, healthCheck, real, (script) => scriptPath(question, script)),
    })),
  };
}

function sorryText({ address, port }: NonNullable<Service['sorryServer']>, match: VirtualService['match']): string {
  const at = port ?? (match.by === 'socket' ? match.port : undefined);
  return at === undefined ? address : `${address} ${at}`;
}

function persistenceOf({ timeout, engine }: NonNullable<Service['persistence']>, family: 4 | 6, prefix: number) {
  const all = family === 4 ? 32 : 128;
  const mask = [0, 8, 16, 24].map((from) => 256 - 2 ** (8 - Math.min(Math.max(prefix - from, 0), 8))).join('.');
  return { timeout, granularity: prefix === all ? null : family === 4 ? mask : prefix, engine: engine ?? null };
}
