import { describe, expect, test } from 'vitest';
import { problemsIn } from './files.ts';

/**
 * Combinations that would be passed over, or that only a program on a host would refuse: one problem, at its place.
 * Limits are those that keepalived 2.2.7 tells with `keepalived -t`, and that ipvsadm 1.31 has.
 */

const HOSTS = `version: 1
name: c
hosts:
  a: { interfaces: { out: { addresses: [10.0.0.2/24, "2001:db8::2/64"] }, in: { addresses: [10.1.0.2/24, "2001:db8:1::2/64"] } } }
  b: { interfaces: { out: { addresses: [10.0.0.3/24] }, in: { addresses: [10.1.0.3/24] } } }
  r: { interfaces: { in: { addresses: [10.1.0.9/24, "2001:db8:1::9/64"], gateway: [10.1.0.2, "2001:db8:1::2"] } } }
  s: { interfaces: { in: { addresses: [10.1.0.8/24, "2001:db8:1::8/64"], gateway: [10.1.0.2, "2001:db8:1::2"] } } }
vips: { two: { addresses: [10.1.0.100, "2001:db8:1::100"] } }
`;
const service = (said: string, { real = '{ r: {}, s: {} }', vip = '10.1.0.100', mode = 'dr' } = {}) =>
  `${HOSTS}services:\n  web: { mode: ${mode}, vip: "${vip}", directors: [a], real_servers: ${real}, ${said} }\n`;
const check = (said: string, more = 'port: 80') => service(`${more}, health_check: { ${said} }`);
const group = (said: string, instance = '', node = '') =>
  `${HOSTS}vrrp:\n  e: { nodes: { a: { priority: 100${node} }, b: { priority: 90 } }, instances: { c: { virtual_router_id: 5, interface: out, addresses: [10.0.0.50/24]${instance} } }${said} }\n`;
/** A script that is there: any file will do. */
const script = (said: string) => group(`, track_scripts: { chk: { script: ./lvs.yaml, ${said} } }`);

describe('one mistake, one problem', () => {
  test.each<[string, string, string]>([
    // The mode.
    [
      'a port rewrite in tun',
      service('port: 80', { mode: 'tun', real: '{ r: { port: 8080 }, s: {} }' }),
      '10:83 INV-PORT-REWRITE mode tun passes packets on as they are',
    ],
    [
      'a port rewrite through a mark in dr',
      service('ports: [80, 443], fwmark: auto', { real: '{ r: { port: 80 }, s: {} }' }),
      'INV-PORT-REWRITE mode dr',
    ],
    [
      'a sorry server on another port in dr',
      service('port: 80, health_check: { tcp_check: {} }, sorry_server: { address: 10.1.0.7, port: 81 }'),
      'INV-PORT-REWRITE mode dr passes packets on as they are: the sorry server’s port',
    ],
    ...['nat', 'fullnat', 'dr'].map((mode): [string, string, string] => [
      `a tunnel in ${mode}`,
      service('port: 80, tunnel: { type: gre }', { mode }),
      `INV-NOT-IN-MODE mode ${mode} has no tunnel`,
    ]),
    [
      'an address off the director’s segments in dr',
      service('port: 80', { real: '{ r: { address: 10.9.0.9 }, s: {} }' }),
      '10:85 INV-DIFFERENT-SEGMENT 10.9.0.9 is in no network of every director',
    ],
    [
      'a sorry server off the director’s networks in dr',
      check('tcp_check: {}', 'port: 80, sorry_server: { address: 10.9.0.9 }'),
      'INV-DIFFERENT-SEGMENT the sorry server 10.9.0.9 is on no network of a',
    ],
    [
      'a sorry server off the director’s segments in dr',
      check('tcp_check: {}', 'port: 80, sorry_server: { address: 10.1.0.7 }').replace(
        'vips:',
        '  q: { interfaces: { in: { addresses: [10.1.0.7/24], segment: elsewhere } } }\nvips:',
      ),
      'INV-DIFFERENT-SEGMENT the sorry server 10.1.0.7 is on no segment of a',
    ],
    // Schedulers and their flags.
    [
      'a scheduler that no kernel has',
      service('port: 80, scheduler: wfo'),
      'INV-BAD-VALUE “scheduler” can’t be “wfo” → Did you mean “fo”?',
    ],
    [
      'a flag in ipvsadm’s other spelling',
      service('port: 80, scheduler: sh, scheduler_flags: [sh_port]'),
      'INV-BAD-VALUE',
    ],
    [
      'a flag of mh for sh',
      service('port: 80, scheduler: sh, scheduler_flags: [mh-fallback]'),
      'INV-SCHEDULER-FLAG mh-fallback is a flag of mh, and the scheduler is sh',
    ],
    ['one packet over sctp', service('port: 80, protocol: sctp, one_packet: true'), 'INV-ONE-PACKET'],
    ['one packet over tcp through a mark', service('ports: [80], fwmark: 9, one_packet: true'), 'INV-ONE-PACKET'],
    // Persistence.
    [
      'persistence of 32 days',
      service('port: 80, persistence_timeout: 2678401'),
      'INV-BAD-VALUE persistence is timed in whole seconds, from 1 to 2678400',
    ],
    ['no persistence', service('port: 80, persistence_timeout: 0'), 'INV-BAD-VALUE persistence is timed'],
    [
      'a mask of the other family',
      service('port: 80, persistence_timeout: 9, persistence_netmask: { ipv6: 64 }'),
      'INV-MIXED-FAMILIES a mask for IPv6, and no VIP is',
    ],
    // Real servers.
    [
      'one real server under two names',
      service('port: 80', { real: '{ r: {}, s: { address: 10.1.0.9 } }' }),
      '10:78 INV-DUPLICATE-REAL-SERVER s and r are one real server: both are 10.1.0.9',
    ],
    [
      'an address of the other family',
      service('port: 80', { real: '{ r: {}, s: { address: "2001:db8:1::8" } }' }),
      'INV-MIXED-FAMILIES the address of s is IPv6, and no VIP is',
    ],
    [
      'a multicast address',
      service('port: 80', { real: '{ r: { address: 224.0.0.5 }, s: {} }' }),
      'INV-NOT-A-HOST-ADDRESS 224.0.0.5 is a multicast address',
    ],
    [
      'the director itself',
      service('port: 80', { real: '{ r: { address: 10.1.0.2 }, s: {} }' }),
      'INV-LOCAL-NODE 10.1.0.2 is the director a’s own address',
    ],
    [
      'the VIP itself',
      service('port: 80', { real: '{ r: { address: 10.1.0.100 }, s: {} }' }),
      'INV-LOCAL-NODE 10.1.0.100 is the VIP itself',
    ],
    [
      'a threshold that ipvsadm can’t say',
      service('port: 80', { real: '{ r: { upper_threshold: 2147483648 }, s: {} }' }),
      'INV-BAD-VALUE “upper_threshold” must be at most 2147483647',
    ],
    [
      'a lower threshold alone',
      service('port: 80', { real: '{ r: { lower_threshold: 5 }, s: {} }' }),
      'INV-THRESHOLDS r has a lower threshold and no upper one',
    ],
    // What only keepalived does.
    [
      'a quorum without a check',
      service('port: 80, quorum: 1'),
      'INV-NEEDS-HEALTH-CHECK quorum without a health check',
    ],
    ['hysteresis without a check', service('port: 80, hysteresis: 0'), 'INV-NEEDS-HEALTH-CHECK'],
    [
      'hysteresis as large as the quorum',
      check('tcp_check: {}', 'port: 80, quorum: 2, hysteresis: 2'),
      'INV-QUORUM a hysteresis of 2 is not below the quorum of 2',
    ],
    [
      'the VIP as its own sorry server',
      check('tcp_check: {}', 'port: 80, sorry_server: { address: 10.1.0.100 }'),
      'INV-LOCAL-NODE the sorry server’s address 10.1.0.100 is the VIP itself',
    ],
    [
      'a sorry server of the other family',
      check('tcp_check: {}', 'port: 80, sorry_server: { address: "2001:db8::9" }'),
      'INV-MIXED-FAMILIES the sorry server’s address is IPv6',
    ],
    // Checks.
    [
      'a check over tcp of sctp',
      check('tcp_check: {}', 'port: 80, protocol: sctp'),
      '10:129 INV-CHECK-PROTOCOL tcp_check asks over tcp, and web is a service over sctp → Say which tcp port',
    ],
    [
      'a page of a udp service',
      check('http_get: { path: / }', 'port: 80, protocol: udp'),
      'INV-CHECK-PROTOCOL http_get',
    ],
    ['datagrams to a tcp service', check('udp_check: {}'), 'INV-CHECK-PROTOCOL udp_check asks over udp'],
    ['a name server’s check of tcp', check('dns_check: {}'), 'INV-CHECK-PROTOCOL dns_check asks over udp'],
    [
      'a check over tcp of a udp mark',
      check('tcp_check: {}', 'ports: [80, 81], protocol: udp, fwmark: auto'),
      'INV-CHECK-PROTOCOL tcp_check',
    ],
    ['a status that HTTP has not', check('http_get: { path: /, status: 600 }'), 'INV-BAD-VALUE'],
    ['a quote in a path', check(`http_get: { path: '/a"b' }`), 'INV-BAD-VALUE “/a"b” can’t stand in “path”'],
    [
      'a variable of keepalived’s',
      check('http_get: { path: "/$x" }'),
      'can’t stand in “path” → The path asked for; without quotes, backslashes and $.',
    ],
    [
      'a backslash in a path',
      check(`http_get: { path: '/a\\b' }`),
      'can’t stand in “path” → The path asked for; without quotes, backslashes and $.',
    ],
    [
      'a payload longer than a line',
      check(`udp_check: { payload: "${'00'.repeat(401)}" }`, 'port: 80, protocol: udp'),
      'can’t stand in “payload”',
    ],
    ['a timeout of hours', check('tcp_check: {}, timeout: 2h'), 'INV-BAD-VALUE “timeout” can be from 1 ms to 4294 s'],
    [
      'an interval that keepalived can’t read',
      check('tcp_check: {}, interval: 0.0000001'),
      'INV-BAD-VALUE “interval” can be from 1 ms',
    ],
    [
      'BFD in parts of a millisecond',
      check('bfd: { min_rx: 1.5ms }'),
      'INV-BAD-VALUE BFD counts in whole milliseconds',
    ],
    ['BFD all the time', check('bfd: { min_tx: 0 }'), 'INV-BAD-VALUE BFD counts in whole milliseconds'],
    // Hosts.
    [
      'name servers of no interface',
      `${HOSTS}  x: { dns: [10.0.0.53] }\n`.replace(/(vips.*\n)(.*\n)/, '$2$1'),
      'INV-UNUSED-DNS name servers of a host without an address',
    ],
    // IPVS as a whole.
    ['a timeout of years', `${HOSTS}ipvs: { timeouts: { tcp: 10000h } }\n`, '9:26 INV-BAD-VALUE ipvsadm sets timeouts'],
    [
      'sync with one node',
      group('').replace(', b: { priority: 90 }', '').concat('ipvs: { sync: { interface: out } }\n'),
      '11:9 INV-SYNC-WITHOUT-PAIR',
    ],
    [
      'a mark twice',
      `${service('ports: [80], fwmark: 7')}  x: { mode: dr, vip: 10.1.0.101, ports: [81], fwmark: 7, directors: [a], real_servers: { r: {} } }\n`,
      'INV-DUPLICATE-SERVICE x and web (line 10) are both on firewall mark 7',
    ],
    // VRRP.
    [
      'a script each half second',
      script('interval: 500ms'),
      'INV-BAD-VALUE keepalived counts a script’s interval in whole seconds, from 1 to 4294',
    ],
    ['a script’s timeout of hours', script('timeout: 2h'), 'INV-BAD-VALUE keepalived counts a script’s timeout'],
    ['a long delay', group(', preempt: true, preempt_delay: 1001'), 'INV-BAD-VALUE keepalived waits at most 1000 s'],
    [
      'an interface that no node has',
      group('', ', track_interfaces: [otu]'),
      'INV-UNKNOWN-NAME a and b have no interface “otu” → Did you mean “out”?',
    ],
    [
      'a node’s interface for an instance that is none',
      group('', '', ', interfaces: { d: in }'),
      'INV-UNKNOWN-NAME e has no instance “d” → Did you mean “c”?',
    ],
    [
      'two instances of one name',
      group('').replace(
        '  e:',
        '  a: { nodes: { a: {} }, instances: { b_c: { virtual_router_id: 6, interface: in, addresses: [10.1.0.50/24] } } }\n  a_b:',
      ),
      '11:77 INV-DUPLICATE-NAME keepalived would know two instances as a_b_c (line 10)',
    ],
  ])('%s', (_name, text, expected) => {
    const problems = problemsIn(text);
    expect(problems, problems.join('\n')).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });
});

describe('what is near to a mistake, and none', () => {
  test.each<[string, string]>([
    ['the service’s own port in dr', service('port: 80', { real: '{ r: { port: 80 }, s: {} }' })],
    ['a port rewrite in nat', service('port: 80', { mode: 'nat', real: '{ r: { port: 8080 }, s: {} }' })],
    [
      'thresholds without keepalived',
      service('port: 80', { real: '{ r: { upper_threshold: 9, lower_threshold: 5 }, s: {} }' }),
    ],
    [
      'thresholds with keepalived',
      service('port: 80, health_check: { tcp_check: {} }', { real: '{ r: { upper_threshold: 9 }, s: {} }' }),
    ],
    ['a tcp port of a udp service', check('tcp_check: { port: 53 }', 'port: 53, protocol: udp')],
    ['an echo of an sctp service', check('ping_check: {}', 'port: 80, protocol: sctp')],
    [
      'both masks through a mark',
      service(
        'ports: [80, 81], fwmark: auto, persistence_timeout: 9, persistence_netmask: { ipv4: 24, ipv6: 64 }, health_check: { tcp_check: {} }',
        { vip: 'two' },
      ),
    ],
    [
      'an address of one family of two',
      service('port: 80', { vip: 'two', real: '{ r: { address: 10.1.0.9 }, s: {} }' }),
    ],
    [
      'a service’s mask of both as a default',
      service('port: 80, persistence_timeout: 9').concat(
        'defaults: { service: { persistence_netmask: { ipv4: 24, ipv6: 64 } } }\n',
      ),
    ],
    [
      'a member of a bond that is watched',
      group('', ', track_interfaces: [eno1]').replaceAll(
        'in: {',
        'bond0: { bond: { mode: active-backup, members: [eno1] } }, in: {',
      ),
    ],
  ])('%s', (_name, text) => expect(problemsIn(text)).toEqual([]));
});
