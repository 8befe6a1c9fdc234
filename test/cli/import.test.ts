import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lvsctl } from './lvsctl.ts';

const samples = fileURLToPath(new URL('../import/samples/', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-cli-import-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('lvsctl import', () => {
  test('writes the inventory, tells what is not in it, and exits with 3', async () => {
    const out = join(folder, 'new.yaml');
    const run = await lvsctl(['import', `lvs1=${samples}pair.conf`, `lvs2=${samples}pair.conf`, '--out', out]);
    expect(run.code).toBe(3);
    expect(run.err).toMatch(/pair\.conf:33:5: warning: IMPORT-NOT-EXPRESSED\n {2}“smtp_alert” of vrrp_instance WWW/u);
    expect(readFileSync(out, 'utf8')).toMatch(/^# - .*pair\.conf:33:5 “smtp_alert”/mu);
    expect((await lvsctl(['validate', '-i', out])).code).toBe(0);
  });

  test('overwrites nothing', async () => {
    const out = join(folder, 'there.yaml');
    writeFileSync(out, 'mine\n');
    const run = await lvsctl(['import', `${samples}table.txt`, '--out', out]);
    expect(run.code).toBe(1);
    expect(run.err).toContain('CLI-FILE-EXISTS');
    expect(readFileSync(out, 'utf8')).toBe('mine\n');
  });

  test('says a file that is none, and writes nothing', async () => {
    const out = join(folder, 'none.yaml');
    const run = await lvsctl(['import', join(folder, 'gone.conf'), '--out', out]);
    expect(run.code).toBe(1);
    expect(run.err).toContain('CONF-NO-FILE');
    expect(existsSync(out)).toBe(false);
  });

  test('what is wrong in an inventory that is only printed is told of it, and of no file of the folder', async () => {
    const conf = join(folder, 'port.conf');
    writeFileSync(
      conf,
      'virtual_server 192.0.2.100 80 {\nprotocol TCP\nlvs_method DR\nlvs_sched rr\nreal_server 192.0.2.11 8080 {\nTCP_CHECK { }\n}\n}\n',
    );
    const run = await lvsctl(['import', conf]);
    expect(run.code).toBe(3);
    expect(run.err).toMatch(/\(the text above\):\d+:\d+: error: INV-PORT-REWRITE/u);
    expect(run.err).not.toContain('lvs.yaml');
  });

  test('files in a folder that are no text are left out and told; named ones are refused, all at once', async () => {
    const from = join(folder, 'etc');
    mkdirSync(join(from, 'deep'), { recursive: true });
    copyFileSync(`${samples}pair.conf`, join(from, 'keepalived.conf'));
    const binary = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe, 0x00]);
    const [first, second] = [join(from, 'deep', 'ipvsadm.rules'), join(from, 'eth0.nmconnection')];
    for (const file of [first, second, join(from, 'core')]) writeFileSync(file, binary);
    const run = await lvsctl(['import', `lvs1=${from}`]);
    expect(run.code).toBe(3);
    expect(run.out).toContain('virtual_router_id');
    for (const file of [first, second]) expect(run.out).toContain(`# - ${file} `);
    expect(run.err.replaceAll(/\s+/gu, ' ').match(/is not UTF-8 text; it was left out/gu)).toHaveLength(2);
    const named = await lvsctl(['import', first, second, '/dev/null']);
    expect(named).toMatchObject({ code: 1, out: '' });
    expect(named.err.match(/^.*(?:CONF-NO-FILE|IMPORT-UNKNOWN-FILE)$/gmu)).toHaveLength(3);
    expect(named.err).not.toContain('may read it');
    rmSync(join(from, 'keepalived.conf'));
    const nothing = await lvsctl(['import', from]);
    expect(nothing.err).toContain('IMPORT-NO-FILES');
    expect(nothing.err.match(/CONF-NO-FILE/gu)).toHaveLength(2);
  });

  test('--json: the inventory and each finding as a line', async () => {
    const run = await lvsctl(['import', `${samples}table.txt`, '--json']);
    const events = run.out.split('\n').map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ v: 1, event: 'imported', inventory: expect.stringContaining('version: 1') });
    expect(events.slice(1).map(({ event, code }) => `${event} ${code}`)).toEqual(
      Array.from({ length: 4 }, () => 'error IMPORT-NOT-EXPRESSED'),
    );
  });
});
