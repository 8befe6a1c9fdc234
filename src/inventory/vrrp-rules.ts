import { vrrpSegments } from './across.ts';
import { hostsIn } from './derived.ts';
import type { Path } from './document.ts';
import type { Findings } from './findings.ts';
import type { Host, VrrpGroup } from './model.ts';
import type { InventoryVrrp } from './schema.ts';
import { suggestion } from './suggest.ts';

/** Seconds; keepalived 2.2.7 refuses what is longer. */
const LONGEST_DELAY = 1000;
const LONGEST_SCRIPT = 4294;

/**
 * What VRRP and keepalived can't do, found before any host is touched.
 * @param vipsLost some VIP is wrong, or names an instance that there is not: it may have been meant for this group
 */
export function checkVrrp(group: VrrpGroup, said: InventoryVrrp, vipsLost: boolean, findings: Findings): void {
  const path: Path = ['vrrp', group.name];
  checkInterval(group, path, findings);
  if (said.preempt_delay !== undefined && !group.preempt) {
    findings.add(
      [...path, 'preempt_delay'],
      'INV-NO-PREEMPT',
      'preempt_delay without preempt: nothing is ever taken over',
      'Add preempt: true, or leave it out.',
      'key',
    );
  }
  if (group.preemptDelay !== undefined && group.preemptDelay > LONGEST_DELAY) {
    findings.add(
      [...path, 'preempt_delay'],
      'INV-BAD-VALUE',
      `keepalived waits at most ${LONGEST_DELAY} s before it takes over`,
      'Give it less.',
    );
  }
  for (const { name, interval, timeout } of group.trackScripts) {
    for (const [key, time] of Object.entries({ interval, timeout })) {
      if (time === undefined || (Number.isInteger(time) && time >= 1 && time <= LONGEST_SCRIPT)) continue;
      findings.add(
        [...path, 'track_scripts', name, key],
        'INV-BAD-VALUE',
        `keepalived counts a script’s ${key} in whole seconds, from 1 to ${LONGEST_SCRIPT}`,
        'Give whole seconds.',
      );
    }
  }
  if (group.authPass !== undefined && group.version === 3) {
    const why =
      said.version === 3
        ? ''
        : group.advertInterval < 1
          ? ', which an advert_interval below 1 s asks for,'
          : ', which an instance with IPv6 addresses alone asks for,';
    findings.add(
      [...path, 'auth_pass'],
      'INV-AUTH-VERSION',
      `VRRP version 3${why} has no authentication: the password would count for nothing`,
      'Leave auth_pass out, or use version 2.',
      'key',
    );
  }
  for (const { host, priority } of group.nodes) {
    if (priority < 255 || group.preempt) continue;
    findings.add(
      [...path, 'nodes', host, 'priority'],
      'INV-ADDRESS-OWNER',
      'priority 255 means that the addresses are the node’s own: it takes over whenever it runs, whatever preempt says',
      'Use at most 254, or add preempt: true.',
    );
  }
  for (const instance of group.instances) {
    const at: Path = [...path, 'instances', instance.name];
    const only6 = instance.addresses.length > 0 && instance.addresses.every(({ family }) => family === 6);
    if (only6 && said.version === 2) {
      findings.add(
        [...path, 'version'],
        'INV-VRRP-VERSION',
        `VRRP version 2 knows no IPv6, and ${group.name}.${instance.name} has IPv6 addresses alone`,
        'Leave version out, or use 3.',
      );
    }
    if (instance.addresses.length === 0 && !vipsLost && !findings.has([...at, 'addresses'])) {
      findings.add(
        at,
        'INV-NO-ADDRESS',
        `${group.name}.${instance.name} carries no address`,
        `Give it addresses, or a VIP: vrrp: ${group.name}.${instance.name} there.`,
        'key',
      );
    }
  }
}

/** keepalived.conf(5), advert_int: version 2 has whole seconds up to 255, version 3 hundredths up to 40.95. */
function checkInterval({ advertInterval, version }: VrrpGroup, path: Path, findings: Findings): void {
  const fits =
    version === 2
      ? Number.isInteger(advertInterval) && advertInterval >= 1 && advertInterval <= 255
      : advertInterval >= 0.01 && advertInterval <= 40.95 && Number.isInteger(Math.round(advertInterval * 1e4) / 100);
  if (fits) return;
  findings.add(
    [...path, 'advert_interval'],
    'INV-BAD-VALUE',
    version === 2
      ? `VRRP version 2 counts adverts in whole seconds from 1 to 255, not in ${advertInterval} s`
      : `VRRP version 3 counts adverts in hundredths of a second from 0.01 to 40.95, not in ${advertInterval} s`,
    version === 2 ? 'Give whole seconds, or use version 3.' : 'Give an interval between these.',
  );
}

/** What a node says of instances, and what an instance watches, must be there. */
export function checkNames(group: VrrpGroup, said: InventoryVrrp, hosts: readonly Host[], findings: Findings): void {
  const path: Path = ['vrrp', group.name];
  const instances = Object.keys(said.instances);
  for (const [host, node] of Object.entries(said.nodes)) {
    for (const instance of Object.keys(node.interfaces ?? {})) {
      if (instances.includes(instance)) continue;
      findings.add(
        [...path, 'nodes', host, 'interfaces', instance],
        'INV-UNKNOWN-NAME',
        `${group.name} has no instance “${instance}”`,
        suggestion(instance, instances),
        'key',
      );
    }
  }
  for (const instance of group.instances) {
    instance.trackInterfaces.forEach((device, index) => {
      const nodes = hostsIn(
        hosts,
        group.nodes.map(({ host }) => host),
      );
      const without = nodes.filter((host) => !devicesOf(host).includes(device));
      const [first] = without;
      if (first === undefined) return;
      findings.add(
        [...path, 'instances', instance.name, 'track_interfaces', index],
        'INV-UNKNOWN-NAME',
        `${without.map(({ name }) => name).join(' and ')} ${without.length === 1 ? 'has' : 'have'} no interface “${device}”`,
        suggestion(device, devicesOf(first)),
      );
    });
  }
}

function devicesOf({ interfaces }: Host): string[] {
  return interfaces.flatMap(({ name, link }) => [name, ...(link.type === 'bond' ? link.members : [])]);
}

/** keepalived knows an instance by its group’s and its own name together. */
export function checkInstanceNames(groups: readonly VrrpGroup[], findings: Findings): void {
  const first = new Map<string, Path>();
  for (const group of groups) {
    for (const { name } of group.instances) {
      const path: Path = ['vrrp', group.name, 'instances', name];
      const whole = `${group.name}_${name}`;
      const earlier = first.get(whole);
      if (earlier !== undefined) {
        findings.add(
          path,
          'INV-DUPLICATE-NAME',
          `keepalived would know two instances as ${whole} (${findings.line(earlier, 'key')})`,
          'Give one of them another name.',
          'key',
          { path: earlier, of: 'key', says: 'the first' },
        );
      }
      first.set(whole, earlier ?? path);
    }
  }
}

/** A number names one virtual router on a segment, for each family. */
export function checkRouterIds(groups: readonly VrrpGroup[], hosts: readonly Host[], findings: Findings): void {
  const first = new Map<string, { name: string; path: Path }>();
  for (const group of groups) {
    for (const instance of group.instances) {
      const path: Path = ['vrrp', group.name, 'instances', instance.name, 'virtual_router_id'];
      const name = `${group.name}.${instance.name}`;
      for (const [family, segment] of vrrpSegments(hosts, instance)) {
        const key = `virtual router ${instance.virtualRouterId} (IPv${family}) on segment ${segment}`;
        const earlier = first.get(key);
        if (earlier === undefined) first.set(key, { name, path });
        else if (earlier.name !== name) {
          findings.add(
            path,
            'INV-DUPLICATE-VRID',
            `${key} is ${earlier.name} too (${findings.line(earlier.path)})`,
            'Give one of them another virtual_router_id.',
            'value',
            { path: earlier.path, says: earlier.name },
          );
        }
      }
    }
  }
}
