import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadClusters } from '../../src/inventory/index.ts';
import { lvsctl } from './lvsctl.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lvsctl-cli-init-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FLAGS = [
  '--mode',
  'dr',
  '--vip',
  '192.0.2.100',
  '--interface',
  'eth0',
  '--name',
  'shop',
  '--port',
  '80',
  '--director',
  'lvs1=192.0.2.10/24,192.0.2.1',
  '--real-server',
  'web1=192.0.2.11/24,192.0.2.1',
];

describe('lvsctl init', () => {
  test('by flags', async () => {
    const out = join(folder, 'flags.yaml');
    const run = await lvsctl(['init', ...FLAGS, '--out', out]);
    expect(run).toMatchObject({ code: 0, err: '' });
    expect(loadClusters([out])[0]?.cluster).toMatchObject({ name: 'shop', services: [{ mode: 'dr' }] });
  });

  test('writes over no file', async () => {
    const out = join(folder, 'mine.yaml');
    writeFileSync(out, 'mine\n');
    const run = await lvsctl(['init', ...FLAGS, '--out', out]);
    expect(run.code).toBe(1);
    expect(run.err).toContain('CLI-FILE-EXISTS');
    expect(readFileSync(out, 'utf8')).toBe('mine\n');
  });

  test.each([
    ['what is missing', ['--mode', 'dr', '--name', 'shop'], 'CLI-MISSING'],
    ['what can’t be', [...FLAGS, '--check', 'health'], 'CLI-USAGE'],
    ['what contradicts itself', [...FLAGS, '--real-server', 'web2=192.0.2.11/24'], 'INV-DUPLICATE-ADDRESS'],
    ['an example that there is not', ['--from', 'nat-two-nics'], 'CLI-UNKNOWN-EXAMPLE'],
  ])('without a terminal says %s, and writes nothing', async (_name, flags, code) => {
    const out = join(folder, 'not.yaml');
    const run = await lvsctl(['init', ...flags, '--out', out]);
    expect(run.code).toBe(1);
    expect(run.err).toContain(code);
    expect(existsSync(out)).toBe(false);
  });

  test('--from copies an example', async () => {
    const out = join(folder, 'from.yaml');
    expect((await lvsctl(['init', '--from', 'nat-two-nic', '--out', out])).code).toBe(0);
    const example = readFileSync(join(root, 'inventories/nat-two-nic.yaml'), 'utf8');
    expect(example.endsWith(readFileSync(out, 'utf8'))).toBe(true);
    expect(loadClusters([out])[0]?.cluster.name).toBe('nat-two-nic');
  });

  test('the examples are part of the package', () => {
    const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(files).toContain('inventories');
    expect(readdirSync(join(root, 'inventories'))).toContain('nat-two-nic.yaml');
  });

  test('a dialogue on a terminal asks again until it understands', async () => {
    const out = join(folder, 'asked.yaml');
    const line = `${process.execPath} ${root}dist/lvsctl.js init --out ${out}`;
    const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
    let shown = '';
    let answered = 0;
    const answers = [
      '',
      'nat',
      '192.0.2.300',
      '192.0.2.100',
      '',
      '',
      'lvs1=192.0.2.10/24',
      '',
      '',
      '10.0.0.1/24',
      'web1=10.0.0.11/24',
      'web2=10.0.0.12/24',
      '',
    ];
    child.stdout.on('data', (data: Buffer) => {
      shown += data.toString();
      // A question waits where the text, without what moves the cursor, ends so.
      const text = shown.replace(/\u001b\[[0-9;]*[A-Za-z]/gu, '');
      if (!text.endsWith(': ') || text.length === answered) return;
      answered = text.length;
      child.stdin.write(`${answers.shift() ?? ''}\n`);
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code, shown).toBe(0);
    expect(shown).toContain('a VIP is an IPv4 or IPv6 address');
    expect(loadClusters([out])[0]?.cluster).toMatchObject({
      name: 'web',
      services: [{ mode: 'nat', directors: ['lvs1'] }],
      hosts: [{ name: 'lvs1', interfaces: [{ name: 'eth0' }, { name: 'eth1' }] }, { name: 'web1' }, { name: 'web2' }],
    });
  });
});
