import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/inventory/index.ts';
import { pathsOf } from '../../src/path/ask.ts';
import { netOf } from '../../src/path/build.ts';
import { pathFindings } from '../../src/path/findings.ts';
import { folder } from '../inventory/files.ts';
import { conf, on } from './change.ts';

/** One service with a sorry server, asked by a client behind a router. */
const cluster = (mode: string, gateway = '', address = '10.0.0.9/24') =>
  loadCluster([
    join(
      folder({
        'c.yaml': `version: 1
name: c
hosts:
  client: { manage: none, interfaces: { e0: { addresses: [192.0.2.9/24], gateway: 192.0.2.1 } } }
  route: { forwarding: true, interfaces: { far: { addresses: [192.0.2.1/24] }, near: { addresses: [10.0.0.254/24] }, beside: { addresses: [10.7.0.254/24] } } }
  lvs: { interfaces: { e0: { addresses: [10.0.0.1/24], gateway: 10.0.0.254 } } }
  rs: { interfaces: { e0: { addresses: [10.0.0.2/24]${mode === 'nat' ? '' : ', gateway: 10.0.0.254'} } } }
  sorry: { interfaces: { e0: { addresses: [${address}]${gateway} } } }
services:
  web: { mode: ${mode}, vip: 10.0.0.100, port: 80, directors: [lvs], real_servers: { rs: {} }, health_check: { tcp_check: {} }, sorry_server: { address: ${address.replace('/24', '')} } }
`,
      }),
      'c.yaml',
    ),
  ]);
const ROUTER = ', gateway: 10.0.0.254';

describe('what comes to a sorry server', () => {
  it.each([
    ['dr', ROUTER, '10.0.0.9/24'],
    ['tun', ROUTER, '10.0.0.9/24'],
    ['tun', ', gateway: 10.7.0.254', '10.7.0.9/24'],
    ['nat', '', '10.0.0.9/24'],
    ['fullnat', ROUTER, '10.0.0.9/24'],
  ])('%s%s: is answered', (mode, gateway, address) => {
    const asked = cluster(mode, gateway, address);
    expect(pathFindings(asked)).toEqual([]);
    const [path] = pathsOf(asked, netOf(asked), { to: 'web', via: 'sorry' });
    expect(path?.ways.map(({ real, fault }) => [real, fault])).toEqual([['sorry', undefined]]);
  });

  it.each([
    ['dr', '', 'no-route'],
    ['nat', ROUTER, 'other-source'],
  ])('%s%s: is told where its reply is lost (%s)', (mode, gateway, reason) => {
    const found = pathFindings(cluster(mode, gateway));
    expect(found.map(({ real, fault }) => [real, fault.leg, fault.reason])).toEqual([['sorry', 'reply', reason]]);
    expect(found[0]?.fault.why).toMatch(/^when no real server answers: /);
  });

  it('stands on what its own role gives it', () => {
    const asked = cluster('dr', ROUTER);
    const bare = on('sorry', (host) => ({
      ...host,
      devices: host.devices.map((one) => (one.name === 'lo' ? { ...one, addresses: [] } : one)),
    }))(netOf(asked));
    expect(pathFindings(asked, bare).map(({ fault }) => fault.leg)).toEqual(['request']);
    const loud = on('sorry', conf('all', { arp_ignore: 0, arp_announce: 0 }));
    expect(
      pathFindings(asked, on('sorry', conf('lo', { arp_ignore: 0, arp_announce: 0 }))(loud(netOf(asked)))).length,
    ).toBeGreaterThan(0);
  });
});
