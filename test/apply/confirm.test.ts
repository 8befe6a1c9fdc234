import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ApplyEvent, applyPlan } from '../../src/apply/apply.ts';
import { failure } from '../../src/errors/index.ts';
import type { Session, Transport } from '../../src/transport/types.ts';
import { file, makeSandbox, type Sandbox } from './sandbox.ts';

/** Answers that are lost on their way when a host confirms, and hosts that took their changes back meanwhile. */

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox(['a']);
});
afterEach(() => box.end());

const limits = { parallel: 10, timeout: 60, stepTimeout: 60, confirmTimeout: 30 };
const LOST = { code: 'SSH-LOST', place: { kind: 'none' }, what: 'lost', next: 'wait' } as const;

/**
 * A way on which the first sessions that ask for this operation are lost.
 * @param how `answer`: when the host has done it; `request`: before the host hears of it
 */
function losing(op: string, times: number, how: 'answer' | 'request'): Transport {
  let left = times;
  return {
    ...box.transport,
    connect: async (target, options) => {
      const connection = await box.transport.connect(target, options);
      const open = async (...args: Parameters<typeof connection.open>): Promise<Session> => {
        const session = await connection.open(...args);
        let lost = false;
        const write: Session['write'] = async (chunk) => {
          if (left > 0 && Buffer.from(chunk).toString().includes(`op ${op} `)) {
            left -= 1;
            lost = true;
            if (how === 'request') {
              session.kill();
              return;
            }
          }
          return session.write(chunk);
        };
        async function* stdout() {
          for await (const chunk of session.stdout) {
            if (!lost) yield chunk;
            else if (how === 'answer' && Buffer.from(chunk).includes(' result ')) throw failure(LOST);
          }
          if (lost) throw failure(LOST);
        }
        return { ...session, write, stdout: stdout(), end: () => session.end() };
      };
      return { ...connection, open };
    },
  };
}

describe('a confirmation whose answer is lost', () => {
  test.each<['answer' | 'request', number]>([
    ['answer', 1],
    ['request', 1],
    ['answer', 2],
  ])('%s, %i times: it is asked for again, and what the host says is told', async (how, times) => {
    const plan = await box.plan({ a: [file('/etc/one', 'new\n')] });
    const result = await applyPlan(plan, { ...limits, transport: losing('tx_confirm', times, how) });
    expect(result.hosts).toMatchObject([{ status: 'done', problems: [] }]);
    expect([...result.steps.values()]).toEqual(['done', 'done']);
    expect(box.read('a', '/etc/one')).toBe('new\n');
  });

  test('never heard: taken back, and told so', async () => {
    const plan = await box.plan({ a: [file('/etc/one', 'new\n')] });
    const result = await applyPlan(plan, { ...limits, transport: losing('tx_confirm', 2, 'request') });
    expect(result.hosts).toMatchObject([{ status: 'reverted' }]);
    expect(result.hosts[0]?.problems.map(({ code }) => code)).toEqual(['SSH-LOST', 'APPLY-REVERTED']);
    expect(box.read('a', '/etc/one')).toBeNull();
  });
});

describe('a host that takes its changes back meanwhile', () => {
  const two = [file('/etc/one', 'new\n'), file('/etc/two', 'new\n', 'suppress')];
  /** The host's guard takes the token, and is gone. */
  const claim = () => {
    const tx = join(box.folder, 'a/var/lib/lvsctl/tx');
    if (existsSync(join(tx, 'armed'))) renameSync(join(tx, 'armed'), join(tx, 'reverting'));
  };

  test.each<[string, (event: ApplyEvent) => boolean, string[]]>([
    [
      'before a later step: none of it is done, and the report says why',
      (event) => event.type === 'step-started' && event.step === 'a/suppress',
      ['APPLY-ENDED', 'APPLY-REVERTED'],
    ],
    ['before it is confirmed: it is waited for', (event) => event.type === 'confirming', ['APPLY-REVERTED']],
  ])('%s', async (_, when, codes) => {
    const plan = await box.plan({ a: two });
    const onEvent = (event: ApplyEvent) => {
      if (when(event)) claim();
    };
    const result = await applyPlan(plan, { ...limits, transport: box.transport, onEvent });
    expect(result.hosts).toMatchObject([{ status: 'reverted' }]);
    expect(result.hosts[0]?.problems.map(({ code }) => code)).toEqual(codes);
    expect([box.read('a', '/etc/one'), box.read('a', '/etc/two')]).toEqual([null, null]);
  });
});
