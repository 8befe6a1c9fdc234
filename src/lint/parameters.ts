import { directedBy, hostNamed, realServersOf, servedBy } from '../inventory/derived.ts';
import type { Path } from '../inventory/document.ts';
import type { Cluster, Host, Service } from '../inventory/model.ts';
import { realServerSays } from '../inventory/places.ts';
import { sysctlPath } from '../resources/sysctl.ts';
import { host, whole } from './examples.ts';
import { partsOf } from './hosts.ts';
import type { Question, Rule } from './rule.ts';

const nat = (more: string) =>
  whole(`hosts:
  lvs: { ${more}interfaces: { out: { addresses: [192.0.2.10/24] }, in: { addresses: [10.0.0.1/24] } } }
  web1: { interfaces: { eth0: { addresses: [10.0.0.11/24] } } }
services:
  web: { mode: nat, vip: 192.0.2.10, port: 80, directors: [lvs], real_servers: { web1: {} } }
`);
const router = (more: string) =>
  whole(`hosts:
  route: { forwarding: true, ${more}interfaces: { far: { addresses: [198.51.100.1/24] }, near: { addresses: [192.0.2.1/24] } } }
`);

/** Kernel parameters of a host’s own that undo what the cluster needs of it, where no role sets that very parameter. */
export const PARAMETERS: readonly Rule[] = [
  {
    code: 'LVS-SYSCTL-001',
    severity: 'error',
    title: 'a host that answers no ARP',
    why: 'With arp_ignore 8 the kernel answers for none of its addresses on that interface, not for the host’s own either. The higher of all and the interface’s own value counts. Neighbours that don’t know the host’s MAC address yet can’t send it anything: no requests, no replies, no SSH.',
    remedy: 'Leave it out: real servers keep silent about the VIP, and only about that, by themselves.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, arp_ignore; net/ipv4/arp.c, arp_ignore',
    bad: host('sysctls: { net.ipv4.conf.eth0.arp_ignore: 8 }'),
    good: host('sysctls: { net.ipv4.conf.eth0.arp_ignore: 0 }'),
    *check(question) {
      for (const { name, path, parameter, device, value } of ownParameters(question)) {
        if (parameter !== 'arp_ignore' || value !== 8) continue;
        const where = device === 'all' ? 'at all its interfaces' : `at ${device}`;
        yield { path, of: 'key', what: `${name} answers no ARP ${where}, for none of its addresses` };
      }
    },
  },
  {
    code: 'LVS-SYSCTL-002',
    severity: 'error',
    title: 'a real server made to speak of the VIP again',
    why: 'In dr and tun mode real servers keep silent about the VIP: arp_ignore 1 and arp_announce 2 on all. The higher of all and the interface’s own value counts, and higher isn’t stricter: arp_ignore 3 answers for the VIP on lo, a value without a meaning (4 to 7, above 8; arp_announce above 2) counts as 0. Neighbours then send requests to that real server, past the director.',
    remedy: 'Leave it out.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, arp_ignore and arp_announce; net/ipv4/arp.c',
    bad: host('sysctls: { net.ipv4.conf.eth0.arp_ignore: 3 }'),
    good: host('sysctls: { net.ipv4.conf.eth0.arp_ignore: 2 }'),
    *check(question) {
      for (const { name, path, parameter, device, value } of ownParameters(question)) {
        const speaks =
          (parameter === 'arp_ignore' && value > 2 && value !== 8) || (parameter === 'arp_announce' && value > 2);
        const silent = servedBy(question.cluster, name).find(isSilent);
        if (!speaks || silent === undefined || device === 'all') continue;
        yield {
          path,
          of: 'key',
          what: `${name} would speak of the VIP of ${silent.name} at ${device}: ${parameter} ${value} is higher than what keeps it silent, and doesn’t`,
          also: {
            path: realServerSays(question, silent.name, name),
            of: 'key',
            says: `a real server of ${silent.name} (${silent.mode})`,
          },
        };
      }
    },
  },
  {
    code: 'LVS-SYSCTL-003',
    severity: 'error',
    title: 'a director that doesn’t take the replies',
    why: 'In nat and fullnat mode replies come in at the director’s inside and go on to the client: that is forwarding, and whether a packet is forwarded the interface’s own value says at which it comes in. Set to 0 it counts whatever ip_forward is.',
    remedy: 'Leave it out: forwarding is switched on where it is needed.',
    source:
      'Linux Documentation/networking/ip-sysctl.rst, ip_forward and conf/interface/forwarding; ipvsadm(8), --masquerading',
    bad: nat('sysctls: { net.ipv4.conf.in.forwarding: 0 }, '),
    good: nat('sysctls: { net.ipv4.conf.in.forwarding: 1 }, '),
    *check(question) {
      for (const { name, path, device } of unforwarded(question)) {
        const service = repliesAt(question.cluster, name, device);
        if (service === undefined) continue;
        yield {
          path,
          of: 'key',
          what: `replies of ${service.name}’s real servers end at ${device} of ${name}, which forwards nothing`,
        };
      }
    },
  },
  {
    code: 'LVS-SYSCTL-004',
    severity: 'warning',
    title: 'a router that forwards not everything',
    why: 'The inventory calls the host a router (forwarding: true), and a parameter of its own switches forwarding off at an interface: what comes in there for others ends there.',
    remedy: 'Leave one of the two out.',
    source: 'Linux Documentation/networking/ip-sysctl.rst, conf/interface/forwarding',
    bad: router('sysctls: { net.ipv4.conf.far.forwarding: 0 }, '),
    good: router(''),
    *check(question) {
      for (const { name, path, device } of unforwarded(question)) {
        if (hostNamed(question.cluster, name)?.forwarding !== true) continue;
        if (repliesAt(question.cluster, name, device) !== undefined) continue;
        yield { path, of: 'key', what: `the router ${name} forwards nothing of what comes in at ${device}` };
      }
    },
  },
  {
    code: 'LVS-SYSCTL-005',
    severity: 'warning',
    title: 'a host that may start no process',
    why: 'With vm.overcommit_memory 2 the kernel refuses memory that it can’t promise, also for the copy that a new process begins as; small kernel.threads-max and kernel.pid_max leave no room for one. Then no login works, keepalived’s checks don’t run, and what takes changes back on the host can’t start anything either: it does so at the next boot.',
    remedy: 'Leave it out, or try it by hand on a host with the same memory and the same load.',
    source:
      'Linux Documentation/admin-guide/sysctl/kernel.rst; Documentation/mm/overcommit-accounting.rst; fork(2), ENOMEM and EAGAIN',
    bad: host('sysctls: { vm.overcommit_memory: 2 }'),
    good: host('sysctls: { vm.overcommit_memory: 1 }'),
    *check(question) {
      for (const { name, extras, at } of partsOf(question)) {
        for (const [said, text] of Object.entries(extras.sysctls)) {
          const starves = STARVING.get(sysctlPath(said));
          if (starves?.(Number(text)) !== true) continue;
          yield { path: at('sysctls', said), of: 'key', what: `with ${said} ${text}, ${name} may start no process` };
        }
      }
    },
  },
];

/** Processes that a host needs at least: a small one runs about 150. */
const FEW = 1000;

/** Parameters by which a kernel refuses new processes, and at which values. */
const STARVING: ReadonlyMap<string, (value: number) => boolean> = new Map([
  ['vm/overcommit_memory', (value) => value === 2],
  ['kernel/threads-max', (value) => value < FEW],
  ['kernel/pid_max', (value) => value < FEW],
]);

/** A host’s own parameter of IPv4, of `all` or of an interface that is described. */
interface Parameter {
  name: string;
  path: Path;
  device: string;
  parameter: string;
  value: number;
}

function* ownParameters(question: Question): Generator<Parameter> {
  for (const { name, extras, at } of partsOf(question)) {
    const devices = hostNamed(question.cluster, name)?.interfaces.map((one) => one.name) ?? [];
    for (const [said, text] of Object.entries(extras.sysctls)) {
      const [, device = '', parameter = ''] = /^net\/ipv4\/conf\/(.+)\/([a-z_]+)$/u.exec(sysctlPath(said)) ?? [];
      if (device !== 'all' && !devices.includes(device)) continue;
      yield { name, path: at('sysctls', said), device, parameter, value: Number(text) };
    }
  }
}

function* unforwarded(question: Question): Generator<Parameter> {
  for (const one of ownParameters(question))
    if (one.parameter === 'forwarding' && one.value === 0 && one.device !== 'all') yield one;
}

/** Silent about its VIPs by parameters, in IPv4. */
function isSilent({ mode, arp, vips }: Service): boolean {
  return (mode === 'dr' || mode === 'tun') && arp === 'sysctl' && vips.some(({ family }) => family === 4);
}

/** A service whose replies come in there: on a wire of its real servers, or anywhere where these are behind a router. */
function repliesAt(cluster: Cluster, name: string, device: string): Service | undefined {
  const found = hostNamed(cluster, name);
  return directedBy(cluster, name)
    .filter(({ mode, vips }) => (mode === 'nat' || mode === 'fullnat') && vips.some(({ family }) => family === 4))
    .find((service) => {
      const wires = new Set(realServersOf(service).flatMap((real) => segmentsOf(hostNamed(cluster, real.host))));
      const facing = found?.interfaces.filter(({ segment }) => wires.has(segment)) ?? [];
      return facing.length === 0 || facing.some((one) => one.name === device);
    });
}

function segmentsOf(one: Host | undefined): string[] {
  return one?.interfaces.map(({ segment }) => segment) ?? [];
}
