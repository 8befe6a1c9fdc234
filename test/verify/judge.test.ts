import { describe, expect, it } from 'vitest';
import type { RealServer } from '../../src/inventory/model.ts';
import { judgeTraffic, neighbourCheck } from '../../src/verify/judge.ts';
import { parseAnswers } from '../../src/verify/probe.ts';

const real: RealServer[] = [
  { host: 'rs1', address: '30.30.30.30', port: 80, weight: 1 },
  { host: 'rs2', address: '30.30.30.40', port: 80, weight: 3 },
];
const bodies = new Map([
  ['rs1', 'one'],
  ['rs2', 'two'],
]);
const answers = (...texts: string[]) => texts.map((text) => ({ ok: true, text }));

describe('judgeTraffic', () => {
  it('tells the shares', () => {
    const check = judgeTraffic('hop', real, answers('one', 'two', 'two', 'two'), bodies, true);
    expect(check).toEqual({ hop: 'hop', status: 'ok', detail: '4 requests answered: rs1 1, rs2 3' });
  });

  it.each([
    ['nothing was asked', [], 'the client asked nothing'],
    [
      'a request failed',
      [...answers('one', 'two'), { ok: false, text: 'curl: (28) timed out' }],
      '1 of 3 requests failed: curl: (28) timed out',
    ],
    ['one real server never answers', answers(...Array(8).fill('two')), 'no answer came from rs1 (rs1 0, rs2 8)'],
    [
      'somebody else answers',
      answers(...Array(7).fill('two'), 'one', 'apache'),
      '1 answers came from none of the real servers (rs1 1, rs2 7)',
    ],
  ])('fails when %s', (_name, given, detail) => {
    expect(judgeTraffic('hop', real, given, bodies, true)).toEqual({ hop: 'hop', status: 'failed', detail });
  });

  it('does not ask for every real server where the scheduler keeps a client to one', () => {
    const check = judgeTraffic('hop', real, answers(...Array(8).fill('two')), bodies, false);
    expect(check).toEqual({ hop: 'hop', status: 'ok', detail: '8 requests answered: rs1 0, rs2 8' });
  });

  it('does not claim shares where the real servers cannot be told apart', () => {
    const same = new Map([
      ['rs1', 'x'],
      ['rs2', 'x'],
    ]);
    expect(judgeTraffic('hop', real, answers('x', 'x'), same, true).detail).toBe('2 of 2 requests answered');
  });
});

describe('neighbourCheck', () => {
  const macs = new Map([['52:54:00:00:00:01', 'director']]);
  it.each([
    ['52:54:00:00:00:01', 'ok'],
    ['52:54:00:00:00:02', 'failed'],
    [undefined, 'unknown'],
  ])('%s → %s', (mac, status) => {
    expect(neighbourCheck('route', '20.20.20.20', mac, macs).status).toBe(status);
  });
});

describe('parseAnswers', () => {
  it('splits at the marks, whatever the bodies hold', () => {
    const text = 'one\n\nMARK 0\n\nMARK 7\nMARK 0 inside\nof it\nMARK 0\ncut off';
    expect(parseAnswers(text, 'MARK')).toEqual([
      { ok: true, text: 'one' },
      { ok: false, text: '' },
      { ok: true, text: 'MARK 0 inside\nof it' },
    ]);
  });

  it('gives nothing for no output', () => {
    expect(parseAnswers('', 'MARK')).toEqual([]);
  });
});
