import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lvsctl } from './lvsctl.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-cli-lint-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const node = (priority: number, more = '') => `vrrp_instance shop {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority ${priority}
    virtual_ipaddress {
        192.0.2.100
${more}    }
}
`;

describe('lvsctl lint', () => {
  test('a good pair: nothing, and exit code 0', async () => {
    const run = await lvsctl(['lint', file('a.conf', node(100)), file('b.conf', node(90))]);
    expect(run).toMatchObject({ code: 0, err: '' });
    expect(run.out).toMatch(/nothing found\.$/u);
  });

  test('what differs, with both places', async () => {
    const first = file('c.conf', node(100));
    const second = file('d.conf', node(100, '        192.0.2.101\n'));
    const run = await lvsctl(['lint', first, second]);
    expect(run.code).toBe(3);
    expect(run.err).toContain('LVS-CONF-201');
    expect(run.err).toContain(`${second}:6:5`);
    expect(run.err).toContain('c.conf:6');
    expect(run.out).toMatch(/: 1 error, 1 warning\.$/u);
  });

  test('a warning alone is no failure, but with --strict', async () => {
    const args = ['lint', file('e.conf', node(100)), file('f.conf', node(100))];
    expect((await lvsctl(args)).code).toBe(0);
    expect((await lvsctl([...args, '--strict'])).code).toBe(3);
  });

  test('for other programs', async () => {
    const path = file('g.conf', node(300).replace('51', '0'));
    const sarif = JSON.parse((await lvsctl(['lint', path, '--format', 'sarif'])).out);
    expect(sarif.runs[0].results[0].ruleId).toBe('LVS-CONF-101');
    const lines = (await lvsctl(['lint', path, '--json'])).out.split('\n').map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{ v: 1, event: 'finding', code: 'LVS-CONF-101', severity: 'error' }]);
  });

  test('what is no configuration at all has a place too', async () => {
    const run = await lvsctl(['lint', file('h.conf', 'vrrp_instance x {\n  "open\n')]);
    expect(run.code).toBe(3);
    expect(run.err).toContain('CONF-SYNTAX');
    expect(run.err).not.toContain('    at ');
  });
});
