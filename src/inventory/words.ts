/** Words that the schema, the model and the errors share. Free of dependencies: it is loaded at run time. */

/** Every IPVS scheduler of Linux (net/netfilter/ipvs/ip_vs_*.c), by the name that `ipvsadm -s` takes. */
export const SCHEDULERS = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'fo',
  'ovf',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'mh',
  'sed',
  'nq',
  'twos',
] as const;

/** Flags of schedulers, by the scheduler that each belongs to (ipvsadm(8), --sched-flags). */
export const SCHEDULER_FLAGS = ['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback'] as const;

/** Forwarding modes. */
export const MODES = ['dr', 'nat', 'tun', 'fullnat'] as const;

export const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;

/** What lvsctl can own on a host (`manage`). */
export const AREAS = [
  'network',
  'sysctl',
  'modules',
  'packages',
  'files',
  'services',
  'ipvs',
  'vrrp',
  'firewall',
  'web',
  'applications',
  'time',
] as const;
