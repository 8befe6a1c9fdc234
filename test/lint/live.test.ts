import { describe, expect, test } from 'vitest';
import { host, hostsIn, network, sysctls, table } from '../../src/lint/live/examples.ts';
import { LIVE_RULES, lintLive } from '../../src/lint/live/index.ts';
import { summaries } from '../../src/lint/live/summary.ts';
import { keepalivedOf } from '../../src/observed/keepalived.ts';

const rules = LIVE_RULES.map((rule) => [rule.code, rule] as const);

describe('each rule about running hosts', () => {
  test.each(rules)('%s: its example has it, once, and nothing else', (code, rule) => {
    const found = lintLive(hostsIn(rule.bad)).filter((one) => !one.code.startsWith('LVS-CONF-'));
    expect(found.map((one) => [one.code, one.what])).toEqual([[code, expect.stringMatching(/^\S.*[^.]$/u)]]);
    expect(found[0]).toMatchObject({ severity: rule.severity, next: rule.remedy });
    expect(found[0]?.place.kind).not.toBe('none');
  });

  test.each(rules)('%s: the other one has nothing', (_code, rule) => {
    expect(lintLive(hostsIn(rule.good)).filter((one) => !one.code.startsWith('LVS-CONF-'))).toEqual([]);
  });
});

const codes = (example: string): string[] => lintLive(hostsIn(example)).map(({ code }) => code);
const LO = (more: Record<string, string>): string =>
  host('rs1', {
    ...network({ lo: ['127.0.0.1/8', '192.0.2.10/32'], eth0: ['192.0.2.11/24'] }),
    sysctls: sysctls('net/ipv4/conf/all/arp_ignore:0', 'net/ipv4/conf/eth0/arp_announce:0'),
    ...more,
  });

describe('what is no fault', () => {
  test.each<[string, string, string[]]>([
    ['a VIP on lo', LO({}), ['LVS-LIVE-301']],
    [
      'one that arptables keeps silent about',
      LO({ arptables: 'Chain INPUT (policy ACCEPT)\n-j DROP -d 192.0.2.10 ' }),
      [],
    ],
    [
      'another address that begins alike',
      LO({ arptables: 'Chain INPUT (policy ACCEPT)\n-j DROP -d 192.0.2.100 ' }),
      ['LVS-LIVE-301'],
    ],
    ['nothing known', host('x', {}), []],
    ['a table that is empty', host('x', { ipvs: table() }), []],
    [
      'a parameter that follows from ip_forward’s twin',
      host('x', {
        sysctls: sysctls('net/ipv4/ip_forward:1'),
        'boot-files': './etc/sysctl.d/1.conf',
        boot: './etc/sysctl.d/1.conf:1:net.ipv4.conf.all.forwarding=1',
      }),
      [],
    ],
    [
      'one that interfaces get by default',
      host('x', {
        sysctls: sysctls('net/ipv4/conf/eth0/send_redirects:0'),
        'boot-files': './etc/sysctl.d/1.conf',
        boot: './etc/sysctl.d/1.conf:1:net.ipv4.conf.default.send_redirects=0',
      }),
      [],
    ],
  ])('%s', (_name, example, wanted) => expect(codes(example)).toEqual(wanted));

  test('lines for one host alone are those of its own name, without its domain', () => {
    const conf = 'global_defs {\n@lvs1 router_id a\n@lvs2 router_id b\n}\n';
    const [seen] = hostsIn(host('lvs1', { 'file /etc/keepalived/keepalived.conf': conf }));
    if (seen === undefined) throw new Error('no host');
    const named = { ...seen, name: '10.0.0.1', facts: { ...seen.facts, hostname: 'lvs1.example.net' } };
    expect(keepalivedOf(named)?.statements[0]?.body).toHaveLength(1);
    expect(keepalivedOf(named)?.problems).toEqual([]);
  });

  test('hosts with nothing in common are not held against each other', () => {
    const alone = (name: string, id: number, vip: string): string =>
      host(name, {
        'file /etc/keepalived/keepalived.conf': `vrrp_instance a${id} {\n    state BACKUP\n    interface eth0\n    virtual_router_id ${id}\n    priority 100\n    virtual_ipaddress {\n        ${vip}\n    }\n}\n`,
      });
    expect(codes(alone('a', 51, '192.0.2.100') + alone('b', 52, '192.0.2.101'))).toEqual([]);
    expect(codes(alone('a', 51, '192.0.2.100') + alone('b', 51, '192.0.2.100'))).toContain('LVS-CONF-205');
  });
});

test('what hosts are, in short', () => {
  const director = host('lvs1', {
    ipvs: table('-A -t 192.0.2.100:80 -s rr', '-a -t 192.0.2.100:80 -r 192.0.2.11:80 -g -w 1'),
    ...network({ eth0: ['192.0.2.1/24', '192.0.2.100/24'] }),
  });
  const real = host('rs1', network({ lo: ['192.0.2.100/32'], eth0: ['192.0.2.11/24'] }));
  expect(summaries(hostsIn(director + real + host('x', {}))).map(({ roles }) => roles)).toEqual([
    ['director of tcp 192.0.2.100:80'],
    ['real server of 192.0.2.100'],
    [],
  ]);
});
