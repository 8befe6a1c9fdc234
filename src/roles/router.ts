import { failure } from '../errors/index.ts';
import { heldBy, hostNamed } from '../inventory/derived.ts';
import type { Service } from '../inventory/model.ts';
import type { NeighbourResource } from '../resources/resource.ts';
import { type Desired, NOTHING, type Part, type Question } from './desired.ts';
import { textFile } from './kernel.ts';
import { forwardingSysctls, vipInterface } from './ways.ts';

/**
 * NetworkManager runs it whenever it has brought a device up (NetworkManager-dispatcher(8)): taking a device down
 * empties its neighbour table, which a unit at boot would not see.
 */
const DISPATCHER = '/etc/NetworkManager/dispatcher.d/50-lvsctl-neighbours';

/** A router passes packets on, for each family that it has addresses of, and may be told whose MAC address VIPs have. */
export function router(question: Question): Part {
  const { cluster, host } = question;
  const entries = heldBy(cluster, host.name).flatMap((service) => entriesOf(question, service));
  const v6 = host.interfaces.some((one) => one.addresses.some(({ family }) => family === 6));
  return {
    ...NOTHING,
    sysctls: host.forwarding ? [...forwardingSysctls(4), ...(v6 ? forwardingSysctls(6) : [])] : [],
    resources: [
      ...entries.map((resource): Desired => ({ stage: 'router', resource })),
      ...(entries.length === 0 ? [] : [dispatcher(question, entries)]),
    ],
  };
}

function dispatcher({ template }: Question, entries: readonly NeighbourResource[]): Desired {
  const content = template('networkmanager/neighbours', { entries });
  return { stage: 'router', resource: { ...textFile(DISPATCHER, content), mode: '0755' } };
}

/** The MAC address of a service's director, as that told it, for each IPv4 VIP. */
function entriesOf({ cluster, host, peers }: Question, service: Service): NeighbourResource[] {
  const problem = (code: string, what: string, next: string) =>
    failure({ code, place: { kind: 'host', host: host.name, phase: 'desire' }, what, next });
  const [name = ''] = service.directors;
  const director = hostNamed(cluster, name);
  return service.vips
    .filter(({ family }) => family === 4)
    .map((vip): NeighbourResource => {
      const at = director && vipInterface(cluster, director, service, vip)?.at;
      const device = host.interfaces.find(({ segment }) => segment === at?.segment)?.name;
      if (at === undefined || device === undefined) {
        throw problem(
          'HOST-NO-NEIGHBOUR',
          `${host.name} is to hold the MAC address of ${name} for ${vip.address}, and has no interface on its segment`,
          'Name under static_neighbour the router that stands on the director’s segment.',
        );
      }
      const mac = peers.get(name)?.devices[at.name]?.mac ?? '';
      if (mac === '') {
        throw problem(
          'HOST-PEER-UNREAD',
          `the MAC address of ${name}’s ${at.name}, which ${host.name} is to hold for ${vip.address}, could not be read`,
          `Make ${name} a managed host that can be reached, or use arp: sysctl.`,
        );
      }
      return { kind: 'neighbour', device, address: vip.address, mac: mac.toLowerCase(), state: 'present' };
    });
}
