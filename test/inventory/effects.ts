/**
 * Small clusters in which each key of the language stands somewhere: what changes when one is changed is asked of them
 * (effects.test.ts). `./a.sh` and `./b.sh` stand beside them, and whatever else `beside` names.
 */

const PAIR_HOSTS = {
  a: {
    interfaces: {
      out: { addresses: ['10.0.0.2/24', '2001:db8::2/64'] },
      in: { addresses: ['10.1.0.2/24'] },
      more: { addresses: ['10.2.0.2/24'] },
    },
  },
  b: {
    interfaces: {
      out: { addresses: ['10.0.0.3/24', '2001:db8::3/64'] },
      in: { addresses: ['10.1.0.3/24'] },
      more: { addresses: ['10.2.0.3/24'] },
    },
  },
};

const instances = {
  outside: { virtual_router_id: 51, interface: 'out', track_interfaces: ['in'] },
  inside: { virtual_router_id: 52, interface: 'in', addresses: ['10.1.0.1/24', '10.1.0.4/24'] },
};

const NODES = { a: { priority: 100 }, b: { priority: 90 } };

const pair = (group: object, rest: object = {}) => ({
  hosts: PAIR_HOSTS,
  vrrp: {
    edge: {
      nodes: {
        a: { priority: 100, interfaces: { inside: 'more' } },
        b: { priority: 90, interfaces: { inside: 'more' } },
      },
      instances,
      ...group,
    },
  },
  vips: { shop: { addresses: ['10.0.0.100', '10.0.0.101'], vrrp: 'edge.outside' } },
  ...rest,
});

const gateway = ['10.1.0.2', '2001:db8:1::2'];
const SERVICE_HOSTS = {
  d: {
    interfaces: {
      out: { addresses: ['10.0.0.2/24', '2001:db8::2/64'] },
      in: { addresses: ['10.1.0.2/24', '2001:db8:1::2/64'] },
    },
  },
  e: { interfaces: { in: { addresses: ['10.1.0.3/24', '2001:db8:1::3/64'] } } },
  r: { interfaces: { in: { addresses: ['10.1.0.9/24', '2001:db8:1::9/64'], gateway } } },
  s: { interfaces: { in: { addresses: ['10.1.0.8/24', '10.1.0.7/24', '2001:db8:1::8/64'], gateway } } },
};

const service = (said: object, real: object = { r: {}, s: {} }) => ({
  hosts: SERVICE_HOSTS,
  vips: { two: { addresses: ['10.1.0.100', '2001:db8:1::100'] }, one: { addresses: ['10.1.0.101'] } },
  services: { web: { mode: 'dr', vip: 'two', port: 80, directors: ['d'], real_servers: real, ...said } },
});
const checked = (check: object, said: object = {}) => service({ health_check: check, ...said });

const around = (rest: object) => ({
  hosts: {
    w: { vars: { rack: 'a' }, interfaces: { e: { addresses: ['10.0.0.2/24'] } } },
    x: { vars: { rack: 'b' }, interfaces: { e: { addresses: ['10.0.0.3/24'] } } },
  },
  ...rest,
});
const application = (source: object) =>
  around({
    applications: { shop: { software: 'tomcat', hosts: ['w', 'x'], port: 8080, ...source } },
  });

/** Clusters without their `version` and `name`. */
export function clusters(sha256: { 'one.tar.gz': string; 'two.tar.gz': string }): object[] {
  const archived = { archive: './one.tar.gz', sha256: sha256['one.tar.gz'] };
  return [
    {
      include: ['more.yaml'],
      hosts: {
        h: {
          platform: 'debian',
          forwarding: true,
          time: { servers: ['10.0.0.1', '10.0.0.2'] },
          sysctls: { 'net.core.somaxconn': 4096 },
          packages: ['conntrack', 'tcpdump'],
          modules: ['dummy', 'ifb'],
          files: {
            '/etc/motd': { source: './a.sh', mode: '0644', owner: 'root', group: 'root' },
            '/etc/issue': { content: 'hello\n' },
          },
          units: { 'cron.service': { enabled: true, running: true } },
          interfaces: {
            eth0: {
              addresses: ['10.0.0.5/24', '10.0.0.6/24'],
              gateway: '10.0.0.1',
              routes: [{ to: '10.9.0.0/16', via: '10.0.0.254', metric: 100 }],
              dns: ['10.0.0.55', '10.0.0.56'],
              mtu: 1400,
            },
            bond0: { bond: { mode: 'active-backup', members: ['eno1', 'eno2'], options: { miimon: 50 } } },
            v30: { vlan: { parent: 'bond0', id: 30 }, addresses: ['10.30.0.2/24'] },
          },
        },
      },
    },
    {
      hosts: {
        h: {
          interfaces: { e: { addresses: ['10.0.0.5/24', '2001:db8::5/64'], gateway: ['10.0.0.1', '2001:db8::1'] } },
        },
      },
    },
    {
      hosts: {
        h: { manage: 'none', packages: ['a'] },
        g: { manage: ['packages', 'files'], packages: ['a'], sysctls: { 'net.core.somaxconn': 1 } },
      },
    },
    {
      hosts: {
        h: { dns: ['10.0.0.53', '10.0.0.54'], interfaces: { e: { addresses: ['10.0.0.5/24'], gateway: '10.0.0.1' } } },
      },
    },
    // VRRP and IPVS as a whole.
    pair({
      preempt: true,
      preempt_delay: 10,
      unicast: true,
      advert_interval: 2,
      version: 2,
      auth_pass: { env: 'SECRET' },
      track_scripts: { chk: { script: './a.sh', interval: 2, timeout: 1, weight: -20, rise: 2, fall: 2 } },
      notify: { master: './a.sh', backup: './a.sh', fault: './a.sh', stop: './a.sh', any: './a.sh' },
    }),
    pair(
      { nodes: NODES },
      {
        ipvs: {
          timeouts: { tcp: 800, tcp_fin: 100, udp: 200 },
          sync: { interface: 'in', id: 51, group: '224.0.0.82', port: 8849 },
        },
        services: { web: { mode: 'nat', vip: 'shop', port: 80, real_servers: { c: {} } } },
        hosts: { ...PAIR_HOSTS, c: { interfaces: { in: { addresses: ['10.1.0.9/24'], gateway: '10.1.0.1' } } } },
      },
    ),
    pair({ nodes: NODES, preempt: true }),
    pair({
      nodes: NODES,
      version: 2,
      instances: { ...instances, outside: { ...instances.outside, addresses: ['10.0.0.99/24'] } },
    }),
    // Services.
    { name: 'other', ...service({ fwmark: 'auto', scheduler: 'wrr' }) },
    service({ mode: 'tun', vip: 'one', tunnel: { type: 'gre' } }),
    service({ protocol: 'udp', scheduler: 'sh', scheduler_flags: ['sh-port', 'sh-fallback'] }),
    service(
      { mode: 'nat', vip: 'one', arp: undefined },
      { r: { weight: 3, port: 8080, upper_threshold: 100, lower_threshold: 90 }, s: { address: '10.1.0.7' } },
    ),
    service({ port: undefined, ports: [80, 443, '8000-8010'], fwmark: 7 }),
    service({ persistence_timeout: 30, persistence_netmask: { ipv4: 24, ipv6: 64 } }),
    service({ protocol: 'udp', persistence_timeout: 30, persistence_engine: 'sip' }),
    service({ protocol: 'udp', one_packet: true }),
    service({ vip: 'one', arp: 'arptables' }),
    {
      ...service({ vip: 'one', arp: { static_neighbour: { at: ['e'] } } }),
      hosts: {
        ...SERVICE_HOSTS,
        e: { ...SERVICE_HOSTS.e, forwarding: true },
        f: { interfaces: { in: { addresses: ['10.1.0.4/24'] } } },
      },
    },
    service({ mode: 'tun', vip: 'one', tunnel: { type: 'gre', checksum: 'csum' } }),
    service({ mode: 'tun', vip: 'one', tunnel: { type: 'gue', port: 6080, checksum: 'csum' } }),
    checked(
      {
        http_get: { path: '/a', status: 200, digest: 'a'.repeat(32), port: 81, host: 'a.example.net' },
        interval: 6,
        timeout: 3,
        retries: 3,
        retry_interval: 2,
        start_down: true,
        inhibit: false,
      },
      {
        sorry_server: { address: '10.1.0.200', port: 80 },
        quorum: 3,
        hysteresis: 1,
        mode: 'nat',
        real_servers: { r: { weight: 5 }, s: {} },
      },
    ),
    checked({ http_get: { path: '/a', status: [200, 204] } }),
    checked({ ssl_get: { path: '/a', status: 200, digest: 'a'.repeat(32), port: 81, host: 'a.example.net' } }),
    checked({ ssl_get: { path: '/a', status: [200, 204] } }),
    checked({ tcp_check: { port: 81 } }),
    checked({ smtp_check: { port: 81, helo_name: 'a.example.net' } }),
    checked({ dns_check: { port: 54, name: 'a.example.net', type: 'A' } }, { protocol: 'udp' }),
    checked({ ping_check: {} }),
    checked({ udp_check: { port: 54, payload: '00ff', require_reply: true } }, { protocol: 'udp' }),
    checked({ misc_check: { script: './a.sh', arguments: ['-q', '-v'], dynamic: true } }),
    checked({ bfd: { min_rx: '10ms', min_tx: '10ms', multiplier: 5 } }),
    // Around.
    around({
      web_servers: { pages: { software: 'nginx', hosts: ['w', 'x'], port: 80, index: '{{ host.vars.rack }}' } },
      firewall: { manage: true, trusted: ['10.5.0.0/16', '10.6.0.0/16'] },
    }),
    around({
      proxies: {
        front: {
          software: 'nginx',
          hosts: ['w', 'x'],
          port: 80,
          server_name: 'a.example.net',
          upstream: {
            method: 'least_conn',
            servers: { w: { port: 8080, weight: 2, backup: false }, x: { port: 8080, weight: 3, backup: true } },
          },
          health_check: { path: '/health', allow: ['10.7.0.0/16', '10.8.0.0/16'] },
        },
      },
    }),
    {
      ...service({}),
      proxies: {
        front: {
          software: 'nginx',
          hosts: ['r'],
          port: 80,
          upstream: { servers: { s: { port: 8080 } } },
          health_check: { path: '/health', allow: 'directors' },
        },
      },
    },
    application({ source: 'package', pages: './site', index: '{{ host.name }}' }),
    application({ source: { ...archived, java: { archive: './two.tar.gz', sha256: sha256['two.tar.gz'] } } }),
    application({ source: { ...archived, java: 'package' } }),
  ];
}

/** Other values that are right where the likeliest ones are not. */
export function hints(sha256: { 'one.tar.gz': string; 'two.tar.gz': string }): Record<string, unknown[]> {
  return {
    'vrrp.*.instances.*.interface': ['more'],
    'vips.*.vrrp': ['edge.inside'],
    'ipvs.sync.interface': ['more'],
    'services.*.directors.-': ['e'],
    'services.*.arp.static_neighbour.at.-': ['f'],
    'applications.*.source': [{ archive: './one.tar.gz', sha256: sha256['one.tar.gz'] }],
    'applications.*.source.archive': ['./same.tar.gz'],
    'applications.*.source.java': [{ archive: './two.tar.gz', sha256: sha256['two.tar.gz'] }],
    'applications.*.source.java.archive': ['./same2.tar.gz'],
  };
}
