import { expect, test } from 'vitest';
import { importHosts } from '../../src/import/index.ts';
import { host, hostsIn, network, table, unit } from '../../src/lint/live/examples.ts';
import type { Observed } from '../../src/observed/observed.ts';

const CONF = (priority: number) => `vrrp_instance shop {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority ${priority}
    authentication {
        auth_type PASS
        auth_pass hunter2
    }
    virtual_ipaddress {
        192.0.2.100/24
    }
}
include more/*.conf
`;
const SERVICE = `virtual_server 192.0.2.100 80 {
    protocol TCP
    lvs_sched rr
    lvs_method DR
    real_server 192.0.2.11 80 {
        TCP_CHECK {
            connect_timeout 3
        }
        notify_up /srv/up.sh
    }
}
`;
const ROWS = ['-A -t 192.0.2.100:80 -s rr', '-a -t 192.0.2.100:80 -r 192.0.2.11:80 -g -w 1'];

const director = (name: string, own: string, vip: string[], priority: number): string =>
  host(name, {
    'file /etc/keepalived/keepalived.conf': CONF(priority),
    'file /etc/keepalived/more/web.conf': SERVICE,
    'file /etc/ha.d/ldirectord.cf': 'virtual=192.0.2.9:80\n\treal=192.0.2.11:80 gate\n',
    units: unit('keepalived', 'enabled') + unit('ldirectord', 'disabled', 'inactive'),
    ipvs: table(...ROWS),
    'route 4': 'default via 192.0.2.254 dev eth0 onlink\n10.9.0.0/16 via 192.0.2.7 dev eth0 metric 100',
    ...network({ lo: ['127.0.0.1/8'], eth0: [own, ...vip] }),
  });

const web = host('web1', {
  ipvs: 'no module',
  ...network({ lo: ['127.0.0.1/8', '192.0.2.100/32'], eth0: ['192.0.2.11/24'], docker0: [] }),
});

function imported(hosts: readonly Observed[], ssh?: { address: string; user: string }) {
  const read = hosts.map((seen) => ({ seen, ...(ssh === undefined ? {} : { ssh }) }));
  return importHosts(read, [], { name: 'shop', target: '/nowhere/lvs.yaml' });
}

test('a pair and a real server, as they are', () => {
  const seen = hostsIn(
    director('lvs1', '192.0.2.1/24', ['192.0.2.100/24'], 100) + director('lvs2', '192.0.2.2/24', [], 90) + web,
  );
  const { text, gaps, mistakes } = imported(seen);
  expect(mistakes).toEqual([]);
  expect(text).toMatch(/^# Imported by lvsctl from lvs1, lvs2, web1\.\n/u);
  const body = text.replaceAll(/^ *#.*\n/gmu, '');
  expect(body).toContain(`hosts:
  lvs1:
    manage: [ ipvs, vrrp ]
    interfaces:
      eth0:
        addresses: [ 192.0.2.1/24 ]
        gateway: 192.0.2.254
        routes: [ { to: 10.9.0.0/16, via: 192.0.2.7, metric: 100 } ]
`);
  expect(body).toContain(`  web1:
    manage: none
    interfaces: { eth0: { addresses: [ 192.0.2.11/24 ] } }
`);
  expect(body).toMatch(/real_servers: \{ web1: \{\} \}/u);
  expect(text).not.toContain('hunter2');
  expect(gaps.map(({ place, what }) => ('file' in place ? `${place.file}: ${what}` : what))).toEqual(
    expect.arrayContaining([
      'lvs1:/etc/ha.d/ldirectord.cf: the file is not imported: ldirectord.service neither runs nor is enabled',
      expect.stringMatching(/^lvs1:\/etc\/keepalived\/more\/web\.conf: .*notify_up/u),
    ]),
  );
});

test('how hosts are reached, and the name of one that was given by its address', () => {
  const [seen] = hostsIn(web);
  if (seen === undefined) throw new Error('no host');
  const named = { ...seen, name: '192.0.2.11', facts: { ...seen.facts, hostname: 'web1.example.net' } };
  const { text } = imported([named], { address: '192.0.2.11', user: 'root' });
  expect(text).toMatch(/^ {2}web1:\n {4}manage: none\n {4}ssh: \{ address: 192\.0\.2\.11, user: root \}$/mu);
});

const KEYFILE =
  '[connection]\nid=eth0\nuuid=11111111-2222-5333-8444-555555555555\ntype=ethernet\ninterface-name=eth0\n\n[ipv4]\nmethod=manual\naddress1=192.0.2.11/24,192.0.2.254\n\n[wifi-security]\npsk=hunter2\n';

test.each([
  ['/etc/NetworkManager/system-connections/eth0.nmconnection', 'manage: [ network ]'],
  // What is only in memory isn't lvsctl's to write down.
  ['/run/NetworkManager/system-connections/eth0.nmconnection', 'manage: none'],
])('a keyfile in %s', (file, manage) => {
  const [seen] = hostsIn(web);
  if (seen === undefined) throw new Error('no host');
  const profile = { name: 'eth0', uuid: '', type: 'ethernet', device: 'eth0', file, content: KEYFILE };
  const { text, gaps } = imported([{ ...seen, facts: { ...seen.facts, profiles: [profile] } }]);
  expect(text).toContain(
    `  web1:\n    ${manage}\n    interfaces: { eth0: { addresses: [ 192.0.2.11/24 ], gateway: 192.0.2.254 } }`,
  );
  expect(JSON.stringify([text, gaps])).not.toContain('hunter2');
  expect(gaps.map(({ what }) => what)).toEqual(['“psk” of [wifi-security] is not in the inventory']);
});

test('what could not be read is told', () => {
  const [seen] = hostsIn(
    host('lvs1', {
      user: '1000',
      'unread /etc/keepalived/keepalived.conf': '',
      ipvs: 'no tool',
      ...network({ eth0: ['192.0.2.1/24'] }),
    }),
  );
  if (seen === undefined) throw new Error('no host');
  expect(imported([seen]).gaps.map(({ what }) => what)).toEqual([
    'the file can’t be read by this user',
    'IPVS’s table is not known: ipvsadm is not installed there',
  ]);
});
