import type { RecipeFile } from './recipe.ts';

/**
 * The RPMs that look-alikes of the RHEL family install. Programs come from Debian's packages; paths, units, accounts and
 * defaults are those of Rocky Linux 9's packages of the same names (their file lists and `systemctl cat`), written anew
 * and cut down to what matters to a cluster. Where a program as Debian built it forces something else, the entry says so.
 */
export interface Rpm {
  name: string;
  /** The Debian package that gives its version. */
  version: string;
  requires?: readonly string[];
  /** From a path in the unpacked Debian packages (the shell's patterns allowed) to one on the host; a folder ends in /. */
  moves: readonly (readonly [from: string, to: string])[];
  files?: readonly RecipeFile[];
  /** Symbolic links: [path, target]. */
  links?: readonly (readonly [string, string])[];
  /** Folders of an owner of their own, `USER:GROUP`. */
  folders?: readonly { path: string; mode: number; owner: string }[];
  user?: { name: string; uid?: number; home: string };
  units?: readonly string[];
}

const unit = (name: string, content: string): RecipeFile => ({
  path: `/usr/lib/systemd/system/${name}`,
  content,
  mode: 0o644,
});
const config = (path: string, content: string, mode = 0o644): RecipeFile => ({ path, content, mode });
const program = (path: string, content: string): RecipeFile => ({ path, content, mode: 0o755 });

const IPVSADM: Rpm = {
  name: 'ipvsadm',
  version: 'ipvsadm',
  moves: [['sbin/ipvsadm*', '/usr/sbin/']],
  files: [
    // The unit doesn't read it: it is there from the days of init scripts.
    config(
      '/etc/sysconfig/ipvsadm-config',
      'IPVS_MODULES_UNLOAD="yes"\nIPVS_SAVE_ON_STOP="no"\nIPVS_SAVE_ON_RESTART="no"\nIPVS_STATUS_NUMERIC="yes"\n',
      0o600,
    ),
    unit(
      'ipvsadm.service',
      `[Unit]
Description=Initialise the Linux Virtual Server
After=syslog.target network.target

[Service]
Type=oneshot
ExecStart=/bin/bash -c "exec /sbin/ipvsadm-restore < /etc/sysconfig/ipvsadm"
ExecStop=/bin/bash -c "exec /sbin/ipvsadm-save -n > /etc/sysconfig/ipvsadm"
ExecStop=/sbin/ipvsadm -C
RemainAfterExit=yes

[Install]
WantedBy=multi-user.target
`,
    ),
  ],
  units: ['ipvsadm.service'],
};

const KEEPALIVED: Rpm = {
  name: 'keepalived',
  version: 'keepalived',
  moves: [
    ['usr/sbin/keepalived', '/usr/sbin/'],
    ['usr/bin/genhash', '/usr/bin/'],
  ],
  files: [
    config('/etc/sysconfig/keepalived', 'KEEPALIVED_OPTIONS="-D"\n'),
    // The package brings an example in the place of the configuration: a daemon started with it claims its addresses.
    config(
      '/etc/keepalived/keepalived.conf',
      `! Example
global_defs {
   router_id LVS_DEVEL
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        192.168.200.16
        192.168.200.17
        192.168.200.18
    }
}
`,
      0o640,
    ),
    unit(
      'keepalived.service',
      `[Unit]
Description=LVS and VRRP High Availability Monitor
After=network-online.target syslog.target
Wants=network-online.target

[Service]
Type=forking
PIDFile=/run/keepalived.pid
KillMode=process
EnvironmentFile=-/etc/sysconfig/keepalived
ExecStart=/usr/sbin/keepalived $KEEPALIVED_OPTIONS
ExecReload=/bin/kill -HUP $MAINPID

[Install]
WantedBy=multi-user.target
`,
    ),
  ],
  units: ['keepalived.service'],
};

const NGINX: Rpm = {
  name: 'nginx',
  version: 'nginx',
  user: { name: 'nginx', home: '/var/lib/nginx' },
  moves: [
    ['usr/sbin/nginx', '/usr/sbin/'],
    ['etc/nginx/*_params', '/etc/nginx/'],
    ['etc/nginx/fastcgi.conf', '/etc/nginx/'],
    ['etc/nginx/mime.types', '/etc/nginx/'],
    ['usr/share/nginx/html', '/usr/share/nginx/'],
  ],
  folders: [
    { path: '/etc/nginx/conf.d', mode: 0o755, owner: 'root:root' },
    { path: '/etc/nginx/default.d', mode: 0o755, owner: 'root:root' },
    { path: '/usr/share/nginx/modules', mode: 0o755, owner: 'root:root' },
    { path: '/var/lib/nginx', mode: 0o770, owner: 'nginx:root' },
    { path: '/var/lib/nginx/tmp', mode: 0o770, owner: 'nginx:root' },
    { path: '/var/log/nginx', mode: 0o711, owner: 'root:root' },
  ],
  files: [
    // conf.d first, then the distribution's own server on port 80, which is the default one unless another says so.
    config(
      '/etc/nginx/nginx.conf',
      `user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log;
pid /run/nginx.pid;

include /usr/share/nginx/modules/*.conf;

events {
    worker_connections 1024;
}

http {
    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent';
    access_log  /var/log/nginx/access.log  main;

    sendfile            on;
    tcp_nopush          on;
    tcp_nodelay         on;
    keepalive_timeout   65;
    types_hash_max_size 4096;

    include             /etc/nginx/mime.types;
    default_type        application/octet-stream;

    include /etc/nginx/conf.d/*.conf;

    server {
        listen       80;
        listen       [::]:80;
        server_name  _;
        root         /usr/share/nginx/html;

        include /etc/nginx/default.d/*.conf;
    }
}
`,
    ),
    unit(
      'nginx.service',
      `[Unit]
Description=The nginx HTTP and reverse proxy server
After=network-online.target remote-fs.target nss-lookup.target
Wants=network-online.target

[Service]
Type=forking
PIDFile=/run/nginx.pid
ExecStartPre=/usr/bin/rm -f /run/nginx.pid
ExecStartPre=/usr/sbin/nginx -t
ExecStart=/usr/sbin/nginx
ExecReload=/usr/sbin/nginx -s reload
KillSignal=SIGQUIT
TimeoutStopSec=5
KillMode=mixed
PrivateTmp=true

[Install]
WantedBy=multi-user.target
`,
    ),
  ],
  units: ['nginx.service'],
};

const HTTPD_MODULES = [
  'access_compat',
  'alias',
  'auth_basic',
  'authn_core',
  'authn_file',
  'authz_core',
  'authz_host',
  'authz_user',
  'autoindex',
  'deflate',
  'dir',
  'env',
  'expires',
  'filter',
  'headers',
  'mime',
  'negotiation',
  'remoteip',
  'reqtimeout',
  'rewrite',
  'setenvif',
  'slotmem_shm',
  'socache_shmcb',
  'status',
  'vhost_alias',
];
const loads = (modules: readonly string[]): string =>
  modules.map((name) => `LoadModule ${name}_module modules/mod_${name}.so\n`).join('');

const HTTPD: Rpm = {
  name: 'httpd',
  version: 'apache2-bin',
  user: { name: 'apache', uid: 48, home: '/usr/share/httpd' },
  moves: [
    ['usr/sbin/apache2', '/usr/libexec/httpd/apache2'],
    ['usr/lib/apache2/modules', '/usr/lib64/httpd/'],
    ['usr/share/apache2/icons', '/usr/share/httpd/'],
  ],
  folders: [
    { path: '/var/www', mode: 0o755, owner: 'root:root' },
    { path: '/var/www/html', mode: 0o755, owner: 'root:root' },
    { path: '/var/www/cgi-bin', mode: 0o755, owner: 'root:root' },
    { path: '/var/log/httpd', mode: 0o700, owner: 'root:root' },
  ],
  links: [
    ['/etc/httpd/logs', '../../var/log/httpd'],
    ['/etc/httpd/modules', '../../usr/lib64/httpd/modules'],
    ['/etc/httpd/run', '/run/httpd'],
  ],
  files: [
    // Debian built the program with other folders in mind.
    program(
      '/usr/sbin/httpd',
      '#!/bin/sh\nexec /usr/libexec/httpd/apache2 -d /etc/httpd -f conf/httpd.conf -C "PidFile /run/httpd/httpd.pid" -C "DefaultRuntimeDir /run/httpd" "$@"\n',
    ),
    program(
      '/usr/sbin/apachectl',
      '#!/bin/sh\ncase $1 in\nconfigtest) exec /usr/sbin/httpd -t ;;\nstart | stop | restart | status) exec systemctl "$1" httpd.service ;;\ngraceful) exec systemctl reload httpd.service ;;\n*) exec /usr/sbin/httpd "$@" ;;\nesac\n',
    ),
    config('/usr/lib/tmpfiles.d/httpd.conf', 'd /run/httpd 710 root apache\n'),
    config('/etc/httpd/conf.modules.d/00-base.conf', loads(HTTPD_MODULES)),
    config('/etc/httpd/conf.modules.d/00-mpm.conf', loads(['mpm_event'])),
    config(
      '/etc/httpd/conf.modules.d/00-proxy.conf',
      loads(['proxy', 'proxy_http', 'proxy_balancer', 'lbmethod_byrequests']),
    ),
    config(
      '/etc/httpd/conf/httpd.conf',
      `ServerRoot "/etc/httpd"
Listen 80
Include conf.modules.d/*.conf
User apache
Group apache
ServerAdmin root@localhost
<Directory />
    AllowOverride none
    Require all denied
</Directory>
DocumentRoot "/var/www/html"
<Directory "/var/www">
    AllowOverride None
    Require all granted
</Directory>
DirectoryIndex index.html
<Files ".ht*">
    Require all denied
</Files>
ErrorLog "logs/error_log"
LogLevel warn
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog "logs/access_log" common
TypesConfig /etc/mime.types
AddDefaultCharset UTF-8
EnableSendfile on
IncludeOptional conf.d/*.conf
`,
    ),
    config(
      '/etc/httpd/conf.d/welcome.conf',
      `<LocationMatch "^/+$">
    Options -Indexes
</LocationMatch>
`,
    ),
    // Type=notify there: it takes mod_systemd, which Debian doesn't build.
    unit(
      'httpd.service',
      `[Unit]
Description=The Apache HTTP Server
After=network.target remote-fs.target nss-lookup.target

[Service]
Type=simple
Environment=LANG=C
ExecStart=/usr/sbin/httpd $OPTIONS -DFOREGROUND
ExecReload=/usr/sbin/httpd $OPTIONS -k graceful
KillSignal=SIGWINCH
KillMode=mixed
PrivateTmp=true
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
`,
    ),
  ],
  units: ['httpd.service'],
};

const JAVA: Rpm = {
  name: 'java-17-openjdk-headless',
  version: 'openjdk-17-jre-headless',
  moves: [
    ['usr/lib/jvm/java-17-openjdk-amd64', '/usr/lib/jvm/java-17-openjdk'],
    ['etc/java-17-openjdk', '/etc/'],
  ],
  // These links are the alternatives system's there.
  links: [
    ['/usr/lib/jvm/jre', 'java-17-openjdk'],
    ['/usr/lib/jvm/jre-17', 'java-17-openjdk'],
    ['/usr/lib/jvm/jre-17-openjdk', 'java-17-openjdk'],
    ['/usr/bin/java', '../lib/jvm/jre/bin/java'],
    ['/usr/bin/keytool', '../lib/jvm/jre/bin/keytool'],
  ],
};

/** What compiles JSP pages. */
const ECJ: Rpm = {
  name: 'ecj',
  version: 'libeclipse-jdt-core-java',
  moves: [['usr/share/java/eclipse-jdt-core.jar', '/usr/share/java/ecj/ecj.jar']],
};

const TOMCAT: Rpm = {
  name: 'tomcat',
  // Version 10.1 in the place of Rocky's 9.0: Debian packages no other server.
  version: 'tomcat10',
  requires: ['java-17-openjdk-headless', 'ecj'],
  user: { name: 'tomcat', uid: 53, home: '/usr/share/tomcat' },
  moves: [
    ['usr/share/tomcat10/bin/*.sh', '/usr/share/tomcat/bin/'],
    ['usr/share/tomcat10/bin/*.jar', '/usr/share/tomcat/bin/'],
    ['usr/share/tomcat10/lib/*.jar', '/usr/share/java/tomcat/'],
    ['usr/share/tomcat10/etc/*', '/etc/tomcat/'],
  ],
  folders: [
    { path: '/etc/tomcat', mode: 0o755, owner: 'root:tomcat' },
    { path: '/etc/tomcat/Catalina', mode: 0o775, owner: 'root:tomcat' },
    { path: '/etc/tomcat/Catalina/localhost', mode: 0o775, owner: 'root:tomcat' },
    { path: '/etc/tomcat/conf.d', mode: 0o755, owner: 'root:tomcat' },
    { path: '/var/lib/tomcat', mode: 0o755, owner: 'root:tomcat' },
    { path: '/var/lib/tomcat/webapps', mode: 0o775, owner: 'root:tomcat' },
    { path: '/var/cache/tomcat', mode: 0o770, owner: 'root:tomcat' },
    { path: '/var/cache/tomcat/temp', mode: 0o770, owner: 'root:tomcat' },
    { path: '/var/cache/tomcat/work', mode: 0o770, owner: 'root:tomcat' },
    { path: '/var/log/tomcat', mode: 0o770, owner: 'tomcat:root' },
  ],
  links: [
    ['/usr/share/java/tomcat/ecj.jar', '../ecj/ecj.jar'],
    ['/usr/share/tomcat/conf', '/etc/tomcat'],
    ['/usr/share/tomcat/lib', '/usr/share/java/tomcat'],
    ['/usr/share/tomcat/logs', '/var/log/tomcat'],
    ['/usr/share/tomcat/temp', '/var/cache/tomcat/temp'],
    ['/usr/share/tomcat/webapps', '/var/lib/tomcat/webapps'],
    ['/usr/share/tomcat/work', '/var/cache/tomcat/work'],
  ],
  files: [
    config('/etc/sysconfig/tomcat', '# Settings of the service stand in /etc/tomcat/tomcat.conf\n'),
    config(
      '/etc/tomcat/tomcat.conf',
      'TOMCATS_BASE="/var/lib/tomcats/"\nJAVA_HOME="/usr/lib/jvm/jre"\nCATALINA_HOME="/usr/share/tomcat"\nCATALINA_TMPDIR="/var/cache/tomcat/temp"\nSECURITY_MANAGER="false"\n',
    ),
    program(
      '/usr/libexec/tomcat/server',
      `#!/bin/bash
base=\${CATALINA_BASE:-$CATALINA_HOME}
exec "$JAVA_HOME/bin/java" $JAVA_OPTS $CATALINA_OPTS \\
  -classpath "$CATALINA_HOME/bin/bootstrap.jar:$CATALINA_HOME/bin/tomcat-juli.jar" \\
  -Dcatalina.base="$base" -Dcatalina.home="$CATALINA_HOME" -Djava.io.tmpdir="$CATALINA_TMPDIR" \\
  -Djava.util.logging.config.file="$base/conf/logging.properties" \\
  -Djava.util.logging.manager=org.apache.juli.ClassLoaderLogManager \\
  org.apache.catalina.startup.Bootstrap "$1"
`,
    ),
    unit(
      'tomcat.service',
      `[Unit]
Description=Apache Tomcat Web Application Container
After=syslog.target network.target

[Service]
Type=simple
EnvironmentFile=/etc/tomcat/tomcat.conf
Environment="NAME="
EnvironmentFile=-/etc/sysconfig/tomcat
ExecStart=/usr/libexec/tomcat/server start
SuccessExitStatus=143
User=tomcat

[Install]
WantedBy=multi-user.target
`,
    ),
  ],
  units: ['tomcat.service'],
};

const CHRONY: Rpm = {
  name: 'chrony',
  version: 'chrony',
  user: { name: 'chrony', home: '/var/lib/chrony' },
  moves: [
    ['usr/sbin/chronyd', '/usr/libexec/chrony/chronyd'],
    ['usr/bin/chronyc', '/usr/bin/'],
  ],
  folders: [
    { path: '/var/lib/chrony', mode: 0o750, owner: 'chrony:chrony' },
    { path: '/var/log/chrony', mode: 0o755, owner: 'chrony:chrony' },
  ],
  files: [
    // Debian built the program with another file and user in mind.
    program('/usr/sbin/chronyd', '#!/bin/sh\nexec /usr/libexec/chrony/chronyd -f /etc/chrony.conf -u chrony "$@"\n'),
    config('/etc/sysconfig/chronyd', 'OPTIONS="-F 2"\n'),
    config(
      '/etc/chrony.conf',
      'pool 2.rocky.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\ndriftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync\nkeyfile /etc/chrony.keys\nntsdumpdir /var/lib/chrony\nlogdir /var/log/chrony\n',
    ),
    config('/etc/chrony.keys', '', 0o640),
    unit(
      'chronyd.service',
      `[Unit]
Description=NTP client/server
After=ntpdate.service sntp.service ntpd.service
Conflicts=ntpd.service systemd-timesyncd.service
ConditionCapability=CAP_SYS_TIME

[Service]
Type=forking
PIDFile=/run/chrony/chronyd.pid
EnvironmentFile=-/etc/sysconfig/chronyd
ExecStart=/usr/sbin/chronyd $OPTIONS

[Install]
WantedBy=multi-user.target
`,
    ),
  ],
  units: ['chronyd.service'],
};

const FIREWALLD: Rpm = {
  name: 'firewalld',
  version: 'firewalld',
  moves: [
    ['etc/firewalld', '/etc/'],
    ['usr/bin/firewall-cmd', '/usr/bin/'],
    ['usr/bin/firewall-offline-cmd', '/usr/bin/'],
    ['usr/sbin/firewalld', '/usr/sbin/'],
    ['usr/lib/firewalld', '/usr/lib/'],
    ['usr/lib/python3/dist-packages/firewall', '/usr/lib/python3/dist-packages/'],
    ['usr/share/dbus-1/system.d/FirewallD.conf', '/usr/share/dbus-1/system.d/'],
    ['usr/share/polkit-1/actions/org.fedoraproject.FirewallD1.*', '/usr/share/polkit-1/actions/'],
  ],
  // Which of two rule sets holds is chosen as the package is installed: a server's, without a desktop.
  links: [
    [
      '/usr/share/polkit-1/actions/org.fedoraproject.FirewallD1.policy',
      'org.fedoraproject.FirewallD1.server.policy.choice',
    ],
  ],
  files: [
    config('/etc/sysconfig/firewalld', 'FIREWALLD_ARGS=\n'),
    unit(
      'firewalld.service',
      `[Unit]
Description=firewalld - dynamic firewall daemon
Before=network-pre.target
Wants=network-pre.target
After=dbus.service
After=polkit.service
Conflicts=iptables.service ip6tables.service ebtables.service ipset.service nftables.service

[Service]
EnvironmentFile=-/etc/sysconfig/firewalld
ExecStart=/usr/sbin/firewalld --nofork --nopid $FIREWALLD_ARGS
ExecReload=/bin/kill -HUP $MAINPID
StandardOutput=null
StandardError=null
Type=dbus
BusName=org.fedoraproject.FirewallD1
KillMode=mixed

[Install]
WantedBy=multi-user.target
Alias=dbus-org.fedoraproject.FirewallD1.service
`,
    ),
  ],
  units: ['firewalld.service'],
};

const DNSMASQ: Rpm = {
  name: 'dnsmasq',
  version: 'dnsmasq-base',
  user: { name: 'dnsmasq', home: '/var/lib/dnsmasq' },
  moves: [['usr/sbin/dnsmasq', '/usr/sbin/']],
  folders: [
    { path: '/etc/dnsmasq.d', mode: 0o755, owner: 'root:dnsmasq' },
    { path: '/var/lib/dnsmasq', mode: 0o755, owner: 'root:dnsmasq' },
  ],
  files: [
    config(
      '/etc/dnsmasq.conf',
      'user=dnsmasq\ngroup=dnsmasq\ninterface=lo\nbind-interfaces\nconf-dir=/etc/dnsmasq.d,.rpmnew,.rpmsave,.rpmorig\n',
    ),
    unit(
      'dnsmasq.service',
      `[Unit]
Description=DNS caching server.
Before=nss-lookup.target
Wants=nss-lookup.target
After=network.target

[Service]
ExecStart=/usr/sbin/dnsmasq
Type=forking
PIDFile=/run/dnsmasq.pid

[Install]
WantedBy=multi-user.target
`,
    ),
  ],
  units: ['dnsmasq.service'],
};

const CONNTRACK: Rpm = {
  name: 'conntrack-tools',
  version: 'conntrack',
  moves: [['usr/sbin/conntrack', '/usr/sbin/']],
};

/** What a host can install. */
export const RPMS: readonly Rpm[] = [
  IPVSADM,
  KEEPALIVED,
  NGINX,
  HTTPD,
  JAVA,
  ECJ,
  TOMCAT,
  CHRONY,
  FIREWALLD,
  DNSMASQ,
  CONNTRACK,
];

/** Debian packages whose files become RPMs. */
export const TAKEN_APART: readonly string[] = [
  'ipvsadm',
  'keepalived',
  'nginx',
  'nginx-common',
  'apache2',
  'apache2-bin',
  'apache2-data',
  'apache2-utils',
  'chrony',
  'firewalld',
  'python3-firewall',
  'dnsmasq-base',
  'conntrack',
];

/** The same, of which no other Debian package is needed: their libraries are for what a server doesn't do. */
export const TAKEN_ALONE: readonly string[] = [
  'openjdk-17-jre-headless',
  'tomcat10',
  'tomcat10-common',
  'libtomcat10-java',
  'libeclipse-jdt-core-java',
];

/**
 * What the image has as Debian built it, and under which name the family knows it: recorded in the RPM database, so
 * that `rpm -q` and dnf know of it.
 */
export const INSTALLED: readonly (readonly [rpm: string, debian: string])[] = [
  ['NetworkManager', 'network-manager'],
  ['bash', 'bash'],
  ['coreutils', 'coreutils'],
  ['curl', 'curl'],
  ['dbus', 'dbus'],
  ['dnf', 'dnf'],
  ['iproute', 'iproute2'],
  // arptables, ebtables, iptables and ip6tables; Debian's legacy ones, which this kernel knows.
  ['iptables-nft', 'iptables'],
  ['ipset', 'ipset'],
  ['iputils', 'iputils-ping'],
  ['kmod', 'kmod'],
  ['nftables', 'nftables'],
  ['openssh-server', 'openssh-server'],
  ['polkit', 'polkitd'],
  ['procps-ng', 'procps'],
  ['rpm', 'rpm'],
  ['sudo', 'sudo'],
  ['systemd', 'systemd'],
  ['tcpdump', 'tcpdump'],
];

/** Debian packages that the image has besides every image's: package tools, and firewalls that this kernel knows. */
export const RHEL_PACKAGES: readonly string[] = [
  'rpm',
  'dnf',
  'createrepo-c',
  'iptables',
  'arptables',
  'ebtables',
  'ipset',
  'nftables',
  'polkitd',
  'libstdc++6',
];
