import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execute, observe } from '../../src/host/client.ts';
import type { Tunnel } from '../../src/inventory/model.ts';
import { diffOne, keyOf, type Resource } from '../../src/resources/index.ts';
import {
  type IpvsDestination,
  type IpvsForwarding,
  type IpvsMatch,
  ruleLines,
  serviceFlags,
} from '../../src/resources/ipvs-table.ts';
import type { IpvsRule } from '../../src/roles/ipvs.ts';
import { createTransport } from '../../src/transport/index.ts';
import type { Connection, Transport } from '../../src/transport/types.ts';
import { startLab, type TestLab } from './harness.ts';
import { host, nic } from './hosts.ts';

/** IPVS's vocabulary against a real kernel and the real ipvsadm: what is asked for is what is read back. */

const MINUTES = 60_000;
const HOST = 'director';

let test: TestLab;
let transport: Transport;
let connection: Connection;

beforeAll(async () => {
  test = await startLab([host(HOST, [nic('eth0', 'wire', ['10.0.0.2/24', '2001:db8::2/64'])])]);
  transport = await createTransport('node-ssh', { socket: (target) => test.lab.openStream(target.name) });
  connection = await transport.connect({ name: HOST, ssh: test.lab.sshFor(HOST) }, { phase: 'test' });
  await test.on(HOST, 'DEBIAN_FRONTEND=noninteractive apt-get install -q -y ipvsadm && modprobe ip_vs');
}, 15 * MINUTES);

afterAll(async () => {
  await connection?.close();
  await transport?.close();
  await test?.down();
}, 2 * MINUTES);

/** What would have to be done, by key. */
async function pending(resources: readonly Resource[]): Promise<Map<string, ReturnType<typeof diffOne>>> {
  const { states, facts } = await observe(connection, { facts: [], desire: () => resources });
  return new Map(
    resources.flatMap((each) => {
      const changes = diffOne(each, states.get(keyOf(each)), facts);
      return changes.length === 0 ? [] : [[keyOf(each), changes] as const];
    }),
  );
}

async function bringAbout(resources: readonly Resource[]): Promise<void> {
  const changes = [...(await pending(resources)).values()].flat();
  const results = await execute(
    connection,
    changes.flatMap(({ ops }) => ops),
  );
  expect(results.filter(({ status }) => status !== 'done')).toEqual([]);
  expect([...(await pending(resources)).keys()]).toEqual([]);
}

const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'fo', 'ovf', 'lblc', 'lblcr', 'dh', 'sh', 'mh', 'sed', 'nq'];
const FLAGS: Record<string, string[]> = { sh: ['sh-fallback', 'sh-port'], mh: ['mh-fallback', 'mh-port'] };

const tunnel = fc.constantFrom<Tunnel[]>(
  { type: 'ipip' },
  { type: 'gre', checksum: 'none' },
  { type: 'gre', checksum: 'csum' },
  { type: 'gue', port: 6080, checksum: 'none' },
  { type: 'gue', port: 65535, checksum: 'csum' },
  { type: 'gue', port: 1, checksum: 'remcsum' },
);
const forwarding = fc.oneof(
  fc.constant<IpvsForwarding>({ method: 'gate' }),
  fc.constant<IpvsForwarding>({ method: 'masq' }),
  tunnel.map((one): IpvsForwarding => ({ method: 'tunnel', tunnel: one })),
);
const thresholds = fc.constantFrom({ upper: 0, lower: 0 }, { upper: 100, lower: 0 }, { upper: 65535, lower: 65534 });

const MATCHES: IpvsMatch[] = [
  { protocol: 'tcp', address: '10.0.0.100', port: 80 },
  { protocol: 'udp', address: '10.0.0.100', port: 80 },
  { protocol: 'sctp', address: '10.0.0.100', port: 80 },
  { protocol: 'tcp', address: '2001:db8:1111:2222:3333:4444:5555:6666', port: 65535 },
  { protocol: 'udp', address: '2001:db8::100', port: 53 },
  { protocol: 'fwmark', mark: 7, family: 4 },
  { protocol: 'fwmark', mark: 7, family: 6 },
  { protocol: 'fwmark', mark: 2147483647, family: 4 },
];

const familyOf = (match: IpvsMatch): 4 | 6 =>
  match.protocol === 'fwmark' ? match.family : match.address.includes(':') ? 6 : 4;

function rule(match: IpvsMatch): fc.Arbitrary<IpvsRule> {
  const family = familyOf(match);
  const udp = match.protocol === 'udp';
  const flags = fc
    .record({
      scheduler: fc.constantFrom(...SCHEDULERS),
      some: fc.subarray([0, 1]),
      timeout: fc.constantFrom(undefined, 1, 300, 86400),
      prefix: family === 4 ? fc.constantFrom(1, 20, 24, 32) : fc.constantFrom(1, 64, 128),
      engine: fc.constantFrom(undefined, ...(udp ? (['sip'] as const) : [])),
      onePacket: udp ? fc.boolean() : fc.constant(false),
    })
    .map(({ scheduler, some, timeout, prefix, engine, onePacket }) => ({
      scheduler,
      flags: serviceFlags({
        family,
        schedulerFlags: (FLAGS[scheduler] ?? []).filter((_, index) => some.includes(index)),
        persistence: timeout === undefined ? undefined : { timeout, prefix },
        engine: timeout === undefined ? undefined : engine,
        onePacket,
      }),
    }));
  const address = family === 4 ? ['10.0.0.21', '10.0.0.22', '10.0.0.9'] : ['2001:db8::21', '2001:db8::22', 'fd00::9'];
  const destination = fc
    .tuple(fc.constantFrom(...address), forwarding, thresholds, fc.constantFrom(0, 1, 3, 65535), fc.boolean())
    .map(([one, how, limits, weight, rewritten]): IpvsDestination => {
      const port = match.protocol === 'fwmark' ? 0 : rewritten && how.method === 'masq' ? 8080 : match.port;
      return { address: one, port, weight, ...limits, ...how };
    });
  const destinations = fc.uniqueArray(destination, { selector: (one) => `${one.address}:${one.port}`, maxLength: 3 });
  return fc
    .tuple(flags, destinations)
    .map(([definition, list]) => ({ kind: 'ipvs', state: 'present', ...match, ...definition, destinations: list }));
}

const rules = fc.subarray(MATCHES, { minLength: 1, maxLength: 4 }).chain((some) => fc.tuple(...some.map(rule)));

describe('IPVS on a real kernel', () => {
  it('has any table after any other, and again from the saved rules', { timeout: 20 * MINUTES }, async () => {
    await fc.assert(
      fc.asyncProperty(rules, async (list) => {
        const wanted = structuredClone(list) as IpvsRule[];
        await bringAbout(wanted);
        const saved = wanted.flatMap((each) => ruleLines(each, each)).join('\n');
        await test.on(HOST, `ipvsadm -C; ipvsadm -R <<'END'\n${saved}\nEND`);
        expect([...(await pending(wanted)).keys()]).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('has any timeouts', { timeout: 5 * MINUTES }, async () => {
    for (const timeouts of [
      { tcp: 600, tcpFin: 60, udp: 30 },
      { tcp: 900, tcpFin: 120, udp: 300 },
    ])
      await bringAbout([{ kind: 'ipvs_timeouts', ...timeouts }]);
  });

  it('sees what somebody changed by hand', { timeout: 5 * MINUTES }, async () => {
    const match = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const;
    const destination = { address: '10.0.0.21', port: 80, weight: 1, upper: 0, lower: 0, method: 'gate' } as const;
    const wanted: IpvsRule = {
      kind: 'ipvs',
      state: 'present',
      ...match,
      scheduler: 'wrr',
      flags: [],
      destinations: [destination],
    };
    await test.on(HOST, 'ipvsadm -C');
    await bringAbout([wanted]);
    for (const drift of [
      'ipvsadm -E -t 10.0.0.100:80 -s rr',
      'ipvsadm -E -t 10.0.0.100:80 -s wrr -p 60',
      'ipvsadm -e -t 10.0.0.100:80 -r 10.0.0.21:80 -g -w 2',
      'ipvsadm -e -t 10.0.0.100:80 -r 10.0.0.21:80 -g -w 1 -x 9',
      'ipvsadm -e -t 10.0.0.100:80 -r 10.0.0.21:80 -i -w 1',
      'ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.22:80 -g -w 1',
      'ipvsadm -d -t 10.0.0.100:80 -r 10.0.0.21:80',
      'ipvsadm -D -t 10.0.0.100:80',
    ]) {
      await test.on(HOST, drift);
      expect([...(await pending([wanted])).keys()], drift).toEqual([keyOf(wanted)]);
      await bringAbout([wanted]);
    }
  });

  it('tells which modules the kernel has', { timeout: 5 * MINUTES }, async () => {
    const names = ['ip_vs', ...SCHEDULERS.map((name) => `ip_vs_${name}`), 'ip_vs_pe_sip', 'ip_vs_twos'];
    const wanted = names.map((name): Resource => ({ kind: 'module', name }));
    const { states } = await observe(connection, { facts: [], desire: () => wanted });
    const missing = names.filter((name) => !(states.get(`module ${name}`) as { available: boolean }).available);
    expect(missing).toEqual(['ip_vs_twos']);
  });
});
