import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '../../src/resources/file.ts';
import {
  diffOne,
  holds,
  type IpvsResource,
  keyOf,
  type Resource,
  type ServiceResource,
} from '../../src/resources/index.ts';
import type { IpvsDestination, IpvsForwarding, IpvsService } from '../../src/resources/ipvs-table.ts';
import { DEBIAN } from './facts.ts';
import { applyOp, type Model, record, stateOf } from './model.ts';

const address = fc.constantFrom('30.30.30.30', '30.30.30.40', '30.30.30.50');
const port = fc.constantFrom(80, 443);
const forwarding = fc.constantFrom<IpvsForwarding[]>(
  { method: 'gate' },
  { method: 'masq' },
  { method: 'tunnel', tunnel: { type: 'ipip' } },
  { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'none' } },
);
const destinations = fc.uniqueArray(
  fc
    .tuple(
      fc.record({
        address,
        port,
        weight: fc.integer({ min: 0, max: 2 }),
        upper: fc.constantFrom(0, 2),
        lower: fc.constantFrom(0, 1),
      }),
      forwarding,
    )
    .map(([place, how]): IpvsDestination => ({ ...place, ...how })),
  { selector: (each) => `${each.address}:${each.port}`, maxLength: 5 },
);
const definition = {
  scheduler: fc.constantFrom('rr', 'wrr', 'sh'),
  flags: fc.constantFrom<string[]>([], ['-p', '300']),
  destinations,
};
const vip = {
  kind: fc.constant('ipvs' as const),
  protocol: fc.constant('tcp' as const),
  address: fc.constant('20.20.20.20'),
  port,
};
const marked = {
  kind: fc.constant('ipvs' as const),
  protocol: fc.constant('fwmark' as const),
  mark: fc.constant(7),
  family: fc.constantFrom(4 as const, 6 as const),
};
const ipvs: fc.Arbitrary<IpvsResource> = fc.oneof(
  fc.record({ ...vip, state: fc.constant('present' as const), ...definition }),
  fc.record({ ...vip, state: fc.constant('absent' as const) }),
  fc.record({ ...marked, state: fc.constant('present' as const), ...definition }),
  fc.record({ ...marked, state: fc.constant('absent' as const) }),
);
const text = fc.constantFrom('', 'a\n', 'ü');
const mode = fc.constantFrom('0644', '0600');
const owner = fc.constantFrom('root', 'www-data');
const file = { kind: fc.constant('file' as const), path: fc.constantFrom('/etc/a', '/etc/b') };
const seconds = fc.constantFrom(60, 300);
const maybe = fc.constantFrom(true, false, null);

const anyResource = fc.oneof(
  fc.record({ kind: fc.constant('package' as const), name: fc.constantFrom('nginx', 'ipvsadm') }),
  fc.record({ kind: fc.constant('module' as const), name: fc.constantFrom('ip_vs', 'ipip') }),
  fc.record({
    kind: fc.constant('sysctl' as const),
    name: fc.constantFrom('net.ipv4.ip_forward', 'net.ipv4.vs.conntrack'),
    value: fc.constantFrom('0', '1'),
    file: fc.constant('/etc/sysctl.d/90-lvsctl.conf'),
  }),
  fc.record({ ...file, state: fc.constant('present' as const), content: text, owner, group: owner, mode }),
  fc.record({ ...file, state: fc.constant('absent' as const) }),
  ipvs,
  fc.record({ kind: fc.constant('ipvs_timeouts' as const), tcp: seconds, tcpFin: seconds, udp: seconds }),
  fc.record({
    kind: fc.constant('service' as const),
    unit: fc.constantFrom('nginx.service', 'x.service'),
    enabled: maybe,
    running: maybe,
    config: fc.constantFrom<ServiceResource['config'][]>(
      [],
      [{ path: '/etc/a', sha256: sha256('a') }],
      [{ path: '/etc/a', sha256: sha256('b') }],
    ),
    activate: fc.constantFrom('reload' as const, 'restart' as const),
  }),
);

// A structured clone is made of ordinary objects; fast-check's own have no prototype now and then.
const resource = anyResource.map((value): Resource => structuredClone(value));

const anyModel = fc.record({
  packages: fc.subarray(['nginx', 'ipvsadm']).map((names) => new Set(names)),
  modules: fc.subarray(['ip_vs', 'ipip']).map((names) => new Set(names)),
  sysctls: fc.subarray(['net/ipv4/ip_forward']).map((names) => new Map(names.map((name) => [name, '0']))),
  files: fc
    .record({ type: fc.constant('file' as const), sha256: text.map(sha256), owner, group: owner, mode })
    .chain((state) => fc.subarray(['/etc/a', '/etc/b']).map((paths) => new Map(paths.map((path) => [path, state])))),
  table: fc
    .record(definition)
    .map(sorted)
    .chain((state) =>
      fc
        .subarray(['-t 20.20.20.20:80', '-t 20.20.20.20:443', '-f 7', '-f 7 -6'])
        .map((keys) => new Map(keys.map((key) => [key, structuredClone(state)]))),
    ),
  timeouts: fc.option(fc.record({ tcp: seconds, tcpFin: seconds, udp: seconds })),
  units: fc
    .record({
      load: fc.constant('loaded'),
      enabled: fc.boolean(),
      running: fc.boolean(),
      stale: fc.boolean(),
      loaded: fc.constantFrom<(string[] | null)[]>(null, [], [`${sha256('a')}  /etc/a`]),
    })
    .map((state) => new Map([['nginx.service', state]])),
});

const model = anyModel.map((value): Model => structuredClone(value));

function sorted(state: IpvsService): IpvsService {
  const key = (each: { address: string; port: number }) => `${each.address} ${String(each.port).padStart(5)}`;
  return structuredClone({
    ...state,
    destinations: [...state.destinations].sort((a, b) => (key(a) < key(b) ? -1 : 1)),
  });
}

const wanted = fc.uniqueArray(resource, { selector: keyOf, maxLength: 8 });

test('what a diff says brings the desired state about, and then there is nothing left to do', () => {
  fc.assert(
    fc.property(wanted, model, (resources, host) => {
      for (const each of resources) {
        for (const change of diffOne(each, stateOf(host, each), DEBIAN)) {
          expect(holds(change.before, stateOf(host, each))).toBe(true);
          expect(holds(change.after, stateOf(host, each))).toBe(false);
          for (const op of change.ops) applyOp(host, op);
          record(host, each, change.ops);
          expect(holds(change.after, stateOf(host, each))).toBe(true);
          expect(change.shown).not.toEqual([]);
        }
      }
      for (const each of resources) expect(diffOne(each, stateOf(host, each), DEBIAN)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('a change survives being saved as JSON', () => {
  fc.assert(
    fc.property(resource, model, (each, host) => {
      const changes = diffOne(each, stateOf(host, each), DEBIAN);
      expect(JSON.parse(JSON.stringify(changes))).toEqual(changes);
    }),
  );
});

test('IPVS: as few commands as differences, adding before deleting, never a flush', () => {
  fc.assert(
    fc.property(ipvs.map(structuredClone<IpvsResource>), fc.record(definition).map(sorted), (each, observed) => {
      const commands = diffOne(each, observed, DEBIAN).flatMap((change) => change.ops.map(({ args }) => args[0]));
      if (each.state === 'absent') {
        expect(commands).toEqual(['-D']);
        return;
      }
      const line = ({ address, port, weight, upper, lower, ...how }: IpvsDestination) =>
        `${address}:${port} ${weight} ${upper} ${lower} ${JSON.stringify(how)}`;
      const before = new Set(observed.destinations.map(line));
      const after = new Set(each.destinations.map(line));
      const places = new Set(
        [...before]
          .filter((one) => !after.has(one))
          .concat([...after].filter((one) => !before.has(one)))
          .map((one) => one.split(' ')[0]),
      );
      const edits = each.scheduler === observed.scheduler && String(each.flags) === String(observed.flags) ? 0 : 1;
      const kept = new Set(each.destinations.map(({ address, port }) => `${address}:${port}`));
      // Those that go get no new connections first.
      const drained = observed.destinations.filter(
        ({ address, port, weight }) => weight > 0 && !kept.has(`${address}:${port}`),
      ).length;
      // Direct routing in place of NAT: out, a pause, and in again.
      const turned = each.destinations.filter(
        ({ address, port, method }) =>
          method === 'gate' &&
          observed.destinations.some((one) => one.address === address && one.port === port && one.method === 'masq'),
      ).length;
      const extra = turned === 0 ? 0 : turned + 1;
      expect(commands.length).toBe(places.size + edits + drained + extra);
      expect(commands.filter((command) => command === 'cut').length).toBe(turned);
      expect(commands.indexOf('-d') === -1 || commands.lastIndexOf('-a') < commands.indexOf('-d')).toBe(true);
      expect(commands.every((command) => ['-A', '-E', '-a', '-e', '-d', 'cut', 'forget'].includes(command ?? ''))).toBe(
        true,
      );
    }),
  );
});
