import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../src/lint/catalogue.ts';
import { lvsctl } from './lvsctl.ts';

const folder = mkdtempSync(join(tmpdir(), 'lvsctl-rules-'));
afterAll(() => rmSync(folder, { recursive: true }));

const hosts = `version: 1
name: c
hosts:
  lvs: { interfaces: { eth0: { addresses: [192.0.2.10/24] } } }
  web: { ssh: { address: 127.0.0.1, port: 1, known_hosts: /dev/null }, interfaces: { eth0: { addresses: [192.0.2.11/24] } } }
services:
  web: { mode: dr, vip: 192.0.2.100, port: 80, directors: [lvs], real_servers: { web: {} }`;

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const WARNED = write('warned.yaml', `${hosts}, scheduler: sh }\n`);
const ERRED = write(
  'erred.yaml',
  `${hosts} }\nproxies: { p: { software: nginx, hosts: [web], port: 80, upstream: { servers: { web: { port: 80 } } } } }\n`,
);
const events = (out: string) => out.split('\n').map((line) => JSON.parse(line));

describe('validate', () => {
  it('warns, and is content', async () => {
    const run = await lvsctl(['validate', '-i', WARNED], { cwd: folder });
    expect(run.code).toBe(0);
    expect(run.err).toMatch(/^warned\.yaml:7:104: warning: LVS-SCHED-001\n/u);
    expect(run.out).toBe('c: 2 hosts (2 managed), 1 service. No errors found, 1 warning.');
  });

  it('is not content with --strict, nor with errors', async () => {
    const strict = await lvsctl(['validate', '--strict', '-i', WARNED]);
    expect(strict).toMatchObject({ code: 3, err: expect.stringContaining(': error: LVS-SCHED-001') });
    expect((await lvsctl(['validate', '-i', ERRED])).code).toBe(3);
  });

  it('tells the same as JSON lines', async () => {
    const run = await lvsctl(['validate', '--json', '-i', WARNED]);
    expect(events(run.out).map(({ v, event, code, severity }) => ({ v, event, code, severity }))).toEqual([
      { v: 1, event: 'finding', code: 'LVS-SCHED-001', severity: 'warning' },
      { v: 1, event: 'valid', code: undefined, severity: undefined },
    ]);
  });

  it('tells errors of the inventory and findings in one form', async () => {
    const wrong = write('wrong.yaml', `${hosts}, scheduler: wr }\n`);
    const run = await lvsctl(['validate', '--format', 'json', '-i', wrong], { cwd: folder });
    expect(run).toMatchObject({ code: 3, err: '' });
    expect(JSON.parse(run.out).findings).toMatchObject([
      { code: 'INV-BAD-VALUE', severity: 'error', place: { file: 'wrong.yaml', line: 7 } },
    ]);
  });

  it('takes one form or the other', async () => {
    expect((await lvsctl(['validate', '--json', '--format', 'sarif', '-i', WARNED])).code).toBe(1);
  });
});

describe('plan', () => {
  it('refuses what can’t work before any host is asked', async () => {
    const run = await lvsctl(['plan', '-i', ERRED]);
    expect(run).toMatchObject({ code: 1, out: '' });
    expect(run.err).toContain(': error: LVS-WEB-007');
    expect(run.err).not.toContain('SSH');
  });

  it('refuses warnings with --strict', async () => {
    const run = await lvsctl(['plan', '--strict', '-i', WARNED]);
    expect(run).toMatchObject({ code: 1, out: '' });
    expect(run.err).toContain(': error: LVS-SCHED-001');
  });

  it('shows them in a line else, and goes on', async () => {
    const run = await lvsctl(['plan', '-i', WARNED, '--limit', 'web', '--connect-timeout', '2'], { cwd: folder });
    const [first = ''] = run.err.split('\n');
    expect(first).toBe(
      'warned.yaml:7:104: warning: LVS-SCHED-001: sh without sh-fallback: clients of a real server with weight 0 are refused',
    );
    expect(run.err).toContain('SSH-');
  });
});

it('apply refuses too', async () => {
  const run = await lvsctl(['apply', '--yes', '-i', ERRED]);
  expect(run).toMatchObject({ code: 1, out: '' });
  expect(run.err).toContain(': error: LVS-WEB-007');
});

describe('explain', () => {
  it('says what, why and what to do, on 80 columns', async () => {
    const run = await lvsctl(['explain', 'lvs-sched-001']);
    expect(run.code).toBe(0);
    for (const part of [
      'warning LVS-SCHED-001',
      'Why',
      'What to do',
      'Source',
      'An inventory with it',
      'The same without it',
    ])
      expect(run.out).toContain(part);
    for (const line of run.out.split('\n').filter((text) => !text.includes('{')))
      expect(line.length).toBeLessThanOrEqual(80);
  });

  it('knows what was probably meant', async () => {
    const run = await lvsctl(['explain', 'LVS-SCHD-001']);
    expect(run.code).toBe(1);
    expect(run.err).toContain('Did you mean “LVS-SCHED-001”?');
  });
});

it('rules lists them all, on 80 columns', async () => {
  const run = await lvsctl(['rules']);
  const lines = run.out.split('\n');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  expect(lines.filter((line) => /^[A-Z]/u.test(line)).map((line) => line.split(' ')[0])).toEqual(
    CATALOGUE.map(({ code }) => code),
  );
  const json = await lvsctl(['rules', '--json']);
  expect(events(json.out).map(({ v, event, code }) => [v, event, code])).toEqual(
    CATALOGUE.map(({ code }) => [1, 'rule', code]),
  );
});
