import { describe, expect, test } from 'vitest';
import { diffOne, keyOf, type TunnelResource, undoOf } from '../../src/resources/index.ts';
import { DEBIAN, parsed, words } from './facts.ts';

// Lines of iproute2 6.1 on Linux 6.1.
const LINE = {
  down: '4: tunl0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0 \\    ipip any remote any local any ttl inherit nopmtudisc addrgenmode eui64',
  up: '4: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0 \\    ipip any remote any local any ttl inherit nopmtudisc addrgenmode eui64',
  six: '10: ip6tnl0@NONE: <NOARP,UP,LOWER_UP> mtu 1452 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/tunnel6 :: brd :: \\    ip6tnl ip6ip6 remote any local any hoplimit inherit encaplimit 0',
  both: '10: ip6tnl0@NONE: <NOARP,UP,LOWER_UP> mtu 1452 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/tunnel6 :: brd :: \\    ip6tnl any remote any local any hoplimit inherit encaplimit 0',
  gre: '8: lvs-gre@NONE: <NOARP,UP,LOWER_UP> mtu 1476 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/gre 50.50.50.30 brd 0.0.0.0 \\    gre remote any local 50.50.50.30 ttl inherit icsum addrgenmode eui64',
};
const tunl0: TunnelResource = { kind: 'tunnel', type: 'module', device: 'tunl0', any: false, state: 'up' };
const ip6tnl0: TunnelResource = { ...tunl0, device: 'ip6tnl0' };
const mixed: TunnelResource = { ...ip6tnl0, any: true };
const gre: TunnelResource = { kind: 'tunnel', type: 'gre', device: 'lvs-gre', local: '50.50.50.30', state: 'up' };
const gue: TunnelResource = { kind: 'tunnel', type: 'gue', port: 6080, family: 4, state: 'up' };
const gue6: TunnelResource = { ...gue, family: 6 };

function ops(resource: TunnelResource, text: string): string[] {
  const [state] = parsed(text, [resource]);
  return words(diffOne(resource, state, DEBIAN).flatMap((change) => change.ops));
}

describe('changes', () => {
  test.each<[string, TunnelResource, string, string[]]>([
    ['up', tunl0, LINE.up, []],
    ['down', tunl0, LINE.down, ['tunnel_up tunl0 -']],
    ['not there', tunl0, '', ['tunnel_up tunl0 -']],
    ['for one family', ip6tnl0, LINE.six, []],
    ['for both families, and is for one', mixed, LINE.six, ['tunnel_up ip6tnl0 any']],
    ['for both families', mixed, LINE.both, []],
    ['a GRE device of ours', gre, LINE.gre, []],
    ['one without checksums', gre, LINE.gre.replace(' icsum', ''), ['tunnel_gre lvs-gre gre 50.50.50.30']],
    [
      'one that ends elsewhere',
      gre,
      LINE.gre.replaceAll('50.50.50.30', '50.50.50.31'),
      ['tunnel_gre lvs-gre gre 50.50.50.30'],
    ],
    [
      'one bound to a sender',
      gre,
      LINE.gre.replace('remote any', 'remote 1.2.3.4'),
      ['tunnel_gre lvs-gre gre 50.50.50.30'],
    ],
    ['a port', gue, 'port 6080 gue\n', []],
    ['no port', gue, '', ['tunnel_gue add 4 6080']],
    ['another port', gue, 'port 60800 gue\n', ['tunnel_gue add 4 6080']],
    ['IPv6’s port', gue6, 'port 6080 gue -6\n', []],
    ['IPv4’s port for IPv6', gue6, 'port 6080 gue\n', ['tunnel_gue add 6 6080']],
    ['IPv6’s port for IPv4', gue, 'port 6080 gue -6\n', ['tunnel_gue add 4 6080']],
    ['gone, and shall be', { ...gue, state: 'absent' }, '', []],
    ['there, and shall not be', { ...gue, state: 'absent' }, 'port 6080 gue\n', ['tunnel_gue del 4 6080']],
    ['a GRE device that shall not be', { ...gre, state: 'absent' }, LINE.gre, ['tunnel_gone lvs-gre']],
    ['up, and shall be down', { ...tunl0, state: 'down' }, LINE.up, ['tunnel_down tunl0']],
    ['gone with its module, and shall be down', { ...tunl0, state: 'down' }, '', []],
  ])('%s', (_, resource, text, expected) => expect(ops(resource, text)).toEqual(expected));
});

test('keys tell them apart', () => {
  const keys = [tunl0, ip6tnl0, gre, gue, gue6].map(keyOf);
  expect(new Set(keys).size).toBe(keys.length);
});

describe('given back', () => {
  test.each<[string, TunnelResource, string | undefined, unknown]>([
    ['was down', tunl0, 'down', { ...tunl0, state: 'down' }],
    ['was not there', tunl0, 'absent', { ...tunl0, state: 'down' }],
    ['was up before', tunl0, 'up', undefined],
    ['never changed', tunl0, undefined, undefined],
    ['a port', gue, 'absent', { ...gue, state: 'absent' }],
    ['a device of ours', gre, 'absent', { ...gre, state: 'absent' }],
  ])('%s', (_, resource, before, expected) => {
    const entry = { resource, before: before === undefined ? undefined : { state: before }, wrote: [] };
    expect(undoOf(entry, 'destroy')).toEqual(expected);
  });
});
