import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadClusters } from '../../src/inventory/index.ts';
import { lint, strictly } from '../../src/lint/index.ts';
import { folder } from '../inventory/files.ts';
import { findingsIn } from './findings.ts';

const RULE = 'LVS-SCHED-001';
const text = (scheduler: string, more = '') => `version: 1
name: c
hosts:
  lvs:  { interfaces: { eth0: { addresses: [192.0.2.10/24] } } }
  web1: { interfaces: { eth0: { addresses: [192.0.2.11/24] } } }
services:
  web:
    mode: dr
    vip: 192.0.2.100
    port: 80
    directors: [lvs]
    real_servers: { web1: {} }
${scheduler}
${more}`;
const codes = (yaml: string) => findingsIn(yaml).map(({ code, at }) => `${code} ${at}`);

describe('a comment silences a rule', () => {
  test.each([
    ['in its line', `    scheduler: sh   # lvsctl-ignore ${RULE}: why`],
    ['alone in the line above', `    # lvsctl-ignore ${RULE}: why\n    scheduler: sh`],
    ['with other comments between', `    # lvsctl-ignore ${RULE}: why\n    # more\n\n    scheduler: sh`],
    ['among several codes', `    scheduler: sh   # lvsctl-ignore LVS-SCHED-001: why`],
  ])('%s', (_name, scheduler) => {
    expect(codes(text(scheduler))).toEqual([]);
  });

  test.each<[string, string, string[]]>([
    [
      'not in the line below it',
      `    # lvsctl-ignore ${RULE}: why\n    one_packet: false\n    scheduler: sh`,
      ['LVS-IGNORE-001 13:5', `${RULE} 15:16`],
    ],
    [
      'not another rule',
      `    scheduler: sh   # lvsctl-ignore LVS-SCHED-002: why`,
      [`${RULE} 13:16`, 'LVS-IGNORE-001 13:21'],
    ],
    ['not without the finding', `    scheduler: wrr   # lvsctl-ignore ${RULE}: why`, ['LVS-IGNORE-001 13:22']],
    [
      'not an error of the inventory',
      `    scheduler: wrr   # lvsctl-ignore INV-BAD-VALUE: why`,
      ['LVS-IGNORE-002 13:22'],
    ],
    ['not nothing', '    scheduler: wrr   # lvsctl-ignore', ['LVS-IGNORE-002 13:22']],
    ['and is told without a reason', `    scheduler: sh   # lvsctl-ignore ${RULE}`, ['LVS-IGNORE-003 13:21']],
    ['each of several', `    scheduler: sh   # lvsctl-ignore ${RULE}, LVS-SVC-001: why`, ['LVS-IGNORE-001 13:21']],
  ])('%s', (_name, scheduler, expected) => {
    expect(codes(text(scheduler))).toEqual(expected);
  });

  test('and text is no comment', () => {
    const pages = `web_servers:\n  pages: { software: nginx, hosts: [web1], port: 80, index: "# lvsctl-ignore ${RULE}: why" }\n`;
    const block = `  more:\n    software: nginx\n    hosts: [web1]\n    port: 81\n    index: |\n      # lvsctl-ignore ${RULE}: why\n`;
    expect(codes(text('    scheduler: wrr', pages + block))).toEqual([]);
  });
});

test('in a file that two clusters share one of them is enough', () => {
  const path = folder({
    'shared.yaml': `defaults: { service: { scheduler: sh } }   # lvsctl-ignore ${RULE}: why\n`,
    'a.yaml': `include: [shared.yaml]\n${text('')}`,
    'b.yaml': `include: [shared.yaml]\n${text('    scheduler: rr').replace('name: c', 'name: d').replaceAll('192.0.2.', '192.0.3.')}`,
  });
  expect(lint(loadClusters([path]))).toEqual([]);
  expect(lint(loadClusters([join(path, 'b.yaml')])).map(({ code }) => code)).toEqual(['LVS-IGNORE-001']);
});

test('strictly, warnings are errors and nothing else changes', () => {
  const path = join(folder({ 'lvs.yaml': text('    scheduler: sh') }), 'lvs.yaml');
  const found = lint(loadClusters([path]));
  expect(strictly(found)).toEqual(found.map((one) => ({ ...one, severity: 'error' })));
});
