import type { Facts, Profile } from '../../src/platform/facts.ts';

/** A keyfile as NetworkManager 1.42 makes one for lo by itself. */
export const LO_PROFILE: Profile = {
  name: 'lo',
  uuid: '6b2a1c52-3f0e-4a53-9d0b-5d0f7c0d3b11',
  type: 'loopback',
  device: 'lo',
  file: '/run/NetworkManager/system-connections/lo.nmconnection',
  content: `[connection]
id=lo
uuid=6b2a1c52-3f0e-4a53-9d0b-5d0f7c0d3b11
type=loopback
autoconnect=false
interface-name=lo
timestamp=1795255000

[loopback]

[ipv4]
address1=127.0.0.1/8
method=manual

[ipv6]
addr-gen-mode=default
address1=::1/128
method=manual

[proxy]

[.nmmeta]
nm-generated=true
volatile=true
external=true
`,
};

/** An installer's profile, matched by MAC, with addresses by DHCP. */
export const WIRED_PROFILE: Profile = {
  name: 'Wired connection 1',
  uuid: 'c1a6d1d2-9b0e-3f0a-8d51-7f3a7b2e4c90',
  type: '802-3-ethernet',
  device: 'ens33',
  file: '/etc/NetworkManager/system-connections/Wired connection 1.nmconnection',
  content: `[connection]
id=Wired connection 1
uuid=c1a6d1d2-9b0e-3f0a-8d51-7f3a7b2e4c90
type=ethernet
autoconnect-priority=-999

[ethernet]
mac-address=52:54:00:12:34:56

[ipv4]
dns-search=example.net;
method=auto

[ipv6]
addr-gen-mode=stable-privacy
method=auto

[proxy]
`,
};

/** A profile as an administrator left it for this boot only. */
export const RUNTIME_PROFILE: Profile = {
  name: 'first',
  uuid: '0f7c6d2e-54b8-4a0e-8f1d-0a9b8c7d6e5f',
  type: '802-3-ethernet',
  device: 'ens34',
  file: '/run/NetworkManager/system-connections/first.nmconnection',
  content: `[connection]
id=first
uuid=0f7c6d2e-54b8-4a0e-8f1d-0a9b8c7d6e5f
type=ethernet
interface-name=ens34

[ipv4]
method=manual
address1=30.30.30.30/24,30.30.30.254
dns=9.9.9.9;

[ipv6]
method=disabled
`,
};

/** Facts of a Debian 12 with nothing special, but for what a case changes. */
export function facts(changes: Partial<Facts> = {}): Facts {
  return {
    platform: 'debian',
    osId: 'debian',
    osVersion: '12',
    kernel: '6.1.0',
    arch: 'x86_64',
    bootId: '00000000-0000-4000-8000-000000000000',
    hostname: 'host',
    systemd: true,
    networkManager: '1.42.4',
    devices: {},
    profiles: [],
    ...changes,
  };
}
