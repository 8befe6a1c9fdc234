import { describe, expect, test } from 'vitest';
import { diffOne, type IpvsResource, keyOf, undoOf } from '../../src/resources/index.ts';
import type { IpvsChecker } from '../../src/resources/ipvs-checked.ts';
import { type IpvsDestination, parseTable, ruleLines, serviceFlags } from '../../src/resources/ipvs-table.ts';
import { DEBIAN, parsed, words } from './facts.ts';

type Present = Extract<IpvsResource, { state: 'present' }>;
type More = Partial<Pick<IpvsDestination, 'port' | 'upper' | 'lower'>>;

const real = (address: string, weight: number, more: More = {}): IpvsDestination => ({
  address,
  port: 80,
  weight,
  upper: 0,
  lower: 0,
  ...more,
  method: 'gate',
});

const web = {
  kind: 'ipvs',
  state: 'present',
  protocol: 'tcp',
  address: '20.20.20.20',
  port: 80,
  scheduler: 'wrr',
  flags: [],
  destinations: [real('30.30.30.30', 1), real('30.30.30.40', 3)],
} as const satisfies Present;
const gone = { kind: 'ipvs', state: 'absent', protocol: 'tcp', address: '20.20.20.20', port: 80 } as const;
const state = ({ scheduler, flags, destinations }: Pick<Present, 'scheduler' | 'flags' | 'destinations'>) => ({
  scheduler,
  flags,
  destinations,
});

// ipvsadm 1.31 on Linux 6.1, as they are: -Sn has its own order of flags and tells nothing of thresholds.
const TABLE = `-A -f -2147483647 -s rr -o
-A -t 20.20.20.20:80 -s wrr
-a -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 3
-a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1
-A -t 10.0.0.1:83 -s wlc
-a -t 10.0.0.1:83 -r 10.0.0.3:83 -i -w 1 --tun-type ipip
-a -t 10.0.0.1:83 -r 10.0.0.4:83 -i -w 1 --tun-type gre --tun-nocsum
-a -t 10.0.0.1:83 -r 10.0.0.5:83 -i -w 1 --tun-type gre --tun-csum
-a -t 10.0.0.1:83 -r 10.0.0.8:83 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-a -t 10.0.0.1:83 -r 10.0.0.9:83 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -t 10.0.0.1:83 -r 10.0.0.10:83 -i -w 65535 --tun-type gue --tun-port 6080 --tun-remcsum
-A -u 10.0.0.1:70 -s rr
-a -u 10.0.0.1:70 -r 10.0.0.7:70 -m -w 0
-A -u 10.0.0.1:5064 -s sh -p 30 -M 255.255.0.0 --pe sip -o -b sh-fallback,sh-port
-A --sctp-service 10.0.0.1:70 -s rr
-a --sctp-service 10.0.0.1:70 -r 10.0.0.7:70 -g -w 1
-A -t [2001:db8:1111:2222:3333:4444:5555:6666]:65535 -s mh -p 60 -M 64 -b mh-fallback,mh-port
-a -t [2001:db8:1111:2222:3333:4444:5555:6666]:65535 -r [2001:db8:1111:2222:3333:4444:5555:7778]:65535 -m -w 65535
-A -f 1 -s rr
-a -f 1 -r 10.0.0.2:0 -g -w 2
-a -f 1 -r 10.0.0.2:81 -m -w 2
-A -f 1 -6 -s rr
-a -f 1 -6 -r [2001:db8::7]:0 -g -w 1
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn 
  -> RemoteAddress:Port
FWM  -2147483647 rr ops
TCP  20.20.20.20:80 wrr
  -> 30.30.30.30:80               0          0          0          0         
  -> 30.30.30.40:80               0          0          0          0         
UDP  10.0.0.1:70 rr
  -> 10.0.0.7:70                  7          3          0          0         
UDP  10.0.0.1:5064 sh (sh-fallback,sh-port) persistent 30 mask 255.255.0.0 pe sip ops
SCTP 10.0.0.1:70 rr
  -> 10.0.0.7:70                  8          0          0          0         
TCP  [2001:db8:1111:2222:3333:4444:5555:6666]:65535 mh (mh-fallback,mh-port) persistent 60 mask 64
  -> [2001:db8:1111:2222:3333:4444:5555:7778]:65535 65535      65534      0          0         
FWM  1 rr
  -> 10.0.0.2:0                   0          0          0          0         
  -> 10.0.0.2:81                  0          0          0          0         
FWM  1 IPv6 rr
  -> [2001:db8::7]:0              9          5          0          0         
`;

const nat = (one: IpvsDestination): IpvsDestination => ({ ...one, method: 'masq' });

describe('the table as ipvsadm prints it', () => {
  test('destinations come in one order, whatever the table has', () => {
    expect(parsed(TABLE, [web])).toEqual([state(web)]);
  });

  test('flags, thresholds, protocols, marks of both families, IPv6', () => {
    const asked: IpvsResource[] = [
      { ...gone, protocol: 'udp', address: '10.0.0.1', port: 5064 },
      { ...gone, protocol: 'udp', address: '10.0.0.1', port: 70 },
      { ...gone, protocol: 'sctp', address: '10.0.0.1', port: 70 },
      { ...gone, address: '2001:db8:1111:2222:3333:4444:5555:6666', port: 65535 },
      { kind: 'ipvs', state: 'absent', protocol: 'fwmark', mark: 1, family: 4 },
      { kind: 'ipvs', state: 'absent', protocol: 'fwmark', mark: 1, family: 6 },
      { kind: 'ipvs', state: 'absent', protocol: 'fwmark', mark: 0x80000001, family: 4 },
      { ...gone, port: 8080 },
    ];
    expect(parsed(TABLE, asked)).toEqual([
      {
        scheduler: 'sh',
        flags: ['-p', '30', '-M', '255.255.0.0', '--pe', 'sip', '-o', '-b', 'sh-fallback,sh-port'],
        destinations: [],
      },
      { scheduler: 'rr', flags: [], destinations: [nat(real('10.0.0.7', 0, { port: 70, upper: 7, lower: 3 }))] },
      { scheduler: 'rr', flags: [], destinations: [real('10.0.0.7', 1, { port: 70, upper: 8 })] },
      {
        scheduler: 'mh',
        flags: ['-p', '60', '-M', '64', '-b', 'mh-fallback,mh-port'],
        destinations: [
          nat(real('2001:db8:1111:2222:3333:4444:5555:7778', 65535, { port: 65535, upper: 65535, lower: 65534 })),
        ],
      },
      {
        scheduler: 'rr',
        flags: [],
        destinations: [real('10.0.0.2', 2, { port: 0 }), nat(real('10.0.0.2', 2, { port: 81 }))],
      },
      { scheduler: 'rr', flags: [], destinations: [real('2001:db8::7', 1, { port: 0, upper: 9, lower: 5 })] },
      { scheduler: 'rr', flags: ['-o'], destinations: [] },
      null,
    ]);
  });

  test('tunnels', () => {
    const service = parseTable(TABLE).get('-t 10.0.0.1:83');
    expect(service?.destinations.map((each) => (each.method === 'tunnel' ? each.tunnel : each.method))).toEqual([
      { type: 'gue', port: 6080, checksum: 'remcsum' },
      { type: 'ipip' },
      { type: 'gre', checksum: 'none' },
      { type: 'gre', checksum: 'csum' },
      { type: 'gue', port: 6080, checksum: 'none' },
      { type: 'gue', port: 6080, checksum: 'csum' },
    ]);
  });

  test('what is written is what is read', () => {
    const match = { protocol: 'tcp', address: '10.0.0.1', port: 83 } as const;
    const service = parseTable(TABLE).get('-t 10.0.0.1:83') ?? null;
    const lines = ruleLines(match, service);
    expect(parseTable(lines.join('\n')).get('-t 10.0.0.1:83')).toEqual(service);
    expect(lines[1]).toBe('-a -t 10.0.0.1:83 -r 10.0.0.10:83 -i --tun-type gue --tun-port 6080 --tun-remcsum -w 65535');
    expect(lines).toContain('-a -t 10.0.0.1:83 -r 10.0.0.3:83 -i -w 1');
  });

  test.each(['', 'no module\n', 'no tool\n'])('an empty table: %j', (text) =>
    expect(parsed(text, [web])).toEqual([null]),
  );
});

describe('options of a service', () => {
  const none = { family: 4, schedulerFlags: [], onePacket: false } as const;
  test.each([
    [none, ''],
    [{ ...none, persistence: { timeout: 300, prefix: 32 } }, '-p 300'],
    [{ ...none, persistence: { timeout: 300, prefix: 24 } }, '-p 300 -M 255.255.255.0'],
    [{ ...none, persistence: { timeout: 300, prefix: 20 } }, '-p 300 -M 255.255.240.0'],
    [{ ...none, persistence: { timeout: 300, prefix: 1 } }, '-p 300 -M 128.0.0.0'],
    [{ ...none, family: 6, persistence: { timeout: 300, prefix: 128 } }, '-p 300'],
    [{ ...none, family: 6, persistence: { timeout: 300, prefix: 64 } }, '-p 300 -M 64'],
    [{ ...none, schedulerFlags: ['sh-port', 'sh-fallback'] }, '-b sh-fallback,sh-port'],
    [
      { ...none, onePacket: true, engine: 'sip', schedulerFlags: ['sh-port'], persistence: { timeout: 9, prefix: 16 } },
      '-p 9 -M 255.255.0.0 --pe sip -o -b sh-port',
    ],
  ] as const)('%j', (options, flags) => expect(serviceFlags(options).join(' ')).toBe(flags));
});

describe('changes', () => {
  const mark = { kind: 'ipvs', protocol: 'fwmark', mark: 7, family: 6 } as const;
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
    [
      'a weight alone: thresholds are said again, or they would be set back',
      { ...web, destinations: [real('30.30.30.30', 2, { upper: 100, lower: 50 })] },
      { ...state(web), destinations: [real('30.30.30.30', 1, { upper: 100, lower: 50 })] },
      ['ipvs -e -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 2 -x 100 -y 50'],
    ],
    [
      'a threshold that somebody set',
      web,
      { ...state(web), destinations: [real('30.30.30.30', 1, { upper: 100 }), real('30.30.30.40', 3)] },
      ['ipvs -e -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1'],
    ],
    ['the scheduler alone', web, { ...state(web), scheduler: 'rr' }, ['ipvs -E -t 20.20.20.20:80 -s wrr']],
    ['persistence alone', { ...web, flags: ['-p', '300'] }, state(web), ['ipvs -E -t 20.20.20.20:80 -s wrr -p 300']],
    [
      'another way to forward',
      { ...web, destinations: [nat(real('30.30.30.30', 1)), real('30.30.30.40', 3)] },
      state(web),
      ['ipvs -e -t 20.20.20.20:80 -r 30.30.30.30:80 -m -w 1'],
    ],
    [
      'direct routing in place of NAT: out, and in again once the old connections are forgotten',
      web,
      { ...state(web), destinations: [nat(real('30.30.30.30', 1)), real('30.30.30.40', 3)] },
      [
        'ipvs cut -t 20.20.20.20:80 -r 30.30.30.30:80',
        'ipvs forget 10',
        'ipvs -a -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1',
      ],
    ],
    [
      'a server replaced: the new one before the old one goes',
      web,
      { ...state(web), destinations: [real('30.30.30.30', 1), real('30.30.30.50', 3)] },
      [
        'ipvs -a -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 3',
        'ipvs -e -t 20.20.20.20:80 -r 30.30.30.50:80 -g -w 0',
        'ipvs -d -t 20.20.20.20:80 -r 30.30.30.50:80',
      ],
    ],
    ['a service no longer wanted', gone, state(web), ['ipvs -D -t 20.20.20.20:80']],
    [
      'IPv6',
      { ...web, address: '2001:db8::20', destinations: [real('2001:db8::30', 1)] },
      { ...state(web), destinations: [] },
      ['ipvs -a -t [2001:db8::20]:80 -r [2001:db8::30]:80 -g -w 1'],
    ],
    ['sctp', { ...web, protocol: 'sctp', destinations: [] }, null, ['ipvs -A --sctp-service 20.20.20.20:80 -s wrr']],
    [
      'a firewall mark',
      { ...mark, state: 'present', scheduler: 'rr', flags: [], destinations: [real('2001:db8::30', 1, { port: 0 })] },
      null,
      ['ipvs -A -f 7 -6 -s rr', 'ipvs -a -f 7 -6 -r [2001:db8::30]:0 -g -w 1'],
    ],
    ['a firewall mark no longer wanted', { ...mark, state: 'absent' }, state(web), ['ipvs -D -f 7 -6']],
  ])('%s', (_, resource, observed, commands) => {
    const changes = diffOne(resource, observed, DEBIAN);
    expect(changes.length).toBe(commands.length === 0 ? 0 : 1);
    expect(words(changes.flatMap((change) => change.ops))).toEqual(commands);
  });

  test('keys', () => {
    expect(
      [gone, { ...mark, state: 'absent' }, { ...mark, family: 4, state: 'absent' }].map((each) =>
        keyOf(each as IpvsResource),
      ),
    ).toEqual(['ipvs tcp 20.20.20.20:80', 'ipvs fwmark 7 IPv6', 'ipvs fwmark 7']);
  });

  test('given back: what was there before lvsctl, or nothing', () => {
    const entry = { resource: web, wrote: [state(web)] };
    expect(undoOf({ ...entry, before: null }, 'left')).toEqual(gone);
    expect(undoOf({ ...entry, before: undefined }, 'left')).toEqual(gone);
    expect(undoOf({ ...entry, before: null }, 'destroy')).toEqual(gone);
    expect(undoOf({ ...entry, before: undefined }, 'destroy')).toBeUndefined();
    const before = { ...state(web), scheduler: 'rr' };
    expect(undoOf({ ...entry, before }, 'destroy')).toEqual({ ...web, scheduler: 'rr' });
  });
});

describe('a service that keepalived checks', () => {
  const checker: IpvsChecker = { inhibit: false, dynamic: false };
  const checked = (more: Partial<IpvsChecker> = {}): Present => ({ ...web, checker: { ...checker, ...more } });
  const [first, second] = web.destinations;
  const zero = { ...second, weight: 0 };
  const sorry = real('30.30.30.99', 1);
  const live = (...destinations: IpvsDestination[]) => ({ ...state(web), destinations });
  test.each<[string, Present, unknown, string[]]>([
    ['as described', checked(), state(web), []],
    ['not there: keepalived brings it', checked(), null, []],
    ['a failed server is out', checked(), live(first), []],
    ['a failed server has weight 0', checked({ inhibit: true }), live(first, zero), []],
    [
      'weight 0 is nobody’s doing where failed servers go',
      checked(),
      live(first, zero),
      ['ipvs -e -t 20.20.20.20:80 -r 30.30.30.40:80 -g -w 3'],
    ],
    ['weights that checks set', checked({ dynamic: true }), live(first, { ...second, weight: 17 }), []],
    [
      'a weight that nobody asked for',
      checked(),
      live({ ...first, weight: 9 }, second),
      ['ipvs -e -t 20.20.20.20:80 -r 30.30.30.30:80 -g -w 1'],
    ],
    ['the sorry server', checked({ sorryServer: { address: '30.30.30.99', port: 80 } }), live(sorry), []],
    [
      'a server that nobody asked for',
      checked(),
      live(first, second, sorry),
      ['ipvs -e -t 20.20.20.20:80 -r 30.30.30.99:80 -g -w 0', 'ipvs -d -t 20.20.20.20:80 -r 30.30.30.99:80'],
    ],
    ['another scheduler', checked(), { ...live(first), scheduler: 'rr' }, ['ipvs -E -t 20.20.20.20:80 -s wrr']],
  ])('%s', (_, resource, observed, commands) => {
    expect(words(diffOne(resource, observed, DEBIAN).flatMap((change) => change.ops))).toEqual(commands);
  });
});
