import { NOTHING, type Part, type Question } from './desired.ts';

/** A router passes packets on, for each family that it has addresses of. */
export function router({ host }: Question): Part {
  if (!host.forwarding) return NOTHING;
  const v6 = host.interfaces.some((one) => one.addresses.some(({ family }) => family === 6));
  return {
    ...NOTHING,
    sysctls: [
      { stage: 'reach', name: 'net.ipv4.ip_forward', value: '1' },
      ...(v6 ? [{ stage: 'reach' as const, name: 'net.ipv6.conf.all.forwarding', value: '1' }] : []),
    ],
  };
}
