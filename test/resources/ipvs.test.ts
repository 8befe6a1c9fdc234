import { describe, expect, test } from 'vitest';
import { diffOne, type IpvsResource } from '../../src/resources/index.ts';
import type { IpvsDestination } from '../../src/resources/ipvs.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const real = (address: string, weight: number, more: Partial<IpvsDestination> = {}): IpvsDestination => ({
  address,
  port: 80,
  method: 'gate',
  weight,
  ...more,
});

const web: Extract<IpvsResource, { state: 'present' }> = {
  kind: 'ipvs',
  state: 'present',
  protocol: 'tcp',
  address: '20.20.20.20',
  port: 80,
  scheduler: 'wrr',
  flags: [],
  destinations: [real('30.30.30.30', 1), real('30.30.30.40', 3)],
};
const gone: IpvsResource = { kind: 'ipvs', state: 'absent', protocol: 'tcp', address: '20.20.20.20', port: 80 };
const state = (resource: typeof web) => ({
  scheduler: resource.scheduler,
  flags: resource.flags,
  destinations: resource.destinations,
});

// ipvsadm 1.31 on Linux 6.1, as it is (it writes scheduler flags in its own order).
const TABLE = `-A -t 1.1.1.1:80 -s sh -p 60 -M 255.255.255.0 -b sh-fallback,sh-port
-A -t 20.20.20.20:80 -s wrr
-a -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 3
-a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1
-A -u 20.20.20.20:53 -s rr
-a -u 20.20.20.20:53 -r 30.30.30.31:53 -m -w 0
-a -u 20.20.20.20:53 -r 30.30.30.41:53 -i -w 3 --tun-type ipip
-A --sctp-service 20.20.20.20:5000 -s rr
-A -t [2001:db8::20]:80 -s rr
-a -t [2001:db8::20]:80 -r [2001:db8::30]:80 -g -w 1
-A -f 1 -s rr -o
`;

describe('ipvsadm -Sn', () => {
  test('destinations come in one order, whatever the table has', () => {
    expect(parsed(TABLE, [web])).toEqual([state(web)]);
  });

  test('flags, methods, protocols, IPv6, other services untouched', () => {
    const asked: IpvsResource[] = [
      { ...gone, address: '1.1.1.1' },
      { ...gone, protocol: 'udp', port: 53 },
      { ...gone, protocol: 'sctp', port: 5000 },
      { ...gone, address: '2001:db8::20' },
      { ...gone, port: 8080 },
    ];
    expect(parsed(TABLE, asked)).toEqual([
      { scheduler: 'sh', flags: ['-p', '60', '-M', '255.255.255.0', '-b', 'sh-fallback,sh-port'], destinations: [] },
      {
        scheduler: 'rr',
        flags: [],
        destinations: [
          real('30.30.30.31', 0, { port: 53, method: 'masq' }),
          real('30.30.30.41', 3, { port: 53, method: 'tunnel' }),
        ],
      },
      { scheduler: 'rr', flags: [], destinations: [] },
      { scheduler: 'rr', flags: [], destinations: [real('2001:db8::30', 1)] },
      null,
    ]);
  });

  test.each(['', 'no module\n', 'no tool\n'])('an empty table: %j', (text) =>
    expect(parsed(text, [web])).toEqual([null]),
  );
});

describe('changes', () => {
  test.each<[string, IpvsResource, unknown, string[]]>([
    ['as described', web, state(web), []],
    ['nothing to take away', gone, null, []],
    [
      'a new service',
      web,
      null,
      [
        'ipvs -A -t 20.20.20.20:80 -s wrr',
        'ipvs -a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1',
        'ipvs -a -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 3',
      ],
    ],
    [
      'a weight alone',
      web,
      { ...state(web), destinations: [real('30.30.30.30', 1), real('30.30.30.40', 2)] },
      ['ipvs -e -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 3'],
    ],
    ['the scheduler alone', web, { ...state(web), scheduler: 'rr' }, ['ipvs -E -t 20.20.20.20:80 -s wrr']],
    [
      'a server replaced: the new one before the old one goes',
      web,
      { ...state(web), destinations: [real('30.30.30.30', 1), real('30.30.30.50', 3)] },
      ['ipvs -a -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 3', 'ipvs -d -t 20.20.20.20:80 -r 30.30.30.50:80'],
    ],
    ['a service no longer wanted', gone, state(web), ['ipvs -D -t 20.20.20.20:80']],
    [
      'IPv6',
      { ...web, address: '2001:db8::20', destinations: [real('2001:db8::30', 1)] },
      { ...state(web), destinations: [] },
      ['ipvs -a -t [2001:db8::20]:80 -r [2001:db8::30]:80 -g -w 1'],
    ],
    ['sctp', { ...web, protocol: 'sctp', destinations: [] }, null, ['ipvs -A --sctp-service 20.20.20.20:80 -s wrr']],
  ])('%s', (_, resource, observed, commands) => {
    const changes = diffOne(resource, observed, DEBIAN);
    expect(changes.length).toBe(commands.length === 0 ? 0 : 1);
    expect(words(changes.flatMap((change) => change.ops))).toEqual(commands);
  });
});
