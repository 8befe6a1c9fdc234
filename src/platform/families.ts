import type { Platform } from '../inventory/model.ts';

/** What differs between the families of distributions. Paths are absolute, units have their suffix. */
export interface Family {
  packages: { ipvsadm: string; arptables: string; nftables: string; iptables: string; nginx: string };
  ipvsadm: {
    unit: string;
    /** What the unit loads at boot, in the format of `ipvsadm -Sn`. */
    rules: string;
    /** The unit's settings, where loading has to be asked for; mode 0644. */
    settings: string | null;
    /** Whether the unit overwrites `rules` with the live table when it stops. */
    savesOnStop: boolean;
  };
  nginx: {
    unit: string;
    /** Folder of configuration files that the main one includes, before any site. */
    include: string;
    /** The distribution's own site, which would answer in place of ours. */
    defaultSite: string | null;
  };
}

/**
 * debian: /etc/init.d/ipvsadm of Debian's ipvsadm reads /etc/default/ipvsadm and loads /etc/ipvsadm.rules only with
 * AUTO="true"; nginx.conf includes conf.d before sites-enabled, whose `default` listens as default_server.
 * rhel: ipvsadm.service loads /etc/sysconfig/ipvsadm whenever it starts, and writes the table over it when it stops.
 */
export const FAMILIES: Readonly<Record<Platform, Family>> = {
  debian: {
    packages: {
      ipvsadm: 'ipvsadm',
      arptables: 'arptables',
      nftables: 'nftables',
      iptables: 'iptables',
      nginx: 'nginx',
    },
    ipvsadm: {
      unit: 'ipvsadm.service',
      rules: '/etc/ipvsadm.rules',
      settings: '/etc/default/ipvsadm',
      savesOnStop: false,
    },
    nginx: { unit: 'nginx.service', include: '/etc/nginx/conf.d', defaultSite: '/etc/nginx/sites-enabled/default' },
  },
  rhel: {
    packages: {
      ipvsadm: 'ipvsadm',
      arptables: 'iptables-nft',
      nftables: 'nftables',
      iptables: 'iptables-nft',
      nginx: 'nginx',
    },
    ipvsadm: { unit: 'ipvsadm.service', rules: '/etc/sysconfig/ipvsadm', settings: null, savesOnStop: true },
    nginx: { unit: 'nginx.service', include: '/etc/nginx/conf.d', defaultSite: null },
  },
};
