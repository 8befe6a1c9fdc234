import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApplyEvent, applyPlan } from '../../src/apply/apply.ts';
import type { Rollout } from '../../src/apply/rollout.ts';
import { file, makeSandbox, type Sandbox } from './sandbox.ts';

/** The nodes of a pair, of which one has the address now. */

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox(['p', 'q']);
  box.put('', 'bin/ip', '#!/bin/sh\ncat "$LVSCTL_ROOT/addresses"\n', 0o755);
  for (const [host, address] of [
    ['p', '10.0.0.9'],
    ['q', '10.0.0.2'],
  ] as const) {
    const info = [{ family: 'inet', local: address, prefixlen: 24, scope: 'global' }];
    const device = {
      ifindex: 2,
      ifname: 'eth0',
      address: '52:54:00:00:00:01',
      operstate: 'UP',
      mtu: 1500,
      flags: ['UP'],
    };
    box.put(host, 'addresses', JSON.stringify([{ ...device, link_type: 'ether', addr_info: info }]));
  }
});
afterEach(() => box.end());

test.each<[string, Rollout, string[]]>([
  ['who has not the address goes first', {}, ['q/rules', 'p/rules', 'q/vip', 'p/vip']],
  ['a canary goes first whatever it is', { canary: 'p' }, ['p/rules', 'p/vip', 'q/rules', 'q/vip']],
])('%s', async (_, rollout, expected) => {
  const own = [file('/etc/one', 'new\n', 'rules'), file('/etc/two', 'new\n', 'vip')];
  const plan = await box.plan({ p: own, q: own });
  const steps = plan.steps.map((step) => {
    if (step.stage === 'record') return step;
    const among = ['p', 'q'].map((host) => `${host}/${step.stage}`);
    return {
      ...step,
      needs: step.needs.filter((id) => !id.endsWith('/rules') || id.startsWith(step.host)),
      turn: { among, address: '10.0.0.9' },
    };
  });
  const begun: string[] = [];
  const onEvent = (event: ApplyEvent) => {
    if (event.type === 'step-started' && !event.step.includes('record')) begun.push(event.step);
  };
  const limits = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 30 };
  const result = await applyPlan({ ...plan, steps }, { ...limits, transport: box.transport, rollout, onEvent });
  expect(result.hosts.map(({ status }) => status)).toEqual(['done', 'done']);
  const place = (step: string) => begun.indexOf(step);
  for (const [first, second] of [
    [expected[0], expected[1]],
    [expected[2], expected[3]],
  ] as const)
    expect(place(first ?? '')).toBeLessThan(place(second ?? ''));
  expect(begun.toSorted()).toEqual(expected.toSorted());
});
