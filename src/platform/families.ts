import type { Platform } from '../inventory/model.ts';

/** What differs between the families of distributions. Paths are absolute, units have their suffix. */
export interface Family {
  packages: {
    ipvsadm: string;
    keepalived: string;
    arptables: string;
    nftables: string;
    iptables: string;
    nginx: string;
    apache: string;
    tomcat: string;
    java: string;
    chrony: string;
  };
  ipvsadm: {
    unit: string;
    /** What the unit loads at boot, in the format of `ipvsadm -Sn`. */
    rules: string;
    /** The unit's settings, where loading has to be asked for; mode 0644. */
    settings: string | null;
    /** Whether the unit overwrites `rules` with the live table when it stops. */
    savesOnStop: boolean;
  };
  keepalived: {
    unit: string;
    config: string;
    /** A folder that root alone writes; scripts that keepalived runs stand in it. */
    scripts: string;
  };
  nginx: {
    unit: string;
    /** Folder of configuration files that the main one includes, before any site. */
    include: string;
    /** The distribution's own site, which would answer in place of ours. */
    defaultSite: string | null;
  };
  apache: {
    unit: string;
    /** Folder of files that the main one includes. */
    include: string;
    /** The file that says on which ports it listens, and the template that makes it. */
    ports: { path: string; template: string };
    defaultSite: string | null;
  };
  tomcat: {
    unit: string;
    serverXml: string;
    /** Folder of what it serves. */
    state: string;
  };
  /** Folder of the Java runtime that the package brings. */
  java: string;
  chrony: { unit: string; config: string; drift: string };
}

/**
 * debian: /etc/init.d/ipvsadm of Debian's ipvsadm reads /etc/default/ipvsadm and loads /etc/ipvsadm.rules only with
 * AUTO="true"; nginx.conf includes conf.d before sites-enabled, whose `default` listens as default_server.
 * rhel: ipvsadm.service loads /etc/sysconfig/ipvsadm whenever it starts, and writes the table over it when it stops;
 * SELinux lets keepalived run scripts of /usr/libexec/keepalived unconfined.
 */
export const FAMILIES: Readonly<Record<Platform, Family>> = {
  debian: {
    packages: {
      ipvsadm: 'ipvsadm',
      keepalived: 'keepalived',
      arptables: 'arptables',
      nftables: 'nftables',
      iptables: 'iptables',
      nginx: 'nginx',
      apache: 'apache2',
      tomcat: 'tomcat10',
      java: 'default-jre-headless',
      chrony: 'chrony',
    },
    ipvsadm: {
      unit: 'ipvsadm.service',
      rules: '/etc/ipvsadm.rules',
      settings: '/etc/default/ipvsadm',
      savesOnStop: false,
    },
    keepalived: {
      unit: 'keepalived.service',
      config: '/etc/keepalived/keepalived.conf',
      scripts: '/etc/keepalived/lvsctl',
    },
    nginx: { unit: 'nginx.service', include: '/etc/nginx/conf.d', defaultSite: '/etc/nginx/sites-enabled/default' },
    apache: {
      unit: 'apache2.service',
      include: '/etc/apache2/sites-enabled',
      ports: { path: '/etc/apache2/ports.conf', template: 'apache/ports.conf' },
      defaultSite: '/etc/apache2/sites-enabled/000-default.conf',
    },
    tomcat: { unit: 'tomcat10.service', serverXml: '/etc/tomcat10/server.xml', state: '/var/lib/tomcat10' },
    java: '/usr/lib/jvm/default-java',
    chrony: { unit: 'chrony.service', config: '/etc/chrony/chrony.conf', drift: '/var/lib/chrony/chrony.drift' },
  },
  rhel: {
    packages: {
      ipvsadm: 'ipvsadm',
      keepalived: 'keepalived',
      arptables: 'iptables-nft',
      nftables: 'nftables',
      iptables: 'iptables-nft',
      nginx: 'nginx',
      apache: 'httpd',
      tomcat: 'tomcat',
      java: 'java-17-openjdk-headless',
      chrony: 'chrony',
    },
    ipvsadm: { unit: 'ipvsadm.service', rules: '/etc/sysconfig/ipvsadm', settings: null, savesOnStop: true },
    keepalived: {
      unit: 'keepalived.service',
      config: '/etc/keepalived/keepalived.conf',
      scripts: '/usr/libexec/keepalived',
    },
    nginx: { unit: 'nginx.service', include: '/etc/nginx/conf.d', defaultSite: null },
    apache: {
      unit: 'httpd.service',
      include: '/etc/httpd/conf.d',
      ports: { path: '/etc/httpd/conf/httpd.conf', template: 'apache/httpd.conf' },
      defaultSite: null,
    },
    tomcat: { unit: 'tomcat.service', serverXml: '/etc/tomcat/server.xml', state: '/var/lib/tomcat' },
    java: '/usr/lib/jvm/jre-17',
    chrony: { unit: 'chronyd.service', config: '/etc/chrony.conf', drift: '/var/lib/chrony/drift' },
  },
};
