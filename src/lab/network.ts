import type { Layout } from './layout.ts';

// A raw socket hands over what stands in the frame. A sender that leaves the cutting into segments to the device would
// put frames of up to 64 KiB there, which the other kernel drops: so no end of any pair may do it.
export const NO_SEGMENTATION_OFFLOAD = 'gso_max_segs 1 gso_max_size 1514';

function pair(port: string, raw: string): string[] {
  return [
    `link add name ${port} type veth peer name ${raw}`,
    // Promiscuous: the hosts' addresses differ from those of the ends, and macvlan or VRRP may add more.
    `link set dev ${raw} up promisc on ${NO_SEGMENTATION_OFFLOAD}`,
    `link set dev ${port} ${NO_SEGMENTATION_OFFLOAD}`,
  ];
}

/**
 * The lab's wires as lines for `ip -batch` (ip(8)), to be run in a network namespace of its own: one bridge a segment,
 * one pair of virtual Ethernet ends an interface, one a management link. Pure.
 */
export function wires(layout: Layout): string[] {
  return [
    'link set dev lo up',
    // Without snooping a bridge floods multicast (VRRP's), as a plain switch does.
    ...layout.segments.flatMap(({ bridge }) => [
      `link add name ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `link set dev ${bridge} up`,
    ]),
    ...layout.hosts.flatMap((host) => [
      ...host.nics.flatMap((nic) => [
        ...pair(nic.port, nic.raw),
        `link set dev ${nic.port} master ${nic.bridge} up`,
        // What carries that tag leaves the wire here, and is on its own segment as any plain port is.
        ...nic.vlans.flatMap(({ id, bridge }) => [
          `link add link ${nic.port} name ${nic.port}.${id} type vlan id ${id}`,
          `link set dev ${nic.port}.${id} master ${bridge} up ${NO_SEGMENTATION_OFFLOAD}`,
        ]),
      ]),
      ...pair(host.management.port, host.management.raw),
      `addr add ${host.management.controller}/30 dev ${host.management.port}`,
      `link set dev ${host.management.port} up`,
    ]),
  ];
}
