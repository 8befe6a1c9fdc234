import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type ApplyEvent, applyPlan } from '../../src/apply/apply.ts';
import type { Rollout } from '../../src/apply/rollout.ts';
import { failure } from '../../src/errors/index.ts';
import type { Health, Question } from '../../src/plan/health.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Transport } from '../../src/transport/types.ts';
import { file, makeSandbox, type Sandbox } from './sandbox.ts';

/** Changes that break what they touch: real requests to servers of the test's own, which answer by what hosts have. */

let box: Sandbox;
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  box.end();
});

const LOST = { code: 'SSH-LOST', place: { kind: 'none' }, what: 'lost', next: 'wait' } as const;

/** A server that answers 200 or 503. */
async function serve(well: () => boolean): Promise<number> {
  const server = createServer((_, response) => response.writeHead(well() ? 200 : 503).end('x'));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return (server.address() as AddressInfo).port;
}

const site = (host: string) => box.read(host, '/srv/site') ?? 'old';

interface Case {
  /** What each real server is to have: a good page, one that breaks it, or one that breaks only the VIP. */
  pages: Record<string, string>;
  rollout?: Rollout;
  /** Whether the VIP answers, in place of: no real server has a page that breaks it. */
  vip?: () => boolean;
  /** Whether the real servers are well before. */
  down?: boolean;
  armed?: boolean;
  director?: string;
  transport?: Transport;
  onEvent?: (event: ApplyEvent) => void;
  signal?: AbortSignal;
  health?: Partial<Health>;
  /** The plan in place of the one that was made. */
  altered?: (plan: Plan) => Plan;
}

/** Two real servers, a director and a client: what is told of them after an apply. */
async function go(given: Case) {
  const { pages, rollout, vip, down, armed = true, director, transport, onEvent, signal, health } = given;
  const real = Object.keys(pages);
  const involved = { service: 'web', directors: ['d'], others: real };
  const how: Question['how'] = { by: 'http', tls: false, path: '/check', status: [200] };
  const ask = { ...involved, address: '127.0.0.1', how };
  const questions: Question[] = [];
  for (const host of real) {
    const port = await serve(() => !down && site(host) !== 'bad\n');
    questions.push({ ...ask, from: 'd', port, count: 1, of: { what: 'real-server', host } });
  }
  const port = await serve(vip ?? (() => real.every((host) => !/bad|half/.test(site(host)))));
  questions.push({ ...ask, from: 'c', port, count: 4, of: { what: 'vip' } });
  const askers = ['c', 'd'].map((name) => ({ name, ssh: { address: name } }));
  const wanted = Object.fromEntries(real.map((host) => [host, [file('/srv/site', pages[host] ?? '')]]));
  const made = await box.plan({
    ...wanted,
    ...(director === undefined ? {} : { d: [file('/srv/site', director, 'rules')] }),
  });
  const plan: Plan = { ...made, health: { askers, hosts: [], questions, floating: [], ...health } };
  const result = await applyPlan(given.altered?.(plan) ?? plan, {
    ...{ parallel: 10, timeout: 60, stepTimeout: 60, healthTimeout: 2 },
    confirmTimeout: armed ? 30 : null,
    transport: transport ?? box.transport,
    ...(rollout === undefined ? {} : { rollout }),
    ...(onEvent === undefined ? {} : { onEvent }),
    ...(signal === undefined ? {} : { signal }),
  });
  const codes = (host: string) => result.hosts.find((one) => one.host === host)?.problems.map(({ code }) => code) ?? [];
  const what = result.hosts.flatMap(({ problems }) => problems.map((one) => one.what)).join('\n');
  const status = Object.fromEntries(result.hosts.map((one) => [one.host, one.status]));
  return { result, status, codes, what };
}

describe('a change of real servers', () => {
  test.each<[string, Case, Record<string, string>, RegExp]>([
    ['that is well stays', { pages: { a: 'good\n', b: 'good\n' } }, { a: 'done', b: 'done' }, /^$/],
    [
      'that breaks one takes that one back, and the other goes on',
      { pages: { a: 'bad\n', b: 'good\n' } },
      { a: 'reverted', b: 'done' },
      /d → a 127\.0\.0\.1:\d+\/check: it answers with status 503/,
    ],
    [
      'that breaks the canary goes no further',
      { pages: { a: 'good\n', b: 'bad\n' }, rollout: { canary: 'b' } },
      { a: 'unchanged', b: 'reverted' },
      /status 503/,
    ],
    [
      'that breaks fewer than are allowed to goes on',
      { pages: { a: 'bad\n', b: 'good\n' }, rollout: { serial: { hosts: 1 }, maxFail: 1 } },
      { a: 'reverted', b: 'done' },
      /status 503/,
    ],
    [
      'after which only clients see something wrong: all of the group go back',
      { pages: { a: 'half\n', b: 'good\n' } },
      { a: 'reverted', b: 'reverted' },
      /c → web 127\.0\.0\.1:\d+\/check: it answers with status 503/,
    ],
    [
      'that did not answer before is asked for nothing',
      { pages: { a: 'bad\n', b: 'good\n' }, down: true, vip: () => false },
      { a: 'done', b: 'done' },
      /^$/,
    ],
    [
      'without a transaction is told, and stays',
      { pages: { a: 'bad\n', b: 'good\n' }, armed: false, rollout: { canary: 'a' } },
      { a: 'partial', b: 'unchanged' },
      /status 503/,
    ],
  ])('%s', async (_, given, expected, words) => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    const { status, what, codes } = await go(given);
    expect(status).toEqual(expected);
    expect(what).toMatch(words);
    for (const [host, one] of Object.entries(expected)) {
      expect(box.read(host, '/srv/site')).toBe(one === 'done' || one === 'partial' ? (given.pages[host] ?? '') : null);
      if (one === 'reverted') expect(codes(host)).toEqual(['APPLY-UNWELL', 'APPLY-REVERTED']);
    }
  });

  test.each([
    ['bad\n', /d → [ab] /],
    ['half\n', /c → web/],
  ])('in groups, %j on all: the first one goes back, and no other is begun', async (page, words) => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    const { status, what } = await go({ pages: { a: page, b: page }, rollout: { serial: { hosts: 1 } } });
    expect(Object.values(status).toSorted()).toEqual(['reverted', 'unchanged']);
    expect(what).toMatch(words);
    expect([box.read('a', '/srv/site'), box.read('b', '/srv/site')]).toEqual([null, null]);
  });

  test('whoever asks can be lost, which says nothing', async () => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    let lost = false;
    const transport: Transport = {
      ...box.transport,
      connect: async (target, options) => {
        const connection = await box.transport.connect(target, options);
        return {
          ...connection,
          open: async (argv, how) => {
            if (lost && 'cd'.includes(target.name)) throw failure(LOST);
            return connection.open(argv, how);
          },
        };
      },
    };
    const onEvent = (event: ApplyEvent) => {
      if (event.type === 'step-started') lost = true;
    };
    const { status } = await go({ pages: { a: 'bad\n', b: 'good\n' }, transport, onEvent });
    expect(status).toEqual({ a: 'done', b: 'done' });
  });

  test('stopped while it is looked after: taken back', async () => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    const stop = new AbortController();
    const onEvent = (event: ApplyEvent) => {
      if (event.type === 'looking-after') stop.abort();
    };
    const { status, result } = await go({ pages: { a: 'bad\n' }, signal: stop.signal, onEvent });
    expect(result.interrupted).toBe(true);
    expect(status).toEqual({ a: 'reverted' });
  });
});

describe('a change of a director', () => {
  test('the VIP is asked for when all is made, and not in the middle', async () => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    const vip = () => site('a') === site('d') && site('b') === site('d');
    const { status } = await go({ pages: { a: 'new\n', b: 'new\n' }, director: 'new\n', vip });
    expect(status).toEqual({ a: 'done', b: 'done', d: 'done' });
  });

  test('one that breaks the VIP goes back, and real servers that were confirmed stay', async () => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    const { status, codes } = await go({ pages: { a: 'new\n' }, director: 'new\n', vip: () => site('d') === 'old' });
    expect(status).toEqual({ a: 'done', d: 'reverted' });
    expect(codes('d')).toEqual(['APPLY-UNWELL', 'APPLY-REVERTED']);
  });
});

describe('what a host is to have by itself', () => {
  test('its units run, its ports are listened on', async () => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    const port = await serve(() => true);
    box.put('', 'bin/systemctl', '#!/bin/sh\n[ "$1 $2" = "is-active nginx.service" ] && echo active\n', 0o755);
    const well = { hosts: [{ host: 'a', units: ['nginx.service'], ports: [port] }] };
    expect((await go({ pages: { a: 'good\n' }, health: well })).status).toEqual({ a: 'done' });
  });

  test.each<[string, string[], number[], RegExp]>([
    ['a unit that does not run', ['nginx.service'], [], /nginx\.service: failed/],
    ['a port that nobody listens on', [], [1], /port 1: nothing listens there/],
  ])('%s takes the host back', async (_, units, ports, words) => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    box.put('', 'bin/systemctl', '#!/bin/sh\necho failed\nexit 3\n', 0o755);
    const { status, what } = await go({ pages: { a: 'good\n' }, health: { hosts: [{ host: 'a', units, ports }] } });
    expect(status).toEqual({ a: 'reverted' });
    expect(what).toMatch(words);
  });
});

describe('what only keepalived knows how to ask', () => {
  const row = '-u 10.0.0.100:53';
  const question: Question = {
    ...{ service: 'dns', from: 'd', address: '10.0.0.1', port: 53, count: 1, how: { by: 'table', row } },
    ...{ settle: 1.5, of: { what: 'real-server', host: 'a' }, directors: ['d'], others: ['a'] },
  };
  const health = { questions: [question] };

  /** Real servers with director d, whose table has host a's server as these lines of sh say. */
  const directed = (entry: string) => {
    box = makeSandbox(['a', 'b', 'c', 'd']);
    box.put('d', 'proc/net/ip_vs', '');
    const ipvsadm = `#!/bin/sh
[ "$*" = "-Ln ${row}" ] || exit 1
site=$LVSCTL_ROOT/../a/srv/site
well() { ! grep -qs bad "$site"; }
age() { [ -e "$site" ] && [ "$(($(date +%s%N) - $(date -r "$site" +%s%N)))" -gt "$1" ]; }
weight() { printf 'UDP  10.0.0.100:53 rr\n  -> 10.0.0.9:53 Route 1 0 0\n  -> 10.0.0.1:53 Route %s 0 0\n' "$1"; }
${entry}
`;
    box.put('', 'bin/ipvsadm', ipvsadm, 0o755);
  };

  test.each<[string, string, string, RegExp]>([
    ['a server that stays in the table', 'weight 1', 'done', /^$/],
    ['one that is taken out', 'if well; then weight 1; fi', 'reverted', /d → a 10\.0\.0\.1:53: it is not in the table/],
    [
      'one that loses its weight',
      'if well; then weight 1; else weight 0; fi',
      'reverted',
      /it has weight 0 in the table/,
    ],
    ['one whose check fails later', 'if age 1000000000; then weight 0; else weight 1; fi', 'reverted', /weight 0/],
    ['one that had none before', 'if well; then weight 0; fi', 'done', /^$/],
  ])('%s', async (_, entry, expected, words) => {
    directed(entry);
    const { status, what } = await go({ pages: { a: 'bad\n' }, health });
    expect(status).toEqual({ a: expected });
    expect(what).toMatch(words);
  });

  test('while a server is drained its weight tells nothing; it does when the director is done', async () => {
    directed('if well; then weight 1; else weight 0; fi');
    const drained = (plan: Plan): Plan => ({
      ...plan,
      steps: plan.steps.map((step) => (step.host === 'd' ? { ...step, drains: { host: 'a', text: '' } } : step)),
    });
    const { status, what } = await go({ pages: { a: 'bad\n' }, director: 'new\n', health, altered: drained });
    expect(status).toEqual({ a: 'done', d: 'reverted' });
    expect(what).toMatch(/d → a 10\.0\.0\.1:53: it has weight 0/);
  });
});
