import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import type { Cluster, Platform } from '../../src/inventory/model.ts';
import { ruleLines } from '../../src/resources/ipvs-table.ts';
import { desire } from '../../src/roles/index.ts';
import { ipvsRules, tableOwner } from '../../src/roles/ipvs.ts';
import { facts } from '../inventories/facts.ts';
import { folder } from '../inventory/files.ts';

const HOSTS = `
  director: { interfaces: { eth0: { addresses: [10.0.0.2/24, "2001:db8::2/64"] }, eth1: { addresses: [10.1.0.2/24] } } }
  rs1: { interfaces: { eth0: { addresses: [10.0.0.21/24, "2001:db8::21/64"] } } }
  rs2: { interfaces: { eth0: { addresses: [10.0.0.22/24, "2001:db8::22/64"] } } }
`;

function cluster(service: string, more = ''): Cluster {
  const real = service.includes('real_servers:') ? '' : ', real_servers: { rs1: {}, rs2: { weight: 3 } }';
  const text = `version: 1
name: t
defaults: { service: { directors: [director], scheduler: rr } }
hosts:${HOSTS}vips:
  both: { addresses: [10.0.0.100, "2001:db8::100"] }
services:
  s: { ${service}${real} }
${more}`;
  return loadCluster([join(folder({ 'lvs.yaml': text }), 'lvs.yaml')]);
}

const rows = (model: Cluster): string[] => ipvsRules(model.services).flatMap((rule) => ruleLines(rule, rule));
const director = (model: Cluster, platform: Platform = 'debian') =>
  desire(model, 'director', facts({ platform })).map(({ resource }) => resource);

describe('rows of the table', () => {
  test.each<[string, string, string[]]>([
    [
      'dr',
      'mode: dr, vip: 10.0.0.100, port: 80',
      [
        '-A -t 10.0.0.100:80 -s rr',
        '-a -t 10.0.0.100:80 -r 10.0.0.21:80 -g -w 1',
        '-a -t 10.0.0.100:80 -r 10.0.0.22:80 -g -w 3',
      ],
    ],
    [
      'two families, two ports',
      'mode: dr, vip: both, protocol: udp, ports: [53, 5353], one_packet: true',
      [
        '-A -u 10.0.0.100:53 -s rr -o',
        '-A -u 10.0.0.100:5353 -s rr -o',
        '-A -u [2001:db8::100]:53 -s rr -o',
        '-A -u [2001:db8::100]:5353 -s rr -o',
      ],
    ],
    [
      'a mark, persistence by network of each family',
      'mode: dr, vip: both, ports: [80, 443], fwmark: 7, persistence_timeout: 5m, persistence_netmask: { ipv4: 24, ipv6: 64 }',
      [
        '-A -f 7 -s rr -p 300 -M 255.255.255.0',
        '-a -f 7 -r 10.0.0.21:0 -g -w 1',
        '-A -f 7 -6 -s rr -p 300 -M 64',
        '-a -f 7 -6 -r [2001:db8::21]:0 -g -w 1',
      ],
    ],
    [
      'sip',
      'mode: dr, vip: 10.0.0.100, protocol: udp, port: 5060, persistence_timeout: 60, persistence_engine: sip',
      ['-A -u 10.0.0.100:5060 -s rr -p 60 --pe sip'],
    ],
    [
      'flags',
      'mode: dr, vip: 10.0.0.100, port: 80, scheduler: mh, scheduler_flags: [mh-port, mh-fallback]',
      ['-A -t 10.0.0.100:80 -s mh -b mh-fallback,mh-port'],
    ],
    [
      'nat with a port of its own and thresholds',
      'mode: nat, vip: 10.0.0.100, port: 80, real_servers: { rs1: { port: 8080, upper_threshold: 100, lower_threshold: 50 } }',
      ['-A -t 10.0.0.100:80 -s rr', '-a -t 10.0.0.100:80 -r 10.0.0.21:8080 -m -w 1 -x 100 -y 50'],
    ],
    ['fullnat', 'mode: fullnat, vip: 10.0.0.100, port: 80', ['-a -t 10.0.0.100:80 -r 10.0.0.21:80 -m -w 1']],
    ['tun', 'mode: tun, vip: 10.0.0.100, port: 80', ['-a -t 10.0.0.100:80 -r 10.0.0.21:80 -i -w 1']],
    [
      'tun over gue',
      'mode: tun, vip: 10.0.0.100, port: 80, tunnel: { type: gue, port: 6080, checksum: remcsum }',
      ['-a -t 10.0.0.100:80 -r 10.0.0.21:80 -i --tun-type gue --tun-port 6080 --tun-remcsum -w 1'],
    ],
    ['sctp', 'mode: nat, vip: 10.0.0.100, protocol: sctp, port: 5000', ['-A --sctp-service 10.0.0.100:5000 -s rr']],
  ])('%s', (_, service, lines) => {
    expect(rows(cluster(service))).toEqual(expect.arrayContaining(lines));
  });
});

const DR = 'mode: dr, vip: 10.0.0.100, port: 80';

describe('what a director has', () => {
  test('modules of scheduler and persistence engine', () => {
    const sip =
      'mode: dr, vip: 10.0.0.100, protocol: udp, port: 5060, persistence_timeout: 60, persistence_engine: sip';
    const names = director(cluster(sip)).flatMap((resource) => (resource.kind === 'module' ? [resource.name] : []));
    expect(names).toEqual(expect.arrayContaining(['ip_vs', 'ip_vs_rr', 'ip_vs_pe_sip']));
  });

  test('timeouts live and in the saved rules', () => {
    const model = cluster(DR, 'ipvs: { timeouts: { tcp: 600, udp: 30 } }\n');
    const wanted = director(model);
    expect(wanted).toContainEqual({ kind: 'ipvs_timeouts', tcp: 600, tcpFin: 120, udp: 30 });
    const rules = wanted.find((resource) => resource.kind === 'file' && resource.path === '/etc/ipvsadm.rules');
    expect(rules).toMatchObject({
      content: `--set 600 120 30
-A -t 10.0.0.100:80 -s rr
-a -t 10.0.0.100:80 -r 10.0.0.21:80 -g -w 1
-a -t 10.0.0.100:80 -r 10.0.0.22:80 -g -w 3
`,
    });
  });

  test('a unit that would save the table over its rules is kept from it', () => {
    const files = (platform: Platform) =>
      director(cluster(DR), platform).flatMap((resource) => (resource.kind === 'file' ? [resource.path] : []));
    expect(files('rhel')).toContain('/etc/systemd/system/ipvsadm.service.d/lvsctl.conf');
    expect(files('debian')).not.toContain('/etc/systemd/system/ipvsadm.service.d/lvsctl.conf');
  });
});

test('one program owns the table', () => {
  expect(tableOwner(cluster(DR), 'director')).toBe('ipvsadm');
  expect(tableOwner(cluster(`${DR}, health_check: { tcp_check: {} }`), 'director')).toBe('keepalived');
  expect(
    tableOwner(cluster(`${DR}, health_check: { tcp_check: {} }, sorry_server: { address: 10.0.0.99 }`), 'director'),
  ).toBe('keepalived');
  const resources = director(cluster(`${DR}, health_check: { tcp_check: {} }, quorum: 1`));
  expect(resources.map(({ kind }) => kind)).not.toContain('ipvs_timeouts');
  expect(resources).toContainEqual(
    expect.objectContaining({ kind: 'service', unit: 'ipvsadm.service', enabled: false }),
  );
});
