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

/** Forwarding modes that the inventory's language knows; this version does the first. */
export const MODES = ['dr', 'nat', 'tun', 'fullnat'] as const;

/** Keys that the inventory's language has and this version does not, by the key that holds them (`''`: the file). */
export const LATER: Readonly<Record<string, readonly string[]>> = {
  '': ['vrrp', 'vips', 'proxies', 'applications', 'include', 'groups', 'ipvs', 'firewall', 'hooks'],
  hosts: ['by_platform', 'time', 'vars'],
  interfaces: ['bond', 'vlan', 'tunnel'],
  services: ['persistence_timeout', 'health_check', 'fwmark', 'ports'],
};
