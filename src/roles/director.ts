import { directedBy, sorryServerOf } from '../inventory/derived.ts';
import type { Cluster, Host, Service } from '../inventory/model.ts';
import type { FirewallRule } from '../resources/firewall.ts';
import { NOTHING, type Part, type Question } from './desired.ts';
import { ipvsadmTable, ipvsKernel, tableOwner } from './ipvs.ts';
import { facingInterface, forwardingSysctls, interfaceSysctl, isAsymmetric, vipInterface } from './ways.ts';

/**
 * A director holds the rules, live and saved for boot, and then the VIP. Where replies pass it too (nat, fullnat) it
 * forwards packets; in dr and tun mode it needs no ip_forward: IPVS sends to the real server without routing the packet.
 */
export function director(question: Question): Part {
  const { cluster, host } = question;
  const services = directedBy(cluster, host.name);
  if (services.length === 0) return NOTHING;
  const kernel = ipvsKernel(services);
  return {
    ...kernel,
    sysctls: [...kernel.sysctls, ...services.flatMap((service) => forwarding(cluster, host, service))],
    addresses: services.flatMap((service) => vipAddresses(cluster, host, service)),
    firewall: [...kernel.firewall, ...services.flatMap(masquerades)],
    resources: tableOwner(cluster, host.name) === 'ipvsadm' ? ipvsadmTable(question, services) : [],
  };
}

/** VIPs on their interfaces. One that VRRP moves is keepalived's, and one that is the host's own address is there already. */
function vipAddresses(cluster: Cluster, host: Host, service: Service): Part['addresses'] {
  if (service.vrrp !== undefined) return [];
  return service.vips.flatMap((vip) => {
    const found = vipInterface(cluster, host, service, vip);
    if (found === undefined || found.own) return [];
    return [{ stage: 'vip', device: found.at.name, address: `${vip.address}/${vip.family === 4 ? 32 : 128}` }];
  });
}

function forwarding(cluster: Cluster, host: Host, service: Service): Part['sysctls'] {
  const routed = service.mode === 'nat' || service.mode === 'fullnat';
  const families = new Set(service.vips.map(({ family }) => family));
  const facing = facingInterface(cluster, host, service);
  const outside = service.vips
    .filter(({ family }) => family === 4)
    .flatMap((vip) => vipInterface(cluster, host, service, vip)?.at ?? []);
  // With one interface towards both sides the kernel tells real servers of the shorter way to the client, past the
  // director. It does so where either of the two allows it (ip-sysctl.rst, send_redirects).
  const oneArm = routed ? outside.filter((one) => one === facing) : [];
  return [
    ...(routed ? [...families].flatMap(forwardingSysctls) : []),
    ...(oneArm.length === 0 ? [] : ['all', ...oneArm.map(({ name }) => name)]).map((device) => ({
      stage: 'reach' as const,
      name: interfaceSysctl(device, 'send_redirects'),
      value: '0',
    })),
    // IPVS hides its connections from netfilter's NAT unless told otherwise (ipvs-sysctl.rst, conntrack).
    ...(service.mode === 'fullnat' ? [{ stage: 'rules' as const, name: 'net.ipv4.vs.conntrack', value: '1' }] : []),
    // Strict filtering drops what comes in where no way back begins; 2 wins over 1 on `all` (ip-sysctl.rst, rp_filter).
    ...outside
      .filter((one) => isAsymmetric(host, one))
      .map(({ name }) => ({ stage: 'reach' as const, name: interfaceSysctl(name, 'rp_filter'), value: '2' })),
  ];
}

/** fullnat: real servers see the director's address, and so answer to it whatever their gateway is. */
function masquerades(service: Service): FirewallRule[] {
  if (service.mode !== 'fullnat') return [];
  const { protocol, virtuals } = service;
  return virtuals.flatMap((row) => {
    const sorry = sorryServerOf(service, row);
    const known = row.realServers.some(({ address, port }) => address === sorry?.address && port === sorry.port);
    const servers = sorry === undefined || known ? row.realServers : [...row.realServers, sorry];
    return servers.map(({ address, port }): FirewallRule => {
      const ports = port === 0 ? service.ports : [{ first: port, last: port }];
      return { rule: 'masquerade', family: row.family, address, protocol, ports };
    });
  });
}
