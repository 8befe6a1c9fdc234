import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Link } from '../../src/inventory/model.ts';
import { firstProfile, guestFiles, kernelArguments, links } from '../../src/lab/guest.ts';
import { layout } from '../../src/lab/layout.ts';
import { wires } from '../../src/lab/network.ts';
import { cluster, host, nic } from './hosts.ts';

const drWrr = () => layout(loadCluster([new URL('../../inventories/dr-wrr.yaml', import.meta.url).pathname]));

function hostOf(name: string) {
  const found = drWrr().hosts.find((each) => each.name === name);
  if (found === undefined) throw new Error(name);
  return found;
}

describe('layout of dr-wrr', () => {
  it('has one bridge for each of its two segments', () => {
    const { hosts, segments } = drWrr();
    expect(segments).toHaveLength(2);
    const bridge = Object.fromEntries(
      hosts.flatMap((each) => each.nics.map((one) => [`${each.name}.${one.name}`, one.bridge])),
    );
    expect(bridge['client.ens33']).toBe(bridge['route.ens38']);
    expect(
      new Set([bridge['route.ens33'], bridge['director.ens33'], bridge['rs1.ens34'], bridge['rs2.ens34']]).size,
    ).toBe(1);
    expect(bridge['route.ens33']).not.toBe(bridge['route.ens38']);
  });

  it('gives hosts what somebody would have typed on them, and nothing of what lvsctl adds', () => {
    const director = hostOf('director');
    expect(director.nics.map((one) => firstProfile('director', one))).toEqual([
      `[connection]
id=ens33
uuid=616e4bb6-6133-55ad-a991-f399624c272d
type=ethernet
interface-name=ens33

[ipv4]
address1=30.30.30.20/24
gateway=30.30.30.254
method=manual

[ipv6]
method=disabled
`,
    ]);
    expect(JSON.stringify(drWrr())).not.toContain('20.20.20.20"');
  });

  it('names the kernel’s devices in the order of its arguments', () => {
    const route = hostOf('route');
    expect(links(route).filter((line) => line.includes(' name '))).toEqual([
      'link set dev vec0 name ens38',
      'link set dev vec1 name ens33',
      'link set dev vec2 name lab0',
    ]);
    const disks = { cow: 'c', base: 'b', packages: 'p', config: 't', run: 'r' };
    expect(kernelArguments(route, disks).filter((word) => word.startsWith('vec'))).toEqual([
      `vec0:transport=raw,ifname=h2r0,depth=128,mac=52:54:00:00:02:01`,
      `vec1:transport=raw,ifname=h2r1,depth=128,mac=52:54:00:00:02:02`,
      `vec2:transport=raw,ifname=h2rm,depth=128,mac=52:54:00:00:02:ff`,
    ]);
    // arch/um's command line holds 4096 bytes.
    expect(kernelArguments(route, disks).join(' ').length).toBeLessThan(1500);
  });

  it('marks the hosts that lvsctl doesn’t configure, and keeps private keys private', () => {
    const keys = { hostKey: 'secret', authorizedKey: 'open' };
    const paths = (name: string) => guestFiles(hostOf(name), keys).map((file) => file.path);
    expect(paths('client')).toContain('unmanaged');
    expect(paths('director')).not.toContain('unmanaged');
    const modes = guestFiles(hostOf('client'), keys).filter(
      (file) => file.content === 'secret' || file.path.endsWith('.nmconnection'),
    );
    expect(modes.map((file) => file.mode)).toEqual([0o600, 0o600]);
  });
});

describe('profiles', () => {
  it('hold routes, DNS, MTU and both families', () => {
    const more = {
      gateways: { v4: '10.0.0.1', v6: 'fd00::1' },
      routes: [{ to: { address: '10.9.0.0', prefix: 16, family: 4 as const }, via: '10.0.0.254' }],
      dns: ['1.1.1.1', 'fd00::53'],
      mtu: 9000,
    };
    const [only] = layout(cluster('/x', [host('a', [nic('eth0', 's', ['10.0.0.2/24', 'fd00::2/64'], more)])])).hosts;
    const profile = firstProfile('a', only?.nics[0] ?? expect.fail());
    expect(profile).toContain('[ethernet]\nmtu=9000\n');
    expect(profile).toContain(
      '[ipv4]\naddress1=10.0.0.2/24\ndns=1.1.1.1;\ngateway=10.0.0.1\nmethod=manual\nroute1=10.9.0.0/16,10.0.0.254\n',
    );
    expect(profile).toContain('[ipv6]\naddress1=fd00::2/64\ndns=fd00::53;\ngateway=fd00::1\nmethod=manual\n');
  });
});

describe('fingerprint', () => {
  const of = (...hosts: Parameters<typeof cluster>[1]) => layout(cluster('/x', hosts)).fingerprint;
  const base = of(host('a', [nic('eth0', 's', ['10.0.0.2/24'])]));
  it.each([
    ['another address of a managed host is for an apply', host('a', [nic('eth0', 's', ['10.0.0.3/24'])]), true],
    ['another segment', host('a', [nic('eth0', 't', ['10.0.0.2/24'])]), false],
    ['another interface', host('a', [nic('eth1', 's', ['10.0.0.2/24'])]), false],
    ['no longer managed', host('a', [nic('eth0', 's', ['10.0.0.2/24'])], false), false],
  ])('%s', (_name, changed, same) => {
    expect(of(changed) === base).toBe(same);
  });
  it('sees another address of a host that lvsctl doesn’t configure', () => {
    expect(of(host('a', [nic('eth0', 's', ['10.0.0.2/24'])], false))).not.toBe(
      of(host('a', [nic('eth0', 's', ['10.0.0.3/24'])], false)),
    );
  });
});

describe('bonds and VLANs', () => {
  const bond: Link = { type: 'bond', mode: 'active-backup', members: ['eno1', 'eno2'], options: { miimon: '100' } };
  const vlan = { type: 'vlan', parent: 'bond0', id: 30 } as const;
  const made = layout(
    cluster('/x', [
      host('a', [
        nic('bond0', 'outside', ['10.0.0.1/24'], { link: bond }),
        nic('bond0.30', 'inside', ['10.0.30.1/24'], { link: vlan }),
      ]),
      host('b', [nic('eth0', 'inside', ['10.0.30.2/24'])]),
    ]),
  );
  const [a, b] = made.hosts;

  it('stand on a card for each member, on the bond’s segment', () => {
    expect(a?.nics.map((card) => [card.name, card.bond])).toEqual([
      ['eno1', 'bond0'],
      ['eno2', 'bond0'],
    ]);
    expect(new Set(a?.nics.map((card) => card.bridge)).size).toBe(1);
  });

  it('carry a VLAN with its tag to the segment where others are without', () => {
    const lines = wires(made);
    const inside = b?.nics[0]?.bridge;
    expect(lines).toContain('link add link h1p0 name h1p0.30 type vlan id 30');
    expect(lines.filter((line) => line.startsWith(`link set dev h1p0.30 master ${inside} up`))).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith(`link set dev h1p1.30 master ${inside} up`))).toHaveLength(1);
  });

  it('have profiles as somebody would have written them', () => {
    const files = guestFiles(a ?? expect.fail(), { hostKey: '', authorizedKey: '' });
    const profile = (name: string) => files.find(({ path }) => path === `network/${name}.nmconnection`)?.content;
    expect(profile('eno1')).toMatch(/type=ethernet\ninterface-name=eno1\nmaster=bond0\nslave-type=bond\n$/);
    expect(profile('bond0')).toContain('type=bond\ninterface-name=bond0\n\n[bond]\nmiimon=100\nmode=active-backup\n');
    expect(profile('bond0')).toContain('address1=10.0.0.1/24\n');
    expect(profile('bond0.30')).toContain('type=vlan\ninterface-name=bond0.30\n\n[vlan]\nid=30\nparent=bond0\n');
  });

  it('may ride on a card that has nothing else', () => {
    const only = layout(
      cluster('/x', [
        host('c', [nic('eth0.7', 's', ['10.7.0.1/24'], { link: { type: 'vlan', parent: 'eth0', id: 7 } })]),
      ]),
    );
    expect(only.hosts[0]?.nics.map(({ name, vlans }) => [name, vlans.map(({ id }) => id)])).toEqual([['eth0', [7]]]);
  });
});

describe('memory', () => {
  it('is more where an application runs', () => {
    const application = { software: 'tomcat', source: { type: 'package' }, port: 8080, pages: [] } as const;
    const applications = [{ ...application, name: 'shop', hosts: ['b'], pages: [] }];
    const made = layout(cluster('/x', [host('a', []), host('b', [])], { applications }));
    expect(made.hosts.map((each) => each.memory)).toEqual([256, 768]);
  });
});

describe('limits', () => {
  it('refuses the lab’s own interface name', () => {
    expect(() => layout(cluster('/x', [host('a', [nic('lab0', 's', [])])]))).toThrow('LAB-INTERFACE-NAME');
  });
  it('refuses more hosts than it has management links for', () => {
    const hosts = Array.from({ length: 251 }, (_, index) => host(`h${index}`, []));
    expect(() => layout(cluster('/x', hosts))).toThrow('LAB-TOO-MANY-HOSTS');
  });
});

describe('wires of any inventory', () => {
  const anyHosts = fc
    .array(fc.array(fc.constantFrom('s', 't', 'u'), { maxLength: 5 }), { maxLength: 40 })
    .map((hosts) =>
      hosts.map((segments, at) =>
        host(
          `h${at}`,
          segments.map((segment, index) => nic(`eth${index}`, segment, [])),
        ),
      ),
    );
  it('have names that the kernel takes, each once, and addresses and MACs each once', () => {
    fc.assert(
      fc.property(anyHosts, (hosts) => {
        const made = layout(cluster('/x', hosts));
        const lines = wires(made);
        const names = lines.flatMap(
          (line) => /^link add name (\S+) type (?:veth peer name (\S+)|bridge)/.exec(line)?.slice(1) ?? [],
        );
        const given = names.filter((name) => name !== undefined);
        expect(new Set(given).size).toBe(given.length);
        expect(given.every((name) => name.length <= 15)).toBe(true);
        const macs = made.hosts.flatMap((each) => [...each.nics, each.management].map((one) => one.mac));
        expect(new Set(macs).size).toBe(macs.length);
        const addresses = lines.filter((line) => line.startsWith('addr add'));
        expect(new Set(addresses).size).toBe(made.hosts.length);
        // The management links stand apart: none is a port of a bridge.
        expect(lines.filter((line) => / master /.test(line)).every((line) => !/^link set dev h\d+pm /.test(line))).toBe(
          true,
        );
      }),
    );
  });
});
