import { describe, expect, test } from 'vitest';
import { host, whole } from '../../src/lint/examples.ts';
import { findingsIn } from './findings.ts';

const codes = (text: string): string[] => findingsIn(text).map(({ code }) => code);
const own = (parameter: string, of?: 'lvs') => host(`sysctls: { ${parameter} }`, of);

describe('a host’s own kernel parameters', () => {
  test.each<[string, string, string[]]>([
    ['8 on a director', own('net.ipv4.conf.eth0.arp_ignore: 8', 'lvs'), ['LVS-SYSCTL-001']],
    ['8 on all of a director', own('net.ipv4.conf.all.arp_ignore: 8', 'lvs'), ['LVS-SYSCTL-001']],
    ['by the other name', own('net/ipv4/conf/eth0/arp_ignore: 8'), ['LVS-SYSCTL-001']],
    [
      'of one family',
      host('by_platform: { rhel: { sysctls: { net.ipv4.conf.eth0.arp_ignore: 8 } } }'),
      ['LVS-SYSCTL-001'],
    ],
    ['of an interface that nobody describes', own('net.ipv4.conf.eth9.arp_ignore: 8'), []],
    ['0 on the interface: the larger one of all counts', own('net.ipv4.conf.eth0.arp_ignore: 0'), []],
    ['3', own('net.ipv4.conf.eth0.arp_ignore: 3'), ['LVS-SYSCTL-002']],
    ['7', own('net.ipv4.conf.eth0.arp_ignore: 7'), ['LVS-SYSCTL-002']],
    ['3 on a director', own('net.ipv4.conf.eth0.arp_ignore: 3', 'lvs'), []],
    ['announced', own('net.ipv4.conf.eth0.arp_announce: 3'), ['LVS-SYSCTL-002']],
    ['announced with less', own('net.ipv4.conf.eth0.arp_announce: 0'), []],
    ['no memory for another process', own('vm.overcommit_memory: 2'), ['LVS-SYSCTL-005']],
    ['memory for any process', own('vm/overcommit_memory: 1'), []],
    ['few threads', own('kernel.threads-max: 200'), ['LVS-SYSCTL-005']],
    ['few processes', own('kernel/pid_max: 301', 'lvs'), ['LVS-SYSCTL-005']],
    ['many processes', own('kernel.pid_max: 4194304'), []],
    ['forwarding off on a director in dr mode', own('net.ipv4.conf.eth0.forwarding: 0', 'lvs'), []],
  ])('%s', (_name, text, expected) => expect(codes(text)).toEqual(expected));

  const nat = (said: string, more = '') =>
    whole(`hosts:
  ${more}
  lvs: { ${said}, interfaces: { out: { addresses: [192.0.2.10/24] }, in.5: { vlan: { parent: x, id: 5 }, addresses: [10.0.0.1/24] } } }
  web1: { interfaces: { eth0: { addresses: [10.0.0.11/24] } } }
services:
  web: { mode: nat, vip: 192.0.2.10, port: 80, directors: [lvs], real_servers: { web1: {} } }
`);
  test.each<[string, string, string[]]>([
    ['inside', nat('sysctls: { net.ipv4.conf.in/5.forwarding: 0 }'), ['LVS-SYSCTL-003']],
    ['inside, by its other name', nat('sysctls: { net/ipv4/conf/in.5/forwarding: 0 }'), ['LVS-SYSCTL-003']],
    [
      'inside, of a router too',
      nat('forwarding: true, sysctls: { net.ipv4.conf.in/5.forwarding: 0 }'),
      ['LVS-SYSCTL-003'],
    ],
    ['outside', nat('sysctls: { net.ipv4.conf.out.forwarding: 0 }'), []],
    ['outside, of a router', nat('forwarding: true, sysctls: { net.ipv4.conf.out.forwarding: 0 }'), ['LVS-SYSCTL-004']],
  ])('forwarding off %s of a director in nat mode', (_name, text, expected) => expect(codes(text)).toEqual(expected));

  const client = 'client: { manage: none, interfaces: { eth0: { addresses: [192.0.2.9/24] } } }';
  test('the walk of a described client’s packet meets them too, and says which', () => {
    const replies = findingsIn(nat('sysctls: { net/ipv4/conf/in.5/forwarding: 0 }', client));
    expect(replies.map(({ code }) => code).toSorted()).toEqual(['LVS-PATH-002', 'LVS-SYSCTL-003']);
    const [walked] = findingsIn(nat('sysctls: { net.ipv4.conf.out.arp_ignore: 8 }', client)).filter(({ code }) =>
      code.startsWith('LVS-PATH'),
    );
    expect(walked?.what).toContain('answers ARP for 192.0.2.10; lvs has it, and its arp_ignore is 8');
  });
});

describe('the way to a host', () => {
  test.each<[string, string, string[]]>([
    ['stopped', 'units: { ssh.service: { running: false } }', ['LVS-HOST-007']],
    ['not at boot', 'units: { sshd.service: { enabled: false } }', ['LVS-HOST-007']],
    ['by its socket', 'units: { ssh.service: { enabled: false }, ssh.socket: {} }', []],
    [
      'neither',
      'units: { ssh.service: { enabled: false }, ssh.socket: { running: false } }',
      ['LVS-HOST-007', 'LVS-HOST-007'],
    ],
    ['NetworkManager', 'units: { NetworkManager.service: { enabled: false } }', ['LVS-HOST-007']],
    ['not lvsctl’s network', 'manage: [sysctl, services]\nunits: { NetworkManager.service: { enabled: false } }', []],
    ['what takes back', 'units: { lvsctl-settle.service: { enabled: false } }', ['LVS-HOST-007']],
    ['what takes back now', 'units: { lvsctl-revert-abc.service: { running: false } }', ['LVS-HOST-007']],
    ['of one family', 'by_platform: { rhel: { units: { sshd.service: { running: false } } } }', ['LVS-HOST-007']],
    ['switched on', 'units: { sshd.service: {}, systemd-networkd.service: {}, NetworkManager.service: {} }', []],
    ['how sshd lets in', 'files: { /etc/ssh/sshd_config: { content: "" } }', ['LVS-HOST-009']],
    ['how sshd is started', 'files: { /etc/sysconfig/sshd: { content: "" } }', ['LVS-HOST-009']],
    ['how sshd is started on Debian', 'files: { /etc/default/ssh: { content: "" } }', ['LVS-HOST-009']],
    ['how others log in', 'files: { /etc/ssh/ssh_config.d/x.conf: { content: "" } }', []],
    ['another network', 'units: { networking.service: { enabled: false } }', ['LVS-HOST-008']],
  ])('%s', (_name, said, expected) => expect(codes(host(said, 'lvs'))).toEqual(expected));
});

test('a proxy asks a server by the IP version that both have, though another one is first', () => {
  const text = (web2: string) =>
    whole(`hosts:
  web1: { interfaces: { eth0: { addresses: [192.0.2.11/24], gateway: 192.0.2.1 } } }
  web2: { interfaces: { eth0: { addresses: ${web2} } } }
proxies: { front: { software: nginx, hosts: [web1], port: 80, upstream: { servers: { web2: { port: 80 } } } } }
`);
  expect(codes(text('["2001:db8::12/64", 198.51.100.12/24]'))).toEqual([]);
  expect(codes(text('["2001:db8::12/64"]'))).toEqual(['LVS-WEB-009']);
});
