import { describe, expect, test } from 'vitest';
import { parseFacts } from '../../src/host/facts.ts';

const frame = (words: string, content = '') => ({ words: words.split(' '), content: Buffer.from(content) });
const base = frame('base', 'kernel 6.1.0-40-amd64\narch x86_64\nboot b\nhostname rs1\nsystemd yes\n');

describe('the family', () => {
  test.each([
    ['debian', 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n', 'debian', '12'],
    ['debian', 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n', 'ubuntu', '24.04'],
    ['rhel', 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n', 'rocky', '9.4'],
    ['rhel', 'NAME="openEuler"\nID="openEuler"\nVERSION_ID="24.03"\n', 'openEuler', '24.03'],
    ['rhel', "ID='fedora'\nVERSION_ID=41\n", 'fedora', '41'],
    ['debian', '', 'linux', ''],
  ])('%s: %j', (platform, release, osId, osVersion) => {
    expect(parseFacts([base, frame('os-release', release)])).toMatchObject({ platform, osId, osVersion });
  });
});

// NetworkManager 1.42.4 and iproute2 6.1 on Debian 12.
const PROFILES = `ens33:802-3-ethernet:11111111-2222-5333-8444-555555555555:lab-ens33:/run/NetworkManager/system-connections/lab-ens33.nmconnection
lo:loopback:9ffa23f9-3fbc-44cc-b27b-0223d48ff008:lo:/run/NetworkManager/system-connections/lo.nmconnection
:802-3-ethernet:f90612b2-116f-382e-8354-85fa3fb355cc:Wired: connection 1:/run/NetworkManager/system-connections/Wired: connection 1.nmconnection
ens34:802-3-ethernet:3da79fbe-88d6-4b8a-906b-0b95d9f814f5:in memory:
Error: NetworkManager is not running.
`;
const ADDRESSES = `[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"qdisc":"noqueue","operstate":"UNKNOWN","group":"default","txqlen":1000,"link_type":"loopback","address":"00:00:00:00:00:00","broadcast":"00:00:00:00:00:00","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo","valid_life_time":4294967295,"preferred_life_time":4294967295},{"family":"inet","local":"20.20.20.20","prefixlen":32,"scope":"global","label":"lo","valid_life_time":4294967295,"preferred_life_time":4294967295},{"family":"inet6","local":"::1","prefixlen":128,"scope":"host","valid_life_time":4294967295,"preferred_life_time":4294967295}]},{"ifindex":4,"link":"ens33p","ifname":"ens33","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500,"qdisc":"noqueue","operstate":"UP","group":"default","txqlen":1000,"link_type":"ether","address":"26:6c:f3:d2:68:5a","broadcast":"ff:ff:ff:ff:ff:ff","addr_info":[{"family":"inet","local":"30.30.30.20","prefixlen":24,"broadcast":"30.30.30.255","scope":"global","noprefixroute":true,"label":"ens33","valid_life_time":4294967295,"preferred_life_time":4294967295},{"family":"inet6","local":"fe80::3435:d5ff:fec7:820c","prefixlen":64,"scope":"link","valid_life_time":4294967295,"preferred_life_time":4294967295}]}]`;

describe('the network', () => {
  const facts = parseFacts([
    base,
    frame('addresses', ADDRESSES),
    frame('networkmanager', 'nmcli tool, version 1.42.4\n'),
    frame('profiles', PROFILES),
    frame('keyfile /run/NetworkManager/system-connections/lab-ens33.nmconnection', '[connection]\nid=lab-ens33\n'),
  ]);

  test('devices, without link-local addresses', () => {
    expect(facts.devices).toEqual({
      lo: { mac: '00:00:00:00:00:00', up: true, mtu: 65536, addresses: ['127.0.0.1/8', '20.20.20.20/32', '::1/128'] },
      ens33: { mac: '26:6c:f3:d2:68:5a', up: true, mtu: 1500, addresses: ['30.30.30.20/24'] },
    });
  });

  test('profiles: names with colons, one that no file holds, content of active ones', () => {
    expect(facts.networkManager).toBe('1.42.4');
    const runtime = '/run/NetworkManager/system-connections';
    expect(facts.profiles.map(({ device, type, name, file }) => [device, type, name, file])).toEqual([
      ['ens33', 'ethernet', 'lab-ens33', `${runtime}/lab-ens33.nmconnection`],
      ['lo', 'loopback', 'lo', `${runtime}/lo.nmconnection`],
      ['', 'ethernet', 'Wired: connection 1', `${runtime}/Wired: connection 1.nmconnection`],
      ['ens34', 'ethernet', 'in memory', ''],
    ]);
    expect(facts.profiles.map(({ content }) => content)).toEqual(['[connection]\nid=lab-ens33\n', '', '', '']);
  });

  test('no NetworkManager, no ip', () => {
    const bare = parseFacts([base, frame('addresses', 'sh: ip: not found\n')]);
    expect(bare).toMatchObject({ devices: {}, profiles: [] });
    expect(bare).not.toHaveProperty('networkManager');
  });
});

test.each(['', '{"version":', 'null'])('a manifest that is none: %j', (text) => {
  expect(parseFacts([base, frame('manifest', text)]).manifest ?? null).toBeNull();
});
