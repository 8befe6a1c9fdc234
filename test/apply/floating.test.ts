import { afterEach, describe, expect, test } from 'vitest';
import { applyPlan } from '../../src/apply/apply.ts';
import type { Rollout } from '../../src/apply/rollout.ts';
import { failure } from '../../src/errors/index.ts';
import type { Floating } from '../../src/plan/floating.ts';
import type { Transport } from '../../src/transport/types.ts';
import { file, makeSandbox, type Sandbox } from './sandbox.ts';

/** Two nodes whose address goes where it shouldn't: the real transaction, and an `ip` that says what a test wants. */

let box: Sandbox;
afterEach(() => box.end());

const HAS = "echo '2: e0    inet 10.0.0.100/32 scope global e0'";
const SIX = (flags: string) => `echo '2: e0    inet6 2001:db8::64/128 scope global ${flags}'`;

interface Case {
  /** By node, in sh: what says that it has the address. `new`: its change is made; `aged 1`: that long ago, in seconds. */
  nodes: { l1: string; l2: string };
  changed?: ('l1' | 'l2')[];
  floating?: Partial<Floating>;
  rollout?: Rollout;
  /** A node that can't be reached. */
  off?: string;
}

/** What is told of the nodes after an apply. */
async function go({ nodes, changed = ['l2'], floating, rollout, off }: Case) {
  box = makeSandbox(['l1', 'l2']);
  for (const [host, lines] of Object.entries(nodes)) box.put(host, 'addresses', lines);
  const ip = `#!/bin/sh
[ "$*" = '-o addr show' ] || exit 1
new() { [ -e "$LVSCTL_ROOT/../$1/srv/site" ]; }
aged() { new "$1" && [ "$(($(date +%s%N) - $(date -r "$LVSCTL_ROOT/../$1/srv/site" +%s%N)))" -gt "$2"000000000 ]; }
echo '1: lo    inet 127.0.0.1/8 scope host lo'
echo '3: e1    inet 10.0.0.100/32 scope global e1'
. "$LVSCTL_ROOT/addresses"
`;
  box.put('', 'bin/ip', ip, 0o755);
  const made = await box.plan(Object.fromEntries(changed.map((host) => [host, [file('/srv/site', 'new\n')]])));
  const one: Floating = {
    ...{ instance: 'edge.outside', address: '10.0.0.100', election: 0.2, agreed: true },
    nodes: ['l1', 'l2'].map((host) => ({ host, device: 'e0' })),
    ...floating,
  };
  const askers = ['l1', 'l2'].map((name) => ({ name, ssh: { address: name } }));
  const transport: Transport = {
    ...box.transport,
    connect: async (target, options) => {
      if (target.name === off) throw failure({ code: 'SSH-LOST', place: { kind: 'none' }, what: 'off', next: 'wait' });
      return box.transport.connect(target, options);
    },
  };
  const plan = { ...made, health: { askers, hosts: [], questions: [], floating: [one] } };
  const result = await applyPlan(plan, {
    ...{ parallel: 10, timeout: 60, stepTimeout: 60, healthTimeout: 3, confirmTimeout: 30, transport },
    ...(rollout === undefined ? {} : { rollout }),
  });
  const status = Object.fromEntries(result.hosts.map((host) => [host.host, host.status]));
  return { status, what: result.hosts.flatMap(({ problems }) => problems.map((each) => each.what)).join('\n') };
}

const BOTH = /edge\.outside 10\.0\.0\.100: l1 and l2 have it at the same time/;
const NOBODY = /edge\.outside 10\.0\.0\.100: nobody has it \(l1, l2\)/;
const serial: Rollout = { serial: { hosts: 1 }, canary: 'l2' };

describe('after a change of a node', () => {
  test.each<[string, Case, Record<string, string>, RegExp]>([
    ['the other one still has the address', { nodes: { l1: HAS, l2: ':' } }, { l2: 'done' }, /^$/],
    ['both have it: back', { nodes: { l1: HAS, l2: `new l2 && ${HAS}` } }, { l2: 'reverted' }, BOTH],
    [
      'both have it, after the time of an election: back',
      { nodes: { l1: HAS, l2: `aged l2 2 && ${HAS}` }, floating: { election: 2.5 } },
      { l2: 'reverted' },
      BOTH,
    ],
    [
      'nobody has it: back',
      { nodes: { l1: `new l1 || ${HAS}`, l2: ':' }, changed: ['l1'] },
      { l1: 'reverted' },
      NOBODY,
    ],
    [
      'it goes over, and takes its time',
      { nodes: { l1: `new l1 || ${HAS}`, l2: `aged l1 1 && ${HAS}` }, changed: ['l1'] },
      { l1: 'done' },
      /^$/,
    ],
    ['both had it before', { nodes: { l1: HAS, l2: HAS } }, { l2: 'done' }, /^$/],
    ['nobody had it before', { nodes: { l1: ':', l2: `new l2 && ${HAS}` } }, { l2: 'done' }, /^$/],
    [
      'who gives it up counts for nothing while the other can’t be asked',
      { nodes: { l1: ':', l2: `new l2 || ${HAS}` }, off: 'l1' },
      { l2: 'done' },
      /^$/,
    ],
  ])('%s', async (_, given, expected, words) => {
    const { status, what } = await go(given);
    expect(status).toEqual(expected);
    expect(what).toMatch(words);
  });

  test.each<[string, string]>([
    ['nodad', 'reverted'],
    ['dadfailed', 'done'],
    ['tentative', 'done'],
  ])('an IPv6 address that is there %s', async (flags, expected) => {
    const nodes = { l1: SIX('nodad'), l2: `new l2 && ${SIX(flags)}` };
    expect((await go({ nodes, floating: { address: '2001:db8::64' } })).status).toEqual({ l2: expected });
  });
});

describe('changes of both nodes', () => {
  // Between the two changes both are master.
  const nodes = { l1: HAS, l2: `new l2 && ! new l1 && ${HAS}` };

  test('that they must share: asked for when the second one is made', async () => {
    const given: Case = { nodes, changed: ['l1', 'l2'], rollout: serial };
    expect((await go({ ...given, floating: { agreed: false } })).status).toEqual({ l1: 'done', l2: 'done' });
    box.end();
    expect((await go(given)).status).toEqual({ l1: 'unchanged', l2: 'reverted' });
  });

  test('at once: they go back together', async () => {
    const { status, what } = await go({ nodes: { l1: HAS, l2: `new l2 && ${HAS}` }, changed: ['l1', 'l2'] });
    expect(status).toEqual({ l1: 'reverted', l2: 'reverted' });
    expect(what).toMatch(BOTH);
  });
});
