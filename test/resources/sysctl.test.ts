import { describe, expect, test } from 'vitest';
import { diffOne, noticesOf, type SysctlResource } from '../../src/resources/index.ts';
import { sysctlPath } from '../../src/resources/sysctl.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const want = (name: string, value: string): SysctlResource => ({
  kind: 'sysctl',
  name,
  value,
  file: '/etc/sysctl.d/90-lvsctl.conf',
});

test.each([
  ['net.ipv4.ip_forward', 'net/ipv4/ip_forward'],
  ['net/ipv4/ip_forward', 'net/ipv4/ip_forward'],
  ['net.ipv4.conf.eth0/5.forwarding', 'net/ipv4/conf/eth0.5/forwarding'],
  ['net/ipv4/conf/eth0.5/forwarding', 'net/ipv4/conf/eth0.5/forwarding'],
])('%s is %s', (name, path) => expect(sysctlPath(name)).toBe(path));

// The lines of Debian 12's own files, as grep -n prints them.
const DISTRIBUTION = `./usr/lib/sysctl.d/50-pid-max.conf:16:kernel.pid_max = 4194304
./usr/lib/sysctl.d/99-protect-links.conf:7:fs.protected_fifos = 1
./usr/lib/sysctl.d/50-default.conf:23:-net.ipv4.conf.all.rp_filter
./usr/lib/sysctl.d/50-default.conf:24:net.ipv4.conf.*.rp_filter = 2
`;

test('live values: white space made single, a parameter that does not exist', () => {
  const text = `./proc/sys/net/ipv4/tcp_rmem:1:4096\t131072\t33554432\n./proc/sys/net/ipv4/ip_forward:1:0\n${DISTRIBUTION}`;
  const asked = [
    want('net.ipv4.tcp_rmem', '4096 131072  33554432'),
    want('net.ipv4.ip_forward', '1'),
    want('net.ipv4.vs.conntrack', '1'),
  ];
  expect(parsed(text, asked)).toEqual([
    { value: '4096 131072 33554432', overriddenBy: null },
    { value: '0', overriddenBy: null, others: {} },
    { value: null, overriddenBy: null },
  ]);
});

describe('files that are read later', () => {
  const name = 'net.ipv4.conf.all.rp_filter';
  test.each([
    ['none', '', null],
    ['an earlier name', './etc/sysctl.d/10-x.conf:1:net.ipv4.conf.all.rp_filter=1', null],
    ['a later name', './etc/sysctl.d/99-x.conf:3:net.ipv4.conf.all.rp_filter=1', '/etc/sysctl.d/99-x.conf:3'],
    [
      'a later name in a lesser folder',
      './usr/lib/sysctl.d/95-x.conf:3: net/ipv4/conf/all/rp_filter = 1',
      '/usr/lib/sysctl.d/95-x.conf:3',
    ],
    ['the same value', './etc/sysctl.d/99-x.conf:3:net.ipv4.conf.all.rp_filter =  2 ', null],
    ['sysctl.conf, last of all', './etc/sysctl.conf:8:net.ipv4.conf.all.rp_filter=1', '/etc/sysctl.conf:8'],
    [
      'sysctl.conf gives back the wanted value',
      './etc/sysctl.conf:8:net.ipv4.conf.all.rp_filter=2\n./etc/sysctl.d/99-x.conf:3:net.ipv4.conf.all.rp_filter=1',
      null,
    ],
    [
      'hidden by a file of the same name in /etc',
      './usr/lib/sysctl.d/99-x.conf:3:net.ipv4.conf.all.rp_filter=1\n./etc/sysctl.d/99-x.conf:1:kernel.panic=1',
      null,
    ],
    ['errors ignored', './etc/sysctl.d/99-x.conf:3:-net.ipv4.conf.all.rp_filter=1', '/etc/sysctl.d/99-x.conf:3'],
    ['a comment that is indented', './etc/sysctl.d/99-x.conf:3:  # net.ipv4.conf.all.rp_filter=1', null],
  ])('%s', (_, text, overriddenBy) => {
    const resource = want(name, '2');
    const [state] = parsed(`./proc/sys/net/ipv4/conf/all/rp_filter:1:2\n${DISTRIBUTION}${text}\n`, [resource]);
    expect(state).toEqual({ value: '2', overriddenBy });
    expect(diffOne(resource, state, DEBIAN)).toEqual([]);
    expect(noticesOf(resource, state)).toHaveLength(overriddenBy === null ? 0 : 1);
  });
});

test('a value that differs is set', () => {
  const [change] = diffOne(want('net.ipv4.ip_forward', '1'), { value: '0', overriddenBy: null }, DEBIAN);
  expect(words(change?.ops ?? [])).toEqual(['sysctl_set net/ipv4/ip_forward 1']);
  expect(change).toMatchObject({
    direction: 'change',
    shown: [{ as: 'value', name: 'net.ipv4.ip_forward', before: '0', after: '1' }],
    before: { value: '0' },
    after: { value: '1' },
  });
});
