import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster, Host } from '../../src/inventory/model.ts';
import { SCHEDULERS } from '../../src/inventory/words.ts';
import { desire } from '../../src/roles/index.ts';
import { facts } from '../inventories/facts.ts';

/**
 * The real `keepalived -t` reads what is rendered, on interfaces and in an /etc/keepalived of its own. It only looks:
 * nothing of keepalived is started. It says nothing to a file that it takes whole.
 */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-keepalived-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CHECK = `set -e
mount -t tmpfs tmpfs /etc/keepalived
for etc; do
  rm -rf /etc/keepalived/*
  cp -R "$etc"/. /etc/keepalived
  chmod -R go-w /etc/keepalived
  while read -r device address; do
    ip link show "$device" >/dev/null 2>&1 || ip link add "$device" type veth peer name "p-$device"
    ip link set "$device" up
    case $address in
      *:*) ip addr replace "$address" dev "$device" nodad ;;
      *) ip addr replace "$address" dev "$device" ;;
    esac
  done </etc/keepalived/interfaces
  keepalived -t -f /etc/keepalived/keepalived.conf 2>&1 && echo 'code 0' || echo "code $?"
  echo ====
done`;

/** What keepalived is to look at: a folder as its own on that host, and the configuration's text. */
function written(cluster: Cluster, name: string, change = (text: string) => text): { etc: string; config: string } {
  const host = cluster.hosts.find((one) => one.name === name) as Host;
  const etc = mkdtempSync(join(folder, 'etc-'));
  let config = '';
  for (const { resource } of desire(cluster, name, facts())) {
    if (resource.kind !== 'file' || resource.state !== 'present' || !resource.path.startsWith('/etc/keepalived/'))
      continue;
    const path = join(etc, resource.path.slice('/etc/keepalived/'.length));
    mkdirSync(dirname(path), { recursive: true });
    const text = resource.content.replace(/<secret [^>]*>/g, 'hunter2');
    if (path.endsWith('.conf')) config = change(text);
    writeFileSync(path, path.endsWith('.conf') ? config : text, { mode: Number.parseInt(resource.mode, 8) });
  }
  const addresses = host.interfaces.flatMap((one) =>
    one.addresses.map(({ address, prefix }) => `${one.name} ${address}/${prefix}\n`),
  );
  writeFileSync(join(etc, 'interfaces'), addresses.join(''));
  return { etc, config };
}

/** What keepalived says of each, with its exit code; all in one network. */
function judged(folders: readonly { etc: string }[]): string[] {
  const all = folders.map(({ etc }) => etc);
  const output = execFileSync('unshare', ['-Urnm', 'sh', '-c', CHECK, 'sh', ...all], { encoding: 'utf8' });
  return output.split('====\n').slice(0, -1);
}

const WELL = 'code 0\n';

test('takes everything that it can be asked for, and does look', () => {
  const all = loadCluster([fileURLToPath(new URL('keepalived/all.yaml', import.meta.url))]);
  const wrong = written(all, 'lvs1', (text) => text.replace('uthreshold', 'uthresh'));
  const [first, second, third] = judged([written(all, 'lvs1'), written(all, 'lvs2'), wrong]);
  expect([first, second]).toEqual([WELL, WELL]);
  expect(third).toMatch(/Line \d+\) Unknown keyword 'uthresh'\n/);
  expect(third).toMatch(/code 5\n$/);
});

test.each(['dr-keepalived', 'nat-keepalived'])('takes inventories/%s.yaml', (name) => {
  const cluster = loadCluster([fileURLToPath(new URL(`../../inventories/${name}.yaml`, import.meta.url))]);
  const nodes = cluster.vrrp.flatMap((group) => group.nodes);
  expect(judged(nodes.map(({ host }) => written(cluster, host)))).toEqual(nodes.map(() => WELL));
});

const HEAD = `version: 1
name: c
hosts:
  d: { interfaces: { eth0: { addresses: [10.0.0.2/24, "2001:db8:1111:2222:3333:4444:5555:2/64"] } } }
  e: { interfaces: { eth0: { addresses: [10.0.0.3/24, "2001:db8:1111:2222:3333:4444:5555:3/64"] } } }
  r: { interfaces: { eth0: { addresses: [10.0.0.9/24, "2001:db8:1111:2222:3333:4444:5555:9/64"], gateway: [10.0.0.2, "2001:db8:1111:2222:3333:4444:5555:2"] } } }
  s: { interfaces: { eth0: { addresses: [10.0.0.8/24, "2001:db8:1111:2222:3333:4444:5555:8/64"], gateway: [10.0.0.2, "2001:db8:1111:2222:3333:4444:5555:2"] } } }
vips: { two: { addresses: [10.0.0.100, "2001:db8:1111:2222:3333:4444:5555:100"] } }
`;
const CHECKED = 'health_check: { ping_check: {} }';
const service = (said: string, { real = '{ r: {}, s: {} }', mode = 'dr' } = {}) =>
  `${HEAD}services: { web: { mode: ${mode}, vip: two, directors: [d], real_servers: ${real}, ${said} } }\n`;
const vrrp = (said: string, instance = '') =>
  `${HEAD}vrrp: { g: { nodes: { d: {}, e: { priority: 90 } }, instances: { i: { virtual_router_id: 5, interface: eth0, addresses: [10.0.0.50/24]${instance} } }${said} } }\n`;

/** What a rendered configuration must say, in words of keepalived.conf(5), and that keepalived takes it. */
const CASES: [string, string, string[]][] = [
  ...SCHEDULERS.map((name): [string, string, string[]] => [
    `the scheduler ${name}`,
    service(`port: 80, scheduler: ${name}, ${CHECKED}`),
    [`lvs_sched ${name}`],
  ]),
  ...['sh', 'mh'].map((name): [string, string, string[]] => [
    `the flags of ${name}`,
    service(`port: 80, scheduler: ${name}, scheduler_flags: [${name}-port, ${name}-fallback], ${CHECKED}`),
    [`${name}-port`, `${name}-fallback`],
  ]),
  ...(
    [
      ['dr', 'lvs_method DR'],
      ['nat', 'lvs_method NAT'],
      ['fullnat', 'lvs_method NAT'],
      ['tun', 'lvs_method TUN'],
    ] as const
  ).map(([mode, words]): [string, string, string[]] => [
    `the mode ${mode}`,
    service(`port: 80, ${CHECKED}`, { mode }),
    [words],
  ]),
  // keepalived follows its own interface anyway, and refuses to be told so.
  ['its own interface named', vrrp('', ', track_interfaces: [eth0]'), ['interface eth0']],
  ['gre', service(`port: 80, tunnel: { type: gre }, ${CHECKED}`, { mode: 'tun' }), ['lvs_method TUN type gre']],
  [
    'gre with a checksum',
    service(`port: 80, tunnel: { type: gre, checksum: csum }, ${CHECKED}`, { mode: 'tun' }),
    ['lvs_method TUN type gre csum'],
  ],
  ...['none', 'csum', 'remcsum'].map((sum): [string, string, string[]] => [
    `gue with checksum ${sum}`,
    service(`port: 80, tunnel: { type: gue, port: 6080, checksum: ${sum} }, ${CHECKED}`, { mode: 'tun' }),
    [`lvs_method TUN type gue port 6080${sum === 'none' ? '' : ` ${sum}`}`],
  ]),
  ...['tcp', 'udp', 'sctp'].map((name): [string, string, string[]] => [
    name,
    service(`port: 80, protocol: ${name}, ${CHECKED}`),
    [`protocol ${name.toUpperCase()}`],
  ]),
  [
    'persistence with widest masks',
    service(`port: 80, persistence_timeout: 744h, persistence_netmask: { ipv4: 1, ipv6: 1 }, ${CHECKED}`),
    ['persistence_timeout 2678400', 'persistence_granularity 128.0.0.0', 'persistence_granularity 1'],
  ],
  [
    'persistence with masks between',
    service(`port: 80, persistence_timeout: 1, persistence_netmask: { ipv4: 21, ipv6: 127 }, ${CHECKED}`),
    ['persistence_timeout 1', 'persistence_granularity 255.255.248.0', 'persistence_granularity 127'],
  ],
  [
    'persistence by SIP’s Call-ID',
    service(`port: 5060, protocol: udp, persistence_timeout: 60, persistence_engine: sip, ${CHECKED}`),
    ['persistence_engine sip'],
  ],
  ['one packet', service(`port: 53, protocol: udp, one_packet: true, ${CHECKED}`), ['ops']],
  [
    'one packet through a mark',
    service(`ports: [53, 54], protocol: udp, fwmark: 2147483647, one_packet: true, ${CHECKED}`),
    ['virtual_server fwmark 2147483647', 'ops'],
  ],
  [
    'a mark over a tunnel',
    service(`ports: [80, 443], fwmark: 7, ${CHECKED}`, { mode: 'tun' }),
    ['virtual_server fwmark 7', 'ip_family inet6'],
  ],
  [
    'thresholds',
    service(`port: 80, ${CHECKED}`, {
      real: '{ r: { weight: 65535, upper_threshold: 2147483647, lower_threshold: 2147483647 }, s: {} }',
    }),
    ['weight 65535', 'uthreshold 2147483647', 'lthreshold 2147483647'],
  ],
  [
    'a sorry server, quorum and hysteresis',
    service(
      `port: 80, sorry_server: { address: 10.0.0.7, port: 8080 }, quorum: 2, hysteresis: 1, health_check: { ping_check: {}, inhibit: true }`,
      { mode: 'nat' },
    ),
    ['sorry_server 10.0.0.7 8080', 'quorum 2', 'hysteresis 1', 'inhibit_on_failure', 'alpha'],
  ],
  [
    'a sorry server of a mark',
    service(`ports: [80], fwmark: 7, sorry_server: { address: 10.0.0.7 }, ${CHECKED}`, { mode: 'nat' }),
    ['sorry_server 10.0.0.7'],
  ],
  [
    'HTTP_GET',
    service(
      'port: 80, health_check: { http_get: { path: "/a?b=1&c=%20#!{}@x;~", status: [100, 599], digest: 9b3a0c85a887a256d6939da88aabd8cd, port: 81, host: www.example.net } }',
    ),
    [
      'HTTP_GET {',
      'status_code 100 599',
      'digest 9b3a0c85a887a256d6939da88aabd8cd',
      'virtualhost www.example.net',
      'connect_port 81',
    ],
  ],
  ['a long path', service(`port: 80, health_check: { http_get: { path: "/${'x'.repeat(800)}" } }`), ['HTTP_GET {']],
  [
    'SSL_GET',
    service('port: 443, health_check: { ssl_get: { path: /, host: a.example.net } }'),
    ['SSL_GET {', 'enable_sni'],
  ],
  [
    'TCP_CHECK',
    service('port: 80, health_check: { tcp_check: { port: 65535 } }'),
    ['TCP_CHECK {', 'connect_port 65535'],
  ],
  [
    'SMTP_CHECK',
    service('port: 25, health_check: { smtp_check: { port: 26, helo_name: lvs.example.net } }'),
    ['SMTP_CHECK {', 'helo_name lvs.example.net', 'connect_port 26'],
  ],
  ...['A', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'AAAA'].map((type): [string, string, string[]] => [
    `DNS_CHECK for ${type}`,
    service(`port: 53, protocol: udp, health_check: { dns_check: { type: ${type}, name: example.net } }`),
    ['DNS_CHECK {', `type ${type}`, 'name example.net'],
  ]),
  ['PING_CHECK', service('port: 80, health_check: { ping_check: {} }'), ['PING_CHECK {']],
  [
    'UDP_CHECK',
    service(
      `port: 80, protocol: udp, health_check: { udp_check: { payload: "${'0a'.repeat(400)}", require_reply: true } }`,
    ),
    ['UDP_CHECK {', `payload ${'0a'.repeat(400)}`, 'require_reply'],
  ],
  [
    'MISC_CHECK',
    service(`port: 80, health_check: { misc_check: { script: ./ok.sh, arguments: ["-a b", -c], dynamic: true } }`),
    ['MISC_CHECK {', `misc_path "/etc/keepalived/lvsctl/ok.sh '-a b' -c"`, 'misc_dynamic'],
  ],
  [
    'BFD_CHECK, of addresses however long',
    service('port: 80, health_check: { bfd: { min_rx: 70ms, min_tx: 1ms, multiplier: 255 } }'),
    ['BFD_CHECK {', 'min_rx 70', 'min_tx 1', 'multiplier 255'],
  ],
  [
    'the shortest rhythm',
    service(
      'port: 80, health_check: { tcp_check: {}, interval: 1ms, timeout: 1ms, retries: 0, retry_interval: 1ms, start_down: false }',
    ),
    ['delay_loop 0.001', 'connect_timeout 0.001', 'retry 0', 'delay_before_retry 0.001'],
  ],
  [
    'the longest rhythm',
    service(
      'port: 80, health_check: { tcp_check: {}, interval: 4294, timeout: 4294, retries: 1000, retry_interval: 4294 }',
    ),
    ['delay_loop 4294', 'connect_timeout 4294', 'retry 1000', 'delay_before_retry 4294'],
  ],
  [
    'the longest rhythm of a script',
    service(
      'port: 80, health_check: { misc_check: { script: ./ok.sh }, interval: 4294, timeout: 4294, retries: 1000, retry_interval: 4294 }',
    ),
    ['misc_timeout 4294'],
  ],
  ['preemption after the longest delay', vrrp(', preempt: true, preempt_delay: 1000'), ['preempt_delay 1000']],
  ['version 2 at its slowest', vrrp(', version: 2, advert_interval: 255'), ['advert_int 255', 'version 2']],
  ['version 3 at its fastest', vrrp(', advert_interval: 10ms'), ['advert_int 0.01', 'version 3']],
  ['version 3 at its slowest', vrrp(', version: 3, advert_interval: 40950ms'), ['advert_int 40.95']],
  ['multicast, and a password', vrrp(', unicast: false, auth_pass: { env: P }'), ['auth_pass hunter2']],
  [
    'scripts at their limits',
    vrrp(
      ', track_scripts: { a: { script: ./ok.sh, interval: 4294, timeout: 4294, weight: -253, rise: 1000, fall: 1000 }, b: { script: ./ok.sh, weight: 253 } }',
    ),
    ['interval 4294', 'timeout 4294', 'weight -253', 'weight 253', 'rise 1000', 'fall 1000'],
  ],
  [
    'notify',
    vrrp(', notify: { master: ./ok.sh, backup: ./ok.sh, fault: ./ok.sh, stop: ./ok.sh, any: ./ok.sh }'),
    ['notify_master', 'notify_backup', 'notify_fault', 'notify_stop', 'notify '].map(
      (word) => `${word.trim()} "/etc/keepalived/lvsctl/ok.sh"`,
    ),
  ],
  [
    'a sync daemon',
    vrrp('').concat('ipvs: { sync: { interface: eth0, id: 255, group: "ff02::81", port: 65535 } }\n'),
    ['lvs_sync_daemon eth0 inst g_i id 255 port 65535 group ff02::81'],
  ],
  [
    'timeouts',
    service(`port: 80, ${CHECKED}`).concat('ipvs: { timeouts: { tcp: 2678400, tcp_fin: 1, udp: 744h } }\n'),
    ['lvs_timeouts tcp 2678400 tcpfin 1 udp 2678400'],
  ],
];

describe('takes', () => {
  let verdicts: { config: string; said: string | undefined }[] = [];
  beforeAll(() => {
    const made = CASES.map(([, text]) => {
      const path = mkdtempSync(join(folder, 'case-'));
      writeFileSync(join(path, 'ok.sh'), '#!/bin/sh\nexit 0\n');
      writeFileSync(join(path, 'lvs.yaml'), text);
      return written(loadCluster([path]), 'd');
    });
    const said = judged(made);
    verdicts = made.map(({ config }, index) => ({ config, said: said[index] }));
  }, 120_000);

  test.each(CASES.map(([name, , words], index) => [name, words, index] as const))('%s', (_name, words, index) => {
    const { config = '', said } = verdicts[index] ?? {};
    expect(said).toBe(WELL);
    const lines = config.split('\n').map((line) => line.trim());
    for (const word of words) expect(lines, word).toContain(word.startsWith('virtual_server') ? `${word} {` : word);
  });
});

test('each word of the template is in one of these or in the recorded text', () => {
  const template = readFileSync(new URL('../../templates/keepalived/keepalived.conf', import.meta.url), 'utf8');
  const recorded = readFileSync(new URL('keepalived/lvs1.conf', import.meta.url), 'utf8').split('\n');
  const words = template
    .split('\n')
    .map((line) => /^\s+([a-z_]+)\b/.exec(line.replace(/\{[%{].*$/, ''))?.[1])
    .filter((word) => word !== undefined);
  const rest = CASES.flatMap(([, , expected]) => expected);
  const missing = [...new Set(words)].filter(
    (word) => ![...recorded, ...rest].some((line) => line.trim().split(' ')[0] === word),
  );
  expect(words.length).toBeGreaterThan(50);
  expect(missing).toEqual([]);
});
