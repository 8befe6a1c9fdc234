import { describe, expect, test } from 'vitest';
import { settingFor } from '../../src/observed/boot.ts';
import type { BootSetting } from '../../src/observed/observed.ts';
import { parseObserved } from '../../src/observed/parse.ts';
import { DEBIAN } from '../resources/facts.ts';

function of(...parts: [string, string][]) {
  return parseObserved(
    'h',
    parts.map(([words, text]) => ({ words: words.split(' '), text })),
    DEBIAN,
  );
}

// iproute2 6.1 on Linux 6.1.
const LINKS = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0  allmulti 0 minmtu 0 maxmtu 0 addrgenmode eui64 numtxqueues 1 numrxqueues 1 gso_max_size 65536
2: ens33: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\\    link/ether 26:6c:f3:d2:68:5a brd ff:ff:ff:ff:ff:ff promiscuity 0 addrgenmode eui64
4: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0 \\    ipip any remote any local any ttl inherit nopmtudisc addrgenmode eui64
5: ens33.7@ens33: <BROADCAST> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/ether 26:6c:f3:d2:68:5a brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    vlan protocol 802.1Q id 7 <REORDER_HDR> addrgenmode eui64
`;
const ADDRESSES = `1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet 20.20.20.20/32 scope global lo\\       valid_lft forever preferred_lft forever
2: ens33    inet 30.30.30.20/24 brd 30.30.30.255 scope global dynamic noprefixroute ens33\\       valid_lft 80sec preferred_lft 80sec
2: ens33    inet 10.0.0.1 peer 10.0.0.2/32 scope global ens33\\       valid_lft forever preferred_lft forever
2: ens33    inet6 2001:db8:0::5/64 scope global \\       valid_lft forever preferred_lft forever
2: ens33    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever
`;

test('links and addresses', () => {
  const { links, facts } = of(['link', LINKS], ['addr', ADDRESSES]);
  expect([...links].map(([name, { kind, layer, up, mtu }]) => [name, kind, layer, up, mtu])).toEqual([
    ['lo', '', 'loopback', true, 65536],
    ['ens33', '', 'ether', true, 1500],
    ['tunl0', 'ipip', 'ipip', true, 1480],
    ['ens33.7', 'vlan', 'ether', false, 1500],
  ]);
  expect(links.get('ens33')?.addresses).toEqual([
    { address: '30.30.30.20', prefix: 24, family: 4, dynamic: true },
    { address: '10.0.0.1', prefix: 32, family: 4, dynamic: false },
    { address: '2001:db8::5', prefix: 64, family: 6, dynamic: false },
  ]);
  expect(facts.devices.lo).toMatchObject({ addresses: ['127.0.0.1/8', '20.20.20.20/32'] });
});

describe('the table', () => {
  test.each([
    ['no module\n', { state: 'none' }],
    ['no tool\n', { state: 'unknown', why: 'ipvsadm is not installed there' }],
    // ipvsadm 1.31 without root.
    [
      "Can't initialize ipvs: Permission denied (you must be root)\nCan't initialize ipvs: Permission denied (you must be root)\n",
      { state: 'unknown', why: "Can't initialize ipvs: Permission denied (you must be root)" },
    ],
  ])('%j', (text, wanted) => expect(of(['ipvs', text]).ipvs).toEqual(wanted));

  test('rules, without the list behind them', () => {
    const text = `-A -t 20.20.20.20:80 -s wrr -p 300
-a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 0
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port            uthreshold lthreshold ActiveConn InActConn
  -> RemoteAddress:Port
TCP  20.20.20.20:80 wrr persistent 300
  -> 30.30.30.30:80               10         5          0          0
`;
    const { ipvs } = of(['ipvs', text]);
    expect(ipvs).toMatchObject({ state: 'known', text: text.split('IP Virtual')[0] });
    if (ipvs.state !== 'known') throw new Error('not known');
    expect(ipvs.table.get('-t 20.20.20.20:80')).toEqual({
      scheduler: 'wrr',
      flags: ['-p', '300'],
      destinations: [{ address: '30.30.30.30', port: 80, method: 'gate', weight: 0, upper: 10, lower: 5 }],
    });
  });

  test('an empty one is known to be empty', () => {
    expect(of(['ipvs', 'IP Virtual Server version 1.2.1 (size=4096)\n']).ipvs).toMatchObject({
      state: 'known',
      text: '',
    });
  });
});

test('who listens', () => {
  // iproute2 6.1.
  const text = `udp   UNCONN 0      0            0.0.0.0:68         0.0.0.0:*
tcp   LISTEN 0      128      127.0.0.1%lo:53        0.0.0.0:*
tcp   LISTEN 0      511             [::]:80            [::]:*
tcp   LISTEN 0      511 [2001:db8:0::1]:8080           [::]:*
tcp   LISTEN 0      511                *:8443             *:*
`;
  expect(of(['listen', text]).listens).toEqual([
    { protocol: 'udp', address: '', port: 68 },
    { protocol: 'tcp', address: '127.0.0.1', port: 53 },
    { protocol: 'tcp', address: '', port: 80 },
    { protocol: 'tcp', address: '2001:db8::1', port: 8080 },
    { protocol: 'tcp', address: '', port: 8443 },
  ]);
});

test('routes, rules, neighbours, arptables', () => {
  const seen = of(
    [
      'route 4',
      'default via 30.30.30.1 dev ens33 \n30.30.30.0/24 dev ens33 proto kernel scope link src 30.30.30.20 \n',
    ],
    [
      'rule 4',
      '0:\tfrom all lookup local\n100:\tfrom 10.0.0.0/8 lookup 7\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n',
    ],
    ['neighbour', '30.30.30.1 dev ens33 lladdr 02:00:00:00:00:09 PERMANENT \n'],
    ['arptables', 'Chain INPUT (policy ACCEPT)\n-j DROP -d 20.20.20.20 \n\nChain OUTPUT (policy ACCEPT)\n'],
  );
  expect(seen.routes.map(({ line }) => line)).toEqual([
    'default via 30.30.30.1 dev ens33',
    '30.30.30.0/24 dev ens33 proto kernel scope link src 30.30.30.20',
  ]);
  expect(seen.rules).toEqual(['100: from 10.0.0.0/8 lookup 7']);
  expect(seen.neighbours).toEqual([{ device: 'ens33', address: '30.30.30.1', mac: '02:00:00:00:00:09' }]);
  expect(seen.arptables).toEqual(['INPUT -j DROP -d 20.20.20.20']);
});

test('nothing at all is no error', () => {
  expect(of()).toMatchObject({ root: false, ipvs: { state: 'unknown' }, unread: [], listens: [] });
});

describe('the setting that counts', () => {
  const setting = (name: string, value: string): BootSetting => ({
    name,
    value,
    path: '/etc/sysctl.d/x.conf',
    line: 1,
  });
  test.each<[string, BootSetting[], string | undefined]>([
    ['the last', [setting('a/b', '1'), setting('a/b', '2')], '2'],
    ['explicit before a pattern', [setting('a/b', '1'), setting('a/*', '2')], '1'],
    ['a pattern', [setting('a/*', '2')], '2'],
    ['taken out of the pattern', [setting('a/*', '2'), setting('a/b', '')], undefined],
    ['a pattern is for one part', [setting('*', '2')], undefined],
    ['nothing', [setting('a/c', '2')], undefined],
  ])('%s', (_name, boot, wanted) => expect(settingFor(boot, 'a/b')?.value).toBe(wanted));
});
