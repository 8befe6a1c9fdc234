import { expect, test } from 'vitest';
import { diffOne, type IpvsTimeoutsResource, undoOf } from '../../src/resources/index.ts';
import { DEBIAN, parsed, words } from './facts.ts';

const wanted: IpvsTimeoutsResource = { kind: 'ipvs_timeouts', tcp: 600, tcpFin: 60, udp: 30 };

test.each([
  ['Timeout (tcp tcpfin udp): 900 120 300\n', { tcp: 900, tcpFin: 120, udp: 300 }],
  ['', null],
])('ipvsadm -Ln --timeout: %j', (text, state) => expect(parsed(text, [wanted])).toEqual([state]));

test.each([
  [{ tcp: 600, tcpFin: 60, udp: 30 }, []],
  [{ tcp: 900, tcpFin: 60, udp: 30 }, ['ipvs_timeouts 600 60 30']],
  [null, ['ipvs_timeouts 600 60 30']],
])('from %j', (state, ops) => {
  const changes = diffOne(wanted, state, DEBIAN);
  expect(words(changes.flatMap((change) => change.ops))).toEqual(ops);
});

test('given back: what was there before, or the kernel’s own', () => {
  const before = { tcp: 1, tcpFin: 2, udp: 3 };
  expect(undoOf({ resource: wanted, before, wrote: [] }, 'destroy')).toEqual({ ...wanted, returned: true, ...before });
  expect(undoOf({ resource: wanted, before: undefined, wrote: [] }, 'destroy')).toBeUndefined();
  expect(undoOf({ resource: wanted, before: null, wrote: [] }, 'left')).toEqual({
    kind: 'ipvs_timeouts',
    returned: true,
    tcp: 900,
    tcpFin: 120,
    udp: 300,
  });
});

test('given back where the module is gone: nothing is left to set', () => {
  const back = undoOf({ resource: wanted, before: null, wrote: [] }, 'destroy');
  expect(back).toMatchObject({ kind: 'ipvs_timeouts' });
  expect(diffOne(back as IpvsTimeoutsResource, null, DEBIAN)).toEqual([]);
});
