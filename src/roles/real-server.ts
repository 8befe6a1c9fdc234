import { isRealServer } from '../inventory/derived.ts';
import { NOTHING, type Part, type Question } from './desired.ts';

/**
 * A real server in dr mode accepts packets for the VIP, which therefore stands on `lo` (/32: a wider mask would make
 * the VIP's whole subnet local), and never answers ARP for it (arp_ignore, arp_announce: ip-sysctl.rst): suppression
 * comes before the VIP. IPv6 needs none: neighbour discovery answers only for addresses of the interface asked.
 */
export function realServer({ cluster, host }: Question): Part {
  const services = cluster.services.filter(
    (service) => (service.mode === 'dr' || service.mode === 'tun') && isRealServer(service, host.name),
  );
  const vips = new Map(services.flatMap((service) => service.vips.map((vip) => [vip.address, vip])));
  const arp = [...vips.values()].some(({ family }) => family === 4);
  const silence = ['all', 'lo'].flatMap((device) => [
    { stage: 'suppress' as const, name: `net.ipv4.conf.${device}.arp_announce`, value: '2' },
    { stage: 'suppress' as const, name: `net.ipv4.conf.${device}.arp_ignore`, value: '1' },
  ]);
  return {
    ...NOTHING,
    sysctls: arp ? silence : [],
    addresses: [...vips.values()].map(({ address, family }) => ({
      stage: 'real-vip',
      device: 'lo',
      address: `${address}/${family === 4 ? 32 : 128}`,
    })),
  };
}
